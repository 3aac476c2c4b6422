"""Contraction planning: chains of products and sums are taken in the cheapest order that their sizes allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..graph import Graph, Node
from .base import Mode, Outcome, Pass
from .making import Make
from .plan_choice import Chooser, choices
from .plan_decide import Decision, decide
from .plan_prepared import Prepared
from .plan_region import Scratch, best_region
from .plan_terms import readable
from .plan_way import Way, copied
from .plan_words import told
from .rewriting import everything, rewrite, uses


@dataclass(frozen=True)
class Plan(Pass):
    """Looks at each region from its end, decides, and puts what is better in its place."""

    name: ClassVar[str] = "plan"
    promise: ClassVar[str] = "products and sums are taken in the cheapest order"
    exact: ClassVar[bool] = False

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        planning = _Planning(graph, mode)
        ways = planning.ways()
        if not ways:
            return Outcome(graph)
        made = rewrite(graph, _Taking(ways, planning.prepared, choices(planning.nodes)))
        return Outcome(made, tuple(told(way, planning.prepared) for way in ways.values()))


class _Planning:
    """What is decided about a graph before anything is changed."""

    def __init__(self, graph: Graph, mode: Mode) -> None:
        self.nodes = everything(graph)
        self.prepared = Prepared(graph, mode)
        self.counts: Counter[Node] = uses(graph)
        self.scratch = Scratch(self.nodes, self.prepared)
        self.done: set[Node] = set()

    def ways(self) -> Mapping[Node, Way]:
        """The other way for every root where there is a better one, in the order of the text."""
        found: dict[Node, Way] = {}
        for node in reversed(self.nodes):
            if node in self.done or not readable(node):
                continue
            way = self._region(node)
            if way is not None:
                found[node] = way
        return dict(reversed(found.items()))

    def _single(self, node: Node) -> bool:
        return self.counts[node] == 1

    def _region(self, root: Node) -> Way | None:
        plan = best_region(root, self._single, self.scratch)
        if plan is None:
            return None
        decision = decide(plan.written, plan.work)
        self.done.update(plan.region.inside)
        if not decision.take:
            return None
        return Way(root, plan.node, plan.region.leaves, plan.region.inside, decision, plan.order)


class _Taking:
    """The rule that puts the other ways in place."""

    def __init__(self, ways: Mapping[Node, Way], prepared: Prepared, taken: int) -> None:
        self.ways = ways
        self.prepared = prepared
        self.chooser = Chooser(taken)

    def __call__(self, make: Make, node: Node) -> Node | None:
        way = self.ways.get(node)
        if way is None:
            return None
        planned = copied(make, way.node, way.leaves)
        if not way.decision.condition:
            return planned
        return self._chosen(make, node, way, way.decision, planned)

    def _chosen(self, make: Make, node: Node, way: Way, decision: Decision, planned: Node) -> Node:
        written = make.copy(node, [make.new(source) for source in node.inputs])
        ground = frozenset(make.new(leaf) for leaf in way.leaves)
        return self.chooser.choice(make, (planned, written), decision, lambda one: one in ground or self.prepared(one))
