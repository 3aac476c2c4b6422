"""`x[s=0]`, `x[C=0..w]`, `x[T=at]` on tensors; `depths[i]` on lists; `skip[2]` for names with a static index."""

from __future__ import annotations

from ...dsl import tree
from ...dsl.diagnostics import Diagnostic, Fault, fault
from ...dsl.source import Span
from ..graph import Node
from ..ops.base import Call
from ..ops.indexing import cut, gather, pick
from ..sizes import Size
from . import statics
from .arguments import axis_ref
from .expressions import evaluate, handles, size, static
from .frame import Frame
from .values import Poison, Poisoned, Unknown, Value, describe, is_list, is_number


@handles(tree.Index)
def _index(frame: Frame, expr: tree.Index) -> Value:
    named = _indexed_name(frame, expr)
    if named is not None:
        return named
    value = evaluate(frame, expr.base)
    if is_list(value):
        return _in_list(frame, value, expr)
    if isinstance(value, Unknown) and value.kind == "list":
        return Unknown("float", f"{value.name}_item") if len(expr.items) == 1 and not isinstance(expr.items[0].value, tree.Range) else value
    if not isinstance(value, Node):
        raise fault("E0300", f"this is {describe(value)}, it cannot be indexed", expr.base.span)
    for item in expr.items:
        value = _one(frame, value, item, expr.span)
    return value


def _indexed_name(frame: Frame, expr: tree.Index) -> Value | None:
    """`skip[i]`, bound as `skip[i] = x` before."""
    if (
        not isinstance(expr.base, tree.Name)
        or len(expr.items) != 1
        or expr.items[0].axis is not None
        or isinstance(expr.items[0].value, tree.Range)
    ):
        return None
    base = expr.base.text
    known = [name for name in frame.scope.values if name.startswith(base + "[")]
    if base in frame.scope.values or not known:
        return None
    number = statics.whole(static(frame, expr.items[0].value))
    name = f"{base}[{number}]"
    if name not in frame.scope.values:
        if frame.session.checking and number is None:
            name = known[0]
        else:
            raise fault("E0101", f"unknown name `{name}`", expr.span, "not bound", help=f"bound so far: {', '.join(known)}")
    value = frame.scope.values[name]
    if isinstance(value, Poison):
        raise Poisoned
    return frame.sliced(value) if frame.sliced is not None and isinstance(value, Node) else value


def _in_list(frame: Frame, value: tuple[Value, ...], expr: tree.Index) -> Value:
    if len(expr.items) != 1 or expr.items[0].axis is not None:
        raise fault("E0300", "a list has one index", expr.span, help="write values[i]")
    index = expr.items[0].value
    if isinstance(index, tree.Range):
        ends = [statics.whole(static(frame, end)) if end is not None else None for end in (index.start, index.stop)]
        return value[ends[0] : ends[1]]
    found = static(frame, index)
    number = statics.whole(found)
    if number is None:
        if isinstance(found, Unknown | Size) and frame.session.checking and value:
            return value[0]
        raise fault("E0300", "an index of a list is a whole number", index.span)
    if not -len(value) <= number < len(value):
        raise Fault(
            Diagnostic("E0211", f"index {number} in a list of {len(value)}", index.span, "out of range", help=f"0 to {len(value) - 1}")
        )
    return value[number]


def _one(frame: Frame, x: Node, item: tree.IndexItem, span: Span) -> Node:
    if item.axis is None:
        axes = ", ".join(frame.local(name) for name in x.tensor.names)
        raise Fault(
            Diagnostic(
                "E0217",
                "a tensor is indexed by an axis",
                item.span,
                "which axis?",
                help=f"write x[axis={item.span.text}]; its axes: {axes}",
            )
        )
    place = Span(item.span.source, item.span.start, item.span.start + len(item.axis))
    ref = axis_ref(frame, tree.AxisItem(place, item.axis))
    axis = Call("index", span, frame, (x,)).axis(ref)
    if isinstance(item.value, tree.Range):
        ends = [_end(frame, end) for end in (item.value.start, item.value.stop)]
        return cut(frame, x, axis, ends[0], ends[1], item.span)
    value = evaluate(frame, item.value)
    if isinstance(value, Node):
        return gather(frame, x, axis, value, item.span)
    if isinstance(value, Unknown):
        return pick(frame, x, axis, Size.of(0), item.span)
    whole = statics.as_size(value) if is_number(value) else None
    if whole is None:
        raise fault("E0300", f"an index is a whole number or an int tensor, this is {describe(value)}", item.value.span)
    return pick(frame, x, axis, _whole(frame, whole, item.value.span), item.span)


def _end(frame: Frame, expr: tree.Expr | None) -> Size | None:
    if expr is None:
        return None
    return _whole(frame, size(frame, expr, "the end of this range"), expr.span)


def _whole(frame: Frame, place: Size, span: Span) -> Size:
    """A position, which may be negative but is no fraction."""
    constant = place.constant()
    if constant is not None and constant.denominator != 1:
        raise fault("E0203", f"a position is a whole number, this is {constant}", span)
    if constant is None:
        frame.require_whole(place, span, "a position")
    return place
