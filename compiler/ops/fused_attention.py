"""PyTorch's fused attention, where it says exactly what an `attend` node says: one product, softmax, a mask or a bias that broadcasts.

It works on [batch, heads, rows, features]. Axes that only the queries have (grouped and single key heads) become more rows where no
mask tells them apart, else keys are expanded along them without a copy. Axes that the mask lacks stay apart from those it has, so
that it is not repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..lower.emitter import Emitter, Value
from ..types import Axis, TensorType
from .attention_parts import Parts
from .facts import is_number

Names = tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """Which axes make up the four dimensions; `repeated` says which of the two leading ones only the queries have."""

    batch: Names
    heads: Names
    rows: Names
    features: Names
    repeated: bool


def fused(e: Emitter, parts: Parts) -> Value | None:
    """The whole of attention as one call, or None where it cannot be said so."""
    node = parts.node
    if node["by"] != "softmax" or node["terms"] != 1 or node["softcap"] is not None or parts.sink is not None or parts.scale.axes:
        return None
    if "scale" in node["extras"] and not is_number(node.inputs[3]):
        return None
    mask_axes = frozenset(name for value in (parts.bias, parts.where) if value is not None for name in value.axes)
    layout = _layout(parts, mask_axes)
    if layout is None:
        return None
    dots = node["dots"][0]
    q = e.flat(parts.q[0], parts.groups([layout.batch, layout.heads, layout.rows, dots]))
    k = _keys(e, parts, layout, parts.k[0], dots)
    v = _keys(e, parts, layout, parts.v, layout.features)
    options: dict[str, Any] = {"scale": parts.scale.fx}
    if node["dropout"]:
        options["dropout_p"] = e.call("operator.mul", node["dropout"], e.training())
    bias, where = (_mask(e, parts, layout, value) for value in (parts.bias, parts.where))
    if where is not None:
        y = e.call("runtime.masked_attention", q, k, v, where, bias, **options)
    else:
        if bias is not None:
            options["attn_mask"] = bias
        y = e.call("torch.nn.functional.scaled_dot_product_attention", q, k, v, **options)
    return e.unflat(y, parts.groups([layout.batch, layout.heads, layout.rows, layout.features]))


def _layout(parts: Parts, mask_axes: frozenset[str]) -> Layout | None:
    q, k, v, keys, dots = parts.q[0].axes, parts.k[0].axes, parts.v.axes, parts.keys, parts.node["dots"][0]
    shared = tuple(name for name in q if name in k and name not in dots)
    loose = tuple(name for name in q if name not in k and name not in dots)
    features = tuple(name for name in v if name not in keys and name not in shared and name not in loose)
    if any(name in q for name in keys) or {*k} != {*shared, *keys, *dots} or {*v} != {*shared, *keys, *features}:
        return None
    if not mask_axes <= {*shared, *loose, *keys}:
        return None
    rows = tuple(name for name in loose if name in mask_axes) or loose
    groups = tuple(name for name in loose if name not in rows)
    leading = _leading(shared, groups, mask_axes)
    return None if leading is None else Layout(*leading, rows, features, bool(groups))


def _leading(shared: Names, groups: Names, mask_axes: frozenset[str]) -> tuple[Names, Names] | None:
    """The two leading dimensions: in each of them mask and bias together have every axis or none."""
    told, untold = (tuple(name for name in shared if (name in mask_axes) is wanted) for wanted in (True, False))
    if groups:
        return None if told and untold else (shared, groups)
    if told and untold:
        return untold, told
    return shared[:-1], shared[-1:]


def _keys(e: Emitter, parts: Parts, layout: Layout, value: Value, last: Sequence[str]) -> Any:
    """Keys or values; along axes that only the queries have they are a view that repeats."""
    heads: Sequence[str] = () if layout.repeated else layout.heads
    x = e.flat(value, parts.groups([layout.batch, heads, parts.keys, last]))
    if not layout.repeated:
        return x
    count = TensorType(tuple(Axis(name, parts.sizes[name]) for name in layout.heads)).elements()
    return e.method("expand", x, -1, e.size(count), -1, -1)


def _mask(e: Emitter, parts: Parts, layout: Layout, value: Value | None) -> Any:
    """A mask or bias on the four dimensions, of size 1 where it has none of their axes."""
    if value is None:
        return None
    dimensions = (layout.batch, layout.heads, layout.rows, parts.keys)
    groups = parts.groups([group if any(name in value.axes for name in group) else () for group in dimensions])
    axes = [axis for group in groups for axis in group]
    return e.flat(Value(e.full(value, axes), tuple(axis.name for axis in axes)), groups)
