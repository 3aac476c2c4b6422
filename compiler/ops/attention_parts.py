"""What the ways to lower `attend` share: its inputs told apart, and lining up with the keys last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..graph import Node
from ..lower.emitter import Emitter, Value
from ..sizes import Size
from ..types import Axis
from .facts import is_number
from .products import operands, sizes_of


@dataclass(frozen=True)
class Parts:
    """The inputs of an attend node as values of one float type. `scale` may be a number; `where` is bool."""

    node: Node
    q: tuple[Value, ...]
    k: tuple[Value, ...]
    v: Value
    scale: Value
    bias: Value | None
    where: Value | None
    sink: Value | None
    sizes: dict[str, Size]

    @property
    def keys(self) -> tuple[str, ...]:
        keys: tuple[str, ...] = self.node["keys"]
        return keys

    def groups(self, names: Sequence[Sequence[str]]) -> list[list[Axis]]:
        """Axes by name, with their sizes."""
        return [[Axis(name, self.sizes[name]) for name in group] for group in names]


def parts_of(e: Emitter, node: Node) -> Parts:
    """The inputs, told apart and brought to one type."""
    terms: int = node["terms"]
    extras: dict[str, Node] = dict(zip(node["extras"], node.inputs[2 * terms + 1 :], strict=True))
    main = node.inputs[: 2 * terms + 1]
    cast = {name: source for name, source in extras.items() if name != "where" and not (name == "scale" and is_number(source))}
    values = operands(e, [*main, *cast.values()], node.dtype)
    found = dict(zip(cast, values[len(main) :], strict=True))
    where = e.tensor(extras["where"]) if "where" in extras else None
    scale = found.get("scale") or (e.value(extras["scale"]) if "scale" in extras else default_scale(e, node["features"]))
    return Parts(node, tuple(values[:terms]), tuple(values[terms : 2 * terms]), values[2 * terms], scale,
                 found.get("bias"), where, found.get("sink_logit"), sizes_of(node.inputs))  # fmt: skip


def default_scale(e: Emitter, features: Size) -> Value:
    """One over the root of how many products make a score, as a number."""
    known = features.integer()
    if known is not None:
        return Value(float(known) ** -0.5 if known else 1.0, ())
    return Value(e.call("runtime.power", e.size(features), -0.5), ())


def meet(e: Emitter, keys: Sequence[str], *values: Value) -> tuple[list[Any], tuple[str, ...]]:
    """Values lined up, the keys last."""
    widest = sorted(values, key=lambda value: -len(value.axes))
    rest = dict.fromkeys(name for value in widest for name in value.axes if name not in keys)
    last = [name for name in keys if any(name in value.axes for value in values)]
    axes = (*rest, *last)
    return e.align(list(values), axes), axes


def combine(e: Emitter, keys: Sequence[str], target: str, *values: Value) -> Value:
    """A function number by number over values that line up."""
    args, axes = meet(e, keys, *values)
    return Value(e.call(target, *args), axes)


def told_apart(parts: Parts, rows: Sequence[str]) -> tuple[Parts, list[tuple[str, ...]]]:
    """What the terms add up along, under names that no row has: an option, or another term, may have such an axis of its own."""
    written: tuple[tuple[str, ...], ...] = parts.node["dots"]
    names = {name: f"{name} added up" for dots in written for name in dots if name in rows}
    if not names:
        return parts, list(written)
    dots = [tuple(names.get(name, name) for name in own) for own in written]

    def inside(value: Value, own: Sequence[str]) -> Value:
        return replace(value, axes=tuple(names[name] if name in own and name in names else name for name in value.axes))

    q, k = ([inside(value, own) for value, own in zip(side, written, strict=True)] for side in (parts.q, parts.k))
    sizes = {**parts.sizes, **{new: parts.sizes[old] for old, new in names.items()}}
    return replace(parts, q=tuple(q), k=tuple(k), sizes=sizes), dots
