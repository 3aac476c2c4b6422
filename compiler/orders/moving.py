"""The methods that move dimensions about, on orders in memory instead of numbers: the same names and arguments as those of a tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ..sizes import Size
from .memory import UNTOLD, Memory, fresh

SAME = frozenset({"to", "type_as", "long", "float", "bool", "byte", "detach", "clone"})
"""Methods that keep the order, and mostly the memory."""


def moved(name: str, x: Memory, args: Sequence[Any]) -> Memory | None:
    """What a method gives of the same numbers; None where it has to copy them. What is no move gives numbers of its own."""
    return _known(name, x, tuple([_fixed(arg) for arg in args])) if name in _MOVES else fresh(x.sizes)


def _fixed(arg: Any) -> Any:
    """An argument as a key."""
    return tuple(arg) if isinstance(arg, list) else arg  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


@lru_cache(1 << 14)
def _known(name: str, x: Memory, args: tuple[Any, ...]) -> Memory | None:
    """The same few moves of the same orders are looked at again and again while orders are chosen."""
    return _MOVES[name](x, *args)


def _as_size(value: Any) -> Size | None:
    if isinstance(value, Size):
        return value
    return Size.of(value) if isinstance(value, int) and value >= 0 else None


def _permute(x: Memory, *dims: int) -> Memory:
    return x.permuted(dims)


def _transpose(x: Memory, a: int, b: int) -> Memory:
    dims = list(range(len(x.sizes)))
    dims[a], dims[b] = dims[b], dims[a]
    return x.permuted(dims)


def _unsqueeze(x: Memory, at: int) -> Memory:
    return x.unsqueezed(at % (len(x.sizes) + 1))


def _squeeze(x: Memory, at: int) -> Memory:
    return x.squeezed(at % len(x.sizes))


def _flatten(x: Memory, first: int = 0, last: int = -1) -> Memory | None:
    last = last % max(len(x.sizes), 1)
    total = fresh(x.sizes[first : last + 1]).elements()
    return x.reshaped((*x.sizes[:first], total, *x.sizes[last + 1 :]))


def _reshape(x: Memory, *sizes: Any) -> Memory | None:
    known = [_as_size(size) for size in sizes]
    if any(size is None for size in known):  # of a number of positions that is worked out: only what lies in order is reshaped so
        return fresh([size or UNTOLD for size in known])
    return x.reshaped([size for size in known if size is not None])


def _unflatten(x: Memory, at: int, sizes: Sequence[Any]) -> Memory:
    """Never a copy, whatever form the sizes of the parts have."""
    return x.split(at % len(x.sizes), [_as_size(size) or UNTOLD for size in sizes])


def _expand(x: Memory, *sizes: Any) -> Memory:
    return x.expanded([_as_size(size) for size in sizes])


def _narrow(x: Memory, at: int, _start: Any, length: Any) -> Memory:
    return x.cut(at % len(x.sizes), _as_size(length) or UNTOLD)


def _unfold(x: Memory, at: int, size: Any, _step: Any) -> Memory:
    """Windows overlap: what comes of it runs on into nothing."""
    at = at % len(x.sizes)
    order = [*x.order[: x.order.index(at) + 1], len(x.sizes), *x.order[x.order.index(at) + 1 :]] if at in x.order else [*x.order]
    return fresh((*x.sizes, _as_size(size) or UNTOLD), order).apart()


def _contiguous(x: Memory) -> Memory | None:
    return x if x.dense and x.order == tuple(sorted(x.order)) else None


_MOVES: dict[str, Callable[..., Memory | None]] = {
    "permute": _permute,
    "transpose": _transpose,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "expand": _expand,
    "flatten": _flatten,
    "reshape": _reshape,
    "unflatten": _unflatten,
    "narrow": _narrow,
    "unfold": _unfold,
    "contiguous": _contiguous,
}
