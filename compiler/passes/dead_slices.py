"""Slices of any axis that cannot reach a result: heads behind a gate of zero, channels nobody reads, keys no query may see, places of a
kernel that only ever meet padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import ClassVar

from ..cost import node_bytes, node_flops
from ..graph import Graph, Node
from ..ops.facts import varies
from ..sizes import Size
from .base import Change, Mode, Outcome, Pass
from .making import AxisNames, Make
from .slices.bits import countable, full, outside, positions
from .slices.demand import Demand, Kept
from .slices.facts import NO_FACTS, WeightFacts
from .slices.rebuild import Rebuild, nothing_of
from .slices.taps import met
from .slices.zeros import Zeros, weight_of

NOMINAL = 64
"""What a size that only the caller's tensors tell counts as, when work is compared."""
BYTES = 7
"""Operations that take as long as moving a byte."""
VIEWS = frozenset(("rename", "expand", "split", "cut", "pick", "weight", "scalar", "literal", "input", "size"))


@dataclass(frozen=True)
class DeadSlices(Pass):
    """`facts`: slices of weights that are known to be zero. Without, only what the text says is used."""

    name: ClassVar[str] = "dead-slices"
    promise: ClassVar[str] = "a slice that cannot reach a result is removed from every weight that has its axis"
    exact: ClassVar[bool] = False

    facts: WeightFacts = NO_FACTS

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        zeros = Zeros(graph, self.facts)
        demand = Demand(graph, zeros, mode)
        if not any(demand.kept.values()) and not any(zeros.vanishes(node) or (node.op == "conv" and met(node)) for node in graph.nodes):
            return Outcome(graph)
        rebuild = Rebuild(graph, zeros, demand)
        bare = rebuild.run()
        found = _tied(graph, bare, rebuild) if mode == "train" else bare
        if found is None or _work(found, mode) >= _work(graph, mode):
            return Outcome(graph)
        return Outcome(found, tuple(_changes(graph, bare, rebuild)))


def _work(graph: Graph, mode: Mode) -> float:
    """Operations and moved bytes of a run, counted together. What is made of weights alone is made once in `infer`."""
    run = [node for node in graph.nodes if mode == "train" or varies(node)]
    return sum(_number(node_flops(node)) + (_number(node_bytes(node)) * BYTES if node.op not in VIEWS else 0.0) for node in run)


def _number(size: Size) -> float:
    try:
        return float(size.evaluate(dict.fromkeys(size.free(), NOMINAL)))
    except (ArithmeticError, ValueError):
        return 0.0


# ---------------------------------------------------------------- gradients of what is no longer read


def _tied(before: Graph, after: Graph, rebuild: Rebuild) -> Graph | None:
    """The graph with every trained weight still read, so that its gradient is zero and not missing. None where that cannot be."""
    lost = [node for node in _trained(before) if node["slot"] not in {other["slot"] for other in _trained(after)}]
    if not lost:
        return after
    at = next((index for index, output in enumerate(after.outputs) if output.node.dtype == "float"), None)
    if at is None or any(not node.axes for node in lost):
        return None
    output = after.outputs[at]
    make = Make(rebuild.builder, output.node, AxisNames(), {})
    total = output.node
    for node in lost:
        total = make.arithmetic("add", total, nothing_of(make, node))
    outputs = (*after.outputs[:at], replace(output, node=total), *after.outputs[at + 1 :])
    return replace(after, outputs=outputs)


def _trained(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if node.op == "weight" and weight_of(graph, node).kind == "param"]


# ---------------------------------------------------------------- telling


def _changes(before: Graph, after: Graph, rebuild: Rebuild) -> list[Change]:
    """One sentence for each set of positions that weights or inputs lost, and one for the weights that nothing reads any more."""
    groups: dict[tuple[str, int, int], list[Node]] = {}
    for node in before.nodes:
        for key in _lost(node, rebuild.taken[node]) if node in rebuild.taken else ():
            groups.setdefault(key, []).append(node)
    changes = [_sentence(before, *key, nodes) for key, nodes in groups.items()]
    read = {node["slot"] for node in after.nodes if node.op == "weight"}
    unread = [node for node in before.nodes if node.op == "weight" and node["slot"] not in read]
    if unread:
        paths = _listed([_called(before, node) for node in unread])
        changes.append(Change(f"nothing that is made with {paths} reaches a result: left out", tuple(node.span for node in unread)))
    return changes or [Change("values that cannot reach a result are left out")]


def _lost(node: Node, taken: Sequence[Kept]) -> list[tuple[str, int, int]]:
    """Axis, length and the positions that no reading takes."""
    found: list[tuple[str, int, int]] = []
    for name, count in countable(node):
        read = reduce(int.__or__, (need.get(name, full(count)) for need in taken))
        if read != full(count):
            found.append((name.rstrip("_"), count, outside(read, count)))
    return found


def _sentence(graph: Graph, name: str, count: int, gone: int, nodes: list[Node]) -> Change:
    places = positions(gone)
    what = f"position {places[0]}" if len(places) == 1 else f"positions {_numbers(places)}"
    paths = _listed(list(dict.fromkeys(_called(graph, node) for node in nodes)))
    verb = "reaches" if len(places) == 1 else "reach"
    text = f"{what} of the {count} of `{name}` {verb} no result: left out of {paths}"
    return Change(text, tuple(dict.fromkeys(node.span for node in nodes)))


def _called(graph: Graph, node: Node) -> str:
    name: str = weight_of(graph, node).path if node.op == "weight" else node["name"]
    return name


def _numbers(places: list[int], most: int = 8) -> str:
    """`2, 3 and 5`; of many the first ones."""
    if len(places) > most:
        return f"{', '.join(map(str, places[:most]))} and {len(places) - most} more"
    return f"{', '.join(map(str, places[:-1]))} and {places[-1]}"


def _listed(paths: list[str], most: int = 8) -> str:
    shown = [f"`{path}`" for path in paths[:most]] + ([f"{len(paths) - most} more"] if len(paths) > most else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
