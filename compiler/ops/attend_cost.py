"""What an `attend` node costs: operations, and the memory it holds while it works, which depends on its way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..graph import Node
from ..sizes import Size, maximum, minimum, product
from .attend_way import Layout, Roles, attend_way, copied, roles
from .products import operations, sizes_of

WEIGHTS = {"softmax": 5, "sigmoid": 4, "relu2": 2, "entmax15": 20, "sparsemax": 20}
"""Operations for each score that make a weight of it, as the operators of these names count them."""
CAP = 7
BLOCK = 1 << 16
"""How many scores of an attention in chunks are held together, where nothing else is said; so does the runtime."""


def attend_cost(node: Node) -> Size:
    """The products of every term and with the values, and for each score what is done to it: what the operator counts written out."""
    parts, sizes, total = roles(node), sizes_of(node.inputs), Size.of(0)
    for left, right, dots in zip(parts.q, parts.k, node["dots"], strict=True):
        total = total + operations([frozenset(left.tensor.names), frozenset(right.tensor.names)], dots, sizes)
    rows = frozenset((*parts.rows, *parts.keys))
    reading = operations([rows, frozenset(parts.v.tensor.names)], parts.keys, sizes)
    return total + count(sorted(rows), sizes) * _each(parts) + reading


def _each(parts: Roles) -> int:
    """Operations for each score: terms added up, scale, cap, bias, mask, weights, dropout."""
    node = parts.node
    options = sum(name in parts.extras for name in ("bias", "where"))
    return len(parts.q) + options + WEIGHTS[node["by"]] + (CAP if node["softcap"] is not None else 0) + bool(node["dropout"])


def attend_scratch(node: Node) -> Size:
    """How many numbers are held besides inputs and result: all scores and all weights, those of a chunk, or what one call needs copied."""
    parts, way, sizes = roles(node), attend_way(node), sizes_of(node.inputs)
    if way.layout is not None:
        scores = count((*parts.rows, *parts.keys), sizes) * 2 if node.options.get("products") else Size.of(0)
        return scores + _made_for(parts, way.layout, sizes)
    if way.kind == "chunked":
        chunk: Size = node["chunk"]
        rows = count(parts.rows, sizes)
        return minimum(rows * chunk, maximum(chunk, Size.of(node.options.get("block", BLOCK)))) * 2
    return count((*parts.rows, *parts.keys), sizes) * 2


def _made_for(parts: Roles, layout: Layout, sizes: Mapping[str, Size]) -> Size:
    """Queries, keys and values that are scaled, joined, padded or repeated for the call."""
    repeated, sink = copied(parts, layout), "sink_logit" in parts.extras
    lead, both = (*layout.batch, *layout.heads), len(parts.q) > 1 or sink or layout.padded == "queries and keys"
    asked: Size = parts.node["features"]
    read = count(layout.features, sizes)
    width = maximum(asked + 1, read) if sink else maximum(asked, read) if layout.padded else None
    total = Size.of(0)
    if both or layout.scaled == "queries" or "queries" in repeated:
        total = total + count((*lead, *layout.rows), sizes) * (width or asked)
    if both or layout.scaled == "keys" or "keys" in repeated:
        total = total + count((*lead, *parts.keys), sizes) * (width or asked)
    if sink or layout.padded == "values" or "values" in repeated:
        total = total + count((*lead, *parts.keys), sizes) * (width or read)
    return total


def count(names: Iterable[str], sizes: Mapping[str, Size]) -> Size:
    """How many positions these axes have together."""
    return product(sizes[name] for name in names)
