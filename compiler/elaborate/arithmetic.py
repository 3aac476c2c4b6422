"""Infix operators, `not`, `-` and conditions: statics are worked out at once, tensors become nodes."""

from __future__ import annotations

from typing import Any

from ...dsl import tree
from ...dsl.diagnostics import fault
from ..graph import Node
from ..sizes import Size
from . import statics
from .expressions import NODE_OF, as_tensor, evaluate, handles, word, yields_nothing
from .frame import Frame
from .values import Number, Several, Unknown, Value, Word, describe, is_layer, is_list, is_number

COMPARISONS = frozenset(("==", "!=", "<", "<=", ">", ">="))


@handles(tree.Binary)
def _binary(frame: Frame, expr: tree.Binary) -> Value:
    chain: list[tree.Binary] = []
    left: tree.Expr = expr
    while isinstance(left, tree.Binary):
        chain.append(left)
        left = left.left
    value = evaluate(frame, left)
    for part in reversed(chain):
        value = _combine(frame, part, value)
    return value


def _unambiguous(frame: Frame, expr: tree.Expr) -> None:
    """In arithmetic a name must be a value or an axis, not both."""
    if isinstance(expr, tree.Name) and expr.text in frame.scope.values and frame.scope.axes.get(expr.text) and frame.scope.sizes(expr.text):
        raise fault(
            "E0106",
            f"`{expr.text}` is both a value and an axis",
            expr.span,
            "which one is meant?",
            help=f"write size({expr.text}) for the axis, or rename one of them",
        )


def _combine(frame: Frame, expr: tree.Binary, left: Value) -> Value:
    _unambiguous(frame, expr.left)
    _unambiguous(frame, expr.right)
    if expr.op in ("and", "or") and isinstance(left, bool):
        if left == (expr.op == "or"):
            return left
        return evaluate(frame, expr.right)
    right = _compared_word(frame, expr.right) if isinstance(left, Word) else None
    right = evaluate(frame, expr.right) if right is None else right
    if isinstance(right, Word):
        left = _compared_word(frame, expr.left) or left
    if isinstance(left, Node) or isinstance(right, Node):
        return _on_tensors(frame, expr, left, right)
    if expr.op in COMPARISONS:
        return statics.compare(expr.op, left, right, expr.span)
    if expr.op in ("and", "or"):
        return _logic(expr, left, right)
    return _arithmetic(frame, expr, left, right)


def _compared_word(frame: Frame, expr: tree.Expr) -> Word | None:
    """What a word is compared with is a word too, where an axis or an operator has the same name."""
    return word(frame, expr) if isinstance(expr, tree.Name) and expr.text in frame.scope.words else None


def _on_tensors(frame: Frame, expr: tree.Binary, left: Value, right: Value) -> Value:
    if expr.op in ("==", "!=") and (left is None or right is None):
        return expr.op == "!="
    inputs = as_tensor(frame, left, expr.left.span), as_tensor(frame, right, expr.right.span)
    return frame.call(NODE_OF[expr.op], inputs, expr.span, spans=(expr.left.span, expr.right.span))


def _logic(expr: tree.Binary, left: Value, right: Value) -> Value:
    for value, part in ((left, expr.left), (right, expr.right)):
        if not isinstance(value, bool) and not (isinstance(value, Unknown) and value.kind == "bool"):
            raise fault("E0300", f"`{expr.op}` needs conditions, this is {describe(value)}", part.span)
    return right if isinstance(right, Unknown) or isinstance(left, bool) else left


def _arithmetic(frame: Frame, expr: tree.Binary, left: Value, right: Value) -> Value:
    if is_list(left) and is_list(right) and expr.op == "+":
        return left + right
    for value, part in ((left, expr.left), (right, expr.right)):
        if is_layer(value):
            raise fault(
                "E0300",
                f"`{expr.op}` needs numbers or tensors, this is a layer",
                part.span,
                value.describe(),
                help="apply it to a tensor first: f(x)",
            )
        if isinstance(value, Several) and not value.items:
            raise yields_nothing(part.span)
        if not is_number(value) and not isinstance(value, Unknown | bool):
            raise fault("E0300", f"`{expr.op}` needs numbers or tensors, this is {describe(value)}", part.span)
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return Unknown("float", "unknown")
    first, second = _number(left), _number(right)
    if expr.op in ("//", "%") and isinstance(second, Size):
        frame.require_divisor(second, f"`{expr.op}`", expr.span)
    try:
        return statics.arithmetic(expr.op, first, second, expr.span)
    except statics.NotStatic:
        inputs = as_tensor(frame, first, expr.left.span), as_tensor(frame, second, expr.right.span)
        return frame.call(NODE_OF[expr.op], inputs, expr.span)


def _number(value: Any) -> Number:
    """A bool counts as 0 or 1."""
    return Size.of(int(value)) if isinstance(value, bool) else value


@handles(tree.Unary)
def _unary(frame: Frame, expr: tree.Unary) -> Value:
    value = evaluate(frame, expr.operand)
    if isinstance(value, Node):
        return frame.call("not" if expr.op == "not" else "neg", (value,), expr.span)
    if isinstance(value, Unknown):
        return value
    if expr.op == "not":
        if isinstance(value, bool):
            return not value
        raise fault("E0300", f"`not` needs a condition, this is {describe(value)}", expr.operand.span)
    if isinstance(value, bool) or not is_number(value):
        raise fault("E0300", f"`-` needs a number or a tensor, this is {describe(value)}", expr.operand.span)
    return statics.negate(value)


@handles(tree.Conditional)
def _conditional(frame: Frame, expr: tree.Conditional) -> Value:
    chosen = condition(frame, expr.condition)
    if isinstance(chosen, Unknown):
        evaluate(frame, expr.other)
        return evaluate(frame, expr.then)
    return evaluate(frame, expr.then if chosen else expr.other)


def condition(frame: Frame, expr: tree.Expr) -> bool | Unknown:
    """A condition of `if`: decided while the module is built; Unknown only while checking an unbound program."""
    value = evaluate(frame, expr)
    if isinstance(value, bool):
        return value
    if isinstance(value, Unknown) and value.kind == "bool":
        if frame.session.checking:
            return value
        raise fault(
            "E0507",
            "this condition depends on a size that is only known when the module runs",
            expr.span,
            "decided at build time",
            help="bind the axis, or use where(c, a, b) on tensors",
        )
    if isinstance(value, Node):
        raise fault(
            "E0507",
            "a tensor cannot be the condition of `if`",
            expr.span,
            "only known when the module runs",
            help="use where(c, a, b): it chooses number by number",
        )
    raise fault("E0300", f"a condition is needed here, this is {describe(value)}", expr.span)
