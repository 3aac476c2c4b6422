"""Reductions of one tensor along the same axes, read once: a variance (or standard deviation) and a mean.

Only where PyTorch has one kernel for both that is never slower. It has one for the largest and smallest entry, too, but that takes up to
twenty times as long on a CPU as the two alone; for the mean and the largest there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..graph import Graph, Node
from ..types import TupleType
from .base import Change, Mode, Outcome, Pass
from .making import Make
from .rewriting import everything, rewrite

_SPREADS = ("var", "std")


@dataclass(frozen=True)
class Share(Pass):
    name: ClassVar[str] = "share"
    promise: ClassVar[str] = "a variance and a mean of one tensor along the same axes look at it once"
    exact: ClassVar[bool] = False

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        pairs = _pairs(graph)
        if not pairs:
            return Outcome(graph)

        def rule(make: Make, node: Node) -> Node | None:
            pair = pairs.get(node)
            if pair is None:
                return None
            spread, mean = pair
            options: dict[str, Any] = {"axes": spread["axes"], "unbiased": spread["unbiased"], "spread": spread.op}
            both = make.node("moments", (make.new(node.inputs[0]),), TupleType((spread.tensor, mean.tensor)), **options)
            return make.node("item", (both,), node.type, index=0 if node is spread else 1)

        found = dict(pairs.values())
        return Outcome(rewrite(graph, rule), tuple(_change(*pair) for pair in found.items()))


def _pairs(graph: Graph) -> dict[Node, tuple[Node, Node]]:
    """Each spread and each mean that have each other, and both."""
    waiting: dict[Any, Node] = {}
    found: dict[Node, tuple[Node, Node]] = {}
    for node in everything(graph):
        if node.op not in (*_SPREADS, "mean") or node.dtype not in ("float", "wide") or node.inputs[0].dtype != node.dtype:
            continue
        place = node.inputs[0], frozenset(node["axes"])
        other = waiting.get((*place, node.op != "mean"))
        if other is None:
            waiting.setdefault((*place, node.op == "mean"), node)
        elif other not in found:
            pair = (other, node) if node.op == "mean" else (node, other)
            found.update({pair[0]: pair, pair[1]: pair})
    return found


def _change(spread: Node, mean: Node) -> Change:
    names = " and ".join(f"`{name}`" for name in dict.fromkeys((spread.name, mean.name)) if name)
    what = f"{spread.op} and mean along {' '.join(spread['axes'])} look at their tensor once"
    return Change(f"{names}: {what}" if names else what, (spread.span, mean.span))
