"""The pass: which running products and loops are worth chunks, for which sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ...graph import Graph, Node
from ...sizes import Size
from ...types import Axis
from ..base import Change, Mode, Outcome, Pass
from ..cost_model import below, graph_work
from ..making import Make
from ..plan_choice import Chooser, choices
from ..plan_decide import Decision
from ..rewriting import everything, rewrite
from .affine import NotLinear
from .blocks import Tiles, in_chunks, tiles_of
from .costs import from_size, work_of, worth
from .lifting import Unlifted
from .loop import Loop, Reading, last, last_work, loop_of, loop_work, memories
from .running import Running
from .spelled import running_of
from .stepped import in_steps, stepped_work

SIGNS = frozenset(("cumsum", "le", "lt", "ge", "gt", "scan"))
"""Operators without one of which a graph has nothing for this pass."""
FEW = "its steps take less time"


@dataclass(frozen=True)
class Chunks(Pass):
    """Chunks have `rows` positions, and `few` where every feature of the keys has a decay of its own. With `least` they are taken from so
    many positions on, whatever they cost."""

    name: ClassVar[str] = "chunks"
    promise: ClassVar[str] = "running sums of products and linear recurrences are worked out a chunk of positions at a time"
    exact: ClassVar[bool] = False

    rows: int = 64
    few: int = 16
    least: int | None = None

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        nodes = everything(graph)
        if not any(node.op in SIGNS for node in nodes):
            return Outcome(graph)
        rule = _Rule(self, nodes)
        made = rewrite(graph, rule)
        return Outcome(made, tuple(rule.changes), tuple(rule.left))

    def worth(self, axis: Axis, written: Size, chunked: Size, leading: bool = False) -> Decision:
        """For which sizes."""
        return worth(written, chunked, leading) if self.least is None else from_size(axis.size, self.least)

    def rows_of(self, one: Running) -> int:
        return self.few if one.decays_apart else self.rows


class _Rule:
    """Takes one running product or result of a loop after another."""

    def __init__(self, options: Chunks, nodes: Sequence[Node]) -> None:
        self.options = options
        self.chooser = Chooser(choices(nodes))
        self.number = max([node["number"] for node in nodes if node.op == "scan"], default=0)
        self.changes: list[Change] = []
        self.left: list[Change] = []
        self.before: set[Node] = set()
        self.tiles: dict[object, Tiles] = {}

    def __call__(self, make: Make, node: Node) -> Node | None:
        if node.op in ("dot", "sum") and node.dtype == "float":
            return self._product(make, make.now())
        if node.op == "item" and node.inputs[0].op == "scan" and node.dtype == "float":
            return self._result(make, make.now())
        return None

    # ------------------------------------------------ products

    def _product(self, make: Make, now: Node) -> Node | None:
        found = running_of(make, now)
        if found is None:
            return None
        ground = frozenset(_base(node) for node in found.inputs)
        written = graph_work([now], ground.__contains__, {}).size
        rows = self.options.rows_of(found)
        decision = self.options.worth(found.axis, written, work_of(found, rows))
        if not decision.take:
            self.left.append(Change(f"{_told(now, found)}; in chunks of {rows} it would take more time", (now.span,)))
            return None
        made = make.expand(self._chunked(make, found, {} if decision.condition else self.tiles), now.axes)
        self.changes.append(Change(_told(now, found) + _how(found, rows) + _where(decision), (now.span,)))
        return self._chosen(make, (made, now), decision, ground)

    def _chunked(self, make: Make, found: Running, there: dict[object, Tiles]) -> Node:
        """`there`: where the scores lie that are worked out in any case."""
        known = there.get(found.scores)
        tiles = known or tiles_of(make, found.axis, self.options.rows_of(found))
        if found.v:
            there[found.scores] = tiles
        return in_chunks(make, found, tiles, self._fresh(), known is not None)

    def _chosen(self, make: Make, ways: tuple[Node, Node], decision: Decision, ground: Iterable[Node]) -> Node:
        if not decision.condition:
            return ways[0]
        self.before.update(below(ground, self.before.__contains__))
        return self.chooser.choice(make, ways, decision, self.before.__contains__)

    # ------------------------------------------------ loops

    def _result(self, make: Make, now: Node) -> Node | None:
        loop = loop_of(now.inputs[0])
        index: int = now["index"]
        try:
            found = self._last(make, now, loop, index) if index >= len(loop.body.yields) else self._read(make, now, loop, index)
        except NotLinear as stop:
            found = f"`{stop.node.op}` does more to a carried value than scaling it and adding to it"
        except Unlifted as stop:
            found = f"`{stop.node.op}` cannot be done at many positions at once"
        if isinstance(found, str):
            self._stays(loop, found)
            return None
        made, decision, said = found
        self.changes.append(Change(f"the scan along {loop.axis.name} {said}{_where(decision)}", (loop.node.span,)))
        return self._chosen(make, (make.expand(made, now.axes), now), decision, loop.node.inputs)

    def _read(self, make: Make, now: Node, loop: Loop, index: int) -> tuple[Node, Decision, str] | str:
        """A yield: what it becomes, for which sizes, and what is said of it; or why it stays."""
        reading = Reading(make, loop)
        try:
            reading.find(loop.body.yields[index])
        except Unlifted:
            return self._stepped(make, now, loop, index)
        planned = sum((work_of(one.running, self.options.rows_of(one.running)) for one in reading.reads.values()), Size.of(0))
        decision = self.options.worth(loop.axis, loop_work(loop), planned)
        if not decision.take:
            return FEW
        values: dict[Node, Node] = {}
        tiles: dict[object, Tiles] = {}
        for node, one in sorted(reading.reads.items(), key=lambda read: not read[1].running.v):  # sums of keys use the scores of others
            made = self._chunked(make, one.running, tiles)
            values[node] = made if one.from_start is None else make.arithmetic("add", made, one.from_start)
        rows = sorted({self.options.rows_of(one.running) for one in reading.reads.values()})
        said = (
            f"is no loop: {_name(now)} is taken in chunks of {' and '.join(map(str, rows))}: pairs inside a chunk, a state between chunks"
        )
        return reading.value(loop.body.yields[index], values), decision, said

    def _stepped(self, make: Make, now: Node, loop: Loop, index: int) -> tuple[Node, Decision, str] | str:
        """A yield that reads a carried value otherwise than by a product."""
        decision = self.options.worth(loop.axis, *stepped_work(loop, self.options.rows), leading=True)
        if not decision.take:
            return FEW
        made = in_steps(make, loop, index, self.options.rows, self._fresh)
        return made, decision, f"has fewer steps: all chunks of {self.options.rows} step at once, twice, and a state from chunk to chunk"

    def _fresh(self) -> int:
        self.number += 1
        return self.number

    def _last(self, make: Make, now: Node, loop: Loop, index: int) -> tuple[Node, Decision, str] | str:
        """A carried value after the last step."""
        memory = memories(make, loop)[index - len(loop.body.yields)]
        decision = self.options.worth(loop.axis, loop_work(loop), last_work(memory))
        return (last(make, loop, memory), decision, f"is no loop: {_name(now)} is one sum") if decision.take else FEW

    def _stays(self, loop: Loop, why: str) -> None:
        change = Change(f"the scan along {loop.axis.name} stays a loop: {why}", (loop.node.span,))
        if change not in self.left:
            self.left.append(change)


def _name(node: Node) -> str:
    return f"`{node.name}`" if node.name else "its result"


def _base(node: Node) -> Node:
    """A tensor before its axes were called or repeated otherwise."""
    while node.op in ("rename", "expand"):
        node = node.inputs[0]
    return node


def _told(node: Node, found: Running) -> str:
    name = f"`{node.name}`" if node.name else "this product"
    return f"{name} is a running sum along {found.axis.name}{'' if found.decay is None else ' that decays'}"


def _how(found: Running, rows: int) -> str:
    if found.is_outer or found.decay is not None:
        return f", taken in chunks of {rows}: pairs inside a chunk, a state between chunks"
    return ", of keys alone: they are added up first"


def _where(decision: Decision) -> str:
    return f", where {decision.condition} (looked at in each run)" if decision.condition else ""
