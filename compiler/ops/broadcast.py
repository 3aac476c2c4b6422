"""What operators that work number by number share: lining up by name, kinds of number, folding, and the writing of operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from ...dsl.diagnostics import Diagnostic, Fault, Label
from ...dsl.source import Span
from ..graph import Node
from ..types import STAR, Axis, DType, TensorType, promote
from .base import Call
from .facts import is_computed, is_number

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value

_LARGEST = 2**63

# ------------------------------------------------ axes


def union(nodes: Sequence[Node]) -> tuple[Axis, ...]:
    """Every axis of the nodes once, the node with most axes first. Says nothing about sizes."""
    found: dict[str, Axis] = {}
    for node in sorted(nodes, key=lambda node: -len(node.axes)):
        for axis in node.axes:
            found.setdefault(axis.name, axis)
    return tuple(found.values())


def broadcast(call: Call, nodes: Sequence[Node]) -> tuple[Axis, ...]:
    """The axes of a result whose operands line up by name. Faults with E0202 where an axis has two sizes; warns of outer products."""
    spans = _spans(call, nodes)
    seen: dict[str, tuple[Axis, Span]] = {}
    for node, span in zip(nodes, spans, strict=True):
        for axis in node.axes:
            first, place = seen.setdefault(axis.name, (axis, span))
            if first.size != axis.size:
                _same_size(call, first, place, axis, span)
    _warn_outer(call, nodes, spans)
    return union(nodes)


def _spans(call: Call, nodes: Sequence[Node]) -> list[Span]:
    """Where each operand is written: in the call, or else where its node was made."""
    known = dict(zip(call.tensors, call.spans, strict=False))
    if len(call.spans) >= len(nodes) and all(a is b for a, b in zip(call.tensors, nodes, strict=False)):
        return list(call.spans[: len(nodes)])
    return [known.get(node, node.span) for node in nodes]


def _same_size(call: Call, first: Axis, place: Span, axis: Axis, span: Span) -> None:
    name = call.make.local(axis.name)
    label = Label(place, f"here `{name}` is {first.size}")
    call.make.require_equal(first.size, axis.size, f"axis `{name}` has two sizes", span, "E0202", (label,))


def _warn_outer(call: Call, nodes: Sequence[Node], spans: Sequence[Span]) -> None:
    for (a, a_span), (b, b_span) in combinations(zip(nodes, spans, strict=True), 2):
        left, right = frozenset(a.tensor.names), frozenset(b.tensor.names)
        if left <= right or right <= left or not (is_computed(a) and is_computed(b)):
            continue
        whole, lacking, side = (b, left, "left") if STAR in left or STAR not in right else (a, right, "right")  # `*` cannot be made
        missing = next(axis.name for axis in whole.axes if axis.name not in lacking)
        types = (f"the left has {call.describe(a.tensor)}", f"the right has {call.describe(b.tensor)}")
        help = f"if it is meant, say so: expand(.., {call.make.local(missing)}) on the {side} one"
        labels = (Label(a_span, call.describe(a.tensor)), Label(b_span, call.describe(b.tensor)))
        call.make.warn(Diagnostic("W0802", "outer product of two computed tensors", call.span, "neither has all axes of the other",
                                  labels, types, help))  # fmt: skip
        return


# ------------------------------------------------ kinds of number


def kinds(nodes: Sequence[Node]) -> list[DType]:
    return [node.dtype for node in nodes]


def arithmetic_type(*dtypes: DType) -> DType:
    """The kind of number that sums and products of these have: a bool counts as 0 or 1."""
    kind = promote(*dtypes)
    return "int" if kind == "bool" else kind


def floating_type(*dtypes: DType) -> DType:
    """The kind of number of what is rarely whole: quotients, exponentials."""
    kind = promote(*dtypes)
    return "wide" if kind in ("bool", "int") else kind


def wrong_kind(call: Call, node: Node, index: int, needs: str, help: str = "") -> Fault:
    """`E0310`: the operator cannot work on this kind of number."""
    span = call.spans[index] if index < len(call.spans) else node.span
    kind = {"float": "floating point", "wide": "floating point", "int": "whole", "bool": "true or false", "complex": "complex"}[node.dtype]
    return call.fault("E0310", f"`{call.name}` needs {needs}", span, f"the values here are {kind}", help)


def no_complex(call: Call, nodes: Sequence[Node]) -> None:
    """A Fault where one of the operands is complex."""
    for index, node in enumerate(nodes):
        if node.dtype == "complex":
            raise wrong_kind(call, node, index, "real numbers", "take a part of it first: real(x), imag(x), abs(x) or angle(x)")


# ------------------------------------------------ folding


def fold(call: Call, nodes: Sequence[Node], function: Callable[..., Any], dtype: DType) -> Node | None:
    """The result as a scalar where every operand is one; None elsewhere. Faults with E0311 where it has no value."""
    if any(node.op != "scalar" for node in nodes):
        return None
    values = [node["value"] for node in nodes]
    try:
        result = function(*values)
        if dtype == "wide":
            result = float(result)
    except (ArithmeticError, ValueError, TypeError) as problem:
        raise _no_value(call, str(problem)) from problem
    if isinstance(result, int) and abs(result) >= _LARGEST:
        raise _no_value(call, "the result needs more than 64 bits")
    return call.number(result)


def _no_value(call: Call, why: str) -> Fault:
    return call.fault("E0311", "this arithmetic has no value", call.span, why)


# ------------------------------------------------ writing


def layout(values: Sequence[Value]) -> tuple[str, ...]:
    """The order of axes that costs least to line up in: that of the operand with most axes. Second copies (`N'`) go last where no
    operand has all axes, so that pairs of positions come as rows and columns."""
    widest = max(values, key=lambda value: len(value.axes)).axes
    rest = dict.fromkeys(name for value in values for name in value.axes if name not in widest)
    return tuple(sorted((*widest, *rest), key=lambda name: name.endswith("'"))) if rest else widest


def operands(e: Emitter, nodes: Sequence[Node], kind: DType, bools: bool = False) -> list[Value]:
    """The values of the operands, brought to where PyTorch's own promotion gives `kind`. Numbers stay numbers.

    With `bools`, also a bool that meets floating point numbers is converted, for functions that do not take one.
    """
    like = next((e.value(node).fx for node in nodes if node.dtype == "float" and not is_number(node)), None)
    convert: tuple[DType, ...] = ("bool", "wide") if bools else ("wide",)
    return [_operand(e, node, kind, like if node.dtype in convert else None) for node in nodes]


def _operand(e: Emitter, node: Node, kind: DType, like: Any) -> Value:
    from ..lower.emitter import Value

    value = e.value(node)
    if is_number(node):
        return value
    if kind == "wide" and node.dtype in ("bool", "int"):
        return e.wide(node)
    if kind == "int" and node.dtype == "bool":
        return Value(e.method("long", value.fx), value.axes)
    if kind == "float" and like is not None:
        return Value(e.method("to", value.fx, like), value.axes)
    return value


def as_float(e: Emitter, node: Node) -> Value:
    """A tensor of floating point (or complex) numbers: whole numbers become wide ones."""
    return e.wide(node) if is_number(node) or node.dtype in ("bool", "int") else e.value(node)


def result_type(nodes: Sequence[Node], dtype: DType) -> TensorType:
    """The type of a result over all axes of the operands."""
    return TensorType(union(nodes), dtype)
