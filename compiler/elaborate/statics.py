"""Arithmetic on statics: exact while it can be, decided while the module is built."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from ...dsl.diagnostics import fault
from ...dsl.source import Span
from .. import sizes
from ..sizes import Size, SizeTooLarge, at_least, equal
from .values import Number, Unknown, Value, Word, describe, is_list, is_number

MAX_LIST = 10_000


class NotStatic(Exception):
    """Internal: has no static value (a root of a symbolic size); the graph must compute it."""


def as_float(value: Number) -> float:
    """A number as a float; NotStatic where it is symbolic."""
    if isinstance(value, Size):
        constant = value.constant()
        if constant is None:
            raise NotStatic
        return float(constant)
    return float(value)


def as_size(value: Value) -> Size | None:
    """A whole number or a symbolic size as a Size; None for anything else."""
    if isinstance(value, Size):
        return value
    if isinstance(value, Fraction):
        return Size.of(value)
    if isinstance(value, float) and value.is_integer():
        return Size.of(int(value))
    return None


def _exact(left: Number, right: Number) -> tuple[Size, Size, bool] | None:
    """Both as exact sizes, and whether the result should stay a decimal."""
    if isinstance(left, float) or isinstance(right, float):
        return None
    decimal = isinstance(left, Fraction) or isinstance(right, Fraction)
    return _sized(left), _sized(right), decimal


def _sized(value: Size | Fraction | int) -> Size:
    return value if isinstance(value, Size) else Size.of(value)


def _keep(value: Size, decimal: bool) -> Number:
    constant = value.constant()
    return constant if decimal and constant is not None else value


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": operator.mod,
}


def arithmetic(op: str, left: Number, right: Number, span: Span) -> Number:
    """`left op right`. Raises Fault for division by zero and for results out of bounds, NotStatic where the graph must compute it."""
    if op in ("/", "//", "%") and _is_zero(right):
        raise fault("E0215", "division by zero", span, "the right side is 0 here")
    if op == "**":
        return _power(left, right, span)
    try:
        exact = _exact(left, right)
        if exact is not None:
            return _keep(OPERATIONS[op](exact[0], exact[1]), exact[2])
        return float(OPERATIONS[op](as_float(left), as_float(right)))
    except (SizeTooLarge, OverflowError) as error:
        raise fault("E0214", "this number is too large", span, str(error)) from None


def _is_zero(value: Number) -> bool:
    return value.constant() == 0 if isinstance(value, Size) else value == 0


def _power(left: Number, right: Number, span: Span) -> Number:
    exact = _exact(left, right)
    exponent = exact[1].integer() if exact is not None else None
    try:
        if exact is not None and exponent is not None and abs(exponent) <= 64:
            base = exact[0]
            if exponent < 0 and _is_zero(base):
                raise fault("E0215", "division by zero", span, "zero to a negative power")
            value = base**exponent if exponent >= 0 else Size.of(1) / base ** (-exponent)
            return _keep(value, exact[2])
        result = as_float(left) ** as_float(right)
    except (SizeTooLarge, OverflowError, ZeroDivisionError) as error:
        raise fault("E0214", "this number is too large", span, str(error)) from None
    if isinstance(result, complex):
        raise fault("E0216", "a root of a negative number", span)
    return float(result)


def negate(value: Number) -> Number:
    return -value


def compare(op: str, left: Value, right: Value, span: Span) -> bool | Unknown:
    """A comparison of statics; Unknown where unbound sizes decide it."""
    _refuse_hidden_word(left, right, span)
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return Unknown("bool", "condition")
    if is_number(left) and is_number(right):
        return _compare_numbers(op, left, right)
    if op not in ("==", "!="):
        raise fault("E0300", f"`{op}` needs two numbers", span, f"this compares {describe(left)} with {describe(right)}")
    return bool(left == right) == (op == "==")


def _refuse_hidden_word(left: Value, right: Value, span: Span) -> None:
    """A word of an enumeration is never a number: the word that was meant is the name of a value, too."""
    for word, other in ((left, right), (right, left)):
        if isinstance(word, Word) and not (other is None or isinstance(other, Word)):
            raise fault(
                "E0300",
                f"the word `{word.text}` of an enumeration is compared with {describe(other)}",
                span,
                "they are never the same",
                help="where a word is meant, no value may have its name: rename the value",
            )


def _compare_numbers(op: str, left: Number, right: Number) -> bool | Unknown:
    exact = _exact(left, right)
    if exact is None:
        try:
            a, b = as_float(left), as_float(right)
        except NotStatic:
            return Unknown("bool", "condition", (op, left, right))
        results = {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}
        return results[op]
    a_size, b_size, _ = exact
    if op in ("==", "!="):
        same = equal(a_size, b_size)
        return Unknown("bool", "condition", (op, left, right)) if same is None else same == (op == "==")
    swapped = op in ("<=", ">")
    holds = at_least(b_size, a_size) if swapped else at_least(a_size, b_size)
    if holds is None:
        return Unknown("bool", "condition", (op, left, right))
    return holds if op in (">=", "<=") else not holds


# ---------------------------------------------------------------- functions of statics


def _numbers(args: Sequence[Value]) -> list[Number]:
    """The numbers meant by `max(a, b)` or `max(list)`."""
    items: Sequence[Value] = args[0] if len(args) == 1 and is_list(args[0]) else args
    if not all(is_number(item) for item in items) or not items:
        raise NotStatic
    return list(items)


def _extreme(exact: Callable[..., Size], rough: Callable[[list[float]], float]) -> Callable[[Sequence[Value]], Value]:
    def run(args: Sequence[Value]) -> Value:
        numbers = _numbers(args)
        if len(args) == 1 and not isinstance(args[0], tuple):
            raise NotStatic
        parts = [as_size(number) for number in numbers]
        if any(isinstance(number, float) and part is None for number, part in zip(numbers, parts, strict=True)):
            return rough([as_float(number) for number in numbers])
        return exact(*[part for part in parts if part is not None])

    return run


def _rounding(exact: Callable[[Size], Size], rough: Callable[[float], int]) -> Callable[[Sequence[Value]], Value]:
    def run(args: Sequence[Value]) -> Value:
        (value,) = _numbers(args)
        size = Size.of(value) if isinstance(value, Fraction) else value
        return exact(size) if isinstance(size, Size) else Size.of(rough(as_float(size)))

    return run


def _smooth(function: Callable[[float], float]) -> Callable[[Sequence[Value]], Value]:
    def run(args: Sequence[Value]) -> Value:
        (value,) = _numbers(args)
        return function(as_float(value))

    return run


def _round(value: float) -> int:
    return round(value)


def _truncate(args: Sequence[Value]) -> Value:
    (value,) = [Size.of(int(arg)) if isinstance(arg, bool) else arg for arg in args]
    if isinstance(value, Size) and value.constant() is None:
        return sizes.floor(value)
    return Size.of(int(as_float(_numbers([value])[0])))


def _to_float(args: Sequence[Value]) -> Value:
    (value,) = _numbers(args)
    constant = value.constant() if isinstance(value, Size) else value
    if constant is None:
        raise NotStatic
    return Fraction(constant) if not isinstance(constant, float) else constant


def _sum(args: Sequence[Value]) -> Value:
    if len(args) != 1 or not is_list(args[0]):
        raise NotStatic
    total: Number = Size.of(0)
    for item in args[0]:
        if not is_number(item):
            raise NotStatic
        total = _add(total, item)
    return total


def _add(left: Number, right: Number) -> Number:
    exact = _exact(left, right)
    return _keep(exact[0] + exact[1], exact[2]) if exact is not None else as_float(left) + as_float(right)


def _len(args: Sequence[Value]) -> Value:
    if len(args) != 1 or not is_list(args[0]):
        raise NotStatic
    return Size.of(len(args[0]))


def _log2(args: Sequence[Value]) -> Value:
    (value,) = _numbers(args)
    size = as_size(value)
    try:
        return sizes.log2(size) if size is not None else math.log2(as_float(value))
    except ValueError:
        return math.log2(as_float(value))


def _clamp(args: Sequence[Value]) -> Value:
    low_or_value = _numbers(args)
    if len(low_or_value) != 3:
        raise NotStatic
    parts = [as_size(number) for number in low_or_value]
    if all(part is not None for part in parts):
        return sizes.clamp(*[part for part in parts if part is not None])
    value, low, high = (as_float(number) for number in low_or_value)
    return min(max(value, low), high)


def _abs(args: Sequence[Value]) -> Value:
    (value,) = _numbers(args)
    return sizes.absolute(value) if isinstance(value, Size) else abs(value)


FUNCTIONS: dict[str, Callable[[Sequence[Value]], Value]] = {
    "max": _extreme(sizes.maximum, max),
    "min": _extreme(sizes.minimum, min),
    "maximum": _extreme(sizes.maximum, max),
    "minimum": _extreme(sizes.minimum, min),
    "floor": _rounding(sizes.floor, math.floor),
    "ceil": _rounding(sizes.ceil, math.ceil),
    "round": _rounding(lambda size: Size.of(_round(as_float(size))), _round),
    "int": _truncate,
    "float": _to_float,
    "abs": _abs,
    "clamp": _clamp,
    "log2": _log2,
    "sum": _sum,
    "len": _len,
    "sqrt": _smooth(math.sqrt),
    "exp": _smooth(math.exp),
    "log": _smooth(math.log),
    "sin": _smooth(math.sin),
    "cos": _smooth(math.cos),
    "tanh": _smooth(math.tanh),
    "erf": _smooth(math.erf),
}
CONSTANTS: dict[str, float] = {"inf": math.inf, "pi": math.pi}


def apply(name: str, args: Sequence[Value], span: Span) -> Value:
    """A function of statics; NotStatic where it has no static value."""
    if any(isinstance(arg, Unknown) for arg in args):
        return Unknown("int" if name in ("floor", "ceil", "int", "len", "round") else "float", name)
    try:
        return FUNCTIONS[name](args)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise fault("E0216", f"`{name}` has no value here", span, str(error)) from None


def whole(value: Value) -> int | None:
    """A static as a Python int, if it is one."""
    size = as_size(value) if not isinstance(value, bool) else None
    return size.integer() if size is not None else None
