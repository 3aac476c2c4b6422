"""Names and products of axes that meet: two renames are one, a split undoes a merge, a cut of a cut is one cut.

These change no number and no order in memory, except where a rule asks `strict`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..graph import Node
from ..sizes import Size
from ..types import Axis
from .simplify import Place, Simplification


def renamed(axes: tuple[Axis, ...], names: Mapping[str, str]) -> tuple[Axis, ...]:
    return tuple(Axis(names.get(name, name), size) for name, size in axes)


def _rename_twice(place: Place) -> Node | None:
    now = place.now
    (inner,) = now.inputs
    if inner.op != "rename":
        return None
    first, second = dict(inner["pairs"]), dict(now["pairs"])
    x = inner.inputs[0]
    middle = {name: first.get(name, name) for name in x.tensor.names}
    return place.make.rename(x, {name: second.get(now_called, now_called) for name, now_called in middle.items()})


def _expand_twice(place: Place) -> Node | None:
    (inner,) = place.now.inputs
    if inner.op != "expand":
        return None
    axes: tuple[str, ...] = (*place.now["axes"], *inner["axes"])  # the later ones lie outside
    return place.make.node("expand", inner.inputs, place.now.type, axes=axes)


def _cut_twice(place: Place) -> Node | None:
    """A part of a part, or one position of it."""
    now = place.now
    (inner,) = now.inputs
    if inner.op != "cut" or inner["axis"] != now["axis"]:
        return None
    start: Size = inner["start"]
    if now.op == "cut":
        return place.make.cut(inner.inputs[0], now["axis"], start + now["start"], now.tensor.size(now["axis"]))
    index: Size = now["index"]
    known = index.integer()
    if known is None:
        return None
    at = start + (inner.tensor.size(now["axis"]) + index if known < 0 else index)
    return place.make.node("pick", inner.inputs, now.type, axis=now["axis"], index=at)


def _whole_cut(place: Place) -> Node | None:
    now = place.now
    (x,) = now.inputs
    return x if now["start"] == 0 and x.type == now.type else None


def _merge_of_split(place: Place) -> Node | None:
    """A product taken apart and put together again is a rename."""
    now = place.now
    (inner,) = now.inputs
    parts: tuple[tuple[str, ...], ...] = now["parts"]
    made: tuple[str, ...] = now["axes"]
    if inner.op != "split" or inner["parts"] not in parts:
        return None
    at = parts.index(inner["parts"])
    x, old, new = inner.inputs[0], inner["axis"], made[at]
    rest = [i for i in range(len(parts)) if i != at]
    if not rest:
        return place.make.rename(x, {old: new})
    if x.tensor.has(new) and new != old:
        return None
    y = place.make.rename(x, {old: new})
    return place.make.node("merge", (y,), now.type, parts=tuple(parts[i] for i in rest), axes=tuple(made[i] for i in rest))


def _split_of_merge(place: Place) -> Node | None:
    """A product put together and taken apart the same way is a rename. Without the copy that the product may have been."""
    now = place.now
    (inner,) = now.inputs
    if inner.op != "merge" or now["axis"] not in inner["axes"] or place.strict:
        return None
    at = inner["axes"].index(now["axis"])
    old, new = inner["parts"][at], now["parts"]
    x = inner.inputs[0]
    if [x.tensor.size(name) for name in old] != [now.tensor.size(name) for name in new]:
        return None
    names = dict(zip(old, new, strict=True))
    rest = [i for i in range(len(inner["axes"])) if i != at]
    if not rest:
        return place.make.rename(x, names) if _distinct(x, names) else None
    if not _distinct(x, names):
        return None
    y = place.make.rename(x, names)
    return place.make.node(
        "merge", (y,), now.type, parts=tuple(inner["parts"][i] for i in rest), axes=tuple(inner["axes"][i] for i in rest)
    )


def _distinct(x: Node, names: Mapping[str, str]) -> bool:
    after = [names.get(name, name) for name in x.tensor.names]
    return len({*after}) == len(after)


def _pick_of_stack(place: Place) -> Node | None:
    """One of the tensors that were put side by side; strictly not, as it then lies as it did before."""
    now = place.now
    (inner,) = now.inputs
    if place.strict:
        return None
    if inner.op == "stack" and inner["axis"] == now["axis"]:
        wanted: Size = now["index"]
        index = wanted.integer()
        if index is None:
            return None
        x = inner.inputs[index]
        return place.make.expand(x, now.axes) if x.dtype == now.dtype and _fits(x, now) else None
    if inner.op == "expand" and now["axis"] in inner["axes"]:
        return place.make.expand(inner.inputs[0], now.axes)
    return None


def _fits(x: Node, now: Node) -> bool:
    return all(axis in now.axes for axis in x.axes)


def _cut_of_concat(place: Place) -> Node | None:
    """A part that lies within one of the tensors that were put end to end."""
    now = place.now
    (inner,) = now.inputs
    if place.strict or inner.op != "concat" or inner["axis"] != now["axis"]:
        return None
    name, start = now["axis"], Size.of(0)
    for x in inner.inputs:
        size = x.tensor.size(name) if x.tensor.has(name) else Size.of(1)
        if now["start"] == start and now.tensor.size(name) == size and x.dtype == now.dtype:
            return place.make.expand(x, now.axes) if _fits(x, now) else None
        start = start + size
    return None


def _alone(place: Place) -> Node | None:
    """`concat` of one tensor, `sum` of one number, and moves by nothing."""
    now = place.now
    x = now.inputs[0]
    if place.strict or x.dtype != now.dtype:
        return None
    if now.op == "concat":
        return x if len(now.inputs) == 1 and frozenset(x.axes) == frozenset(now.axes) else None
    axes: tuple[str, ...] = now["axes"]
    if any(x.tensor.size(name).integer() != 1 for name in axes):
        return None
    for name in axes:
        x = place.make.node("pick", (x,), x.tensor.without((name,)), axis=name, index=Size.of(0))
    return x


def _flip_twice(place: Place) -> Node | None:
    (inner,) = place.now.inputs
    same = inner.op == "flip" and frozenset(inner["axes"]) == frozenset(place.now["axes"])
    return inner.inputs[0] if same and not place.strict else None


VIEWS = (
    Simplification("two renames in a row are one", frozenset({"rename"}), _rename_twice),
    Simplification("two repetitions in a row are one", frozenset({"expand"}), _expand_twice),
    Simplification("a part of a part is one part", frozenset({"cut", "pick"}), _cut_twice),
    Simplification("a part that is the whole is left out", frozenset({"cut"}), _whole_cut),
    Simplification("a product of axes that was just taken apart is whole", frozenset({"merge"}), _merge_of_split),
    Simplification("a product of axes that was just made is not taken apart again", frozenset({"split"}), _split_of_merge),
    Simplification("one of the values side by side is read where it is", frozenset({"pick"}), _pick_of_stack),
    Simplification("a part that is one of the joined values is read where it is", frozenset({"cut"}), _cut_of_concat),
    Simplification("a sum or mean of one number is that number", frozenset({"sum", "mean", "max", "min", "prod"}), _alone),
    Simplification("a single value is not joined", frozenset({"concat"}), _alone),
    Simplification("two flips are none", frozenset({"flip"}), _flip_twice),
)
