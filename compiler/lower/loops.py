"""`scan` and `choose`: each body becomes a module of its own, run by `runtime.scan` or `runtime.either`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from torch import fx, nn

from ..graph import Body, Node, topological
from ..ops.indexing import apart
from ..sizes import Size
from ..types import TupleType
from .emitter import Value
from .names import identifier
from .writer import Writer

Pairs: TypeAlias = "tuple[Any, tuple[Any, ...]]"


class BodyWriter(Writer):
    """Writes the inside of a body. What it needs from outside beyond its parameters (sizes, weights) becomes a further input."""

    def __init__(self, parent: Writer) -> None:
        super().__init__(fx.Graph())
        self.parent = parent
        self.kind = parent.kind
        self.captured: list[Any] = []
        self.bodies: dict[str, fx.GraphModule] = {}
        self._last: fx.Node | None = None

    def parameter(self, name: str) -> fx.Node:
        """One more input, after those there are, under a name that nothing inside has."""
        taken = [node.name for node in self.graph.nodes] + [str(node.target) for node in self.graph.nodes if node.op == "placeholder"]
        target = identifier(name, taken)
        if self._last is None:
            self._last = self.graph.placeholder(target)
        else:
            with self.graph.inserting_after(self._last):
                self._last = self.graph.placeholder(target)
        return self._last

    def outside(self, outer: Any) -> Any:
        """A value of the graph outside, as one more input."""
        if not isinstance(outer, fx.Node):
            return outer
        return self.once(("captured", outer), lambda: self._captured(outer))

    def _captured(self, outer: fx.Node) -> fx.Node:
        self.captured.append(outer)
        inner = self.parameter(outer.name)
        if self.parent.is_number(outer):
            self._numbers.add(inner)
        return inner

    def size(self, size: Size) -> Any:
        return self.outside(self.parent.size(size))

    def weight(self, slot: int, cast: bool = True) -> Value:
        outer = self.parent.weight(slot, cast)
        return Value(self.outside(outer.fx), outer.axes)

    def float_dtype(self) -> Any:
        return super().float_dtype() if self.typist is not None else self.outside(self.parent.float_dtype())

    def body_name(self, module: fx.GraphModule, kind: str = "scan") -> str:
        name = f"{kind}_{len(self.bodies) + 1}"
        self.bodies[name] = module
        return name

    def module(self) -> fx.GraphModule:
        root = nn.Module()
        for name, body in self.bodies.items():
            root.add_module(name, body)
        return fx.GraphModule(root, self.graph, "Body")


def write_loop(writer: Writer, node: Node) -> tuple[Value, ...]:
    """Emit a `scan` node into `writer`'s graph."""
    body: Body = node["body"]
    carried, cut = node["carries"], node["sliced"]
    inits, rest = node.inputs[:carried], node.inputs[carried:]
    starts = [_start(writer, init, param) for init, param in zip(inits, body.params[1 : carried + 1], strict=True)]
    outer = [writer.tensor(source) for source in rest]
    sliced = [_axis_first(writer, value, node["axis"]) for value in outer[:cut]]
    values = [*starts, *[Value(value.fx, value.axes[1:]) for value in sliced], *outer[cut:]]
    inner = BodyWriter(writer)
    made = _write_body(inner, body, values)
    shapes = tuple(tuple(writer.sizes([_axis(part, name) for name in value.axes])) for value, part in zip(made, body.yields, strict=True))
    assert isinstance(node.type, TupleType)
    kinds = tuple(part.dtype for part in node.type.items)
    result = writer.call(
        "runtime.scan", writer.get_attr(writer.body_name(inner.module())), writer.size(node["length"]), tuple(start.fx for start in starts),
        tuple(value.fx for value in sliced), (*[value.fx for value in outer[cut:]], *inner.captured), shapes, kinds, writer.float_dtype(),
        reverse=bool(node["reverse"]),
    )  # fmt: skip
    axes = [*[(node["axis"], *value.axes) for value in made], *[start.axes for start in starts]]
    return tuple(_part(writer, result, i, order) for i, order in enumerate(axes))


def _part(writer: Writer, result: Any, i: int, axes: tuple[str, ...]) -> Value:
    part = writer.call("operator.getitem", result, i)
    part.meta["axes"] = axes
    return Value(part, axes)


def _axis(node: Node, name: str) -> Any:
    return next(axis for axis in node.axes if axis.name == name)


def _start(writer: Writer, init: Node, param: Node) -> Value:
    """A carry before the first step: all its axes, in the kind of number it has inside."""
    x = writer.full(writer.tensor(init), param.axes)
    if init.dtype != param.dtype and param.dtype in ("float", "wide"):
        x = writer.method("to", x, writer.float_dtype() if param.dtype == "float" else writer.wide_dtype())
    return Value(x, param.tensor.names)


def _axis_first(writer: Writer, value: Value, axis: str) -> Value:
    axes = (axis, *[name for name in value.axes if name != axis])
    return Value(writer.order(value, axes), axes)


def _write_body(inner: BodyWriter, body: Body, values: list[Value]) -> list[Value]:
    """Write the body's graph; returns its yields. Its output is the yields, then the carries in their parameters' order."""
    step = inner.parameter("step")
    inner.seed(body.params[0], Value(step, ()))
    inner.host = step
    for i, (param, value) in enumerate(zip(body.params[1:], values, strict=True)):
        x = inner.parameter(param.name or f"x_{i}")
        inner.seed(param, Value(x, value.axes))
        if param.dtype == "float" and inner.typist is None:
            inner.typist = x
    nodes = list(topological([*body.yields, *body.carries]))
    inner.pieces = apart(nodes)
    for node in nodes:
        inner.lower_node(node)
    yields = [inner.tensor(node) for node in body.yields]
    params = body.params[1 : len(body.carries) + 1]
    carries = [inner.full(inner.tensor(node), param.axes) for node, param in zip(body.carries, params, strict=True)]
    inner.graph.output((*[value.fx for value in yields], *carries))
    inner.finish()
    return yields


# ---------------------------------------------------------------- blocks of pairs


class PairWriter(BodyWriter):
    """Writes arithmetic whose values all have the same dimensions, of size 1 where one has no such axis."""

    def _check(self, node: Node, value: Value) -> None:
        self._describe(value)


def write_pairs(writer: Writer, ground: Sequence[Node], nodes: Sequence[Node], results: Sequence[Node], axes: tuple[str, ...]) -> Pairs:
    """A body that makes `results` by way of `nodes` from parts of `ground`, tensors over all of `axes`. Gives the body, and what it takes
    from outside after these."""
    inner = PairWriter(writer)
    for i, node in enumerate(ground):
        inner.seed(node, Value(inner.parameter(node.name or f"x_{i}"), axes))
        inner.host = inner.host or inner.value(node).fx
        if node.dtype == "float" and inner.typist is None:
            inner.typist = inner.value(node).fx
    for node in nodes:
        for source in node.inputs:
            if not inner.knows(source):
                inner.seed(source, Value(inner.outside(writer.value(source).fx), ()))
        if node.op == "expand":
            inner.seed(node, inner.value(node.inputs[0]))
        inner.lower_node(node)
    inner.graph.output(tuple(inner.tensor(node).fx for node in results))
    inner.finish()
    return writer.get_attr(writer.body_name(inner.module(), "pairs")), tuple(inner.captured)


# ---------------------------------------------------------------- choices


def write_choice(writer: Writer, node: Node) -> Value:
    """Emit a `choose` node: its two bodies, and the comparison that picks one when the module runs."""
    values = [writer.tensor(source) for source in node.inputs]
    bodies: tuple[Body, Body] = (node["first"], node["second"])
    inner = [_write_way(writer, body, values, node) for body in bodies]
    ways = [writer.get_attr(writer.body_name(one.module(), "choose")) for one in inner]
    given = [(*[value.fx for value in values], *one.captured) for one in inner]
    x = writer.call("runtime.either", writer.size(node["left"]), writer.size(node["right"]), *ways, *given)
    return Value(x, node.tensor.names)


def _write_way(writer: Writer, body: Body, values: list[Value], node: Node) -> BodyWriter:
    """One of the two bodies, whose output has all axes of the node in its order."""
    inner = BodyWriter(writer)
    for i, (param, value) in enumerate(zip(body.params, values, strict=True)):
        x = inner.parameter(param.name or f"x_{i}")
        inner.seed(param, Value(x, value.axes))
        inner.host = inner.host or x
        if param.dtype == "float" and inner.typist is None:
            inner.typist = x
    for made in topological(body.yields):
        inner.lower_node(made)
    (result,) = body.yields
    inner.graph.output(inner.full(inner.tensor(result), node.axes))
    inner.finish()
    return inner
