"""The order in memory of what queries, keys and values are made from.

PyTorch's fused attention takes leading axes as one and rows as one. Where they do not lie side by side in the input of the three maps (as
in attention along one axis of a picture, or in windows), each of the three results would be copied; putting their input in order
is one copy, and the maps then give results that are views of what attention wants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..graph import Graph, Node
from ..ops.attend_way import attend_way
from ..ops.base import OPERATORS
from ..sizes import Size, at_least
from ..types import TensorType
from .base import Change, Mode, Outcome, Pass
from .making import Make
from .rewriting import everything, rewrite

Names = tuple[str, ...]
_KEEP = frozenset({"layernorm", "rmsnorm", "l2norm", "dropout", "droppath"})
STEPS = 64
"""How far back the order of a value is looked for."""


@dataclass(frozen=True)
class _Plan:
    """Three maps of one value, and the order it should lie in for them."""

    maps: tuple[Node, ...]
    order: Names


@dataclass(frozen=True)
class AssignLayout(Pass):
    name: ClassVar[str] = "layout"
    promise: ClassVar[str] = "what queries, keys and values are made from is put in order once, where each of them would be copied"
    exact: ClassVar[bool] = False

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        plans = [plan for node in everything(graph) if node.op == "attend" for plan in [_plan(node)] if plan is not None]
        orders: dict[Node, Names] = {}
        for plan in plans:
            for node in plan.maps:
                orders.setdefault(node, plan.order)
        if not orders:
            return Outcome(graph)

        def rule(make: Make, node: Node) -> Node | None:
            if node not in orders:
                return None
            x, *rest = map(make.new, node.inputs)
            return make.again(node, (make.node("lay", (x,), x.tensor, order=orders[node]), *rest))

        return Outcome(rewrite(graph, rule), tuple(map(_change, plans)))


def _plan(attend: Node) -> _Plan | None:
    """What to do for one attention; None where nothing would be copied, or it is not known."""
    way = attend_way(attend)
    if way.kind != "fused" or way.layout is None or attend["terms"] != 1:
        return None
    layout, keys = way.layout, attend["keys"]
    found = [_source(node) for node in attend.inputs[:3]]
    maps = [pair for pair in found if pair is not None]
    if len(maps) < 3 or len({node.inputs[0] for node, _ in maps}) > 1:
        return None
    x, over = maps[0][0].inputs[0], maps[0][0]["over"]
    wanted = {_wanted(x, names, (layout.batch, layout.rows if i == 0 else keys)) for i, (_, names) in enumerate(maps)}
    groups = wanted.pop()
    if wanted or groups is None or any(node["over"] != over for node, _ in maps):
        return None
    order: Names = (*groups[0], *groups[1], *over)
    lies = order_of(x)
    if lies is None or {*order} != {*lies} or all(_together(lies, group) for group in groups) or not _pays(x, [node for node, _ in maps]):
        return None
    return _Plan(tuple(node for node, _ in maps), order)


def _source(node: Node) -> tuple[Node, dict[str, str]] | None:
    """The linear map that a value is but for renames, and what its axes were called there."""
    names = {name: name for name in node.tensor.names}
    while node.op == "rename":
        back = {new: old for old, new in node["pairs"]}
        names = {now: back.get(before, before) for now, before in names.items()}
        node = node.inputs[0]
    plain = node.op == "linear" and not node["each"] and len(node.inputs[1].axes) == len(node["over"]) + len(node["own"])
    return (node, names) if plain else None


def _wanted(x: Node, names: dict[str, str], groups: Sequence[Names]) -> tuple[Names, Names] | None:
    """The groups as the maps' input calls their axes; None where a group has axes that it lacks."""
    if any(names.get(name) not in x.tensor.names for group in groups for name in group):
        return None
    first, second = (tuple(names[name] for name in group) for group in groups)
    return first, second


def _together(order: Names, group: Names) -> bool:
    """Whether axes lie side by side, the first one outermost."""
    return not group or order[order.index(group[0]) : order.index(group[0]) + len(group)] == group


def _pays(x: Node, maps: Sequence[Node]) -> bool:
    """Whether the input is provably no larger than what is made of it."""
    made, over = Size.of(0), maps[0]["over"]
    for node in maps:
        made = made + TensorType(tuple(axis for axis in node.axes if axis.name in node["made"])).elements()
    return at_least(made, TensorType(tuple(axis for axis in x.axes if axis.name in over)).elements()) is True


def order_of(node: Node) -> Names | None:
    """The order in which lowering leaves the axes of a value, where that is plain: inputs, and what keeps or splits their axes."""
    above: list[Node] = []
    while node.op not in ("input", "lay") and len(above) < STEPS:
        above.append(node)
        source = _first(node)
        if source is None:
            return None
        node = source
    if node.op not in ("input", "lay"):
        return None
    order: Names = tuple(node["order"])
    for step in reversed(above):
        order = _after(step, order)
    return order


def _first(node: Node) -> Node | None:
    """The input whose order a node takes."""
    if node.op in ("linear", "split", "rename", "cut", "roll", "pad", *_KEEP):
        return node.inputs[0]
    if OPERATORS[node.op].pointwise:
        return next((source for source in node.inputs if len(source.axes) == len(node.axes)), None)
    return None


def _after(node: Node, order: Names) -> Names:
    if node.op == "split":
        return tuple(part for name in order for part in (node["parts"] if name == node["axis"] else (name,)))
    if node.op == "rename":
        names = dict(node["pairs"])
        return tuple(names.get(name, name) for name in order)
    if node.op == "linear":
        return (*(name for name in order if name not in node["over"]), *node["made"])
    if node.op in ("layernorm", "rmsnorm"):
        return (*(name for name in order if name not in node["axes"]), *node["axes"])
    return order


def _change(plan: _Plan) -> Change:
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(node.name for node in plan.maps) if name)
    text = f"what {names or 'three maps'} look at lies as {' '.join(plan.order)} once, instead of a copy of each of them"
    return Change(text, tuple(node.span for node in plan.maps))
