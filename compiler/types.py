"""What is known of a tensor before it exists: its named axes with symbolic sizes, and its kind of number.

The order of the axes in a type has no meaning; lowering decides the order in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeGuard

from ..dsl.frozen import frozen
from .sizes import Size, product

DType = Literal["float", "wide", "int", "bool", "complex"]
"""`float` is the working type of the module (float16 to float64); `wide` is float64 where that is float64 and float32
otherwise: what positions, sizes and literal numbers become in arithmetic. A `wide` value that meets a `float` becomes one."""

STAR = "*"


class Axis(NamedTuple):
    """One axis: its graph-wide name and its size."""

    name: str
    size: Size


@frozen
class TensorType:
    axes: tuple[Axis, ...]
    dtype: DType = "float"

    def __hash__(self) -> int:
        known: int | None = self.__dict__.get("_hash")
        if known is None:
            known = self.__dict__["_hash"] = hash((self.axes, self.dtype))
        return known

    def __reduce__(self) -> tuple[type[TensorType], tuple[tuple[Axis, ...], DType]]:
        return TensorType, (self.axes, self.dtype)  # the hash depends on the process, so it must not travel in a pickle

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple([axis.name for axis in self.axes])

    def has(self, name: str) -> bool:
        return name in self.names

    def size(self, name: str) -> Size:
        """The size of an axis that is known to be there (KeyError otherwise)."""
        for axis in self.axes:
            if axis.name == name:
                return axis.size
        raise KeyError(name)

    def without(self, names: Iterable[str]) -> TensorType:
        gone = frozenset(names)
        return TensorType(tuple(axis for axis in self.axes if axis.name not in gone), self.dtype)

    def plus(self, axes: Iterable[Axis]) -> TensorType:
        return TensorType((*self.axes, *axes), self.dtype)

    def cast(self, dtype: DType) -> TensorType:
        return TensorType(self.axes, dtype)

    def elements(self) -> Size:
        """How many numbers: the product of the sizes."""
        return self._elements

    @cached_property
    def _elements(self) -> Size:
        return product(axis.size for axis in self.axes)

    def __str__(self) -> str:
        inner = ", ".join(name if str(size) == name else f"{name}={size}" for name, size in self.axes)
        return f"[{inner}]" if self.dtype == "float" else f"{self.dtype} [{inner}]"


@dataclass(frozen=True)
class TupleType:
    """What a node with several results has; `item` nodes take them apart."""

    items: tuple[TensorType, ...]

    def __str__(self) -> str:
        return "(" + ", ".join(map(str, self.items)) + ")"


def promote(*dtypes: DType) -> DType:
    """The kind of number that arithmetic on these gives: bool < int < wide < float < complex."""
    order: tuple[DType, ...] = ("bool", "int", "wide", "float", "complex")
    ranks = [order.index(dtype) for dtype in dtypes]
    return order[max(ranks)] if ranks else "wide"


def is_tuple(value: Any) -> TypeGuard[tuple[Any, ...]]:
    """Whether an option of a node is a tuple, for type checkers as well."""
    return isinstance(value, tuple)
