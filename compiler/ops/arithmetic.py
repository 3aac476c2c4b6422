"""The infix operators: arithmetic, comparison, logic. Operands line up by name; on numbers alone they are Python's own."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..graph import Node
from ..types import DType, TensorType, promote
from .base import Call, Operator, Signature, per_element, register
from .broadcast import arithmetic_type, broadcast, floating_type, fold, kinds, layout, no_complex, operands, wrong_kind
from .facts import NUMBER_TARGETS, is_number

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value


@dataclass(frozen=True)
class Infix:
    """One infix operator. `kind` gives the type of its result: that of a sum, of a quotient, of a power, a comparison, or logic."""

    name: str
    sign: str
    target: str
    function: Callable[..., Any]
    kind: str
    doc: str
    real: bool = False
    operands: int = 2

    def example(self) -> str:
        """A block that uses the operator where it is defined."""
        left, right = {
            "logic": ("(x > 0)", "(y > 0)"),
            "power": ("(x * x + 1)", "y"),
            "quotient": ("x", "(y * y + 1)"),
        }.get(self.kind, ("x", "(y * y + 1)" if self.real else "y"))
        text = f"{left} {self.sign} {right}" if self.operands == 2 else f"{self.sign} {left}"
        if self.kind in ("comparison", "logic"):
            text = f"where({text}, x, y)"
        elif self.operands == 1:
            text = f"{text} + y"
        return f"block t(x: [*, N, D], y: [*, D]) -> [*, N, D] {{\n    return {text}\n}}"


def _power(base: Any, exponent: Any) -> Any:
    """Python's power, refused before the work where the result could not be kept anyway."""
    if isinstance(base, int) and isinstance(exponent, int) and abs(base).bit_length() * exponent > 128 and abs(base) > 1:
        raise OverflowError("the result needs more than 64 bits")
    result = base**exponent
    if isinstance(result, complex):
        raise ValueError("a negative number to a broken power")
    return result


def _quotient(a: float, b: float) -> float:
    return a / b


def _whole_quotient(a: float, b: float) -> float:
    return a // b


def _both(a: bool, b: bool) -> bool:
    return a and b


def _either(a: bool, b: bool) -> bool:
    return a or b


TABLE = (
    Infix("add", "+", "operator.add", operator.add, "sum", "`a + b`, the sum."),
    Infix("sub", "-", "operator.sub", operator.sub, "sum", "`a - b`, the difference."),
    Infix("mul", "*", "operator.mul", operator.mul, "sum", "`a * b`, the product, number by number."),
    Infix("div", "/", "operator.truediv", _quotient, "quotient", "`a / b`, the quotient; of whole numbers, too, it is floating point."),
    Infix("floordiv", "//", "operator.floordiv", _whole_quotient, "sum", "`a // b`, the quotient rounded down.", real=True),
    Infix("mod", "%", "operator.mod", operator.mod, "sum", "`a % b`, what `a // b` leaves over; it has the sign of `b`.", real=True),
    Infix("pow", "**", "operator.pow", _power, "power",
          "`a ** b`, the power. A whole number to a fixed whole power >= 0 stays whole; every other power is floating point."),
    Infix("eq", "==", "operator.eq", operator.eq, "comparison", "`a == b`."),
    Infix("ne", "!=", "operator.ne", operator.ne, "comparison", "`a != b`."),
    Infix("lt", "<", "operator.lt", operator.lt, "comparison", "`a < b`.", real=True),
    Infix("le", "<=", "operator.le", operator.le, "comparison", "`a <= b`.", real=True),
    Infix("gt", ">", "operator.gt", operator.gt, "comparison", "`a > b`.", real=True),
    Infix("ge", ">=", "operator.ge", operator.ge, "comparison", "`a >= b`.", real=True),
    Infix("and", "and", "operator.and_", _both, "logic", "`a and b`, of bools."),
    Infix("or", "or", "operator.or_", _either, "logic", "`a or b`, of bools."),
    Infix("not", "not", "operator.invert", operator.not_, "logic", "`not a`, of bools.", operands=1),
    Infix("neg", "-", "operator.neg", operator.neg, "sum", "`-a`.", operands=1),
)  # fmt: skip


def build_infix(row: Infix, call: Call) -> Node:
    """Line up, find the kind of number, fold numbers."""
    nodes = call.tensors
    if row.kind == "logic":
        _need_bools(call)
    elif row.real:
        no_complex(call, nodes)
    dtype = _result(row, nodes)
    if row.name in ("floordiv", "mod") and dtype == "int" and nodes[1].op == "scalar" and not nodes[1]["value"]:
        raise call.fault("E0215", "division by zero", call.spans[1] if len(call.spans) > 1 else None, "whole numbers have no value for it")
    folded = fold(call, nodes, row.function, dtype)
    if folded is not None:
        return folded
    return call.node(row.name, nodes, TensorType(broadcast(call, nodes), dtype))


def _result(row: Infix, nodes: tuple[Node, ...]) -> DType:
    dtypes = kinds(nodes)
    if row.kind in ("comparison", "logic"):
        return "bool"
    if row.kind == "sum" or (row.kind == "power" and _is_whole(nodes[1])):
        return arithmetic_type(*dtypes)
    return floating_type(*dtypes)


def _is_whole(exponent: Node) -> bool:
    """Whether an exponent is a fixed whole number that is not negative."""
    return exponent.op == "scalar" and isinstance(exponent["value"], int) and exponent["value"] >= 0


def _need_bools(call: Call) -> None:
    for index, node in enumerate(call.tensors):
        if node.dtype != "bool":
            raise wrong_kind(call, node, index, "true or false on each side", "compare it with something, as in `x != 0`")


def lower_infix(row: Infix, e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    if is_number(node):
        return Value(_number(row, e, [e.value(source).fx for source in node.inputs]), ())
    values = operands(e, node.inputs, _working_kind(row, node), bools=row.name in ("sub", "neg", "pow"))
    axes = layout(values)
    args = e.align(values, axes)
    if row.name == "floordiv" and node.dtype != "int":
        return Value(_floor_quotient(e, args), axes)
    if row.name in ("eq", "ne") and all(source.dtype == "bool" and not is_number(source) for source in node.inputs):
        return Value(_differ(e, args[0], args[1] if row.name == "ne" else e.call("operator.invert", args[1])), axes)
    return Value(e.call("torch.pow" if _is_negative_base(row, args) else row.target, *args), axes)


def _differ(e: Emitter, a: Any, b: Any) -> Any:
    """Whether two tensors of bools differ. Inductor has no `==` of bools: it fails where it asks for their bounds."""
    return e.call("operator.xor", a, b)


def _number(row: Infix, e: Emitter, numbers: list[Any]) -> Any:
    if row.name in _REFUSED_AT_ZERO and not _is_safe(row, numbers[1]):
        return e.call(_REFUSED_AT_ZERO[row.name], *numbers)
    if _is_negative_base(row, numbers):
        return e.call("math.pow", *numbers)
    return e.call(NUMBER_TARGETS[row.name], *numbers)


_REFUSED_AT_ZERO = {"div": "runtime.quotient", "floordiv": "runtime.floor_quotient", "mod": "runtime.remainder", "pow": "runtime.power"}
"""What Python refuses where a tensor is empty; the runtime's function has a value then."""


def _is_safe(row: Infix, second: Any) -> bool:
    """Whether the second number alone tells that there is a value: a divisor, or an exponent that is whole and not negative."""
    if not isinstance(second, int | float):
        return False
    return second >= 0 and second % 1 == 0 if row.name == "pow" else second != 0


def _working_kind(row: Infix, node: Node) -> DType:
    """The kind of number to compute in; floating point numbers are compared in the wider of their types."""
    if row.kind != "comparison":
        return node.dtype
    kind = promote(*kinds(node.inputs))
    return "wide" if kind == "float" else kind


def _is_negative_base(row: Infix, args: list[Any]) -> bool:
    """`-2 ** x` would be read as `-(2 ** x)`, so it is not written with the sign."""
    return row.name == "pow" and isinstance(args[0], int | float) and args[0] < 0


def _floor_quotient(e: Emitter, args: list[Any]) -> Any:
    """Floating point numbers have no derivative through `//` in PyTorch; through these it is zero."""
    if isinstance(args[0], int | float):
        return e.call("torch.floor", e.call("operator.truediv", *args))
    return e.call("torch.div", *args, rounding_mode="floor")


def _operator(row: Infix) -> Operator:
    names = ("a", "b")[: row.operands]
    return Operator(
        row.name, "arithmetic", row.doc, partial(build_infix, row), Signature(names, layer=False), partial(lower_infix, row), per_element,
        differentiable=row.kind not in ("comparison", "logic") and row.name != "floordiv", pointwise=True, examples=(row.example(),),
    )  # fmt: skip


NUMBER_TARGETS.update({row.name: row.target for row in TABLE} | {"not": "operator.not_"})
register(*map(_operator, TABLE))
