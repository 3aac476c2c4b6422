"""What only a choice reads goes into both of its ways, so that each is worked out when it is first read, and given up after.

Before a choice all that it takes is held at once: queries, keys and values, where the values are read last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..graph import Body, Graph, Node, topological
from ..ops.facts import is_number, varies
from ..prepared import before_runs
from ..types import TensorType
from .base import Change, Mode, Outcome, Pass
from .cost_model import FREE
from .making import Make
from .plan_choice import on_others
from .recognise import Readers, readers
from .rewriting import rewrite

STAY = frozenset(("dropout", "droppath", "item"))
"""Draws, and what a loop gives."""
MOST = 16
"""How many operators go into a choice: each is written down twice."""


@dataclass(frozen=True)
class Inside(Pass):
    name: ClassVar[str] = "inside"
    promise: ClassVar[str] = "what only a choice reads is worked out inside it, when it is first read"
    exact: ClassVar[bool] = True
    modes: ClassVar[tuple[Mode, ...]] = ("infer",)

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        chosen = [node for node in graph.nodes if node.op == "choose" and not any(inner.bodies for inner in _nodes_of(node))]
        if not chosen:
            return Outcome(graph)
        read, free = readers(graph), before_runs(graph)
        taken = {node: moved for node in chosen if (moved := _read_alone(node, graph, read, free))}
        if not taken:
            return Outcome(graph)
        made = rewrite(graph, lambda make, node: _with(make, node, taken[node]) if node in taken else None)
        return Outcome(made, tuple(_change(node, moved) for node, moved in taken.items()))


def _nodes_of(node: Node) -> Iterator[Node]:
    for body in node.bodies:
        yield from topological(body.yields)


def _read_alone(choose: Node, graph: Graph, read: Readers, free: frozenset[Node]) -> tuple[Node, ...]:
    """What nothing but this choice reads, directly or through others of these, inputs first; nothing where no work is among it."""
    moved: list[Node] = []
    inside: set[Node | None] = {choose}
    for node in reversed(graph.nodes[: graph.nodes.index(choose)]):
        if len(moved) < MOST and all(reader in inside for reader in read[node]) and _may_go(node, free):
            moved.append(node)
            inside.add(node)
    return tuple(reversed(moved)) if any(node.op not in FREE for node in moved) else ()


def _may_go(node: Node, free: frozenset[Node]) -> bool:
    """A tensor of one result that depends on an input and on no draw, and that no loop gives."""
    if node in free or not node.inputs or node.bodies or node.op in STAY or not isinstance(node.type, TensorType):
        return False
    return varies(node) and not is_number(node) and not node.options.get("number")


def _with(make: Make, choose: Node, moved: Sequence[Node]) -> Node:
    """The choice over what these read, instead of them."""
    gone = frozenset(moved)
    sources = dict.fromkeys(source for node in (choose, *moved) for source in node.inputs if source not in gone)
    given = [source for source in sources if source.inputs or source.op in ("input", "param")]
    ways = {name: _body(make, choose, branch, given, moved) for branch, name in enumerate(("first", "second"))}
    return make.node("choose", [make.new(one) for one in given], choose.type, **{**choose.options, **ways})


def _body(make: Make, choose: Node, branch: int, given: Sequence[Node], moved: Sequence[Node]) -> Body:
    old = choose.bodies[branch]
    number = old.params[0]["choice"]
    params = tuple(make.param(one, choice=number, branch=branch, place=place) for place, one in enumerate(given))
    known: dict[Node, Node] = dict(zip(given, params, strict=True))
    for node in moved:
        known[node] = make.copy(node, [known.get(source, make.settled(source)) for source in node.inputs])
    new = {param: known.get(source, source) for param, source in zip(old.params, choose.inputs, strict=True)}
    return Body(params, tuple(on_others(make, one, new) for one in old.yields), ())


# ---------------------------------------------------------------- telling


def _change(choose: Node, moved: Sequence[Node]) -> Change:
    told: Mapping[str, None] = dict.fromkeys(
        f"`{node.name}`" if node.name else f"this `{node.op}`" for node in moved if node.op not in FREE
    )
    names = list(told)
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    is_or_are = "are" if len(names) > 1 else "is"
    spans = dict.fromkeys(node.span for node in (*moved, choose) if node.span.source.text)
    return Change(f"{listed} {is_or_are} worked out inside the choice that alone reads {'them' if len(names) > 1 else 'it'}", tuple(spans))
