"""The weights of an `attend` as a value of its own: scores, scale, cap, bias, mask and softmax, written out in float32 at least.

They are the weights before dropout. A row without an allowed key is zeros, as attention has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from ..graph import Builder, Graph, Node
from ..ops.attend_way import Roles, roles
from ..ops.softmax import may_be_infinite
from ..passes.making import AxisNames, Make, union
from ..types import STAR, TensorType


def weights_of(attend: Node) -> Node:
    """A node over the rows and keys of an `attend` node, on its inputs."""
    make, parts = Make(Builder(), attend, AxisNames(), {}), roles(attend)
    terms = [
        make.dot((make.widened(q), make.widened(k)), dots) if dots else make.arithmetic("mul", make.widened(q), make.widened(k))
        for q, k, dots in zip(parts.q, parts.k, attend["dots"], strict=True)
    ]
    s = reduce(lambda left, right: make.arithmetic("add", left, right), terms)
    return _normalised(make, parts, _adjusted(make, parts, s))


def _adjusted(make: Make, parts: Roles, s: Node) -> Node:
    """Scaled, capped, with the bias."""
    scale = make.widened(parts.extras["scale"]) if "scale" in parts.extras else _default_scale(make, parts.node)
    s = make.arithmetic("mul", s, scale)
    if parts.node["softcap"] is not None:
        cap = make.scalar(float(parts.node["softcap"]))
        s = make.arithmetic("mul", make.pointwise("tanh", make.arithmetic("div", s, cap)), cap)
    return make.arithmetic("add", s, make.widened(parts.extras["bias"])) if "bias" in parts.extras else s


def _default_scale(make: Make, attend: Node) -> Node:
    known = attend["features"].integer()
    if known is not None:
        return make.scalar(float(known) ** -0.5 if known else 1.0)
    return make.node("pow", (make.size(attend["features"]), make.scalar(-0.5)), TensorType((), "wide"))


def _normalised(make: Make, parts: Roles, s: Node) -> Node:
    by, mask, sink = parts.node["by"], parts.extras.get("where"), parts.extras.get("sink_logit")
    if by in ("softmax", "entmax15", "sparsemax") and sink is None:
        inputs = (s,) if mask is None else (s, mask)
        safe = mask is not None or any(may_be_infinite(extra) for extra in parts.extras.values())
        return make.node(by, inputs, TensorType(union(inputs), s.dtype), axes=parts.keys, masked=mask is not None, safe=safe)
    if mask is not None:
        s = make.where(mask, s, make.scalar(float("-inf")))
    if sink is not None:
        sink = make.widened(sink)
        return make.node("sink_softmax", (s, sink), TensorType(union((s, sink)), s.dtype), axes=parts.keys)
    if by == "sigmoid":
        return make.pointwise("sigmoid", s)
    kept = make.pointwise("relu", s)
    return make.arithmetic("mul", kept, kept)


def key_axes(node: Node) -> tuple[str, ...]:
    """The axes of the keys: of an `attend` node, or of weights that are written out."""
    known: tuple[str, ...] = node["keys"] if node.op == "attend" else node.options.get("axes", ())
    return known or tuple(name for name in node.tensor.names if name.endswith("'"))


def query_axes(node: Node) -> tuple[str, ...]:
    """The axes that queries have and keys have not; of weights that are written out, those whose primed copies are keys."""
    keys = key_axes(node)
    if node.op == "attend":
        parts = roles(node)
        others, own = parts.rows, tuple(name for name in parts.rows if name not in parts.side(parts.k))
    else:
        others = tuple(name for name in node.tensor.names if name not in keys)
        own = tuple(name for name in others if any(key.rstrip("'") == name for key in keys))
    return own or others


def row_axes(graph: Graph, node: Node, names: Sequence[str]) -> tuple[str, ...]:
    """The axes of rows of a map with the axes `names`, which has those of loops beside those of the attention `node`.

    Those whose copies are the keys; else those of the queries that are neither made by weights, as heads are, nor that of the batch; else
    the axes of the loops, whose steps read one after the other."""
    keys = key_axes(node)
    twins = tuple(twin for key in keys if (twin := _twin(key, names)) is not None)
    if len(twins) == len(keys):
        return twins
    made = weight_axes(graph)
    rows = tuple(name for name in query_axes(node) if name in names and name not in made and name != batch_axis(graph))
    return rows or loop_axes(node, names)


def loop_axes(node: Node, names: Sequence[str]) -> tuple[str, ...]:
    """The axes that a map has only since it is one of all steps."""
    own = weights_of(node).tensor.names if node.op == "attend" else node.tensor.names
    return tuple(name for name in names if name not in own)


def _twin(key: str, names: Sequence[str]) -> str | None:
    """The axis of rows whose copy a key axis is."""
    bare = key.rstrip("'")
    return next((name for name in names if name != key and name.rstrip("'") == bare), None)


def weight_axes(graph: Graph) -> set[str]:
    """The axes that weights have: those of features and heads, not of places."""
    inputs = {axis for node in graph.inputs if not node.options.get("absent", False) for axis in node["order"]}
    return {axis.name for weight in graph.weights for axis in weight.axes} - inputs


def batch_axis(graph: Graph) -> str | None:
    """The axis whose entries are samples: the first of the first input that has several."""
    orders = [node["order"] for node in graph.inputs if not node.options.get("absent", False) and len(node["order"]) > 1]
    if not orders:
        return None
    first: str = orders[0][0]
    return STAR if any(STAR in order for order in orders) else first
