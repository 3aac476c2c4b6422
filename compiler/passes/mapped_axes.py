"""Products of axes at a linear map: `linear(D -> E) |> split(E -> h d)` is `linear(D -> h d)`, and so on for merges and for what goes in.

The weight is taken apart or merged instead, which is a view of it; the matrix product stays the same call on the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Node
from ..types import Axis, TensorType
from .making import Make
from .simplify import Place, Simplification


def _is_plain(linear: Node) -> bool:
    """A map with one matrix for all places: each axis of the weight is mapped from or to."""
    weight = linear.inputs[1]
    return not linear["each"] and len(weight.axes) == len(linear["over"]) + len(linear["own"]) and linear.dtype == "float"


def split(make: Make, x: Node, axis: str, parts: Sequence[Axis]) -> Node:
    axes = tuple(new for known in x.axes for new in (parts if known.name == axis else (known,)))
    return make.node("split", (x,), TensorType(axes, x.dtype), axis=axis, parts=tuple(part.name for part in parts))


def merge(make: Make, x: Node, parts: Sequence[str], into: Axis) -> Node:
    axes = (*x.tensor.without(parts).axes, into)
    return make.node("merge", (x,), TensorType(axes, x.dtype), parts=(tuple(parts),), axes=(into.name,))


def _replaced(names: Sequence[str], old: Sequence[str], new: Sequence[str]) -> tuple[str, ...] | None:
    """`names` with the neighbours `old` replaced by `new`; None where they are not neighbours in this order."""
    for at in range(len(names) - len(old) + 1):
        if tuple(names[at : at + len(old)]) == tuple(old):
            return (*names[:at], *new, *names[at + len(old) :])
    return None


def _split_made(place: Place) -> Node | None:
    """A made axis that is taken apart at once."""
    now = place.now
    (linear,) = now.inputs
    if linear.op != "linear" or now["axis"] not in linear["made"] or not _is_plain(linear) or not place.alone():
        return None
    x, weight, *bias = linear.inputs
    parts = [Axis(name, now.tensor.size(name)) for name in now["parts"]]
    at = linear["made"].index(now["axis"])
    fresh = [Axis(place.make.fresh(part.name), part.size) for part in parts]
    inputs = [x, split(place.make, weight, linear["own"][at], fresh), *(split(place.make, one, now["axis"], parts) for one in bias)]
    made = _replaced(linear["made"], [now["axis"]], now["parts"])
    own = _replaced(linear["own"], [linear["own"][at]], [axis.name for axis in fresh])
    return place.make.node("linear", inputs, now.type, **{**linear.options, "made": made, "own": own})


def _merge_made(place: Place) -> Node | None:
    """Made axes that are merged at once, in their order."""
    now = place.now
    (linear,) = now.inputs
    if linear.op != "linear" or len(now["axes"]) != 1 or not _is_plain(linear) or not place.alone():
        return None
    parts: tuple[str, ...] = now["parts"][0]
    made = _replaced(linear["made"], parts, now["axes"])
    if made is None:
        return None
    x, weight, *bias = linear.inputs
    into = Axis(now["axes"][0], now.tensor.size(now["axes"][0]))
    at = linear["made"].index(parts[0])
    old = linear["own"][at : at + len(parts)]
    fresh = Axis(place.make.fresh(into.name), into.size)
    own = _replaced(linear["own"], old, [fresh.name])
    inputs = [x, merge(place.make, weight, old, fresh), *(merge(place.make, one, parts, into) for one in bias)]
    return place.make.node("linear", inputs, now.type, **{**linear.options, "made": made, "own": own})


def _merged_input(place: Place) -> Node | None:
    """A product of axes that is made only to be mapped: the map contracts its parts."""
    now = place.now
    x, weight, *bias = now.inputs
    if x.op != "merge" or not _is_plain(now) or not place.alone() or len(x["axes"]) != 1:
        return None
    axis, parts = x["axes"][0], x["parts"][0]
    under = x.inputs[0]
    over = _replaced(now["over"], [axis], parts)
    if over is None or not {*parts}.isdisjoint({*now["made"], *now["own"]}):
        return None
    pieces = [Axis(name, under.tensor.size(name)) for name in parts]
    return place.make.node("linear", (under, split(place.make, weight, axis, pieces), *bias), now.type, **{**now.options, "over": over})


def _split_input(place: Place) -> Node | None:
    """An axis that is taken apart only to be mapped with all its parts."""
    now = place.now
    x, weight, *bias = now.inputs
    if x.op != "split" or not _is_plain(now) or not place.alone():
        return None
    axis, under = x["axis"], x.inputs[0]
    over = _replaced(now["over"], x["parts"], [axis])
    if over is None or axis in (*now["made"], *now["own"]) or weight.tensor.has(axis):
        return None
    whole = Axis(axis, under.tensor.size(axis))
    return place.make.node(
        "linear", (under, merge(place.make, weight, x["parts"], whole), *bias), now.type, **{**now.options, "over": over}
    )


MAPPED = (
    Simplification("a linear map makes the parts of an axis itself", frozenset({"split"}), _split_made),
    Simplification("a linear map makes the product of axes itself", frozenset({"merge"}), _merge_made),
    Simplification("a linear map takes the parts of a product itself", frozenset({"linear"}), _merged_input),
    Simplification("a linear map takes an axis whole", frozenset({"linear"}), _split_input),
)
