"""Moves of places that copy several times become one look-up: a roll along several axes and the order of windows behind it, or before it.

PyTorch copies a tensor once for each axis of a roll, and again where the parts of its axes are put in another order. Where each result
stands is known from positions alone, so one table of places says all of it. It is made once, before the first run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from ..backends.target import Backend
from ..graph import Graph, Node
from ..orders.choices import lies
from ..orders.plan import Orders, orders
from ..types import Axis, TensorType
from .base import Change, Mode, Outcome, Pass
from .making import Make
from .places import MOVES, TURNS, Touched, place_of, touched
from .rewriting import rewrite

Names = tuple[str, ...]


@dataclass(frozen=True)
class Lookups(Pass):
    """`least` is how many numbers a place must have that lie side by side: fewer are gathered more slowly than copied. `copies` is how
    many copies one look-up must replace."""

    name: ClassVar[str] = "lookups"
    promise: ClassVar[str] = "rolls along several axes, and the order of what is split or merged around them, are one look-up"
    exact: ClassVar[bool] = True
    modes: ClassVar[tuple[Mode, ...]] = ("infer",)
    backends: ClassVar[tuple[Backend, ...]] = ("eager",)

    least: int = 16
    copies: int = 2

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        chains = list(_chains(graph))
        if not chains:
            return Outcome(graph)
        plan = orders(graph)
        found = {chain[-1]: one for chain in chains if (one := _lookup(plan, chain)) is not None and self._pays(plan, one)}
        if not found:
            return Outcome(graph)
        made = rewrite(graph, lambda make, node: _made(make, found[node]) if node in found else None)
        return Outcome(made, tuple(_change(one) for one in found.values()))

    def _pays(self, plan: Orders, one: _Lookup) -> bool:
        turned = [len(node["moves"]) if node.op == "roll" else 1 for node in one.chain if node.op in TURNS]
        copied = [node for node in one.chain if node.op in ("lay", "merge") and plan.copies.get(node)]
        return sum(turned) + len(copied) >= self.copies and one.carried >= self.least


@dataclass(frozen=True)
class _Lookup:
    """Moves that follow each other, the axes of their source that they touch and those of their result, both from outermost to innermost,
    and how many numbers lie side by side at each place at least."""

    chain: tuple[Node, ...]
    source: tuple[Axis, ...]
    result: tuple[Axis, ...]
    carried: int


def _chains(graph: Graph) -> Iterator[tuple[Node, ...]]:
    """Moves in a row, a turn among them, each but the last read by the next alone."""
    reads, ends = graph.reads, {output.node for output in graph.outputs}
    before: dict[Node, tuple[Node, ...]] = {}
    for node in graph.nodes:
        if node.op in MOVES:
            source = node.inputs[0]
            goes_on = source in before and reads[source] == 1 and source not in ends
            before[node] = (*(before.pop(source) if goes_on else ()), node)
    return (chain for chain in before.values() if any(node.op in TURNS for node in chain))


def _lookup(plan: Orders, chain: tuple[Node, ...]) -> _Lookup | None:
    """The moves as one look-up, where the places lie side by side in their source and shall in their result."""
    source, end = chain[0].inputs[0], chain[-1]
    value = plan.values.get(source)
    if value is None or lies(value) != value.axes or not isinstance(source.type, TensorType):
        return None
    wanted: Names = lies(plan.value(end))
    found = touched(chain)
    inside, made = ([name for name in names if name in side] for names, side in ((value.axes, found.source), (wanted, found.result)))
    at = value.axes.index(inside[0])
    before, behind = value.axes[:at], value.axes[at + len(inside) :]
    if value.axes != (*before, *inside, *behind) or wanted != (*before, *made, *behind) or not _are_known(chain, found):
        return None
    carried = prod(source.tensor.size(name).integer() or 1 for name in behind)
    return _Lookup(chain, _axes(source, inside), _axes(end, made), carried)


def _axes(node: Node, names: Sequence[str]) -> tuple[Axis, ...]:
    return tuple(Axis(name, node.tensor.size(name)) for name in names)


def _are_known(chain: Sequence[Node], found: Touched) -> bool:
    """Whether all sizes that the places depend on are bound, so that no run has to work them out, and there are places at all."""
    sides = ((chain[0].inputs[0], found.source), *((node, frozenset(node.tensor.names)) for node in chain))
    sizes = [axis.size for node, names in sides for axis in node.axes if axis.name in names and axis.name in found.all]
    moves = [by for node in chain if node.op == "roll" for _, by in node["moves"]]
    return all(size.integer() for size in sizes) and all(by.integer() is not None for by in moves)


def _made(make: Make, one: _Lookup) -> Node:
    """The source with all its touched axes as one, looked up at the place that each result comes from."""
    source = make.new(one.chain[0].inputs[0])
    into, out, table = make.fresh("place"), make.fresh("place"), make.called("places")
    places = table.merge(place_of(table, one.chain, one.source), [axis.name for axis in one.result], out)
    x = make.merge(source, [axis.name for axis in one.source], into)
    count = Axis(out, places.tensor.size(out))
    found = make.node("gather", (x, places), x.tensor.without((into,)).plus([count]), axis=into)
    return make.split(found, out, one.result)


def _change(one: _Lookup) -> Change:
    end = one.chain[-1]
    called = f"`{end.name}` is" if end.name else "this is"
    what, result = (" ".join(axis.name for axis in axes) for axes in (one.source, one.result))
    words = ", ".join(dict.fromkeys(f"`{node.op}`" for node in one.chain if node.op != "lay"))
    text = f"{called} looked up in one copy: [{result}] of [{what}], by a table of places made before the run, instead of {words}"
    return Change(text, tuple(dict.fromkeys(node.span for node in one.chain)))
