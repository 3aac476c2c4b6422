"""Real numbers that come from complex ones. PyTorch computes no complex numbers of half precision.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


def halved(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Parts of complex numbers in half precision where the module works in it; as they are elsewhere."""
    return x.to(dtype) if dtype in (torch.float16, torch.bfloat16) else x
