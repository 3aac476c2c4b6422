"""Rules for what slides: convolutions, windows, pooling, and other sizes of an axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from ..graph import Node
from .moving import placed
from .named import Named, choose, contract, filled, pointwise, reduced, union
from .reducing import largest, smallest
from .rules import Run, rule

# ---------------------------------------------------------------- windows and their adjoint


def windows(x: Named, axis: str, to: tuple[str, str], counts: tuple[int, int], steps: tuple[int, int], before: int) -> Named:
    """`to[0]` counts windows and `to[1]` their positions: place w * stride + i * dilation - before of the axis, and zeros outside."""
    (many, width), (stride, dilation) = counts, steps
    rows: list[Tensor] = []
    rest = tuple(name for name in x.axes if name != axis)
    for i in range(width):
        row = placed(x, axis, [w * stride + i * dilation - before for w in range(many)], 0)
        rows.append(row.ordered((*rest, axis)))
    if not rows:
        return Named(torch.zeros(*(x.size(name) for name in rest), many, 0, dtype=x.data.dtype), (*rest, *to))
    return Named(torch.stack(rows, -1), (*rest, *to))


def added_up(x: Named, parts: tuple[str, str], axis: str, length: int, steps: tuple[int, int], before: int) -> Named:
    """Window w, position i goes to place w * stride + i * dilation - before; what goes to one place is added up."""
    stride, dilation = steps
    rest = tuple(name for name in x.axes if name not in parts)
    data = x.ordered((*rest, *parts))
    sums: dict[int, Tensor] = {}
    for w, i in product(range(x.size(parts[0])), range(x.size(parts[1]))):
        place = w * stride + i * dilation - before
        if 0 <= place < length:
            sums[place] = sums[place] + data[..., w, i] if place in sums else data[..., w, i]
    zero = torch.zeros([x.size(name) for name in rest], dtype=x.data.dtype)
    if length == 0:
        return Named(torch.zeros(*zero.shape, 0, dtype=x.data.dtype), (*rest, axis))
    return Named(torch.stack([sums.get(place, zero) for place in range(length)], -1), (*rest, axis))


@rule("unfold")
def _unfold(run: Run, node: Node, inputs: list[Named]) -> Named:
    to = node["to"]
    counts = run.size(node.tensor.size(to[0])), run.size(node.tensor.size(to[1]))
    whole = fresh_pair(node["axis"])
    x = inputs[0].renamed({node["axis"]: whole})
    return windows(x, whole, to, counts, (run.size(node["stride"]), run.size(node["dilation"])), 0)


def fresh_pair(name: str) -> str:
    """A name that no program can write."""
    return f"{name} whole"


@rule("fold")
def _fold(run: Run, node: Node, inputs: list[Named]) -> Named:
    steps = run.size(node["stride"]), run.size(node["dilation"])
    length = run.size(node.tensor.size(node["axis"]))
    return added_up(inputs[0], node["parts"], node["axis"], length, steps, run.size(node["pad"][0]))


# ---------------------------------------------------------------- convolutions


def _biased(y: Named, inputs: Sequence[Named]) -> Named:
    return pointwise(torch.add, y, inputs[2].cast("wide")) if len(inputs) > 2 else y


@rule("conv")
def _conv(run: Run, node: Node, inputs: list[Named]) -> Named:
    """Windows of the tensor, contracted with the kernel."""
    x, kernel = (value.cast("wide") for value in inputs[:2])
    slots = zip(node["over"], node["taps"], node["stride"], node["dilation"], node["pads"], strict=True)
    for axis, tap, stride, dilation, (before, _) in slots:
        counts = run.size(node.tensor.size(axis)), kernel.size(tap)
        x = windows(x, axis, (axis, tap), counts, (run.size(stride), run.size(dilation)), run.size(before))
    return _biased(contract((x, kernel), (*node["inner"], *node["taps"])), inputs)


@rule("conv_transpose")
def _transposed(run: Run, node: Node, inputs: list[Named]) -> Named:
    """Every position times the kernel, added up where they meet."""
    x, kernel = (value.cast("wide") for value in inputs[:2])
    y = contract((x, kernel), node["inner"])
    slots = zip(node["over"], node["taps"], node["stride"], node["dilation"], node["pads"], strict=True)
    for axis, tap, stride, dilation, pad in slots:
        length = run.size(node.tensor.size(axis))
        y = added_up(y, (axis, tap), axis, length, (run.size(stride), run.size(dilation)), run.size(pad))
    return _biased(y, inputs)


# ---------------------------------------------------------------- pooling


@rule("sliding")
def _sliding(run: Run, node: Node, inputs: list[Named]) -> Named:
    """What is outside never wins and adds nothing; a mean divides by what it sees, with `count_padding` the padding included."""
    how = node["how"]
    x = inputs[0] if how in ("max", "min") else inputs[0].cast(node.dtype)
    seen: list[Named] = []
    counted: list[Named] = []
    taps: list[str] = []
    for (old, new), *numbers in zip(node["pairs"], node["kernel"], node["stride"], node["padding"], node["dilation"], strict=True):
        width, stride, pad, dilation = (run.size(number) for number in numbers)
        many, length, tap = run.size(node.tensor.size(new)), x.size(old), f"{old} tap"
        taps.append(tap)
        whole = fresh_pair(old)
        x = windows(x.renamed({old: whole}), whole, (f"{old} made", tap), (many, width), (stride, dilation), pad)
        place = torch.arange(many).unsqueeze(-1) * stride + torch.arange(width) * dilation - pad
        seen.append(Named((place >= 0) & (place < length), (f"{old} made", tap)))
        counted.append(Named((place >= -pad) & (place < length + pad), (f"{old} made", tap)) if node["count_padding"] else seen[-1])
    result = _pooled(how, x, seen, counted, taps)
    return result.renamed({f"{old} made": new for old, new in node["pairs"]})


def _pooled(how: str, x: Named, seen: Sequence[Named], counted: Sequence[Named], taps: Sequence[str]) -> Named:
    if how in ("max", "min"):
        least = how == "min" if x.data.dtype == torch.bool else _bound(x.data.dtype, how)
        for mask in seen:
            x = choose(mask, x, least)
        return reduced(largest if how == "max" else smallest, x, taps)
    result = reduced(lambda data: data.sum(-1), x, taps)
    if how == "sum":
        return result
    many = contract([mask.cast("int") for mask in counted], taps)
    return pointwise(torch.div, result, many.cast("wide"))


def _bound(dtype: torch.dtype, how: str) -> float | int:
    if dtype.is_floating_point:
        return float("-inf") if how == "max" else float("inf")
    return torch.iinfo(dtype).min if how == "max" else torch.iinfo(dtype).max


# ---------------------------------------------------------------- between positions


@rule("sample")
def _sample(run: Run, node: Node, inputs: list[Named]) -> Named:
    """Each position weighs by how near it is: 1 at the coordinate, 0 from the next one on."""
    x, places = inputs[0].cast("wide"), [place.cast("wide") for place in inputs[1:]]
    names = {name: fresh_pair(name) for name in node["axes"]}
    x = x.renamed(names)
    parts = [x]
    for name, place in zip(node["axes"], places, strict=True):
        count = x.size(names[name])
        if node["padding"] == "border":
            place = pointwise(lambda at, last=count - 1: torch.minimum(torch.relu(at), torch.tensor(float(last))), place)
        where = Named(torch.arange(count, dtype=torch.float64), (names[name],))
        near = _is_nearest if node["mode"] == "nearest" else _nearness
        parts.append(pointwise(near, place, where))
    wanted = {axis: size for part in parts for axis, size in part.sizes.items()}
    parts[0] = filled(x, {axis: wanted[axis] for axis in (*x.axes, *(axis for axis in union(places) if axis not in x.axes))})
    return contract(parts, tuple(names.values()))


def _nearness(at: Tensor, position: Tensor) -> Tensor:
    away = torch.abs(at - position)
    return torch.where(away < 1, 1 - away, 0)


def _is_nearest(at: Tensor, position: Tensor) -> Tensor:
    return (torch.round(at) == position).double()
