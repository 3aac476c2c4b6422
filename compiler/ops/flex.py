"""PyTorch's FlexAttention: on GPUs, for masks and biases that its other call would take as a tensor of all pairs."""

from __future__ import annotations

from typing import Any

from ..lower.emitter import Emitter, Value
from .attend_way import Layout, roles
from .attention_parts import Parts
from .mask_offsets import Band, Residue
from .pairs import Flexible, Same, flexible


def flex(e: Emitter, parts: Parts, layout: Layout, main: tuple[Any, Any, Any], options: dict[str, Any]) -> Any:
    """The call of FlexAttention on [batch, heads, rows, features]; None where another call is better."""
    found = flexible(roles(parts.node), layout) if e.device_kind() == "cuda" else None
    if found is None:
        return None
    dimensions = parts.groups([layout.batch, layout.heads, layout.rows, parts.keys])
    mask, mask_given = e.per_pair(found.mask, dimensions) if found.mask is not None else (None, ())
    bias, bias_given = e.per_pair(found.bias, dimensions, added=True) if found.bias is not None else (None, ())
    return e.call("runtime.flex_attention", *main, mask, mask_given, bias, bias_given, _blocks(e, parts, layout, found), options["scale"])


def _blocks(e: Emitter, parts: Parts, layout: Layout, found: Flexible) -> Any:
    """What is known of blocks: `("band", low, high)`, `("residue", step)`, `("segment", size)`, `("same", queries, keys)`."""
    if found.told is None:
        return None
    made: list[tuple[Any, ...]] = []
    for fact in found.told:
        if fact is None:
            made.append(("unknown",))
        elif isinstance(fact, Same):
            made.append(("same", _side(e, parts, layout, fact, "query"), _side(e, parts, layout, fact, "key")))
        elif isinstance(fact, Band):
            made.append(("band", *(None if limit is None else e.size(limit) for limit in (fact.low, fact.high))))
        else:
            made.append(("residue", e.size(fact.step)) if isinstance(fact, Residue) else ("segment", e.size(fact.size)))
    return tuple(made)


def _side(e: Emitter, parts: Parts, layout: Layout, same: Same, side: str) -> Any:
    """The numbers of queries or keys on [batch, heads, positions], of size 1 where they are the same."""
    node, names = (same.query, same.query_names) if side == "query" else (same.key, same.key_names)
    value, outer = e.tensor(node), dict(names)
    value = Value(value.fx, tuple(outer[name] for name in value.axes))
    wanted = (layout.batch, layout.heads, layout.rows if side == "query" else parts.keys)
    groups = parts.groups([group if any(name in value.axes for name in group) else () for group in wanted])
    axes = [axis for group in groups for axis in group]
    return e.flat(Value(e.full(value, axes), tuple(axis.name for axis in axes)), groups)
