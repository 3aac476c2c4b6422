"""Renames, splits and merges go past number by number work towards the results, where they meet others and cancel.

A value is then computed once for all the names it is read under, and what stands between two contractions is out of their way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..graph import Node
from ..ops.base import OPERATORS
from ..ops.facts import is_number
from ..types import Axis, TensorType
from .simplify import Place, Simplification
from .views import renamed

_POINTWISE = frozenset(name for name, row in OPERATORS.items() if row.pointwise)
_ALONG = frozenset({"sum", "mean", "max", "min", "softmax", "layernorm", "rmsnorm", "l2norm"})
"""Operators of one tensor that name axes of it in their option `axes` alone; further inputs are weights along those axes."""


# ------------------------------------------------ renames


def _sink_rename(place: Place) -> Node | None:
    """`exp(rename(x))` is `rename(exp(x))`; of several operands where all come from the same names."""
    now = place.now
    if not any(source.op == "rename" for source in now.inputs):
        return None
    before = _names_before(now.inputs)
    if before is None or not _keeps_order(now, before):
        return None
    inputs = [source.inputs[0] if source.op == "rename" else source for source in now.inputs]
    inner = place.make.node(now.op, inputs, TensorType(renamed(now.axes, before), now.dtype), **now.options)
    return place.make.rename(inner, {old: new for new, old in before.items()})


def _names_before(inputs: tuple[Node, ...]) -> dict[str, str] | None:
    """For each axis the name it had before the renames; None where two inputs say different things, or two axes would have one name."""
    before: dict[str, str] = {}
    for source in inputs:
        back = {new: old for old, new in source["pairs"]} if source.op == "rename" else dict[str, str]()
        for name in source.tensor.names:
            if before.setdefault(name, back.get(name, name)) != back.get(name, name):
                return None
    return before if len({*before.values()}) == len(before) else None


def _keeps_order(now: Node, before: Mapping[str, str]) -> bool:
    """Second copies (`N'`) go last where no operand has all axes; so names may change freely only where one has."""
    whole = any(len(source.axes) == len(now.axes) for source in now.inputs)
    return whole or all(new.endswith("'") == old.endswith("'") for new, old in before.items())


def _sink_rename_along(place: Place) -> Node | None:
    """Past sums, norms and softmax, which name the axes they work along."""
    now = place.now
    x, *rest = now.inputs
    if x.op != "rename":
        return None
    pairs: tuple[tuple[str, str], ...] = x["pairs"]
    back = {new: old for old, new in pairs}
    if rest and any(name in back or name in dict(pairs) for source in rest for name in source.tensor.names):
        return None
    axes = tuple(back.get(name, name) for name in now["axes"])
    type = TensorType(renamed(now.axes, back), now.dtype)
    inner = place.make.node(now.op, (x.inputs[0], *rest), type, **{**now.options, "axes": axes})
    return place.make.rename(inner, dict(pairs))


def _sink_rename_linear(place: Place) -> Node | None:
    """Past a linear map, whose weight takes the old names of what it contracts."""
    now = place.now
    x, weight, *rest = now.inputs
    if x.op != "rename" or now["each"]:
        return None
    pairs, old = dict(x["pairs"]), x.inputs[0]
    back = {new: name for name, new in x["pairs"]}
    carried = {name: new for name, new in pairs.items() if new not in now["over"]}
    if not carried or weight.dtype != "float" or {*weight.tensor.names} != {*now["over"], *now["own"]}:
        return None
    taken = {*old.tensor.names}
    if taken & {*now["own"], *now["made"]}:
        return None
    over = tuple(back.get(name, name) for name in now["over"])
    renamed_weight = place.make.rename(weight, {name: back[name] for name in now["over"] if name in back})
    inner = place.make.node(
        "linear", (old, renamed_weight, *rest), TensorType(renamed(now.axes, {new: name for name, new in carried.items()}), now.dtype),
        **{**now.options, "over": over},
    )  # fmt: skip
    return place.make.rename(inner, carried)


def _sink_rename_view(place: Place) -> Node | None:
    """Past splits, merges, repetitions and parts, whose axes then have the old names."""
    now = place.now
    (x,) = now.inputs
    if x.op != "rename":
        return None
    pairs: tuple[tuple[str, str], ...] = x["pairs"]
    back = {new: old for old, new in pairs}
    old_names = {*x.inputs[0].tensor.names}
    made = {*_made_by(now)}
    if made & old_names or made & {*back}:
        return None
    options = {key: _renamed_option(key, value, back) for key, value in now.attrs}
    type = TensorType(renamed(now.axes, {new: old for new, old in back.items() if new not in made}), now.dtype)
    inner = place.make.node(now.op, x.inputs, type, **options)
    return place.make.rename(inner, {old: new for old, new in pairs if now.tensor.has(new)})


def _made_by(view: Node) -> tuple[str, ...]:
    if view.op == "split":
        return tuple(view["parts"])
    return tuple(view["axes"]) if view.op in ("merge", "expand") else ()


def _renamed_option(key: str, value: Any, back: Mapping[str, str]) -> Any:
    """The axes an option names, as they were called; those that the view makes keep their names."""
    if key == "axis":
        return back.get(value, value)
    if key == "parts" and value and isinstance(value[0], tuple):
        return tuple(tuple(back.get(name, name) for name in group) for group in value)
    return value


# ------------------------------------------------ products of axes


def _sink_split(place: Place) -> Node | None:
    """`exp(split(x))` is `split(exp(x))`, and a sum of two that were split alike is split once."""
    now = place.now
    split = next((source for source in now.inputs if source.op == "split"), None)
    if place.strict or split is None or not _all_alike(now, split, {split["axis"], *split["parts"]}):
        return None
    axis: str = split["axis"]
    whole = Axis(axis, split.inputs[0].tensor.size(axis))
    first, *others = split["parts"]
    axes = tuple(whole if known.name == first else known for known in now.axes if known.name not in others)
    inner = place.make.node(now.op, _under(now, split), TensorType(axes, now.dtype), **now.options)
    return place.make.node("split", (inner,), now.type, **split.options)


def _sink_merge(place: Place) -> Node | None:
    """`exp(merge(x))` is `merge(exp(x))`, where the product is read by nothing else: it may be a copy, which moves along."""
    now = place.now
    index = next((i for i, source in enumerate(now.inputs) if source.op == "merge"), None)
    if place.strict or index is None:
        return None
    merge = now.inputs[index]
    involved = {*merge["axes"], *(name for group in merge["parts"] for name in group)}
    if not _all_alike(now, merge, involved):
        return None
    if any(source.op == "merge" and not place.alone(i) for i, source in enumerate(now.inputs)):
        return None
    groups = dict(zip(merge["axes"], merge["parts"], strict=True))
    under = merge.inputs[0].tensor
    axes = tuple(
        Axis(part, under.size(part) if part != known.name else known.size)
        for known in now.axes
        for part in groups.get(known.name, (known.name,))
    )
    inner = place.make.node(now.op, _under(now, merge), TensorType(axes, now.dtype), **now.options)
    return place.make.node("merge", (inner,), now.type, **merge.options)


def _all_alike(now: Node, view: Node, involved: set[str]) -> bool:
    """Whether every other input was split (or merged) in the same way, or has none of the axes."""
    for source in now.inputs:
        same = source.op == view.op and source.attrs == view.attrs and _sizes(source, view)
        if not same and not involved.isdisjoint(source.tensor.names):
            return False
        if same and not is_number(source) and involved & _passed_by(source):
            return False
    return True


def _sizes(source: Node, view: Node) -> bool:
    """Whether the axes taken apart or made have equal sizes in both."""
    names = view["parts"] if view.op == "split" else tuple(name for group in view["parts"] for name in group)
    left, right = (node.tensor if view.op == "split" else node.inputs[0].tensor for node in (source, view))
    return all(left.size(name) == right.size(name) for name in names)


def _passed_by(source: Node) -> set[str]:
    """Axes of the tensor under a view that the view does not touch."""
    touched = {source["axis"]} if source.op == "split" else {name for group in source["parts"] for name in group}
    return {*source.inputs[0].tensor.names} - touched


def _under(now: Node, view: Node) -> list[Node]:
    return [source.inputs[0] if source.op == view.op else source for source in now.inputs]


SINKING = (
    Simplification("a rename comes after number by number work", _POINTWISE, _sink_rename, move=True),
    Simplification("a rename comes after sums, norms and softmax", _ALONG, _sink_rename_along, move=True),
    Simplification("a rename comes after a linear map", frozenset({"linear"}), _sink_rename_linear, move=True),
    Simplification(
        "a rename comes after other moves", frozenset({"split", "merge", "expand", "cut", "pick"}), _sink_rename_view, move=True
    ),
    Simplification("a product of axes is taken apart after number by number work", _POINTWISE, _sink_split, move=True),
    Simplification("a product of axes is made after number by number work", _POINTWISE, _sink_merge, move=True),
)
