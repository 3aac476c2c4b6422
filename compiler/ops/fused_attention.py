"""PyTorch's fused attention as `attend_way` lays it out: on [batch, heads, rows, features], in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..lower.emitter import Emitter, Value
from ..sizes import Size, product
from .attend_way import Layout, roles
from .attention_parts import Parts, combine, told_apart
from .flex import flex
from .mask_groups import Groups, Prefix, Routed, Told
from .pairs import by_positions
from .softmax import overlaps

Dimensions = Sequence[Sequence[str]]


def fused(e: Emitter, parts: Parts, layout: Layout) -> Value:
    """The whole of attention as one call."""
    q, k = _queries_and_keys(e, parts, layout)
    v = _four(e, parts, parts.v, (layout.batch, layout.heads, parts.keys, layout.features))
    options: dict[str, Any] = {"scale": 1.0 if layout.scaled else parts.scale.fx}
    if parts.node["dropout"]:
        options["dropout_p"] = e.call("operator.mul", parts.node["dropout"], e.training())
    features = _count(parts, layout.features)
    more = features - parts.node["features"]
    if layout.padded == "queries and keys":
        q, k = (e.call("torch.nn.functional.pad", x, (0, e.size(more))) for x in (q, k))
    if layout.padded == "values":
        v = e.call("torch.nn.functional.pad", v, (0, e.size(-more)))
    y = _call(e, parts, layout, (q, k, v), options)
    if layout.padded == "values":
        y = e.method("narrow", y, -1, 0, e.size(features))
    return _as_queries(e, parts, e.unflat(y, parts.groups([layout.batch, layout.heads, layout.rows, layout.features])), layout)


def _as_queries(e: Emitter, parts: Parts, result: Value, layout: Layout) -> Value:
    """The result in the order of the queries' dimensions: PyTorch writes it in memory as they lie."""
    rest = [name for name in result.axes if name not in layout.features]
    order = [name for name in parts.q[0].axes if name in rest]
    if len(order) < len(rest):
        return result
    return Value(e.order(result, (*order, *layout.features)), (*order, *layout.features))


def _call(e: Emitter, parts: Parts, layout: Layout, main: tuple[Any, Any, Any], options: dict[str, Any]) -> Any:
    """The function that says what this attention has: a sink, a mask, or neither."""
    made = flex(e, parts, layout, main, options)
    if made is not None:
        return made
    if layout.causal:
        return e.call("torch.nn.functional.scaled_dot_product_attention", *main, is_causal=True, **options)
    dimensions = (layout.batch, layout.heads, layout.rows)
    bias, where = (_broadcast(e, parts, value, (*dimensions, parts.keys)) for value in (parts.bias, parts.where))
    if parts.sink is not None:
        return e.call("runtime.sink_attention", *main, _broadcast(e, parts, parts.sink, (*dimensions, ())), where, bias, **options)
    if isinstance(layout.planned, Prefix):
        last = e.tensor(layout.planned.last).fx
        return e.call("runtime.prefix_attention", *main, last, layout.planned.strict, bias, **options)
    if isinstance(layout.planned, Groups):
        return _grouped(e, parts, layout, layout.planned, main, options)
    if layout.planned is not None:
        return _routed(e, parts, layout, layout.planned, main, options)
    if layout.line:
        kernel = (True,) if parts.node.options.get("few") == "kernel" else ()
        return e.call("runtime.distance_attention", *main, bias, layout.line == "back", *kernel, **options)
    pairs = by_positions(roles(parts.node), layout)
    if pairs is not None:
        mask, given = e.per_pair(pairs, parts.groups([(), (), layout.rows, parts.keys]))
        return e.call("runtime.block_attention", *main, mask, given, **options)
    products = bool(parts.node.options.get("products"))
    if where is not None:
        return e.call("runtime.masked_attention", *main, where, bias, **options, **({"products": True} if products else {}))
    if bias is not None:
        options["attn_mask"] = bias
    return e.call("runtime.few_keys_attention" if products else "torch.nn.functional.scaled_dot_product_attention", *main, **options)


def _grouped(e: Emitter, parts: Parts, layout: Layout, groups: Groups, main: tuple[Any, Any, Any], options: dict[str, Any]) -> Any:
    """Each number of the mask by itself."""
    ids = _broadcast(e, parts, _told(e, groups.ids), (layout.batch, layout.heads, layout.rows))
    keep = _broadcast(e, parts, _told(e, groups.keep), (layout.batch, layout.heads, parts.keys)) if groups.keep is not None else None
    return e.call("runtime.grouped_attention", *main, ids, keep, groups.causal, **options)


def _routed(e: Emitter, parts: Parts, layout: Layout, routed: Routed, main: tuple[Any, Any, Any], options: dict[str, Any]) -> Any:
    """Each block of keys for the rows that chose it."""
    value, blocks = _told(e, routed.chosen), f"{routed.blocks} chosen"
    value = Value(value.fx, tuple(blocks if name == routed.blocks else name for name in value.axes))
    parts = replace(parts, sizes={**parts.sizes, blocks: routed.chosen.node.tensor.size(routed.column)})
    chosen = _broadcast(e, parts, value, (layout.batch, layout.heads, layout.rows, (blocks,)))
    return e.call("runtime.routed_attention", *main, chosen, e.size(routed.size), routed.causal, **options)


def _told(e: Emitter, told: Told) -> Value:
    """A node under the mask, by the attention's names."""
    value, names = e.tensor(told.node), dict(told.names)
    return Value(value.fx, tuple(names[name] for name in value.axes))


def _queries_and_keys(e: Emitter, parts: Parts, layout: Layout) -> tuple[Any, Any]:
    """Both sides, scaled where the scale is a tensor; the features of several terms stand one after the other."""
    parts, dots = told_apart(parts, (*layout.batch, *layout.heads, *layout.rows))
    q, k = parts.q, parts.k
    if layout.scaled == "queries":
        q = tuple(combine(e, (), "operator.mul", value, parts.scale) for value in q)
    if layout.scaled == "keys":
        k = tuple(combine(e, parts.keys, "operator.mul", value, parts.scale) for value in k)
    left = [_four(e, parts, value, (layout.batch, layout.heads, layout.rows, own)) for value, own in zip(q, dots, strict=True)]
    right = [_four(e, parts, value, (layout.batch, layout.heads, parts.keys, own)) for value, own in zip(k, dots, strict=True)]
    if len(dots) > 1:
        return e.call("torch.cat", left, -1), e.call("torch.cat", right, -1)
    aside = q[0].axes and q[0].axes[-1] not in dots[0]
    return e.call("runtime.features_last", left[0]) if aside or overlaps(parts.node.inputs[0]) else left[0], right[0]


def _four(e: Emitter, parts: Parts, value: Value, dimensions: Dimensions) -> Any:
    """A value on the four dimensions. One that it has no axis of is a view that repeats, of one with some of its axes a copy is made."""
    present = [group if any(name in value.axes for name in group) else () for group in dimensions]
    names = tuple(name for group in present for name in group)
    if len(names) > len(value.axes):
        value = Value(e.full(value, [axis for group in parts.groups([names]) for axis in group]), names)
    x = e.flat(value, parts.groups(present))
    missing = [group and not there for group, there in zip(dimensions, present, strict=True)]
    if not any(missing):
        return x
    counts = [_count(parts, group) if gone else None for group, gone in zip(dimensions, missing, strict=True)]
    return e.method("expand", x, *(-1 if count is None else e.size(count) for count in counts))


def _count(parts: Parts, names: Sequence[str]) -> Size:
    """How many positions these axes have together."""
    return product(parts.sizes[name] for name in names)


def _broadcast(e: Emitter, parts: Parts, value: Value | None, dimensions: Dimensions) -> Any:
    """A mask, bias or sink on the four dimensions, of size 1 where it has none of their axes."""
    if value is None:
        return None
    groups = parts.groups([group if any(name in value.axes for name in group) else () for group in dimensions])
    axes = [axis for group in groups for axis in group]
    return e.flat(Value(e.full(value, axes), tuple(axis.name for axis in axes)), groups)
