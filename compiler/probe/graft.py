"""Values of a program on top of the graph that runs: what it holds is read there, what it does not is worked out on the side.

A pass keeps the names of values, so most values that the text names are found in the rewritten graph. What was merged, removed or fused
is grown anew from the graph as written, as few operations above the running graph as there have to be. Nothing that runs is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...dsl.diagnostics import AttnError, Diagnostic
from ..graph import Body, Builder, Graph, Node, topological
from ..passes.rewriting import everything
from ..types import Axis, TupleType

DRAWS = frozenset(("rand", "randn", "bernoulli"))
DROPS = frozenset(("dropout", "attend"))


@dataclass(frozen=True)
class Graft:
    """`nodes`: what each wanted value is, on top of the running graph. `recomputed`: those that the running graph does not hold."""

    nodes: Mapping[Node, Node]
    recomputed: frozenset[Node]


def graft(source: Graph, running: Graph, wanted: Sequence[Node], training: bool = False) -> Graft:
    """`wanted` are nodes of `source` or made from such, outside of loops. Raises AttnError (E0607) for one that hangs on a draw of random
    numbers that the running graph does not hold (`training`: dropout draws)."""
    known = held(source, running)
    builder, made = Builder(), dict(known)
    for node in topological(wanted, known.__contains__):
        _refuse_random(node, training)
        inputs = tuple(made[child] for child in node.inputs)
        same = inputs == node.inputs
        made[node] = node if same else builder.make(node.op, inputs, node.type, node.options, node.span, node.scope, node.name)
    return Graft({node: made[node] for node in wanted}, frozenset(node for node in wanted if node not in known))


def held(source: Graph, running: Graph) -> dict[Node, Node]:
    """The values of `source` that the running graph holds, and where: those it computes as written, and those with a name."""
    there = set(running.nodes)
    known = {node: node for node in source.nodes if node in there}
    for old, new in zip(source.names, running.names, strict=True):
        if new.node in there:
            known[old.node] = new.node
    return known


def _refuse_random(node: Node, training: bool) -> None:
    inside = [node, *everything_in(node)]
    drawn = next((one for one in inside if one.op in DRAWS or (training and one.op in DROPS and _rate(one))), None)
    if drawn is not None:
        title = "this value was changed by the optimiser, and random numbers were drawn for it that cannot be drawn again"
        help = "probe after .eval(), or compile with level=0, which runs the program as written"
        raise AttnError([Diagnostic("E0607", title, drawn.span, "drawn here", help=help)])


def _rate(node: Node) -> bool:
    return bool(node.options.get("dropout" if node.op == "attend" else "p", 0.0))


def everything_in(node: Node) -> list[Node]:
    """The nodes inside the bodies of a node, to any depth."""
    found: list[Node] = []
    waiting = list(node.bodies)
    while waiting:
        body = waiting.pop()
        inner = list(topological([*body.yields, *body.carries]))
        found += inner
        waiting += [one for child in inner for one in child.bodies]
    return found


# ---------------------------------------------------------------- values inside loops


def outside(source: Graph, node: Node) -> Node:
    """A value inside a `scan` as one outside: the loop once more, with one result more, of all steps. Any other value as it is."""
    loops: dict[int, Node] = {}
    while True:
        number = _loop_of(node)
        if number is None:
            return node
        loops = loops or _loops(source)
        node = _yielded(loops[number], node)


def is_carried(source: Graph, node: Node) -> bool:
    """Whether a value inside a `scan` hangs on what a step hands to the next."""
    number = _loop_of(node)
    if number is None:
        return False
    loop = _loops(source)[number]
    carries = loop["body"].params[1 : loop["carries"] + 1]
    return any(below in carries for below in topological([node]))


def _loops(source: Graph) -> dict[int, Node]:
    """The loops by their numbers, those inside others, too."""
    return {one["number"]: one for one in everything(source) if one.op == "scan"}


def _loop_of(node: Node) -> int | None:
    """The number of the scan whose inside this is."""
    return next((below["scan"] for below in topological([node]) if below.op == "param"), None)


def _yielded(loop: Node, node: Node) -> Node:
    """`node`, a value inside the loop, stacked along its axis."""
    body: Body = loop["body"]
    axis, count = Axis(loop["axis"], loop["length"]), len(body.yields)
    assert isinstance(loop.type, TupleType)
    stacked = node.tensor.plus([axis])
    types = TupleType((*loop.type.items[:count], stacked, *loop.type.items[count:]))
    builder = Builder()
    options = {**loop.options, "body": Body(body.params, (*body.yields, node), body.carries)}
    again = builder.make("scan", loop.inputs, types, options, loop.span, loop.scope, loop.name)
    return builder.make("item", (again,), stacked, {"index": count}, node.span, node.scope, node.name)
