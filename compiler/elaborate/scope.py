"""What names mean inside one block: its values, its axes with every size they have, and what `*` hides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ...dsl.loader import Unit
from ...dsl.source import Span
from ..graph import Node
from ..sizes import Size, equal
from ..types import STAR, TensorType
from .values import Value


@dataclass
class Known:
    """One size that an axis has somewhere in a block, and where it came from."""

    size: Size
    span: Span
    why: str


@dataclass
class AxisEntry:
    """A local axis name: its graph-wide symbol, and its sizes in order of appearance. `declared`: from the signature or
    `axis`; `spoiled`: its size was a mistake that has been reported; `promised`: what the block's result says, while nothing else does."""

    symbol: str
    sizes: list[Known] = field(default_factory=list[Known])
    declared: bool = False
    spoiled: bool = False
    promised: Known | None = None

    def copy(self) -> AxisEntry:
        return AxisEntry(self.symbol, list(self.sizes), self.declared, self.spoiled, self.promised)

    def add(self, size: Size, span: Span, why: str) -> None:
        if all(known.size != size and equal(known.size, size) is not True for known in self.sizes):
            self.sizes.append(Known(size, span, why))


class Scope:
    """Local names. Axis names are local; a symbol is the name an axis has in the whole graph.

    `hidden` are the axes that `*` stands for. `avoid` are symbols a new axis must not take.
    """

    def __init__(self, unit: Unit, hidden: Iterable[str] = (), avoid: Iterable[str] = ()) -> None:
        self.unit = unit
        self.values: dict[str, Value] = {}
        self.axes: dict[str, AxisEntry] = {}
        self.words: set[str] = set()
        self.states: dict[str, Node] = {}
        self.hidden = tuple(hidden)
        self.hidden_sizes: dict[str, Size] = {}
        self.avoid = {*self.hidden, *avoid}

    def copy(self) -> Scope:
        """For looking at a branch that is not taken, or at the inside of a scan."""
        other = Scope(self.unit, self.hidden, self.avoid)
        other.values = dict(self.values)
        other.words = set(self.words)
        other.states = dict(self.states)
        other.hidden_sizes = dict(self.hidden_sizes)
        other.axes = {name: entry.copy() for name, entry in self.axes.items()}
        return other

    # ------------------------------------------------ axes

    def bind_axis(self, name: str, symbol: str) -> AxisEntry:
        entry = self.axes[name] = AxisEntry(symbol)
        self.avoid.add(symbol)
        return entry

    def entry(self, name: str) -> AxisEntry:
        """The axis of this name; a new one gets a symbol that clashes with none in sight. `N'` is the copy of `N`."""
        known = self.axes.get(name)
        if known is not None:
            return known
        bare = name.rstrip("'")
        wanted = name
        if bare != name:
            wanted = self.entry(bare).symbol + name[len(bare) :]
        while wanted in self.avoid:
            wanted += "'" if bare != name else "_"
        return self.bind_axis(name, wanted)

    def sizes(self, name: str) -> list[Known]:
        """Every size an axis is known at; a primed one shares those of its original."""
        entry = self.axes.get(name)
        if entry is not None and entry.sizes:
            return entry.sizes
        if entry is not None and entry.promised is not None:
            return [entry.promised]
        bare = name.rstrip("'")
        return self.sizes(bare) if bare != name and bare in self.axes else []

    def spoiled(self, name: str) -> bool:
        entry = self.axes.get(name)
        return entry is not None and entry.spoiled

    def knows_axis(self, name: str) -> bool:
        return name in self.axes or name.rstrip("'") in self.axes

    def local(self, symbol: str) -> str:
        for name, entry in self.axes.items():
            if entry.symbol == symbol:
                return name
        bare = symbol.rstrip("_")  # a second copy that an operator made, such as the right side of `D -> D`
        if bare != symbol and any(entry.symbol == bare for entry in self.axes.values()):
            return self.local(bare)
        return STAR if symbol == STAR else symbol

    def learn(self, tensor: TensorType, span: Span, why: str) -> None:
        """Note the sizes a named value brings."""
        by_symbol = {entry.symbol: entry for entry in self.axes.values()}
        for axis in tensor.axes:
            entry = by_symbol.get(axis.name)
            if entry is not None:
                entry.add(axis.size, span, why)

    def bind(self, name: str, value: Value, span: Span) -> None:
        self.values[name] = value
        if isinstance(value, Node):
            self.learn(value.tensor, span, f"in `{name}`")


def hidden_sizes(scope: Scope) -> dict[str, Size]:
    """The sizes of the axes that `*` hides, as the block was given them, else read off its values."""
    found = dict(scope.hidden_sizes)
    for value in scope.values.values():
        if isinstance(value, Node) and isinstance(value.type, TensorType):
            found.update({axis.name: axis.size for axis in value.type.axes if axis.name in scope.hidden and axis.name not in found})
    return found
