"""Rules for operators that move, name, repeat and pick."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch

from ..graph import Node
from .named import Named, choose, filled, fresh, pointwise, positions, reduced, union
from .rules import Run, rule

# ---------------------------------------------------------------- names, products and sums of axes


@rule("rename")
def _rename(run: Run, node: Node, inputs: list[Named]) -> Named:
    return inputs[0].renamed(dict(node["pairs"]))


@rule("expand")
def _expand(run: Run, node: Node, inputs: list[Named]) -> Named:
    lengths = run.lengths(node.axes)
    return filled(inputs[0], {axis: lengths[axis] for axis in (*inputs[0].axes, *node["axes"])})


@rule("split")
def _split(run: Run, node: Node, inputs: list[Named]) -> Named:
    (x,), lengths = inputs, run.lengths(node.axes)
    parts: tuple[str, ...] = node["parts"]
    axes: list[str] = []
    for axis in x.axes:
        axes.extend(parts if axis == node["axis"] else (axis,))
    return Named(x.data.reshape([lengths[axis] if axis in parts else x.size(axis) for axis in axes]), tuple(axes))


@rule("merge")
def _merge(run: Run, node: Node, inputs: list[Named]) -> Named:
    (x,) = inputs
    groups: tuple[tuple[str, ...], ...] = node["parts"]
    gone = {name for group in groups for name in group}
    rest = [axis for axis in x.axes if axis not in gone]
    data = x.ordered([*rest, *(name for group in groups for name in group)])
    sizes = [*(x.size(axis) for axis in rest), *(prod(x.size(name) for name in group) for group in groups)]
    return Named(data.reshape(sizes), (*rest, *node["axes"]))


@rule("concat")
def _concat(run: Run, node: Node, inputs: list[Named]) -> Named:
    """End to end; a part without the axis has one place of it."""
    along, lengths = node["axis"], run.lengths(node.axes)
    parts: list[torch.Tensor] = []
    for value in inputs:
        count = value.size(along) if along in value.axes else 1
        parts.append(filled(value.cast(node.dtype), {**lengths, along: count}).data)
    return Named(torch.cat(parts, list(lengths).index(along)), tuple(lengths))


@rule("stack")
def _stack(run: Run, node: Node, inputs: list[Named]) -> Named:
    lengths = run.lengths(node.tensor.without((node["axis"],)).axes)
    parts = [filled(value.cast(node.dtype), lengths).data for value in inputs]
    return Named(torch.stack(parts, -1), (*lengths, node["axis"]))


# ---------------------------------------------------------------- places


@rule("pick")
def _pick(run: Run, node: Node, inputs: list[Named]) -> Named:
    index, count = run.size(node["index"]), inputs[0].size(node["axis"])
    if not -count <= index < count:
        raise ValueError(f"position {index} of {count}")
    return inputs[0].at(node["axis"], index % count)


@rule("cut")
def _cut(run: Run, node: Node, inputs: list[Named]) -> Named:
    start, count = run.size(node["start"]), run.size(node.tensor.size(node["axis"]))
    if start < 0 or count < 0 or start + count > inputs[0].size(node["axis"]):
        raise ValueError(f"{count} positions from {start}")
    return inputs[0].taken(node["axis"], range(start, start + count))


@rule("flip")
def _flip(run: Run, node: Node, inputs: list[Named]) -> Named:
    value = inputs[0]
    for name in node["axes"]:
        value = value.taken(name, range(value.size(name) - 1, -1, -1))
    return value


@rule("roll")
def _roll(run: Run, node: Node, inputs: list[Named]) -> Named:
    value = inputs[0]
    for name, by in node["moves"]:
        count = value.size(name)
        value = value.taken(name, [(i - run.size(by)) % count for i in range(count)])
    return value


def placed(value: Named, name: str, places: list[int], fill: Any) -> Named:
    """Position i of the result is position places[i], or `fill` where there is none of that number."""
    count = value.size(name)
    there = [0 <= place < count for place in places]
    if count == 0:
        value = filled(Named(torch.tensor(fill, dtype=value.data.dtype)), {**value.sizes, name: 1})
    taken = value.taken(name, [place if inside else 0 for place, inside in zip(places, there, strict=True)])
    return choose(Named(torch.tensor(there, dtype=torch.bool), (name,)), taken, fill)


@rule("shift")
def _shift(run: Run, node: Node, inputs: list[Named]) -> Named:
    value = inputs[0]
    for name, by in node["moves"]:
        value = placed(value, name, [i - run.size(by) for i in range(value.size(name))], node["fill"])
    return value


def _bounced(place: int, count: int) -> int:
    """Reflected at the ends, without the end itself twice."""
    return -place if place < 0 else 2 * (count - 1) - place if place >= count else place


BORDERS: dict[str, Callable[[int, int], int]] = {
    "constant": lambda place, count: place,
    "reflect": _bounced,
    "replicate": lambda place, count: min(max(place, 0), count - 1),
    "circular": lambda place, count: place % count,
}


@rule("pad")
def _pad(run: Run, node: Node, inputs: list[Named]) -> Named:
    value = inputs[0]
    for name, before, after in node["pads"]:
        count, first = value.size(name), run.size(before)
        places = [BORDERS[node["mode"]](i - first, count) for i in range(count + first + run.size(after))]
        value = placed(value, name, places, node["fill"])
    return value


# ---------------------------------------------------------------- places that tensors name


def from_start(index: Named, count: int) -> Named:
    """Negative places counted from the end. IndexError where one is outside."""
    data = torch.where(index.data < 0, index.data + count, index.data)
    if bool(((data < 0) | (data >= count)).any()):
        raise IndexError(f"a place outside of {count}")
    return Named(data, index.axes)


@rule("gather")
def _gather(run: Run, node: Node, inputs: list[Named]) -> Named:
    """All positions are looked at; the one that is named stays."""
    inside = fresh(node["axis"], [inputs[1]])
    x = inputs[0].renamed({node["axis"]: inside})
    count = x.size(inside)
    hit = pointwise(torch.eq, from_start(inputs[1].cast("int"), count), positions(inside, count))
    found = choose(hit, x, 0)
    return reduced(lambda data: data.any(-1) if data.dtype == torch.bool else data.sum(-1), found, (inside,))


@rule("scatter")
def _scatter(run: Run, node: Node, inputs: list[Named]) -> Named:
    """For every place all entries are looked at; those that go there stay."""
    x, at = inputs
    left, how = node["left"], node["how"]
    count = run.size(node.tensor.size(node["right"]))
    to = fresh(node["right"], inputs)
    hit = pointwise(torch.eq, from_start(at.cast("int"), count), positions(to, count))
    if how in ("max", "min"):
        found = choose(hit, x, _worst(x.data.dtype, how))
        best = torch.amax if how == "max" else torch.amin
        whole = filled(found, {**found.sizes})
        return reduced(lambda data: _extreme(best, data, how), whole, left).renamed({to: node["right"]})
    found = choose(hit, x.cast(node.dtype), 0)
    result = reduced(lambda data: data.sum(-1), found, left)
    if how == "mean":
        many = filled(hit, {axis: found.size(axis) for axis in union([found])})
        counts = reduced(lambda data: data.sum(-1).clamp(min=1), many, left)
        result = pointwise(torch.div, result, counts.cast("wide"))
    return result.renamed({to: node["right"]})


def _worst(dtype: torch.dtype, how: str) -> float | int | bool:
    """What never wins."""
    if dtype == torch.bool:
        return how == "min"
    if dtype == torch.int64:
        return torch.iinfo(dtype).min if how == "max" else torch.iinfo(dtype).max
    return float("-inf") if how == "max" else float("inf")


def _extreme(best: Callable[..., torch.Tensor], data: torch.Tensor, how: str) -> torch.Tensor:
    if data.shape[-1] == 0:
        return torch.full(data.shape[:-1], _worst(data.dtype, how), dtype=data.dtype)
    return best(data, -1)
