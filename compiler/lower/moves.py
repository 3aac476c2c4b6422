"""Moving dimensions about: the part of writing that is the same whether a graph is written or only looked through for copies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from ..sizes import Size, product
from ..types import Axis
from .emitter import Value


class Moves(ABC):
    """Orders and products of axes as calls of methods. See `Emitter` for what each gives."""

    def __init__(self) -> None:
        self._origin: dict[Any, tuple[Any, tuple[tuple[str, ...], ...]]] = {}

    @abstractmethod
    def method(self, name: str, x: Any, *args: Any, **kwargs: Any) -> Any: ...

    @abstractmethod
    def once(self, key: Any, make: Callable[[], Any]) -> Any: ...

    @abstractmethod
    def size(self, size: Size) -> Any: ...

    @abstractmethod
    def sizes(self, axes: Sequence[Axis]) -> list[Any]: ...

    @abstractmethod
    def is_number(self, x: Any) -> bool: ...

    @abstractmethod
    def number_tensor(self, number: Any) -> Any: ...

    @abstractmethod
    def called(self, x: Any, axes: tuple[str, ...]) -> None:
        """Remember the axes of the dimensions of `x`, unless something is known of them."""

    def order(self, value: Value, axes: Sequence[str]) -> Any:
        if len(axes) != len(value.axes) or set(axes) != set(value.axes):
            raise ValueError(f"axes {value.axes} cannot be put in the order {tuple(axes)}")
        moves = [value.axes.index(axis) for axis in axes]
        moved = [i for i, source in enumerate(moves) if i != source]
        if not moved:
            return value.fx
        name, args = ("transpose", tuple(moved)) if len(moved) == 2 else ("permute", tuple(moves))
        return self._move(name, value.fx, args, tuple(axes))

    def _move(self, name: str, x: Any, args: tuple[Any, ...], axes: tuple[str, ...] = ()) -> Any:
        """A method that changes dimensions alone; the same one on the same value is written once."""
        node = self.once((name, x, args), lambda: self.method(name, x, *args))
        if axes:
            self.called(node, axes)
        return node

    def align(self, values: Sequence[Value], axes: Sequence[str]) -> list[Any]:
        return [value.fx if self.is_number(value.fx) else self._aligned(value, axes) for value in values]

    def _aligned(self, value: Value, axes: Sequence[str]) -> Any:
        present = [axis for axis in axes if axis in value.axes]
        x = self.order(value, present)
        kept = list(axes[axes.index(present[0]) :]) if present else list[str]()
        for i, axis in enumerate(kept):
            if axis not in present:
                x = self._move("unsqueeze", x, (i,))
        return x

    def full(self, value: Value, axes: Sequence[Axis]) -> Any:
        names = [axis.name for axis in axes]
        x = self.number_tensor(value.fx) if self.is_number(value.fx) else self._aligned(value, names)
        if len(value.axes) == len(names):
            return x
        return self._move("expand", x, tuple(self.sizes(axes)), tuple(names))

    def flat(self, value: Value, groups: Sequence[Sequence[Axis]]) -> Any:
        names = tuple(tuple(axis.name for axis in group) for group in groups)
        x, shape = (None, ()) if self.is_number(value.fx) else self._origin.get(value.fx, (None, ()))
        if x is not None and shape == names and value.axes == sum(names, ()):
            return x
        start = Value(self.number_tensor(value.fx), ()) if self.is_number(value.fx) else value
        x = self.order(start, sum(names, ()))
        several = [i for i, group in enumerate(names) if len(group) > 1]
        empty = [i for i, group in enumerate(names) if not group]
        if not several:
            for i in empty:
                x = self._move("unsqueeze", x, (i,))
            return x
        if len(several) == 1 and not empty:
            return self._move("flatten", x, (several[0], several[0] + len(names[several[0]]) - 1))
        return self._move("reshape", x, tuple(self.size(product(axis.size for axis in group)) for group in groups))

    def unflat(self, fx: Any, groups: Sequence[Sequence[Axis]]) -> Value:
        names = tuple(tuple(axis.name for axis in group) for group in groups)
        axes: tuple[str, ...] = sum(names, ())
        several = [i for i, group in enumerate(names) if len(group) > 1]
        empty = [i for i, group in enumerate(names) if not group]
        x = fx
        if not several:
            for i in reversed(empty):
                x = self._move("squeeze", x, (i,))
        elif len(several) == 1 and not empty:
            x = self._move("unflatten", x, (several[0], tuple(self.sizes(groups[several[0]]))))
        else:
            x = self._move("reshape", x, tuple(size for group in groups for size in self.sizes(group)))
        if x is not fx:
            self._origin[x] = (fx, names)
        return Value(x, axes)
