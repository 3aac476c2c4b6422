"""`param`, `const`, `state` and `next`: what a module keeps, and how it starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...dsl import tree
from ...dsl.closest import closest
from ...dsl.diagnostics import Diagnostic, Fault, Label, fault
from ...dsl.source import Span
from ..graph import Init, Node, topological
from ..sizes import Size
from ..types import STAR, Axis, DType
from . import statics
from .arguments import axis_ref
from .blocks import axis_name
from .expressions import as_tensor, evaluate, size, static, unknown_name
from .frame import Frame
from .session import Slot
from .statements import expanded, runs, target_name
from .values import POISON, Unknown, Value, describe, is_list, is_number

INITS: dict[str, tuple[str, tuple[float, ...]]] = {
    "zeros": ("zeros", ()),
    "ones": ("ones", ()),
    "constant": ("constant", (0.0,)),
    "normal": ("normal", (1.0,)),
    "trunc_normal": ("trunc_normal", (0.02,)),
    "uniform": ("uniform", (0.0, 1.0)),
    "xavier": ("xavier_uniform", ()),
    "xavier_uniform": ("xavier_uniform", ()),
    "xavier_normal": ("xavier_normal", ()),
    "kaiming": ("kaiming_uniform", ()),
    "kaiming_uniform": ("kaiming_uniform", ()),
    "kaiming_normal": ("kaiming_normal", ()),
    "orthogonal": ("orthogonal", ()),
    "eye": ("eye", ()),
}
"""Initial values by name, with their kind and the defaults of their numbers."""
UNSAID = Init("normal", (0.02,))
"""How a `param` without an initial value starts."""

# ---------------------------------------------------------------- initial values


def read_init(frame: Frame, expr: tree.Expr | tree.AxisList | tree.Arrow) -> Init:
    """`normal(0.02)`, `zeros`, a number, a list, or a formula over positions and constants."""
    if isinstance(expr, tree.AxisList | tree.Arrow):
        raise fault("E0303", "an initial value is needed here, these are axes", expr.span)
    named = _named_init(frame, expr)
    if named is not None:
        return named
    value = evaluate(frame, expr)
    if isinstance(value, Unknown):
        return Init("zeros")
    if isinstance(value, bool) or is_number(value):
        return Init("constant", (_plain_number(frame, value, expr.span),))
    if is_list(value):
        return Init("list", (_plain_list(frame, value, expr.span),))
    node = as_tensor(frame, value, expr.span)
    for source in topological([node]):
        if source.op in ("input", "weight", "param", "layer"):
            raise Fault(
                Diagnostic(
                    "E0512",
                    "an initial value cannot depend on an input or a weight",
                    source.span,
                    "this is one",
                    (Label(expr.span, "used here"),),
                )
            )
    return Init("formula", (), node)


def _named_init(frame: Frame, expr: tree.Expr) -> Init | None:
    callee, args = (expr.callee, expr.args) if isinstance(expr, tree.Call) else (expr, ())
    if not isinstance(callee, tree.Name) or callee.text in frame.scope.values or callee.text in frame.scope.unit.scope:
        return None
    if callee.text not in INITS:
        if isinstance(expr, tree.Call) and closest(callee.text, INITS) and not _is_formula(callee.text):
            raise unknown_name(frame, callee.text, callee.span, called=True)
        return None
    kind, defaults = INITS[callee.text]
    given: list[float] = []
    for arg in args:
        if arg.name not in (None, "std", "value", "low", "high", "gain") or isinstance(arg.value, tree.AxisList | tree.Arrow):
            return None
        value = static(frame, arg.value)
        given.append(0.0 if isinstance(value, Unknown) else float(_plain_number(frame, value, arg.span)))
    numbers = (*given, *defaults[len(given) :])
    _check_spread(kind, numbers, expr.span)
    return Init(kind, numbers)


def _check_spread(kind: str, numbers: Sequence[float], span: Span) -> None:
    """What can be drawn from: a spread that is not negative, bounds in order."""
    if kind in ("normal", "trunc_normal") and not 0 <= numbers[0] < math.inf:
        raise fault("E0303", f"a standard deviation is a number from 0 on, this is {numbers[0]:g}", span)
    if kind == "uniform" and not -math.inf < numbers[0] <= numbers[1] < math.inf:
        raise fault("E0303", f"the lower bound comes first: {numbers[0]:g} and {numbers[1]:g}", span, help="write uniform(-1, 1)")


def _is_formula(name: str) -> bool:
    from ..ops.base import OPERATORS

    return name in OPERATORS or name in statics.FUNCTIONS


def _plain_number(frame: Frame, value: Value, span: Span) -> Any:
    if isinstance(value, bool):
        return value
    if not is_number(value):
        raise fault("E0300", f"a number is needed here, this is {describe(value)}", span)
    whole = statics.whole(value)
    if whole is not None and isinstance(value, Size):
        return whole
    try:
        return statics.as_float(value)
    except statics.NotStatic:
        if frame.session.checking:
            return 0.0
        raise Fault(
            Diagnostic("E0501", "this initial value depends on an unbound size", span, help="bind the axis when compiling")
        ) from None


def _plain_list(frame: Frame, value: tuple[Value, ...], span: Span) -> tuple[Any, ...]:
    return tuple(_plain_list(frame, item, span) if is_list(item) else _plain_number(frame, item, span) for item in value)


def _list_shape(value: Any, span: Span) -> tuple[int, ...]:
    if not is_list(value):
        return ()
    shapes = {_list_shape(item, span) for item in value}
    if len(shapes) > 1:
        raise fault("E0303", "the rows of this list have different lengths", span)
    return (len(value), *(shapes.pop() if shapes else ()))


# ---------------------------------------------------------------- storage


def storage_axes(frame: Frame, spec: tree.TensorSpec, lengths: Sequence[Size] = ()) -> list[Axis]:
    """The axes of a declared weight; a size at first use declares the axis, and so do the `lengths` of a list it starts as."""
    axes: list[Axis] = []
    for place, item in enumerate(spec.axes):
        if item.name == STAR:
            raise fault("E0511", "what a module keeps has no `*`", item.span, "its axes must be known", help="name every axis")
        known = {name for name in frame.scope.values if name not in frame.scope.axes}
        name = axis_name(item, known)
        if name is None:
            raise fault("E0506", "this axis has no name", item.span, help="write it as name = size")
        ref = axis_ref(frame, tree.AxisItem(item.span, name, item.size if item.name is not None else None))
        if place < len(lengths) and ref.size is None and not frame.scope.sizes(name) and not frame.scope.spoiled(name):
            ref = ref.replace(size=lengths[place])
        if item.name is None and item.size is not None:
            axes.append(Axis(ref.symbol, size(frame, item.size)))
            continue
        axes.append(frame.declare(ref, frame.size_of(ref)))
    return axes


def _lengths(frame: Frame, init: tree.Expr | None) -> tuple[Size, ...]:
    """The shape of a weight that starts as a list; nothing for any other start."""
    if isinstance(init, tree.Name):
        value = frame.scope.values.get(init.text)
    else:
        value = evaluate(frame, init) if isinstance(init, tree.ListOf) else None
    if isinstance(value, Unknown) and value.kind == "list":
        return (Size.symbol(value.name),)
    return tuple(Size.of(length) for length in _list_shape(value, init.span)) if init is not None and is_list(value) else ()


@runs(tree.Storage)
def _storage(frame: Frame, statement: tree.Storage) -> None:
    if statement.kind == "state" and statement.init is None:
        raise fault("E0303", "a state needs an initial value", statement.span, help="write state s: [...] = 0")
    if statement.kind == "const" and statement.init is None:
        raise fault("E0303", "a const needs a value", statement.span, help="write const k: [K=3] = [1, 2, 1]")
    axes = storage_axes(frame, statement.type, _lengths(frame, statement.init))
    init = read_init(frame, statement.init) if statement.init is not None else UNSAID
    init = _fitted(frame, init, axes, statement.init.span if statement.init is not None else statement.span)
    dtype = _dtype(statement.type, statement.kind)
    name = target_name(frame, statement.target)
    leaf = ".".join(part for part in name.replace("[", ".").replace("]", "").replace("'", "").split("."))
    node = _keep(frame, statement, leaf, axes, init, dtype)
    frame.scope.bind(name, node, statement.target.span)
    if statement.kind == "state":
        frame.scope.states[name] = node


def _keep(frame: Frame, statement: tree.Storage, leaf: str, axes: list[Axis], init: Init, dtype: DType) -> Node:
    known = frame.owner.direct.get(leaf)
    if known is not None:
        _check_once(frame, frame.session.slots[known], statement, leaf)
    groups: Sequence[Sequence[str]] = [(axis.name,) for axis in axes]
    return frame.weight(leaf, axes, groups, init, statement.target.span, statement.kind, dtype)


def _check_once(frame: Frame, slot: Slot, statement: tree.Storage, leaf: str) -> None:
    """A block that is applied again meets its own weights; anything else is a second weight of the same name."""
    span = statement.target.span
    if slot.span != span:
        raise fault("E0401", f"two weights would be called `{leaf}`", span, "the second is here", (Label(slot.span, "the first is here"),))
    if slot.turn != frame.turn:
        raise fault(
            "E0402",
            f"the weight `{leaf}` is made anew in every turn of a loop under one name",
            span,
            "made here",
            help=f"name the turn: {statement.kind} {leaf}[i]: ..., or declare it before the loop to share it",
        )


def _dtype(spec: tree.TensorSpec, kind: str) -> DType:
    from .bindings import input_dtype

    dtype = input_dtype(spec)
    if kind == "param" and spec.dtype != "float":
        raise fault("E0303", "a param is trained, so it holds float numbers", spec.span, help="use const or state")
    return dtype


def _fitted(frame: Frame, init: Init, axes: list[Axis], span: Span) -> Init:
    """The initial value with exactly the declared axes."""
    if init.kind == "list":
        shape = _list_shape(init.values[0], span)
        if len(shape) != len(axes):
            raise fault("E0303", f"a list of {len(shape)} levels for {len(axes)} axes", span, "does not fit the declared axes")
        for axis, length in zip(axes, shape, strict=True):
            frame.require_equal(axis.size, Size.of(length), f"axis `{frame.local(axis.name)}` has two sizes", span)
    if init.kind == "formula" and init.node is not None:
        return Init("formula", (), expanded(frame, init.node, axes, span))
    return init


@runs(tree.Next)
def _next(frame: Frame, statement: tree.Next) -> None:
    name = target_name(frame, statement.target)
    if frame.scope.values.get(name) is POISON:
        return
    state = frame.scope.states.get(name)
    if state is None:
        near = closest(name, frame.scope.states)
        raise fault(
            "E0512",
            f"`{name}` is not a state",
            statement.target.span,
            "declared with `state` it would be",
            help=f"did you mean `{near}`?" if near else "",
        )
    number: int = state["slot"]
    slot = frame.session.slots[number]
    if frame.scope.values.get("<scan>"):
        raise Fault(
            Diagnostic(
                "E0512", "a state cannot be written inside a scan", statement.span, help="carry the value and write it after the scan"
            )
        )
    if slot.written is not None:
        raise fault(
            "E0505",
            f"state `{name}` is written twice",
            statement.span,
            "again here",
            (Label(slot.written, "first written here"),),
            help="work the value out first, then write it once",
        )
    slot.written = statement.span
    value = as_tensor(frame, evaluate(frame, statement.value), statement.value.span)
    frame.update(state, expanded(frame, value, list(state.tensor.axes), statement.value.span))
