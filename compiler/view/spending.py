"""What each box costs, as a formula and as a number to colour by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..cost import Prices, readable
from ..graph import Graph, Node, topological
from ..sizes import Size
from ..sizes.limits import SizeTooLarge
from ..types import STAR, TensorType, TupleType

OPEN = 64
"""What a size that is not bound is taken as where a number is needed; the leading axes are taken as one element."""


@dataclass(frozen=True)
class Amount:
    """A formula, and its number at the sizes of `assumed_sizes`; None where it has none there."""

    formula: str
    value: float | None


@dataclass(frozen=True)
class Spending:
    """Operations and bytes of one box in one run."""

    flops: Amount
    bytes: Amount


class Counter:
    """Counts the boxes of a graph: what stands inside a scan counts once for every step."""

    def __init__(self, graph: Graph) -> None:
        self.times = _repeats(graph)
        self.assumed = assumed_sizes(graph)
        self._prices = Prices()
        self._amounts: dict[Size, Amount] = {}

    def of(self, node: Node) -> Spending:
        """What a node costs. A scan and a choice cost nothing themselves, as their insides have boxes of their own."""
        if node.op in ("scan", "choose"):
            return Spending(Amount("0", 0.0), Amount("0", 0.0))
        times, (flops, moved) = self.times.get(node, Size.of(1)), self._prices.of(node)
        return Spending(self._amount(flops * times), self._amount(moved * times))

    def _amount(self, size: Size) -> Amount:
        if size not in self._amounts:
            self._amounts[size] = Amount(str(readable(size)), evaluated(size, self.assumed))
        return self._amounts[size]


def _repeats(graph: Graph) -> dict[Node, Size]:
    """How often each node inside a scan runs. Scans in scans multiply."""
    times: dict[Node, Size] = {}
    waiting = [(node, Size.of(1)) for node in graph.nodes if node.bodies]
    for owner, around in waiting:
        count = around * owner["length"] if owner.op == "scan" else around
        for body in owner.bodies:
            for node in topological([*body.yields, *body.carries]):
                times[node] = count
                if node.bodies:
                    waiting.append((node, count))
    return times


def assumed_sizes(graph: Graph) -> dict[str, int]:
    """A value for every size that stayed open."""
    types = dict.fromkeys(node.type for node in _everywhere(graph))
    names = {name: None for type in types for size in _sizes(type) for name in sorted(size.free())}
    return {name: 1 if name == STAR else OPEN for name in names}


def _everywhere(graph: Graph) -> Iterable[Node]:
    yield from graph.nodes
    for node in graph.nodes:
        for body in node.bodies:
            yield from topological([*body.yields, *body.carries])


def _sizes(type: TensorType | TupleType) -> Iterable[Size]:
    for one in type.items if isinstance(type, TupleType) else (type,):
        for axis in one.axes:
            yield axis.size


def evaluated(size: Size, assumed: Mapping[str, int]) -> float | None:
    """The number of a formula; None where it has none at these sizes."""
    try:
        return float(size.evaluate({**dict.fromkeys(size.free(), OPEN), **assumed}))
    except (ValueError, ZeroDivisionError, OverflowError, SizeTooLarge):
        return None
