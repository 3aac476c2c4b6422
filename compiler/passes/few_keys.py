"""Attention to few keys is two products and a softmax: PyTorch does these faster than its fused attention there.

That holds on the CPU, in float32 and wider, and where there are many rows; the runtime looks at that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..graph import Graph, Node, topological
from ..ops.attend_cost import count
from ..ops.attend_way import Roles, attend_way, roles
from ..ops.mask_rows import always_sees
from ..ops.pairs import by_positions
from ..ops.products import sizes_of
from ..ops.softmax import may_be_infinite
from .base import Change, Mode, Outcome, Pass, spoken_attention
from .making import Make
from .rewriting import rewrite

KEYS = 64
"""With more keys the fused attention is faster."""
FEATURES = 64
"""With more features it is, too."""


@dataclass(frozen=True)
class FewKeys(Pass):
    name: ClassVar[str] = "few-keys"
    promise: ClassVar[str] = "attention to few keys holds its scores and is products, which are faster there"
    exact: ClassVar[bool] = False

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        changes: list[Change] = []

        def rule(make: Make, node: Node) -> Node | None:
            keys = few_keys(node)
            if keys is None:
                return None
            changes.append(Change(f"{spoken_attention(node)} has {keys} keys: with many rows it is products", (node.span,)))
            return make.again(node, [make.new(source) for source in node.inputs], products=True)

        return Outcome(rewrite(graph, rule, ("attend",)), tuple(changes))


def few_keys(node: Node) -> int | None:
    """How many keys an attention has that is one call of PyTorch's with bias or mask as they are; None where they may be many.

    A row of nothing but -inf gives zeros there and no numbers in products, so none may be in its bias.
    """
    if node.op != "attend" or node.options.get("products"):
        return None
    parts, layout = roles(node), attend_way(node).layout
    if layout is None or layout.causal or layout.line or layout.planned is not None or "sink_logit" in parts.extras:
        return None
    sizes = sizes_of(node.inputs)
    keys, *features = (size.integer() for size in (count(parts.keys, sizes), count(layout.features, sizes), node["features"]))
    if keys is None or keys > KEYS or any(width is None or width > FEATURES for width in features):
        return None
    return keys if by_positions(parts, layout) is None and _has_numbers(parts) else None


def _has_numbers(parts: Roles) -> bool:
    """Whether each row of the bias has a number for certain, but for weights that are infinite."""
    bias = parts.extras.get("bias")
    if bias is None:
        return True
    if bias.op == "where" and "where" not in parts.extras:
        mask, inside, other = bias.inputs
        known = other.op == "scalar" and other["value"] == float("-inf") and always_sees(mask, parts.keys)
        bias = inside if known else bias
    return not may_be_infinite(bias) and all(one.op != "input" for one in topological([bias]))
