"""`scan N (s: [D] = 0) { ... yield a }`: steps along an axis. The body is built once, as a graph of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...dsl import tree
from ...dsl.diagnostics import Diagnostic, Fault, fault
from ...dsl.source import Span
from ..graph import Body, Node, topological
from ..types import STAR, Axis, DType, TensorType, TupleType
from .blocks import axis_name
from .expressions import as_tensor, evaluate, handles, size, yields_nothing
from .frame import Frame
from .statements import Done, expanded, run
from .values import Poisoned, Several, Value

FREE_OPS = frozenset(("scalar", "size"))
RANDOM = frozenset(("rand", "randn", "bernoulli"))


@dataclass
class Stepping:
    """The inside of one scan while it is built: which outer tensors it reads, step by step or whole."""

    frame: Frame
    axis: Axis
    number: int
    span: Span
    sliced: dict[Node, Node] = field(default_factory=dict[Node, Node])
    count: int = 0
    first: int = 0
    """How many values had names before."""

    def param(self, type: TensorType, name: str = "") -> Node:
        self.count += 1
        return self.frame.session.builder.make("param", (), type, {"scan": self.number, "index": self.count - 1}, self.span, (), name)

    def slice(self, node: Node) -> Node:
        """What the body sees of an outer tensor: without the axis, at the present step."""
        if self.frame.sliced is not None:
            node = self.frame.sliced(node)
        if not isinstance(node.type, TensorType) or not node.tensor.has(self.axis.name):
            return node
        if node not in self.sliced:
            self.sliced[node] = self.param(node.tensor.without([self.axis.name]), node.name)
        return self.sliced[node]


@handles(tree.Scan)
def _scan(frame: Frame, expr: tree.Scan) -> Value:
    axis = _stepped_axis(frame, expr)
    stepping = Stepping(frame, axis, frame.session.builder.number(), expr.span, first=len(frame.session.mentions))
    step = stepping.param(TensorType((), "int"), f"step_{expr.axis}")
    inits, carries, types = _carries(frame, expr, stepping)
    inner = _inside(frame, expr, stepping, step, carries)
    yields = _yields(inner, expr)
    finals = [_final(inner, carry, type) for carry, type in zip(expr.carries, types, strict=True)]
    return _close(stepping, expr, step, inits, [carries[carry.name] for carry in expr.carries], yields, finals)


def _yields(inner: Frame, expr: tree.Scan) -> list[Node]:
    """What each step gives; nothing where the scan is made for its final carries."""
    try:
        run(inner, expr.body)
    except Done as done:
        if done.values is None:
            raise Poisoned from None
        return [node for node, _ in done.values]
    if not expr.carries:
        raise yields_nothing(expr.span)
    return []


def _stepped_axis(frame: Frame, expr: tree.Scan) -> Axis:
    known = frame.scope.sizes(expr.axis)
    if not known:
        if not frame.scope.knows_axis(expr.axis):
            raise fault(
                "E0201",
                f"there is no axis `{expr.axis}` to step along",
                expr.axis_span,
                "not known here",
                help=f"axes here: {', '.join(frame.scope.axes) or 'none'}",
            )
        raise fault("E0206", f"axis `{expr.axis}` has no size yet", expr.axis_span)
    if len(known) > 1:
        raise frame.ambiguous(expr.axis, expr.axis_span)
    return Axis(frame.scope.entry(expr.axis).symbol, known[0].size)


def _carries(frame: Frame, expr: tree.Scan, stepping: Stepping) -> tuple[list[Node], dict[str, Node], list[TensorType]]:
    inits: list[Node] = []
    params: dict[str, Node] = {}
    types: list[TensorType] = []
    for carry in expr.carries:
        axes = _carry_axes(frame, carry)
        start = as_tensor(frame, evaluate(frame, carry.init), carry.init.span)
        dtype: DType = "float" if carry.type.dtype == "float" else carry.type.dtype  # type: ignore[assignment]
        type = TensorType(tuple(axes), dtype)
        inits.append(expanded(frame, start, axes, carry.init.span))
        params[carry.name] = stepping.param(type, carry.name)
        types.append(type)
    return inits, params, types


def _carry_axes(frame: Frame, carry: tree.Carry) -> list[Axis]:
    from .arguments import axis_ref
    from .scope import hidden_sizes

    axes: list[Axis] = []
    for spec in carry.type.axes:
        if spec.name == STAR:
            sizes = hidden_sizes(frame.scope)
            axes.extend(Axis(name, sizes[name]) for name in frame.scope.hidden if name in sizes)
            continue
        name = axis_name(spec, set(frame.scope.values))
        if name is None:
            raise fault("E0506", "this axis has no name", spec.span, help="write it as name = size")
        ref = axis_ref(frame, tree.AxisItem(spec.span, name, spec.size if spec.name is not None else None))
        if spec.name is None and spec.size is not None:
            axes.append(Axis(ref.symbol, size(frame, spec.size)))
        else:
            axes.append(frame.declare(ref, frame.size_of(ref)))
    return axes


def _inside(frame: Frame, expr: tree.Scan, stepping: Stepping, step: Node, carries: dict[str, Node]) -> Frame:
    scope = frame.scope.copy()
    own = set(carries.values())

    def see(node: Node) -> Node:
        return node if node in own or _from_body(node, stepping.number) else stepping.slice(node)

    for name, node in carries.items():
        scope.values[name] = node
    scope.values["<scan>"] = True
    return frame.within(scope=scope, steps={**frame.steps, stepping.axis.name: step}, sliced=see, trail=(*frame.trail, f"scan {expr.axis}"))


def _from_body(node: Node, number: int) -> bool:
    """Whether a tensor was made inside this scan."""
    return any(below.op == "param" and below["scan"] == number for below in topological([node]))


def _final(inner: Frame, carry: tree.Carry, type: TensorType) -> Node:
    value = inner.scope.values[carry.name]
    if not isinstance(value, Node):
        value = as_tensor(inner, value, carry.span)
    return expanded(inner, value, list(type.axes), carry.span)


def _close(
    stepping: Stepping, expr: tree.Scan, step: Node, inits: list[Node], carries: list[Node], yields: list[Node], finals: list[Node]
) -> Value:
    """The scan node: what does not change from step to step is hoisted out and passed in whole."""
    hoisted: dict[Node, Node] = {}
    yields, finals = _hoist(stepping, yields, hoisted), _hoist(stepping, finals, hoisted)
    for node in (*yields, *finals):
        if node.tensor.has(stepping.axis.name):
            raise Fault(
                Diagnostic(
                    "E0204",
                    f"inside the scan a result still has the axis `{expr.axis}`",
                    node.span,
                    help=f"rename it to {expr.axis}' before the scan",
                )
            )
    body = Body((step, *carries, *stepping.sliced.values(), *hoisted.values()), tuple(yields), tuple(finals))
    stacked = [node.tensor.plus([stepping.axis]) for node in yields]
    types = TupleType((*stacked, *(node.tensor for node in carries)))
    inputs = (*inits, *stepping.sliced, *hoisted)
    frame = stepping.frame
    node = frame.node(
        "scan",
        inputs,
        types,
        expr.span,
        axis=stepping.axis.name,
        reverse=expr.reverse,
        carries=len(inits),
        sliced=len(stepping.sliced),
        length=stepping.axis.size,
        number=stepping.number,
        body=body,
    )
    items = tuple(frame.node("item", (node,), type, expr.span, index=index) for index, type in enumerate(types.items))
    results, extra = items[: len(yields)], items[len(yields) :]
    return results[0] if len(results) == 1 and not extra else Several(results, extra)


def _hoist(stepping: Stepping, roots: list[Node], hoisted: dict[Node, Node]) -> list[Node]:
    """The body with every value that is the same at each step replaced by a whole parameter (numbers stay where they are)."""
    make = stepping.frame.session.builder.make
    moving: dict[Node, bool] = {}
    done: dict[Node, Node] = {}

    def seen(node: Node) -> Node:
        if moving[node]:
            return done[node]
        if node.op in FREE_OPS:
            return node
        if node not in hoisted:
            hoisted[node] = stepping.param(node.tensor, node.name)
        return hoisted[node]

    for node in topological(roots):
        own = node.op == "param" and node["scan"] == stepping.number
        moving[node] = own or node.op in RANDOM or any(moving[child] for child in node.inputs)
        if moving[node]:
            inputs = tuple(seen(child) for child in node.inputs)
            done[node] = (
                node if inputs == node.inputs else make(node.op, inputs, node.type, dict(node.attrs), node.span, node.scope, node.name)
            )
    for mention in stepping.frame.session.mentions[stepping.first :]:
        mention.node = done.get(mention.node, mention.node)
    return [seen(root) for root in roots]
