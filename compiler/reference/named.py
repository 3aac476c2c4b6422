"""Tensors whose dimensions have names, and the few things that all formulas are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from math import prod
from typing import overload

import torch
from torch import Tensor

from ...dsl.frozen import frozen
from ..types import DType

KINDS: dict[DType, torch.dtype] = {
    "float": torch.float64,
    "wide": torch.float64,
    "int": torch.int64,
    "bool": torch.bool,
    "complex": torch.complex128,
}
LARGEST = 1 << 22
"""More products than this are not held at once."""


@frozen(eq=False)
class Named:
    """`data` with one name for each dimension; no name stands twice."""

    data: Tensor
    axes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.data.dim() != len(self.axes) or len({*self.axes}) != len(self.axes):
            raise ValueError(f"axes {self.axes} for the shape {tuple(self.data.shape)}")

    def size(self, name: str) -> int:
        return self.data.shape[self.axes.index(name)]

    @property
    def sizes(self) -> dict[str, int]:
        return dict(zip(self.axes, self.data.shape, strict=True))

    def cast(self, kind: DType) -> Named:
        return self if self.data.dtype == KINDS[kind] else Named(self.data.to(KINDS[kind]), self.axes)

    def renamed(self, names: Mapping[str, str]) -> Named:
        return Named(self.data, tuple(names.get(axis, axis) for axis in self.axes))

    def ordered(self, axes: Sequence[str]) -> Tensor:
        """The data with these dimensions, which are all there are."""
        if tuple(axes) == self.axes:
            return self.data
        if {*axes} != {*self.axes}:
            raise ValueError(f"axes {self.axes} put in the order {tuple(axes)}")
        return self.data.permute([self.axes.index(axis) for axis in axes])

    def at(self, name: str, index: int) -> Named:
        """One position of an axis, which is gone after."""
        dim = self.axes.index(name)
        return Named(self.data.select(dim, index), (*self.axes[:dim], *self.axes[dim + 1 :]))

    def taken(self, name: str, positions: Sequence[int]) -> Named:
        """These positions of an axis, in this order."""
        places = torch.tensor(positions, dtype=torch.int64)
        return Named(self.data.index_select(self.axes.index(name), places), self.axes)


def union(values: Iterable[Named]) -> tuple[str, ...]:
    """Every axis once, in order of appearance."""
    return tuple(dict.fromkeys(axis for value in values for axis in value.axes))


def spread(value: Named, axes: Sequence[str]) -> Tensor:
    """The data in the order `axes`, of size 1 along those it lacks."""
    if tuple(axes) == value.axes:
        return value.data
    inner = value.ordered([axis for axis in axes if axis in value.axes])
    return inner.reshape([value.size(axis) if axis in value.axes else 1 for axis in axes])


def filled(value: Named, sizes: Mapping[str, int]) -> Named:
    """Repeated along the axes it lacks, in the order of `sizes`."""
    return Named(spread(value, tuple(sizes)).expand(tuple(sizes.values())), tuple(sizes))


def lined_up(values: Sequence[Named]) -> tuple[list[Tensor], tuple[str, ...]]:
    """The data over all axes of the values. ValueError where one axis has two sizes: nothing is stretched but what is missing."""
    first = values[0]
    if all(value.axes == first.axes and value.data.shape == first.data.shape for value in values):
        return [value.data for value in values], first.axes
    known: dict[str, int] = {}
    for value in values:
        for axis, size in value.sizes.items():
            if known.setdefault(axis, size) != size:
                raise ValueError(f"axis {axis} is {known[axis]} and {size}")
    axes = union(values)
    return [spread(value, axes) for value in values], axes


@overload
def pointwise(function: Callable[[Tensor], Tensor], a: Named, /) -> Named: ...
@overload
def pointwise(function: Callable[[Tensor, Tensor], Tensor], a: Named, b: Named, /) -> Named: ...
@overload
def pointwise(function: Callable[[Tensor, Tensor, Tensor], Tensor], a: Named, b: Named, c: Named, /) -> Named: ...
@overload
def pointwise(function: Callable[..., Tensor], /, *values: Named) -> Named: ...
def pointwise(function: Callable[..., Tensor], /, *values: Named) -> Named:
    """A function number by number over values that line up by name."""
    tensors, axes = lined_up(values)
    return Named(function(*tensors), axes)


def joint(value: Named, names: Sequence[str]) -> tuple[Tensor, tuple[str, ...]]:
    """`names` as one last dimension, the left one outer; and the axes before it."""
    rest = tuple(axis for axis in value.axes if axis not in names)
    data = value.ordered((*rest, *names))
    return data.reshape(*data.shape[: len(rest)], prod(value.size(name) for name in names)), rest


def reduced(function: Callable[[Tensor], Tensor], value: Named, names: Sequence[str]) -> Named:
    """A function that takes away the last dimension, which holds all of `names`."""
    data, rest = joint(value, names)
    return Named(function(data), rest)


def rewritten(function: Callable[[Tensor], Tensor], value: Named, names: Sequence[str]) -> Named:
    """A function that keeps the last dimension, which holds all of `names`."""
    data, rest = joint(value, names)
    sizes = [value.size(axis) for axis in (*rest, *names)]
    return Named(function(data).reshape(sizes), (*rest, *names))


def total(value: Named, names: Sequence[str]) -> Named:
    return reduced(lambda data: data.sum(-1), value, names)


def contract(values: Sequence[Named], over: Sequence[str]) -> Named:
    """The sum over `over` of the product of all values; by parts where all products at once are too many."""
    sizes = {axis: size for value in values for axis, size in value.sizes.items()}
    if over and prod(sizes.values()) > LARGEST and sizes[over[0]] > 1:
        first, rest = over[0], over[1:]
        parts = [contract([value.at(first, i) if first in value.axes else value for value in values], rest) for i in range(sizes[first])]
        return reduce(lambda a, b: pointwise(torch.add, a, b), parts)
    product = reduce(lambda a, b: pointwise(torch.mul, a, b), values)
    return total(product, [name for name in over if name in product.axes])


def positions(name: str, count: int) -> Named:
    """0, 1, .. along an axis."""
    return Named(torch.arange(count), (name,))


def fresh(name: str, values: Iterable[Named]) -> str:
    """A name like this one that no value has."""
    taken = union(values)
    while name in taken:
        name += "'"
    return name


def choose(mask: Named, value: Named, other: float | int | bool) -> Named:
    """The value where the mask holds, else a number."""
    return pointwise(lambda where, x: torch.where(where, x, torch.tensor(other, dtype=x.dtype)), mask, value)
