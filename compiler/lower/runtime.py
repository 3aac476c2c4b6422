"""What compiled modules call when they run: leading dimensions, kinds of numbers, loops and state.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def may_be_read(x: Tensor) -> bool:
    """Whether numbers in a tensor may be looked at now: not where operations are recorded or transformed, nor far from the processor."""
    inside: Any = torch  # PyTorch has no public word for it
    if torch.compiler.is_compiling() or inside._C._is_tracing() or inside._C._are_functorch_transforms_active():
        return False
    return type(x) is Tensor and x.is_cpu


def leading_shape(*inputs: tuple[Tensor, int, int]) -> tuple[int, ...]:
    """The sizes that `*` stands for. Each input is a tensor with the number of its dimensions before and after `*`."""
    x, before, after = inputs[0]
    widest = tuple(x.shape[before : x.dim() - after])
    for x, before, after in inputs[1:]:
        shape = tuple(x.shape[before : x.dim() - after])
        if shape != widest:
            widest = broadcast_pair(widest, shape)
    return widest


def leading_count(x: Tensor, after: int) -> int:
    """How many elements there are along all dimensions but the last few."""
    return count(x.shape[:-after])


def broadcast_pair(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    """The shape two shapes broadcast to, which they do."""
    longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
    padded = (1,) * (len(longer) - len(shorter)) + shorter
    return tuple(b if a == 1 else a for a, b in zip(longer, padded, strict=True))


def count(shape: Sequence[int]) -> int:
    """How many elements a shape has."""
    total = 1
    for size in shape:
        total = total * size
    return total


def merge_leading(x: Tensor, leading: Sequence[int], before: int, after: int) -> Tensor:
    """`[.., *own, ..]` to `[.., n, ..]`, where n is the number of elements of `leading` and own broadcasts to it.

    Copies only where own is neither `leading` nor all ones.
    """
    shape = x.shape
    own = shape[before : len(shape) - after]
    if len(own) == 1 and tuple(own) == tuple(leading):
        return x
    head, tail, n = shape[:before], shape[len(shape) - after :], count(leading)
    if tuple(own) == tuple(leading):
        return x.reshape(*head, n, *tail)
    if count(own) == 1:
        return x.reshape(*head, 1, *tail).expand(*head, n, *tail)
    x = x.reshape(*head, *[1] * (len(leading) - len(own)), *own, *tail)
    return x.expand(*head, *leading, *tail).reshape(*head, n, *tail)


def split_leading(x: Tensor, leading: Sequence[int], before: int) -> Tensor:
    """The inverse for a result: `[.., n, ..]` to `[.., *leading, ..]`."""
    if len(leading) == 1:
        return x
    return x.reshape((*x.shape[:before], *leading, *x.shape[before + 1 :]))


def wide_dtype(dtype: torch.dtype) -> torch.dtype:
    """float64 where the module works in float64, else float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def number_tensor(number: Any, wide: torch.dtype, device: torch.device | None) -> Tensor:
    """A Python number as a tensor without dimensions: bool, int64, or the wide float type."""
    if isinstance(number, bool):
        return torch.tensor(number, device=device)
    return torch.scalar_tensor(number, dtype=torch.int64 if isinstance(number, (int, torch.SymInt)) else wide, device=device)


def choose(condition: bool, then: Any, otherwise: Any) -> Any:
    """`then if condition else otherwise`, for numbers."""
    return then if condition else otherwise


def either(left: int, right: int, first: Callable[..., Tensor], second: Callable[..., Tensor], *given: Sequence[Any]) -> Tensor:
    """`first` of the first of `given` where left <= right, else `second` of the other. An exported program has `first` alone."""
    if torch.compiler.is_exporting() or left <= right:
        return first(*given[0])
    return second(*given[1])


def store(state: Tensor, value: Tensor) -> None:
    """Write a state for the next call, without gradient and in the state's own dtype."""
    if not torch.is_grad_enabled():
        state.copy_(value)
        return
    with torch.no_grad():
        state.copy_(value.detach())


def cast_kinds(tensors: Sequence[Tensor], kinds: Sequence[str], dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Those of kind `float` in `dtype`, the others as they are."""
    return tuple(x.to(dtype) if kind == "float" else x for x, kind in zip(tensors, kinds, strict=True))


def widened(tensors: Sequence[Any]) -> list[Any]:
    """The half precision ones in float32, everything else as it is."""
    return [x.float() if isinstance(x, Tensor) and x.dtype in (torch.float16, torch.bfloat16) else x for x in tensors]


def scan(
    body: Callable[..., tuple[Tensor, ...]],
    steps: int,
    carries: Sequence[Tensor],
    sliced: Sequence[Tensor],
    whole: Sequence[Any],
    yields: Sequence[Sequence[int]],
    kinds: Sequence[str],
    dtype: torch.dtype,
    reverse: bool = False,
) -> tuple[Tensor, ...]:
    """Run `body(step, *carries, *slices, *whole)`, which returns the yields and then the new carries, once for each of `steps`.

    `sliced` lose their first dimension, which has `steps` elements; `yields` are the shapes of one step's yields. Returns the yields
    stacked along a new first dimension, then the final carries. Half precision is float32 inside; results of kind `float` come back in
    `dtype`.
    """
    positions = torch.arange(steps, device=carries[0].device if carries else sliced[0].device if sliced else None)
    state, sliced, whole = widened(carries), widened(sliced), widened(whole)
    inside = [x.dtype for x in state]
    columns = [x.unbind(0) for x in sliced]  # indexing would make the gradient of each step as large as the whole
    rows: list[tuple[Tensor, ...]] = []
    for step in range(steps - 1, -1, -1) if reverse else range(steps):
        results = body(positions[step], *state, *[column[step] for column in columns], *whole)
        rows.append(results[: len(yields)])
        state = [x.to(kept) for x, kept in zip(results[len(yields) :], inside, strict=True)]
    if reverse:
        rows.reverse()
    stacked = [torch.stack([row[i] for row in rows]) for i in range(len(yields))] if rows else no_rows(yields, kinds, dtype, positions)
    return cast_kinds([*stacked, *state], kinds, dtype)


def no_rows(yields: Sequence[Sequence[int]], kinds: Sequence[str], dtype: torch.dtype, like: Tensor) -> list[Tensor]:
    """What a scan of no steps yields: tensors whose first dimension is empty."""
    dtypes = {"float": dtype, "wide": wide_dtype(dtype), "int": torch.int64, "bool": torch.bool}
    return [torch.empty((0, *shape), dtype=dtypes[kind], device=like.device) for shape, kind in zip(yields, kinds, strict=False)]
