"""A function of one pair of query and key, as a body of its own: FlexAttention calls it for places, not with tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph import topological
from ..ops.pairs import Pairs
from ..types import Axis
from .emitter import Value
from .loops import BodyWriter
from .writer import Writer


def write_pairs(writer: Writer, pairs: Pairs, dimensions: Sequence[Sequence[Axis]], added: bool) -> tuple[Any, tuple[Any, ...]]:
    """`body(batch, head, query, key, *given)`, and what is given; with `added` its first argument is a score, to which it adds.

    `dimensions` are the axes that make up batch, heads, rows and keys.
    """
    inner = BodyWriter(writer)
    score = inner.parameter("score") if added else None
    inner.typist = score
    given = [inner.parameter(name) for name in ("batch", "head", "query", "key")]
    inner.host = given[-1]
    places: dict[str, Any] = {}
    for place, axes in zip(given, dimensions, strict=True):
        places |= _taken_apart(inner, place, axes)
    for axis, number in pairs.positions:
        inner.seed(number, Value(places[axis], ()))
    for leaf in pairs.leaves:
        value, names = writer.tensor(leaf.node), dict(leaf.names)
        x = inner.outside(value.fx)
        at = tuple(places[names[axis]] for axis in value.axes)
        inner.seed(leaf.number, Value(inner.call("operator.getitem", x, at) if at else x, ()))
    for node in topological([pairs.result]):
        inner.lower_node(node)
    result = inner.tensor(pairs.result).fx
    inner.graph.output(result if score is None else inner.call("operator.add", score, result))
    inner.finish()
    return writer.get_attr(writer.body_name(inner.module(), "pairs")), tuple(inner.captured)


def _taken_apart(inner: BodyWriter, place: Any, axes: Sequence[Axis]) -> dict[str, Any]:
    """The position along each axis of a dimension that is several, left outermost."""
    found: dict[str, Any] = {}
    for i, axis in enumerate(reversed(axes)):
        last = i == len(axes) - 1
        found[axis.name] = place if last else inner.call("operator.mod", place, inner.size(axis.size))
        place = place if last else inner.call("operator.floordiv", place, inner.size(axis.size))
    return found
