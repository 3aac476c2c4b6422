"""States that a run changes at one position.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .runtime import may_be_read, store


def put(state: Tensor, value: Tensor, at: Tensor, dim: int, given: Sequence[Tensor], trains: bool) -> Tensor:
    """`state` with `value`, which lacks `dim`, at position `at` of that dimension (nowhere where there is none), for the next call too.

    Written in place, unless a gradient may ask for what was there: where one is taken and `trains`, or one of `given` has one.
    """
    recorded = torch.is_grad_enabled()
    if value.dtype == state.dtype and not (recorded and (trains or any(x.requires_grad for x in given))):
        if not recorded:
            return placed(state, value, at, dim)
        with torch.no_grad():
            return placed(state, value, at, dim)
    result = placed(state.to(torch.promote_types(state.dtype, value.dtype), copy=True), value, at, dim)
    store(state, result)
    return result


def placed(x: Tensor, value: Tensor, at: Tensor, dim: int) -> Tensor:
    """Write a value at a position of a dimension, if the dimension has it. A position in the memory of the host is looked at first."""
    size = x.shape[dim]
    if may_be_read(at):
        place = int(at)
        if 0 <= place < size:
            x.select(dim, place).copy_(value)
        return x
    if size == 0:
        return x
    row, index = value.unsqueeze(dim), at.clamp(0, size - 1).reshape(1)
    return x.index_copy_(dim, index, torch.where(index == at, row, x.index_select(dim, index)).to(x.dtype))
