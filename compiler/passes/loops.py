"""What a `scan` computes for nobody: results that are not read, state that only feeds itself, tensors its body does not look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..graph import Body, Graph, Node, topological
from ..types import TupleType
from .base import Change, Outcome
from .making import Make
from .rewriting import bodies, everything, rewrite


@dataclass(frozen=True)
class _Kept:
    """The places that stay, of yields, carries and tensors from outside."""

    yields: tuple[int, ...]
    carries: tuple[int, ...]
    others: tuple[int, ...]

    def count(self) -> int:
        return len(self.yields) + len(self.carries) + len(self.others)


def trimmed(graph: Graph) -> Outcome:
    """The graph with smaller loops. Their numbers stay the same, bit for bit."""
    read = _read_results(graph)
    kept = {node: _kept(node, read.get(node, ())) for node in read}
    smaller = {node: keep for node, keep in kept.items() if keep.count() < _all(node)}
    if not smaller:
        return Outcome(graph)
    made: dict[Node, Node] = {}

    def rule(make: Make, node: Node) -> Node | None:
        if node.op != "item" or node.inputs[0] not in smaller:
            return None
        loop = node.inputs[0]
        keep = smaller[loop]
        if loop not in made:
            made[loop] = _shrunk(make, make.new(loop), keep)
        return make.node("item", (made[loop],), node.type, index=_place(loop, keep, node["index"]))

    return Outcome(rewrite(graph, rule), tuple(_change(node, keep) for node, keep in smaller.items()))


def _read_results(graph: Graph) -> dict[Node, tuple[int, ...]]:
    """The loops of a graph, and which of their results are read."""
    found: dict[Node, set[int]] = {}
    for node in everything(graph):
        if node.op == "scan":
            found.setdefault(node, set())
        elif node.op == "item" and node.inputs[0].op == "scan":
            found.setdefault(node.inputs[0], set()).add(node["index"])
    return {node: tuple(sorted(places)) for node, places in found.items()}


def _all(loop: Node) -> int:
    (body,) = bodies(loop)
    return len(body.yields) + len(body.params) - 1


def _kept(loop: Node, read: Iterable[int]) -> _Kept:
    """What the results that are read need: their own work, and the carries that this looks at, and so on."""
    (body,) = bodies(loop)
    count = len(body.yields)
    yields = tuple(place for place in read if place < count)
    carries = {place - count for place in read if place >= count}
    params = {param: i for i, param in enumerate(body.params[1:])}
    while True:
        roots = [*(body.yields[i] for i in yields), *(body.carries[i] for i in sorted(carries))]
        needed = {params[node] for node in topological(roots) if node in params}
        more = {i for i in needed if i < len(body.carries)} - carries
        if not more:
            break
        carries |= more
    others = tuple(sorted(i for i in needed if i >= len(body.carries)))
    return _Kept(yields, tuple(sorted(carries)), others)


def _shrunk(make: Make, loop: Node, keep: _Kept) -> Node:
    (body,) = bodies(loop)
    places = (*keep.carries, *keep.others)
    smaller = Body(
        (body.params[0], *(body.params[1 + i] for i in places)),
        tuple(body.yields[i] for i in keep.yields),
        tuple(body.carries[i] for i in keep.carries),
    )
    assert isinstance(loop.type, TupleType)
    results = (*keep.yields, *(len(body.yields) + i for i in keep.carries))
    sliced = sum(1 for i in keep.others if i < len(body.carries) + loop["sliced"])
    options = {**loop.options, "body": smaller, "carries": len(keep.carries), "sliced": sliced}
    return make.node("scan", [loop.inputs[i] for i in places], TupleType(tuple(loop.type.items[i] for i in results)), **options)


def _place(loop: Node, keep: _Kept, index: int) -> int:
    (body,) = bodies(loop)
    count = len(body.yields)
    return keep.yields.index(index) if index < count else len(keep.yields) + keep.carries.index(index - count)


def _change(loop: Node, keep: _Kept) -> Change:
    (body,) = bodies(loop)
    gone = (
        (len(body.yields) - len(keep.yields), "result"),
        (len(body.carries) - len(keep.carries), "carried value"),
        (len(loop.inputs) - len(body.carries) - len(keep.others), "tensor"),
    )
    told = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in gone if count)
    return Change(f"the scan along {loop['axis']} no longer has {told} that nothing reads", (loop.span,))
