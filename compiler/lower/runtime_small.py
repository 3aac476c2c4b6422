"""Functions whose start takes PyTorch long, for inputs that are small.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALL = 8192
"""At twice as many numbers oneDNN is as fast, start included."""


def gelu(x: Tensor) -> Tensor:
    """The Gaussian error linear unit of [.., rows, features].

    PyTorch hands what lies in memory in order to oneDNN, which needs 8 us to begin; what is turned it works out by itself.
    """
    if not torch.compiler.is_compiling() and x.numel() < SMALL:
        return torch.nn.functional.gelu(x.mT).mT
    return torch.nn.functional.gelu(x)
