"""Many small rewrites as one pass: a table of rules by operator, applied where they fit until nothing changes, told in summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...dsl.frozen import frozen
from ...dsl.source import Span
from ..graph import Graph, Node
from .base import Change, Outcome
from .making import Make
from .rewriting import everything, rewrite, uses

ROUNDS = 8
"""What a rule makes inside its result is looked at in the next round; programs need two or three."""
IN_A_ROW = 16
NAMED = 3


@frozen
class Place:
    """Where a rule looks: `now` is the node `old` of the graph on its rewritten inputs.

    `strict`: what replaces it must lie in memory as it did, because what comes after may round by that (a kernel may round numbers at
    the end of a row otherwise than those inside it).
    """

    make: Make
    old: Node
    now: Node
    reads: Counter[Node]
    strict: bool
    memo: dict[Any, Node]
    """What rules remember within one walk over the graph."""

    def alone(self, index: int = 0) -> bool:
        """Whether this node is the only one that reads an input."""
        return self.reads[self.old.inputs[index]] == 1


@dataclass(frozen=True)
class Simplification:
    """`said` tells the user what happened, as in `two renames in a row are one`; `apply` gives the replacement, or None.

    A `move` gains nothing by itself: where only moves were made and nothing met, the graph stays as it was.
    """

    said: str
    ops: frozenset[str]
    apply: Callable[[Place], Node | None]
    move: bool = False


@dataclass
class _Tally:
    """What was done, in the order it was first done."""

    spans: dict[str, list[Span]] = field(default_factory=dict[str, list[Span]])
    names: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    gains: bool = False

    def add(self, rule: Simplification, node: Node) -> None:
        self.spans.setdefault(rule.said, []).append(node.span)
        self.names.setdefault(rule.said, []).append(node.name)
        self.gains = self.gains or not rule.move

    def changes(self) -> tuple[Change, ...]:
        return tuple(Change(self._sentence(said), tuple(dict.fromkeys(spans))) for said, spans in self.spans.items())

    def _sentence(self, said: str) -> str:
        count, names = len(self.spans[said]), list(dict.fromkeys(filter(None, self.names[said])))
        shown = ", ".join(f"`{name}`" for name in names[:NAMED])
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        inside = "; ".join(part for part in (f"{count} times" if count > 1 else "", shown + more) if part)
        return f"{said} ({inside})" if inside else said


Table = Mapping[str, Sequence[Simplification]]


def by_operator(rules: Sequence[Simplification]) -> Table:
    """The rules that look at each operator, in their order."""
    table: dict[str, list[Simplification]] = {}
    for rule in rules:
        for op in sorted(rule.ops):
            table.setdefault(op, []).append(rule)
    return table


def simplified(graph: Graph, table: Table, strict: bool) -> Outcome:
    """The graph after every rule of the table, and one change for each kind of rewrite."""
    tally, now = _Tally(), graph
    for _ in range(ROUNDS):
        after = _round(now, table, strict, tally)
        if after is now:
            break
        now = after
    if now is graph or not (tally.gains or len(everything(now)) < len(everything(graph))):
        return Outcome(graph)
    return Outcome(now, tally.changes())


def _round(graph: Graph, table: Table, strict: bool, tally: _Tally) -> Graph:
    reads, memo = uses(graph), dict[Any, Node]()

    def replaced(make: Make, node: Node) -> Node | None:
        if node.bodies:
            return None
        start = now = make.now()
        for _ in range(IN_A_ROW):
            found = _first(table.get(now.op, ()), Place(make, node, now, reads, strict, memo))
            if found is None:
                break
            rule, now = found
            tally.add(rule, node)
        return None if now is start else now

    return rewrite(graph, replaced, table)


def _first(rules: Sequence[Simplification], place: Place) -> tuple[Simplification, Node] | None:
    """The first rule that applies, and what it makes."""
    for rule in rules:
        found = rule.apply(place)
        if found is not None and found is not place.now:
            return rule, found
    return None
