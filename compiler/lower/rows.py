"""Chains of linear maps, norms and arithmetic over the features of each position work on one matrix of rows.

PyTorch's linear merges the leading dimensions at every call and splits them again, which on small inputs takes as long as the product.
So an eager module for inference merges them where such a chain begins, and splits them where it ends. Numbers lie in memory as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import networkx as nx
from torch import fx

from ..graph import Graph
from .targets import function

LEAST = 2
"""Fewer linear maps than this are no chain: merging and splitting take as long as two of them gain."""
_LINEAR = function("torch.nn.functional.linear")
_NORMS = (function("torch.layer_norm"), function("torch.rms_norm"))
_ARITHMETIC = ("operator.add", "operator.sub", "operator.mul", "operator.truediv", "runtime.written_over")
_FUNCTIONS = (
    "torch.nn.functional.gelu", "torch.nn.functional.silu", "torch.relu", "torch.sigmoid", "torch.tanh", "torch.square",
)  # fmt: skip
_POINTWISE = tuple(map(function, (*_ARITHMETIC, *_FUNCTIONS)))
Shape = tuple[int, int]


@dataclass(frozen=True)
class Member:
    """A call that maps positions apart from each other: its leading axes, how many features it makes, where its inputs [.., features] stand
    among its arguments, and how many features they have."""

    lead: tuple[str, ...]
    made: int
    places: tuple[int, ...]
    taken: int


def merge_rows(graph: fx.Graph, source: Graph) -> dict[fx.Node, Shape]:
    """Rewrite the chains of a finished graph; `source` is the one it was written from, whose weights tell how many features there are.

    Gives the linear maps that now take rows, with the shapes of their weights.
    """
    shapes = _weight_shapes(graph, source)
    members: dict[fx.Node, Member] = {}
    for node in graph.nodes:
        found = _member(node, shapes, members)
        if found is not None:
            members[node] = found
    changed: dict[fx.Node, Shape] = {}
    for chain in _chains(members):
        linears = [node for node in chain if node.target is _LINEAR]
        if len(linears) >= LEAST:
            _Chain(graph, {node: members[node] for node in chain}).rewrite()
            changed.update((node, shapes[cast(fx.Node, node.args[1])]) for node in linears)
    return changed


# ---------------------------------------------------------------- which calls


def _weight_shapes(graph: fx.Graph, source: Graph) -> dict[fx.Node, Shape]:
    """The matrices among weights and prepared values whose sizes are known."""
    kept = {weight.path: weight for weight in source.weights}
    found: dict[fx.Node, Shape] = {}
    for node in graph.nodes:
        sizes: Sequence[Any] = node.meta.get("sizes", ())
        if node.op == "get_attr" and str(node.target) in kept:
            sizes = [prod(axis.size.integer() or 0 for axis in group) for group in _groups(kept[str(node.target)])]
        if len(sizes) == 2 and all(sizes):
            found[node] = cast(Shape, tuple(sizes))
    return found


def _groups(weight: Any) -> list[list[Any]]:
    axes = {axis.name: axis for axis in weight.axes}
    return [[axes[name] for name in group] for group in weight.groups]


def _member(node: fx.Node, shapes: Mapping[fx.Node, Shape], members: Mapping[fx.Node, Member]) -> Member | None:
    if node.op != "call_function" or any(isinstance(value, fx.Node) for value in node.kwargs.values()):
        return None
    axes: tuple[str, ...] = node.meta.get("axes", ())
    if node.target is _LINEAR:
        return _linear(node, axes, shapes)
    if len(axes) < 3:
        return None
    if node.target in _NORMS:
        shape = cast("Sequence[Any]", node.args[1])
        known = len(shape) == 1 and isinstance(shape[0], int) and shape[0] > 0
        return Member(axes[:-1], shape[0], (0,), shape[0]) if known else None
    return _pointwise(node, axes, members)


def _linear(node: fx.Node, axes: tuple[str, ...], shapes: Mapping[fx.Node, Shape]) -> Member | None:
    shape, lead = shapes.get(cast(fx.Node, node.args[1])), axes[:-1] or _lead(node.args[0])
    return Member(lead, shape[0], (0,), shape[1]) if shape is not None and len(lead) > 1 else None


def _lead(x: Any) -> tuple[str, ...]:
    """The leading axes of a linear's input: all but the last, or those before the ones that are merged for it."""
    if isinstance(x, fx.Node) and x.op == "call_method" and x.target == "flatten" and not x.meta.get("axes"):
        inner, first = cast("tuple[fx.Node, int]", x.args[:2])
        return cast("tuple[str, ...]", inner.meta.get("axes", ()))[:first]
    axes: tuple[str, ...] = x.meta.get("axes", ()) if isinstance(x, fx.Node) else ()
    return axes[:-1]


def _pointwise(node: fx.Node, axes: tuple[str, ...], members: Mapping[fx.Node, Member]) -> Member | None:
    """Arithmetic on a member and something of the same axes or a number, or a function of a member alone."""
    if node.target not in _POINTWISE:
        return None
    places = tuple(i for i, arg in enumerate(node.args) if isinstance(arg, fx.Node))
    given = [cast(fx.Node, node.args[i]) for i in places]
    own = next((members[x] for x in given if x in members), None)
    if own is None or own.lead != axes[:-1] or any(x.meta.get("axes") != axes for x in given):
        return None
    return Member(own.lead, own.made, places, own.made)


def _chains(members: Mapping[fx.Node, Member]) -> Iterable[list[fx.Node]]:
    """Members that hand their results to each other or read the same value, over the same leading axes; in the order of the graph."""
    order = {node: i for i, node in enumerate(members)}
    joined: nx.Graph[Any] = nx.Graph()
    for node, member in members.items():
        joined.add_node(node)
        sources = [cast(fx.Node, node.args[i]) for i in member.places]
        joined.add_edges_from((x if x in members and members[x].lead == member.lead else (x, member.lead), node) for x in sources)
    return [sorted(filter(members.__contains__, chain), key=order.__getitem__) for chain in nx.connected_components(joined)]


# ---------------------------------------------------------------- rewriting


class _Chain:
    """Rewrites one chain in place: its members take and give rows."""

    def __init__(self, graph: fx.Graph, members: Mapping[fx.Node, Member]) -> None:
        self.graph = graph
        self.members = members
        self.lead = next(iter(members.values())).lead
        self.sizes: list[fx.Node] = []
        self.merged: dict[fx.Node, fx.Node] = {}

    def rewrite(self) -> None:
        outside = {node: [user for user in node.users if user not in self.members] for node in self.members}
        for node, member in self.members.items():
            for place in member.places:
                x = cast(fx.Node, node.args[place])
                if x not in self.members:
                    node.update_arg(place, self._rows(x, member.taken, node))
        for node, users in outside.items():
            if users:
                self._split(node, users)
            axes = node.meta.get("axes")
            if axes:
                node.meta["axes"] = ("*".join(self.lead), axes[-1])

    def _rows(self, x: fx.Node, features: int, reader: fx.Node) -> fx.Node:
        """A value from outside as rows, and the sizes of its leading dimensions where it is the first."""
        if x not in self.merged:
            inner = cast(fx.Node, x.args[0]) if x.op == "call_method" and x.target == "flatten" and not x.meta.get("axes") else x
            with self.graph.inserting_before(reader):
                if not self.sizes:
                    self.sizes = [self.graph.call_method("size", (inner, i)) for i in range(len(self.lead))]
                self.merged[x] = self._made("reshape", inner, -1, features)
            self.merged[x].meta = {**reader.meta, "axes": None}
        return self.merged[x]

    def _split(self, node: fx.Node, users: Sequence[fx.Node]) -> None:
        """Readers outside get the leading dimensions back; one that splits the features too does both at once."""
        rest = [user for user in users if not self._split_with(node, user)]
        if rest:
            with self.graph.inserting_after(node):
                whole = self._made("reshape", node, *self.sizes, self.members[node].made)
            whole.meta = dict(node.meta)
            for user in rest:
                user.replace_input_with(node, whole)

    def _split_with(self, node: fx.Node, user: fx.Node) -> bool:
        if user.op != "call_method" or user.target != "unflatten" or user.args[:2] != (node, len(self.lead)):
            return False
        user.target, user.args = "reshape", (node, *self.sizes, *cast("tuple[Any, ...]", user.args[2]))
        return True

    def _made(self, method: str, *args: Any) -> fx.Node:
        return self.graph.call_method(method, args)
