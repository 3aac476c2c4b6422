"""Calls, pipes and `as`: operators and blocks applied to tensors, or made into layers when their tensors are left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...dsl import tree
from ...dsl.diagnostics import Diagnostic, Fault, fault
from ...dsl.source import Span
from ..graph import Node
from ..ops.base import OPERATORS, Operator
from ..sizes import Size, SizeTooLarge
from ..sizes.size import fraction as as_ratio
from . import naming, statics
from .arguments import Reading, finish, missing_tensors, read_axes, read_call
from .blocks import BlockReading, axes_at_application, only_tensors, read_block
from .expressions import as_tensor, evaluate, handles, names_layer, size, static_or_node, unknown_name
from .frame import Frame
from .inline import invoke
from .mentions import mention_result
from .session import too_large
from .values import POISON, Layer, Poison, Poisoned, Several, Unknown, Value, Word, describe, is_layer, is_static

Piped = tuple[Node, Span] | None
Label = tuple[str, ...] | None


# ---------------------------------------------------------------- layers


@dataclass(frozen=True, eq=False)
class OperatorLayer:
    """An operator without its tensors."""

    reading: Reading
    frame: Frame

    def describe(self) -> str:
        return f"the operator `{self.reading.operator.name}` without its tensors"

    def apply(self, tensors: Sequence[Node], span: Span) -> Value:
        need = missing_tensors(self.reading)
        if len(tensors) != need and not self.reading.operator.signature.variadic:
            raise _wrong_count(self.reading.operator.name, need, len(tensors), span)
        groups = tuple((tensor,) for tensor in tensors)
        return build(self.reading, groups, (span,) * len(groups), span, self.frame)


@dataclass(frozen=True, eq=False)
class BlockLayer:
    """A block without its tensors."""

    reading: BlockReading
    frame: Frame
    owner: naming.Owner
    label: str
    home: Frame | None = None

    def describe(self) -> str:
        return f"the block `{self.reading.block.name}` without its tensors"

    def apply(self, tensors: Sequence[Node], span: Span) -> Value:
        places = self.reading.required()
        if len(tensors) != len(places):
            raise _wrong_count(self.reading.block.name, len(places), len(tensors), span)
        reading = self.reading.with_tensors(dict(zip(places, tensors, strict=True)), span)
        return invoke(self.frame, reading, self.owner, self.label, span, self.home)

    def with_axes(self, frame: Frame, args: Sequence[tree.Arg]) -> BlockLayer:
        """The same layer, for one application, with the block's axes bound to others of `frame`."""
        if self.reading.axes and self.frame.trail != frame.trail:
            raise only_tensors(args[0])  # the axes it was written with are names of another block
        return replace(self, reading=axes_at_application(frame, self.reading, args), frame=frame)

    def inside(self, frame: Frame) -> BlockLayer:
        """As a block sees it that takes it as a parameter: its axes are the ones declared there, unless the caller said which."""
        return self if self.reading.axes else replace(self, frame=frame, home=self.home or self.frame)


@dataclass(frozen=True, eq=False)
class PipeLayer:
    """Layers one after the other."""

    layers: tuple[Layer, ...]

    def describe(self) -> str:
        return f"a pipe of {len(self.layers)} layers"

    def apply(self, tensors: Sequence[Node], span: Span) -> Value:
        value: Value = self.layers[0].apply(tensors, span)
        for layer in self.layers[1:]:
            if not isinstance(value, Node):
                raise fault("E0306", "a layer with several results cannot be piped on", span)
            value = layer.apply((value,), span)
        return value

    def inside(self, frame: Frame) -> PipeLayer:
        return PipeLayer(tuple(layer.inside(frame) if isinstance(layer, BlockLayer | PipeLayer) else layer for layer in self.layers))


def _wrong_count(name: str, need: int, got: int, span: Span) -> Fault:
    return fault("E0302", f"`{name}` takes {need} tensor{'s' * (need != 1)}, {got} given", span, "applied here")


# ---------------------------------------------------------------- calls


def place(frame: Frame, span: Span) -> naming.Place:
    return (span.source.name, span.start, span.end, frame.turn)


@handles(tree.Call)
def _call(frame: Frame, expr: tree.Call) -> Value:
    return call(frame, expr, None, None)


def call(frame: Frame, expr: tree.Call, piped: Piped, label: Label) -> Value:
    if not isinstance(expr.callee, tree.Name):
        return apply_layer(frame, evaluate(frame, expr.callee), expr, piped)
    name = expr.callee.text
    found = frame.scope.values.get(name)
    if isinstance(found, Poison):
        raise Poisoned
    if is_layer(found):
        return apply_layer(frame, found, expr, piped)
    if isinstance(found, Word) and names_layer(frame, found.text):
        return call(frame, tree.Call(expr.span, tree.Name(expr.callee.span, found.text), expr.args), piped, label)
    if name in frame.scope.unit.scope:
        return call_block(frame, expr, piped, label)
    if piped is None and name in statics.FUNCTIONS:
        value = _static_call(frame, name, expr)
        if value is not None:
            return value
    if name in OPERATORS and OPERATORS[name].build is not None and name.isidentifier():
        return call_operator(frame, OPERATORS[name], expr, piped, label)
    if name in frame.scope.values:
        raise Fault(
            Diagnostic(
                "E0300", f"`{name}` is {describe(found)}, it cannot be called", expr.callee.span, help="layers, operators and blocks can"
            )
        )
    raise unknown_name(frame, name, expr.callee.span, called=True)


def apply_layer(frame: Frame, layer: Value, expr: tree.Call, piped: Piped) -> Value:
    if not is_layer(layer):
        raise fault("E0300", f"this is {describe(layer)}, it cannot be called", expr.callee.span)
    named = [arg for arg in expr.args if arg.name is not None]
    if named and isinstance(layer, BlockLayer):
        layer = layer.with_axes(frame, named)
    elif named:
        raise only_tensors(named[0])
    tensors = [piped[0]] if piped is not None else []
    for arg in expr.args:
        if arg.name is not None:
            continue
        if isinstance(arg.value, tree.AxisList | tree.Arrow):
            raise only_tensors(arg)
        tensors.append(as_tensor(frame, evaluate(frame, arg.value), arg.span))
    return layer.apply(tensors, expr.span) if tensors else layer


def _static_call(frame: Frame, name: str, expr: tree.Call) -> Value:
    """`max(C // 16, 8)`: a function of statics; None where it is the operator that is meant."""
    if not expr.args or any(arg.name is not None or not _looks_static(frame, arg.value) for arg in expr.args):
        return None
    try:
        values = [static_or_node(frame, arg.value) for arg in expr.args if not isinstance(arg.value, tree.AxisList | tree.Arrow)]
        if any(isinstance(value, Node) for value in values):
            return None
        for value in values if name in ("floor", "ceil", "int") else ():
            if isinstance(value, Size):
                frame.require_divisor(as_ratio(value)[1], f"`{name}`", expr.span)
        return statics.apply(name, values, expr.span)
    except statics.NotStatic:
        return None


def _looks_static(frame: Frame, expr: tree.Expr | tree.AxisList | tree.Arrow) -> bool:
    match expr:
        case tree.Int() | tree.Float() | tree.ListOf() | tree.Bool():
            return True
        case tree.Name():
            if expr.text in frame.scope.values:
                value = frame.scope.values[expr.text]
                return is_static(value) and value is not None
            return frame.scope.knows_axis(expr.text) or expr.text in statics.CONSTANTS
        case tree.Paren():
            return _looks_static(frame, expr.value)
        case tree.Unary():
            return _looks_static(frame, expr.operand)
        case tree.Binary():
            return _looks_static(frame, expr.left) and _looks_static(frame, expr.right)
        case tree.Conditional():
            return _looks_static(frame, expr.then) and _looks_static(frame, expr.other)
        case tree.Index():
            return isinstance(expr.base, tree.Name) and (isinstance(frame.scope.values.get(expr.base.text), tuple | Unknown))
        case tree.Call():
            if not isinstance(expr.callee, tree.Name):
                return False
            if expr.callee.text == "size":
                return True
            return expr.callee.text in statics.FUNCTIONS and all(arg.name is None and _looks_static(frame, arg.value) for arg in expr.args)
        case _:
            return False


def call_operator(frame: Frame, operator: Operator, expr: tree.Call, piped: Piped, label: Label) -> Value:
    if operator.name == "size" and piped is None:
        return _size_of(frame, expr)
    owner = frame.context.child(place(frame, expr.callee.span), label, operator.name, expr.span)
    inner = frame.within(owner=owner)
    reading = read_call(frame, operator, expr.args, piped, expr.span)
    missing = missing_tensors(reading)
    if operator.name == "pos" and reading.axes and reading.axes[0].symbol in frame.steps:
        return frame.steps[reading.axes[0].symbol]
    if missing == 0 and (reading.groups or reading.named or not operator.signature.tensors):
        return build(reading, tuple(reading.groups), tuple(reading.spans), expr.span, inner)
    if reading.groups or reading.named:
        raise _partial(operator.name, operator.signature.tensors, len(reading.groups) + len(reading.named), expr.span)
    if not operator.signature.layer:
        raise Fault(
            Diagnostic(
                "E0302", f"`{operator.name}` needs its tensors: {', '.join(operator.signature.tensors)}", expr.span, "none given here"
            )
        )
    return OperatorLayer(reading, inner)


def _size_of(frame: Frame, expr: tree.Call) -> Value:
    """`size(x, H)`: a static, whatever the sizes of H elsewhere; `size(H)`: the one size that H has."""
    if not 1 <= len(expr.args) <= 2:
        raise fault("E0302", "`size` takes a tensor and an axis, or an axis", expr.span, help="write size(x, H)")
    if len(expr.args) == 1:
        refs = read_axes(frame, expr.args[0].value, "`size`")
        return math.prod((frame.size_of(ref) for ref in refs), start=Size.of(1))
    x_arg, axis_arg = expr.args
    if isinstance(x_arg.value, tree.AxisList | tree.Arrow):
        raise fault("E0300", "a tensor is needed here, these are axes", x_arg.span, help="write size(x, H)")
    x = as_tensor(frame, evaluate(frame, x_arg.value), x_arg.span)
    refs = read_axes(frame, axis_arg.value, "`size`")
    from ..ops.base import Call

    probe = Call("size", expr.span, frame, (x,))
    return math.prod((probe.axis(ref).size for ref in refs), start=Size.of(1))


def _partial(name: str, places: tuple[str, ...], given: int, span: Span) -> Fault:
    return fault(
        "E0307",
        f"`{name}` is given {given} of its {len(places)} tensors ({', '.join(places)})",
        span,
        "some are left out",
        help="give all of them, or none to make a layer",
    )


def build(reading: Reading, groups: tuple[tuple[Node, ...], ...], spans: tuple[Span, ...], span: Span, frame: Frame) -> Value:
    bound = finish(reading, groups, spans, span, frame)
    build_it = reading.operator.build
    assert build_it is not None
    try:
        result = build_it(bound)
    except SizeTooLarge as error:
        raise Fault(too_large(error, span)) from None
    mention_result(frame, reading.operator.name, result)
    return Several(result) if isinstance(result, tuple) else result


def call_block(frame: Frame, expr: tree.Call, piped: Piped, label: Label) -> Value:
    assert isinstance(expr.callee, tree.Name)
    unit, block = frame.scope.unit.scope[expr.callee.text]
    reading = read_block(frame, unit, block, expr.args, piped, expr.span)
    owner = frame.context.child(place(frame, expr.callee.span), label, block.name, expr.span)
    title = ".".join(label) if label else block.name
    missing = reading.missing()
    if not missing:
        return invoke(frame, reading, owner, title, expr.span)
    if len(missing) < len(reading.all_required()):
        raise _partial(block.name, tuple(reading.all_required()), len(reading.all_required()) - len(missing), expr.span)
    return BlockLayer(reading, frame, owner, title)


# ---------------------------------------------------------------- pipes and labels


@handles(tree.Pipe)
def _pipe(frame: Frame, expr: tree.Pipe) -> Value:
    value = evaluate(frame, expr.value)
    span = expr.value.span
    for stage in expr.stages:
        value = _stage(frame, value, stage, span)
        if isinstance(value, Poison):
            return POISON
        span = span.to(stage.span) if span.source is stage.span.source else stage.span
    return value


def _stage(frame: Frame, value: Value, stage: tree.Expr, span: Span) -> Value:
    if is_layer(value):
        following = evaluate(frame, stage)
        if not is_layer(following):
            raise fault(
                "E0300",
                f"a layer is needed here, this is {describe(following)}",
                stage.span,
                "the pipe before it is a layer",
                help="leave the tensors out of every stage, or of none",
            )
        return PipeLayer((value, following))
    piped = (as_tensor(frame, value, span), span)
    label = path_of(frame, stage.path) if isinstance(stage, tree.Labelled) else None
    target = stage.value if isinstance(stage, tree.Labelled) else stage
    return _apply_stage(frame, target, piped, label)


def _apply_stage(frame: Frame, target: tree.Expr, piped: Piped, label: Label) -> Value:
    if isinstance(target, tree.Call):
        return call(frame, target, piped, label)
    if isinstance(target, tree.Name | tree.Index):
        return call(frame, tree.Call(target.span, target, ()), piped, label)
    raise fault("E0300", "a stage of a pipe is a call or a name", target.span, help="put the rest in parentheses")


@handles(tree.Labelled)
def _labelled(frame: Frame, expr: tree.Labelled) -> Value:
    label = path_of(frame, expr.path)
    target = expr.value
    if isinstance(target, tree.Call):
        return call(frame, target, None, label)
    if isinstance(target, tree.Paren) and not isinstance(target.value, tree.AxisList):
        context = frame.context.parenthesis(place(frame, expr.path.span), label)
        return evaluate(frame.within(context=context), target.value)
    if isinstance(target, tree.Name) and target.text not in frame.scope.values:
        return call(frame, tree.Call(target.span, target, ()), None, label)
    raise fault("E0405", "`as` names the weights of a call or of a parenthesis", expr.span, "there are no weights here")


def path_of(frame: Frame, path: tree.Path) -> tuple[str, ...]:
    """`layers[i].attn` with its indices worked out."""
    parts: list[str] = []
    for segment in path.segments:
        parts.append(segment.name)
        for index in segment.indices:
            number = size(frame, index, "this index").integer()
            parts.append("0" if number is None else str(number))
    return tuple(parts)
