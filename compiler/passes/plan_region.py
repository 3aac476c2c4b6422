"""One region planned: the best order of every term, made into nodes over the region's leaves, and what both ways cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..graph import Builder, Graph, Node
from .cost_model import Work, graph_work
from .making import AxisNames, Make
from .plan_decide import large, numbers_of
from .plan_emit import Emitter, added, factors_of, finished
from .plan_order import Leaf, Tree, best_order
from .plan_prepared import Prepared
from .plan_terms import CONTRACTIONS, MAX_FACTORS, VIEWS, Factor, Reader, Region, is_biased

FEW = 3
"""How many factors a region has where with more it has too many biases to multiply out: two maps, one after the other."""


@dataclass(frozen=True)
class Planned:
    """A region and the nodes that would take its root's place, over the same leaves. `order` says in which order things are multiplied."""

    region: Region
    node: Node
    written: Work
    work: Work
    order: str


class Scratch:
    """Where nodes are made to be looked at; what is taken is copied into the graph."""

    def __init__(self, graph: Graph, prepared: Prepared) -> None:
        self.builder = Builder(graph)
        self.names = AxisNames(graph)
        self.prepared = prepared
        self.work: dict[Node, Work] = {}

    def at(self, node: Node) -> Make:
        return Make(self.builder, node, self.names, _Same())


class _Same(dict[Node, Node]):
    """Every node stands for itself."""

    def __missing__(self, key: Node) -> Node:
        return key


def best_region(root: Node, single: Callable[[Node], bool], scratch: Scratch, casts: frozenset[Node] = frozenset()) -> Planned | None:
    """The best plan of the region that ends in a node, with biases multiplied out or not. None where there is nothing to choose."""
    regions = _regions(root, single, casts)
    found = [plan for region in regions if not _settled(region) and (plan := planned(region, scratch)) is not None]
    if not found:
        return None
    widest = found[-1].region.leaves
    return min(found, key=lambda plan: _number(_over(plan, widest, scratch)))


def _regions(root: Node, single: Callable[[Node], bool], casts: frozenset[Node]) -> list[Region]:
    """The region with every bias left where it is, and where that ends at one, the region that goes on through it."""
    near = Reader(single, False, casts).region(root)
    if near is None:
        return []
    ends = any(is_biased(leaf) and single(leaf) for leaf in near.leaves)
    found = (Reader(single, True, casts, most).region(root) for most in (MAX_FACTORS, FEW) if ends)
    far = next((region for region in found if region is not None), None)
    return [near] if far is None else [near, far]


def _settled(region: Region) -> bool:
    """Whether there is one order only: a single product of two, or a single sum."""
    worked = [node for node in region.inside if node.op not in VIEWS]
    return len(worked) == 1 and worked[0].op in CONTRACTIONS and all(len(term.factors) <= 2 for term in region.terms)


def _over(plan: Planned, leaves: tuple[Node, ...], scratch: Scratch) -> Work:
    """What a plan costs down to other leaves, which may lie deeper."""
    return scratch_work(plan.node, leaves, scratch)


def _number(work: Work) -> float:
    return work.number(large(work.size))


def scratch_work(root: Node, leaves: tuple[Node, ...], scratch: Scratch) -> Work:
    known = frozenset(leaves)
    return graph_work([root], lambda node: node in known or scratch.prepared(node), scratch.work)


def planned(region: Region, scratch: Scratch) -> Planned | None:
    """A region with every term in its best order."""
    if not any(term.over for term in region.terms):
        return None
    make = scratch.at(region.root)
    parts: list[Node] = []
    orders: list[str] = []
    for term in region.terms:
        factors = factors_of(make, region, term)
        tree = best_order(
            [frozenset(factor.names) for factor in factors],
            [name for name in term.over if any(name in factor.names for factor in factors)],
            [scratch.prepared(factor.node) for factor in factors],
            numbers_of(region.sizes),
        ) if factors else None  # fmt: skip
        parts.append(Emitter(make, factors).whole(tree) if tree is not None else make.scalar(term.number))
        orders.append(spelled(tree, factors, scratch) if tree is not None else str(term.number))
    node = finished(make, added(make, parts), region.root)
    if node is None:
        return None
    written, work = (scratch_work(one, region.leaves, scratch) for one in (region.root, node))
    return Planned(region, node, written, work, max(orders, key=len))


def spelled(tree: Tree, factors: tuple[Factor, ...], scratch: Scratch, inner: bool = False) -> str:
    """`q (k v)`: the order as a product of names."""
    if isinstance(tree, Leaf):
        factor = factors[tree.place]
        return ("1/" if factor.divides else "") + scratch.prepared.called(factor.node)
    text = f"{spelled(tree.left, factors, scratch, True)} {spelled(tree.right, factors, scratch, True)}"
    return f"({text})" if inner else text
