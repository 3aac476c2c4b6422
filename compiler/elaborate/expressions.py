"""From expressions to values. `evaluate` dispatches on the kind of tree; calls, indexing and scans have files of their own."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ...dsl import tree
from ...dsl.closest import closest
from ...dsl.diagnostics import Diagnostic, Fault, fault
from ...dsl.loader import on_the_shelf
from ...dsl.source import Span
from ..graph import Node, topological
from ..ops.base import OPERATORS
from ..sizes import Size
from . import statics
from .frame import Frame
from .values import Poison, Poisoned, Several, Unknown, Value, Word, describe, is_layer, is_number, is_static

Evaluator = Callable[[Frame, Any], Value]
EVALUATORS: dict[type[tree.Tree], Evaluator] = {}


def handles(kind: type[tree.Tree]) -> Callable[[Evaluator], Evaluator]:
    def note(function: Evaluator) -> Evaluator:
        EVALUATORS[kind] = function
        return function

    return note


def evaluate(frame: Frame, expr: tree.Expr) -> Value:
    """The value of an expression. Raises Fault for a mistake in it, Poisoned where an earlier mistake spoiled it."""
    value = EVALUATORS[type(expr)](frame, expr)
    if isinstance(value, Poison):
        raise Poisoned
    return value


# ---------------------------------------------------------------- what a value must be


def as_tensor(frame: Frame, value: Value, span: Span) -> Node:
    if isinstance(value, Node):
        return value
    if isinstance(value, Unknown) and value.parts is not None:
        op, left, right = value.parts
        return frame.call(NODE_OF[op], (frame.scalar(left, span), frame.scalar(right, span)), span)
    if is_number(value) or isinstance(value, bool) or (isinstance(value, Unknown) and value.kind in ("int", "float", "bool")):
        return frame.scalar(value, span)
    if isinstance(value, Several) and len(value.items) == 1:
        return value.items[0]
    if isinstance(value, Several) and not value.items:
        raise yields_nothing(span)
    if isinstance(value, Several):
        raise fault(
            "E0306", f"one tensor is needed here, this has {len(value.items)} results", span, "here", help="bind them first: a, b = ..."
        )
    if is_layer(value):
        raise Fault(
            Diagnostic("E0300", "a tensor is needed here, this is a layer", span, value.describe(), help="apply it to a tensor: f(x)")
        )
    help = "an optional input that is left out is `none`: look first, if x != none { ... }" if value is None else ""
    raise fault("E0300", f"a tensor is needed here, this is {describe(value)}", span, help=help)


def yields_nothing(span: Span) -> Fault:
    """A scan without `yield` has only its final carries, and those are given where names ask for them."""
    return fault("E0510", "this scan yields nothing", span, "its body has no `yield`", help="end the body with `yield a`")


def static(frame: Frame, expr: tree.Expr) -> Value:
    """An expression that must be decided while the module is built."""
    value = static_or_node(frame, expr)
    if is_static(value):
        return value
    raise fault(
        "E0300",
        f"a static value is needed here, this is {describe(value)}",
        expr.span,
        "only known when the module runs",
        help="statics are numbers, sizes of axes, lists, words and what is computed from them",
    )


def static_or_node(frame: Frame, expr: tree.Expr) -> Value:
    """The value of an expression; a number that only sizes make is not known while an unbound program is checked."""
    value = evaluate(frame, expr)
    if frame.session.checking and isinstance(value, Node) and _only_sizes(value):
        return Unknown("float", "number")
    return value


def _only_sizes(node: Node) -> bool:
    """Whether this is a number that follows from sizes alone, so that binding them decides it."""
    return not node.axes and all(not below.axes and below.op not in ("input", "param", "weight", "layer") for below in topological([node]))


def size(frame: Frame, expr: tree.Expr, what: str = "this size") -> Size:
    """An expression that must be a size: a whole number, maybe symbolic. Both numbers are named where a division has a rest."""
    value = static(frame, expr)
    if isinstance(value, Unknown) and value.kind in ("int", "float"):
        return Size.symbol(value.name)
    result = statics.as_size(value)
    if result is None or isinstance(value, bool):
        raise fault("E0300", f"a whole number is needed here, this is {describe(value)}", expr.span)
    constant = result.constant()
    if constant is not None and constant.denominator != 1:
        raise _fraction(frame, expr, constant, what)
    return result


def _fraction(frame: Frame, expr: tree.Expr, value: Fraction, what: str) -> Fault:
    top, bottom = value.numerator, value.denominator
    inner = expr.value if isinstance(expr, tree.Paren) else expr
    if isinstance(inner, tree.Binary) and inner.op == "/":
        written = [statics.whole(static(frame, part)) for part in (inner.left, inner.right)]
        if written[0] is not None and written[1] is not None:
            top, bottom = written[0], written[1]
    from ..sizes import divisors, nearest_multiples

    low, high = nearest_multiples(top, bottom)
    near = f"{low} or {high}" if low > 0 else str(high)
    help = f"nearest sizes that divide by {bottom}: {near}; {top} divides by {', '.join(map(str, divisors(abs(top))))}"
    return fault(
        "E0203",
        f"{top} does not divide by {bottom}",
        expr.span,
        f"{top} = {bottom} * {top // bottom} + {top % bottom}",
        notes=frame.bindings(),
        help=help,
    )


# ---------------------------------------------------------------- leaves


@handles(tree.Int)
def _int(frame: Frame, expr: tree.Int) -> Value:
    return Size.of(expr.value)


@handles(tree.Float)
def _float(frame: Frame, expr: tree.Float) -> Value:
    value = float(expr.text)
    if value in (float("inf"), 0.0) or not 1e-60 < abs(value) < 1e60:
        if value == float("inf"):
            raise fault("E0214", "this number is too large", expr.span, help="write `inf` for infinity")
        return value if value else Fraction(0)
    return Fraction(expr.text)


@handles(tree.Bool)
def _bool(frame: Frame, expr: tree.Bool) -> Value:
    return expr.value


@handles(tree.Nothing)
def _nothing(frame: Frame, expr: tree.Nothing) -> Value:
    return None


@handles(tree.ListOf)
def _list(frame: Frame, expr: tree.ListOf) -> Value:
    return tuple(static(frame, item) for item in expr.items)


@handles(tree.TupleOf)
def _tuple(frame: Frame, expr: tree.TupleOf) -> Value:
    raise fault(
        "E0300", "a group in parentheses with commas can only be an argument", expr.span, help="a list of numbers is written [a, b]"
    )


@handles(tree.Paren)
def _paren(frame: Frame, expr: tree.Paren) -> Value:
    if isinstance(expr.value, tree.AxisList):
        raise Fault(
            Diagnostic("E0300", "a group of axes can only be an argument", expr.span, help="for the product of the sizes write a * b")
        )
    return evaluate(frame, expr.value)


@handles(tree.Name)
def _name(frame: Frame, expr: tree.Name) -> Value:
    scope = frame.scope
    if expr.text in scope.values:
        value = scope.values[expr.text]
        return frame.sliced(value) if frame.sliced is not None and isinstance(value, Node) else value
    if scope.knows_axis(expr.text):
        return axis_size(frame, expr.text, expr.span)
    if expr.text in statics.CONSTANTS:
        return statics.CONSTANTS[expr.text]
    if expr.text in scope.words:
        return Word(expr.text)
    return named_layer(frame, expr)


def axis_size(frame: Frame, name: str, span: Span) -> Size:
    """A bare axis name in arithmetic: its one size."""
    known = frame.scope.sizes(name)
    if len(known) == 1:
        return known[0].size
    if known:
        raise frame.ambiguous(name, span)
    if frame.scope.spoiled(name):
        raise Poisoned
    raise fault("E0206", f"axis `{name}` has no size yet", span, help=f"declare it: axis {name} = 64")


def names_layer(frame: Frame, name: str) -> bool:
    return name not in frame.scope.values and (name in frame.scope.unit.scope or name in OPERATORS)


def named_layer(frame: Frame, expr: tree.Name) -> Value:
    """A bare name of an operator or block: a layer; anything else is unknown."""
    if names_layer(frame, expr.text):
        return EVALUATORS[tree.Call](frame, tree.Call(expr.span, expr, ()))
    raise unknown_name(frame, expr.text, expr.span)


def unknown_name(frame: Frame, text: str, span: Span, called: bool = False) -> Fault:
    """The fault for a name that nothing is called. Poisoned where its `use` failed, which has been told."""
    scope = frame.scope
    if any(name.text == text for use in scope.unit.program.uses for name in use.names):
        raise Poisoned
    callable_names = [*scope.unit.scope, *(name for name, row in OPERATORS.items() if row.build is not None and name.isidentifier())]
    names = [*scope.values, *callable_names] if called else [*scope.values, *scope.axes, *scope.words, *callable_names]
    near = closest(text, names)
    if called:
        title, code = f"there is no operator or block `{text}`", "E0102"
        module = on_the_shelf().get(text)
        help = f"did you mean `{near}`?" if near else "`attn list` and `attn doc` show what there is"
        help = f"the library has one: use {module} ({text})" if module is not None else help
    else:
        title, code = f"unknown name `{text}`", "E0101"
        shown = [name for name in scope.values if not name.startswith("_")]
        help = f"did you mean `{near}`?" if near else f"names here: {', '.join(shown[:12]) or 'none yet'}"
    return fault(code, title, span, "not known here", help=help)


# ---------------------------------------------------------------- arithmetic

NODE_OF: dict[str, str] = {
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "div",
    "//": "floordiv",
    "%": "mod",
    "**": "pow",
    "==": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
    "and": "and",
    "or": "or",
}


def word(frame: Frame, expr: tree.Expr) -> Word | None:
    """A bare word that is no value: one of an enumeration."""
    if isinstance(expr, tree.Name) and expr.text not in frame.scope.values:
        return Word(expr.text)
    return None
