"""A product that several regions read, such as scores that are added up and also read from: looked at as if each made it for itself.

That pays where no region needs it as it stands, because each takes its factors in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ..graph import Node
from .cost_model import graph_work
from .plan_decide import decide
from .plan_region import Planned, Scratch, best_region
from .plan_terms import readable
from .plan_way import Way, over

MOST = 3
"""How many readers such a product may have."""


def shared(product: Node, readers: Mapping[Node, Sequence[Node]], single: Callable[[Node], bool], scratch: Scratch) -> list[Way]:
    """Other ways for all regions that read a product, inputs first; none where they are not cheaper together."""
    if product.op != "dot" or not readable(product) or not 2 <= len(readers.get(product, ())) <= MOST:
        return []
    roots = list(dict.fromkeys(_top(reader, readers, single) for reader in readers[product]))
    plans: list[Planned] = []
    for root in roots:
        plan = best_region(root, lambda node: node is product or single(node), scratch)
        if plan is None or product not in plan.region.inside:
            return []
        plans.append(plan)
    leaves = frozenset(leaf for plan in plans for leaf in plan.region.leaves if leaf not in roots)
    there = partial(_there, leaves, scratch)
    made: dict[Node, Node] = {}
    for plan in plans:
        made[plan.region.root] = over(scratch.at(plan.region.root), plan.node, {leaf: made.get(leaf, leaf) for leaf in plan.region.leaves})
    written, work = (graph_work(nodes, there, scratch.work) for nodes in (roots, made.values()))
    decision = decide(written, work)
    if not decision.take:
        return []
    return [Way(plan.region.root, plan.node, plan.region.leaves, plan.region.inside, decision, plan.order) for plan in plans]


def _there(leaves: frozenset[Node], scratch: Scratch, node: Node) -> bool:
    return node in leaves or scratch.prepared(node)


def _top(node: Node, readers: Mapping[Node, Sequence[Node]], single: Callable[[Node], bool]) -> Node:
    """The end of the region that a node is in."""
    while single(node) and node in readers:
        (reader,) = readers[node]
        if not readable(reader) or (reader.op == "div" and reader.inputs[0] is not node):
            return node
        node = reader
    return node
