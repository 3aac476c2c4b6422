"""Arithmetic that writes over an operand.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def written_over(name: str, x: Tensor, y: Any) -> Tensor:
    """`x.add(y)`, or what `name` says, in the memory of `x`, which nothing else reads.

    In memory of its own where the kind of number may change (under autocast), where a gradient asks for `x` and under transforms, which
    would find one sample of many there.
    """
    inside: Any = torch  # PyTorch has no public word for it
    keeps = y.dtype == x.dtype and not y.requires_grad if isinstance(y, Tensor) else isinstance(y, float | int)
    if not keeps or x.requires_grad or torch.compiler.is_compiling() or inside._C._are_functorch_transforms_active():
        made: Tensor = getattr(x, name)(y)
        return made
    result: Tensor = getattr(x, name + "_")(y)
    return result
