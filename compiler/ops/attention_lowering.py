"""How `attend` becomes PyTorch: the plain products and softmax, PyTorch's fused attention where it says the same, or chunks of keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from ..graph import Node
from ..lower.emitter import Emitter, Value
from ..sizes import Size
from ..types import Axis
from .attend_held import told
from .attend_way import attend_way, roles
from .attention_parts import Parts, combine, meet, parts_of, told_apart
from .facts import is_number
from .fused_attention import fused
from .products import operands, product, sizes_of
from .softmax import may_be_infinite


def lower_attend(e: Emitter, node: Node) -> Value:
    """In chunks where asked for, fused where that is exact, else step by step."""
    parts, way = parts_of(e, node), attend_way(node)
    if way.kind == "chunked":
        return _chunked(e, parts)
    if way.layout is not None:
        return fused(e, parts, way.layout)
    weights = _weights(e, parts, _scores(e, parts))
    if node["dropout"]:
        weights = replace(weights, fx=e.call("torch.nn.functional.dropout", weights.fx, node["dropout"], e.training()))
    return product(e, weights, parts.v, parts.keys, parts.sizes)


# ---------------------------------------------------------------- step by step


def _scores(e: Emitter, parts: Parts) -> Value:
    """The scores up to the mask, which makes them -inf."""
    keys, cap = parts.keys, parts.node["softcap"]
    terms = [product(e, q, k, dots, parts.sizes, last=keys) for q, k, dots in zip(parts.q, parts.k, parts.node["dots"], strict=True)]
    s = terms[0]
    for term in terms[1:]:
        s = combine(e, keys, "operator.add", s, term)
    s = combine(e, keys, "operator.mul", s, parts.scale)
    if cap is not None:
        s = replace(s, fx=e.call("operator.mul", e.call("torch.tanh", e.call("operator.truediv", s.fx, cap)), cap))
    if parts.bias is not None:
        s = combine(e, keys, "operator.add", s, parts.bias)
    if parts.where is not None:
        args, axes = meet(e, keys, parts.where, s)
        s = Value(e.call("torch.where", *args, -inf), axes)
    return s


def _weights(e: Emitter, parts: Parts, s: Value) -> Value:
    by = parts.node["by"]
    if by == "sigmoid":
        return replace(s, fx=e.call("torch.sigmoid", s.fx))
    if by == "relu2":
        return replace(s, fx=e.call("torch.square", e.call("torch.relu", s.fx)))
    if parts.sink is not None:
        return _sink_weights(e, s, parts.sink, parts.keys, parts.sizes)
    groups = parts.groups([*([name] for name in s.axes if name not in parts.keys), parts.keys])
    if by != "softmax":
        return e.unflat(e.call(f"runtime.{by}", e.flat(s, groups)), groups)
    target = "runtime.softmax_or_zero" if _may_be_empty(parts) else "torch.softmax"
    return e.unflat(e.call(target, e.flat(s, groups), -1), groups)


def _may_be_empty(parts: Parts) -> bool:
    """Whether a whole row may be -inf."""
    return parts.where is not None or any(may_be_infinite(source) for source in parts.node.inputs[2 * parts.node["terms"] + 1 :])


def _sink_weights(e: Emitter, s: Value, sink: Value, keys: Sequence[str], sizes: Mapping[str, Size]) -> Value:
    """Softmax over all key axes together, with one more logit for each row."""
    rows = dict.fromkeys(name for name in (*sink.axes, *s.axes) if name not in keys)
    axes = [Axis(name, sizes[name]) for name in (*rows, *keys)]
    groups = [*([axis] for axis in axes[: len(rows)]), axes[len(rows) :]]
    x = e.flat(Value(e.full(s, axes), (*rows, *keys)), groups)
    (row,) = e.align([sink], tuple(rows))
    return e.unflat(e.call("runtime.sink_softmax", x, e.method("unsqueeze", row, -1)), groups)


def lower_sink_softmax(e: Emitter, node: Node) -> Value:
    """What is left of a sink where attend is written out."""
    s, sink = operands(e, node.inputs, node.dtype)
    return _sink_weights(e, s, sink, node["axes"], sizes_of(node.inputs))


# ---------------------------------------------------------------- in chunks


def _pairs(e: Emitter, parts: Parts, rows: Sequence[str], over_keys: Callable[[Value], Any]) -> dict[str, Any]:
    """Bias and mask; those that are arithmetic as a function of what lies along queries or keys alone, which is called for each block."""
    found = roles(parts.node)
    own = told(found)
    whole: dict[str, Any] = {"bias": parts.bias, "where": parts.where}
    options = {name: over_keys(value) for name, value in whole.items() if value is not None and name not in own.names}
    if not own.names:
        return options
    ground = [node for node in own.ground if not is_number(node)]
    body, numbers = e.pairs(ground, own.nodes, [found.extras[name] for name in own.names], (*rows, parts.keys[0]))
    given = [over_keys(e.tensor(node)) for node in ground]
    return {**options, "told": body, "made": list(own.names), "given": given, "numbers": list(numbers)}


def _chunked(e: Emitter, parts: Parts) -> Value:
    """Everything lined up over the same rows, for the loop in the runtime; several key axes are one there."""
    rows = roles(parts.node).rows
    parts, dots = told_apart(parts, rows)
    node, keys = parts.node, parts.keys
    features = [name for name in parts.v.axes if name not in rows and name not in keys]

    def over_rows(value: Value, *tail: Sequence[str]) -> Any:
        return e.flat(value, parts.groups([*((name,) if name in value.axes else () for name in rows), *tail]))

    def over_keys(value: Value) -> Any:
        present = [name for name in keys if name in value.axes]
        if present and len(present) < len(keys):
            own = [name for name in value.axes if name not in keys]
            value = Value(e.full(value, parts.groups([[*own, *keys]])[0]), (*own, *keys))
        return over_rows(value, keys if present else ())

    q = [over_rows(value, names) for value, names in zip(parts.q, dots, strict=True)]
    k = [over_rows(value, keys, names) for value, names in zip(parts.k, dots, strict=True)]
    scale = over_keys(parts.scale) if parts.scale.axes else parts.scale.fx
    options: dict[str, Any] = {"softcap": node["softcap"], **_pairs(e, parts, rows, over_keys)}
    options["sink"] = None if parts.sink is None else over_rows(parts.sink, ())
    options["dropout"] = e.call("operator.mul", node["dropout"], e.training()) if node["dropout"] else None
    options["block"] = node.options.get("block")
    options = {name: value for name, value in options.items() if value is not None}
    v = over_rows(parts.v, keys, features)
    y = e.call("runtime.chunked_attention", q, k, v, e.size(node["chunk"]), scale, by=node["by"], **options)
    return e.unflat(y, parts.groups([*((name,) for name in rows), features]))
