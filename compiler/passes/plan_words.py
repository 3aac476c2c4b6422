"""What contraction planning tells the user: the order, what it costs beside what is written, and when it is taken."""

from __future__ import annotations

from collections.abc import Callable

from ..cost import node_bytes, node_flops
from ..graph import Node
from ..sizes import Size, SizeTooLarge
from .base import Change
from .cost_model import below
from .plan_decide import spoken
from .plan_prepared import Prepared
from .plan_way import Way


def told(way: Way, prepared: Prepared) -> Change:
    """One sentence, and the places it is about."""
    known = frozenset(way.leaves)
    before, after = (below([root], lambda node: node in known or prepared(node)) for root in (way.root, way.node))
    name = f"`{way.root.name}`" if way.root.name else f"this `{way.root.op}`"
    costs = f"{operations(after)} operations and {moved(after)} bytes instead of {operations(before)} and {moved(before)}"
    when = f", where {way.decision.condition} (looked at in each run)" if way.decision.condition else ""
    spans = dict.fromkeys(node.span for node in reversed(way.inside) if node.span.source.text)
    return Change(f"{name} is worked out as {way.order}: {costs}{when}", tuple(spans))


def repeated(node: Node) -> Change:
    """What is said where a tensor is no longer repeated."""
    name = f"`{node.name}`" if node.name else f"this `{node.op}`"
    return Change(f"{name} reads what was repeated as it is, without the repetition", (node.span,) if node.span.source.text else ())


def operations(nodes: list[Node]) -> str:
    """The floating-point operations of these nodes as a formula."""
    return _summed(nodes, node_flops)


def moved(nodes: list[Node]) -> str:
    """The bytes that these nodes read and write as a formula."""
    return _summed(nodes, node_bytes)


def _summed(nodes: list[Node], cost: Callable[[Node], Size]) -> str:
    try:
        return spoken(sum((cost(node) for node in nodes), Size.of(0)))
    except SizeTooLarge:
        return "too many to write down"
