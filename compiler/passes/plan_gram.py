"""Attention over channels planned as a whole: the scores, the reading and the map after it, with the tokens touched as seldom as can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..graph import Node
from ..sizes import Size
from ..types import TensorType
from .cost_model import below
from .plan_apart import Side, apart, can_be_apart, side_of, worthwhile
from .plan_decide import ALWAYS, KEEP, Decision, decide, large
from .plan_emit import finished
from .plan_region import Planned, Scratch, best_region, scratch_work
from .plan_terms import readable
from .plan_way import Way, over

LONGEST = 3
"""How many operators after an attention are looked at with it."""


@dataclass(frozen=True)
class Around:
    """The graph around an attention: who reads a node alone, and whether a node is read once."""

    readers: Mapping[Node, Node]
    single: Callable[[Node], bool]
    dropping: bool


def attention(attend: Node, around: Around, scratch: Scratch) -> Way | None:
    """Another way to work out an attention and the map after it, where that is cheaper."""
    if not can_be_apart(attend, around.dropping):
        return None
    dots = attend["dots"][0]
    q, k = (side_of(node, dots, around.single) for node in attend.inputs[:2])
    if not worthwhile(q, k, dots) or attend.inputs[0] is attend.inputs[1]:
        return None
    chain = _chain(attend, around)
    root = chain[-1]
    values = side_of(attend.inputs[2], dots, around.single)
    inside = dict.fromkeys((*reversed(chain), *q.inside, *k.inside, *values.inside))
    leaves = tuple(dict.fromkeys(source for node in inside for source in node.inputs if source not in inside))
    node, order = _replanned(_rebuilt(attend, chain, (q, k), scratch), frozenset(leaves), (q, k), frozenset(dots), scratch)
    whole = finished(scratch.at(root), node, root)
    if whole is None:
        return None
    written, work = (scratch_work(one, leaves, scratch) for one in (root, whole))
    decision = decide(written, work)
    if decision.take and (q.norm is not None or k.norm is not None):
        decision = _among_many(decision, TensorType(tuple(axis for axis in attend.inputs[0].axes if axis.name in dots)).elements())
    return Way(root, whole, leaves, tuple(inside), decision, order) if decision.take else None


def _among_many(decision: Decision, count: Size) -> Decision:
    """Late norms only where something is added up: from so few numbers that their squares may all be small, they would lose digits."""
    known = count.integer()
    if known is not None:
        return decision if known >= ALWAYS else KEEP
    return decision if decision.left is not None else Decision(True, Size.of(ALWAYS), count)


def _chain(attend: Node, around: Around) -> list[Node]:
    """The attention, and the maps and renames that it alone goes into."""
    chain = [attend]
    while around.single(chain[-1]) and len(chain) <= LONGEST:
        reader = around.readers.get(chain[-1])
        if reader is None or reader.op not in ("linear", "rename") or reader.inputs[0] is not chain[-1]:
            break
        chain.append(reader)
    while chain[-1].op == "rename":
        chain.pop()
    return chain


def _rebuilt(attend: Node, chain: list[Node], sides: tuple[Side, Side], scratch: Scratch) -> Node:
    made = apart(scratch.at(attend), attend, *sides)
    for node in chain[1:]:
        made = scratch.at(node).copy(node, (made, *node.inputs[1:]))
    return made


def _replanned(root: Node, leaves: frozenset[Node], sides: tuple[Side, Side], dots: frozenset[str], scratch: Scratch) -> tuple[Node, str]:
    """The nodes below a root down to leaves, with every region in its best order; and these orders."""
    nodes = below([root], lambda node: node in leaves)
    counts = Counter(source for node in nodes for source in dict.fromkeys(node.inputs))
    open = frozenset(one for side in sides for one in below([side.base, *side.views], lambda node: node in leaves))
    remade = frozenset(one for side in sides for one in _views_of(nodes, side))

    def single(node: Node) -> bool:
        """The products along the tokens end regions of their own: the lengths share parts of them with the scores."""
        first = node.op == "dot" and frozenset(node["over"]) == dots
        return node not in leaves and not first and (node in open or node in remade or counts[node] == 1)

    plans = _plans(nodes, single, frozenset(node for node in nodes if node.op == "float32"), scratch)
    new: dict[Node, Node] = {leaf: leaf for leaf in leaves}
    for node in nodes:
        plan = plans.get(node)
        make = scratch.at(node)
        new[node] = over(make, plan.node, new) if plan else make.copy(node, [new[source] for source in node.inputs])
    return new[root], ", then ".join(plan.order for plan in plans.values())


def _views_of(nodes: list[Node], side: Side) -> list[Node]:
    """The renames of a side as they were made again without its norm."""
    found: list[Node] = []
    now = side.base
    for _ in side.views:
        now = next((node for node in nodes if node.op in ("rename", "expand") and node.inputs[0] is now), now)
        found.append(now)
    return found


def _plans(nodes: list[Node], single: Callable[[Node], bool], casts: frozenset[Node], scratch: Scratch) -> dict[Node, Planned]:
    """The regions that have a better order, in the order of the text."""
    done: set[Node] = set()
    plans: dict[Node, Planned] = {}
    for node in reversed(nodes):
        plan = best_region(node, single, scratch, casts) if node not in done and readable(node) else None
        if plan is None:
            continue
        done.update(plan.region.inside)
        before, after = (work.number(large(work.size)) for work in (plan.written, plan.work))
        if after < before:
            plans[node] = plan
    return dict(reversed(plans.items()))
