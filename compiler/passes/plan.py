"""Contraction planning: chains of products and sums are taken in the cheapest order that their sizes allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from ..graph import Graph, Node
from .base import Change, Mode, Outcome, Pass
from .making import Make
from .plan_choice import Chooser, choices
from .plan_decide import Decision, decide
from .plan_gram import Around, attention
from .plan_groups import grouped
from .plan_prepared import Prepared
from .plan_region import Scratch, best_region
from .plan_repeats import repeats
from .plan_shared import shared
from .plan_terms import VIEWS, readable
from .plan_way import Way, copied
from .plan_words import repeated, told
from .rewriting import everything, rewrite, uses


@dataclass(frozen=True)
class Plan(Pass):
    """Looks at each region from its end, decides, and puts what is better in its place."""

    name: ClassVar[str] = "plan"
    promise: ClassVar[str] = "products and sums are taken in the cheapest order"
    exact: ClassVar[bool] = False

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        single, changes = _without_repeats(graph)
        planning = _Planning(single, mode)
        ways = planning.ways()
        if not ways:
            return Outcome(single, changes)
        made = rewrite(single, _Taking(ways, planning, choices(planning.nodes)))
        return Outcome(made, (*changes, *(told(way, planning.scratch_of(way.root).prepared) for way in ways.values())))


def _without_repeats(graph: Graph) -> tuple[Graph, tuple[Change, ...]]:
    """The graph with repetitions as late as can be, and what came out of products."""
    taken: dict[Node, None] = {}
    if all(node.op != "expand" for node in everything(graph)):
        return graph, ()

    def rule(make: Make, node: Node) -> Node | None:
        made = repeats(make, node) or grouped(make, node)
        if made is not None and node.op in ("dot", "attend"):
            taken[node] = None
        return made

    made = rewrite(graph, rule)
    return made, tuple(repeated(node) for node in taken)


class _Planning:
    """What is decided about a graph before anything is changed."""

    def __init__(self, graph: Graph, mode: Mode) -> None:
        self.nodes = everything(graph)
        self.prepared = Prepared(graph, mode)
        self.counts: Counter[Node] = uses(graph)
        self.outside = frozenset(graph.nodes)
        self.graph = graph
        self.scratch = Scratch(graph, self.prepared)
        self.done: set[Node] = set()
        self.readers: dict[Node, list[Node]] = {}
        for node in self.nodes:
            for source in node.inputs:
                self.readers.setdefault(source, []).append(node)
        last = {source: found[-1] for source, found in self.readers.items()}
        self.around = Around(last, self._single, mode == "train")

    @cached_property
    def looped(self) -> Scratch:
        return Scratch(self.graph, Prepared(self.graph, "train"))

    def ways(self) -> Mapping[Node, Way]:
        """The other way for every root where there is a better one, in the order of the text."""
        found: dict[Node, Way] = {}
        for attend in [node for node in self.nodes if node.op == "attend"]:
            way = attention(attend, self.around, self.scratch_of(attend))
            if way is not None:
                found[way.root] = way
                self.done.update(way.inside)
        for node in self.nodes:
            together = self._shared(node) if self.counts[node] > 1 else []
            found.update({way.root: way for way in together})
            self.done.update(inner for way in together for inner in way.inside)
        for node in reversed(self.nodes):
            if node in self.done or not readable(node):
                continue
            way = self._region(node)
            if way is not None:
                found[node] = way
        places = {node: place for place, node in enumerate(self.nodes)}
        return dict(sorted(found.items(), key=lambda item: places[item[0]]))

    def scratch_of(self, root: Node) -> Scratch:
        """In the body of a loop nothing is prepared: what depends on weights alone would be worked out in every step."""
        return self.scratch if root in self.outside else self.looped

    def _single(self, node: Node) -> bool:
        return self.counts[node] == 1

    def _shared(self, product: Node) -> list[Way]:
        """Other ways for what reads a product, where that is all products and sums, and none has another way already."""
        if self.counts[product] != len(self.readers.get(product, ())) or product in self.done:
            return []
        ways = shared(product, self.readers, self._single, self.scratch_of(product))
        return [] if any(inner in self.done for way in ways for inner in way.inside) else ways

    def _region(self, root: Node) -> Way | None:
        plan = best_region(root, self._single, self.scratch_of(root))
        if plan is None:
            return None
        decision = decide(plan.written, plan.work)
        self.done.update(plan.region.inside)
        if not decision.take:
            return None
        return Way(root, plan.node, plan.region.leaves, plan.region.inside, decision, plan.order)


class _Taking:
    """The rule that puts the other ways in place."""

    def __init__(self, ways: Mapping[Node, Way], planning: _Planning, taken: int) -> None:
        self.ways = ways
        self.planning = planning
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
        prepared = self.planning.scratch_of(node).prepared
        return self.chooser.choice(make, (planned, written), decision, lambda one: one in ground or _kept(one, prepared))


def _kept(node: Node, prepared: Prepared) -> bool:
    """Whether a value is worked out from weights before the choice; another name of a weight is not."""
    below = node
    while below.op in VIEWS or below.op == "float32":
        below = below.inputs[0]
    return below.op != "weight" and prepared(node)
