"""One block being built: its scope, its place in the naming tree, and what operators ask of the evaluator (`Maker`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from typing import Any

from ...dsl.diagnostics import Diagnostic, Fault, Label, fault
from ...dsl.source import Span
from ..graph import Init, Node
from ..ops.axes import rename_axes
from ..ops.base import OPERATORS, AxisRef, Call
from ..sizes import Size, at_least, equal, nearest_multiples
from ..sizes.size import fraction as as_ratio
from ..types import Axis, DType, TensorType, TupleType
from . import naming
from .scope import Scope
from .session import MAX_ELEMENTS, Kind, Session, Slot
from .values import Poisoned, Unknown

MAX_AXES = 16


@dataclass
class Frame:
    """`owner` is what weights belong to right now, `context` names the owners of the current statement, `turn` tells the turns of
    the loops around it apart, `trail` is the path of blocks for pictures, `binding` the name being bound."""

    session: Session
    scope: Scope
    owner: naming.Owner
    context: naming.Context
    turn: tuple[int, ...] = ()
    trail: tuple[str, ...] = ()
    binding: str = ""
    steps: dict[str, Node] = field(default_factory=dict[str, Node])
    """Axes being stepped along by `scan`, with the step number."""
    sliced: Any = None
    """Inside a scan: turns an outer tensor into what the body sees of it."""

    def within(self, **changes: Any) -> Frame:
        return Frame(**{**vars(self), **changes})

    # ------------------------------------------------ nodes

    def node(self, op: str, inputs: Sequence[Node], type: TensorType | TupleType, span: Span, **attrs: Any) -> Node:
        self.session.count(span)
        if isinstance(type, TensorType):
            self.check_type(type, span)
        place = span.called_from(self.session.visits[-1].call)
        return self.session.builder.make(op, tuple(inputs), type, attrs, place, self.trail, self.binding)

    def check_type(self, type: TensorType, span: Span) -> None:
        names = type.names
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise fault(
                "E0204",
                f"the result would have axis `{self.local(twice)}` twice",
                span,
                "made here",
                help=f"rename one of them first: rename(x, {self.local(twice)} -> {self.local(twice)}')",
            )
        if len(names) > MAX_AXES:
            raise fault("E0213", f"a tensor has {len(names)} axes; at most {MAX_AXES} are allowed", span)
        elements = type.elements().integer()
        if elements is not None and elements > MAX_ELEMENTS:
            raise fault("E0214", f"a tensor of {elements:,} elements is above the limit of {MAX_ELEMENTS:,}", span)

    def number(self) -> int:
        return self.session.builder.number()

    def hidden(self) -> tuple[str, ...]:
        return self.scope.hidden

    def stepping(self) -> Collection[str]:
        return self.steps.keys()

    def scalar(self, value: Any, span: Span) -> Node:
        """A number as a node without axes; a symbolic size is read from the inputs when the module runs."""
        if isinstance(value, Unknown):
            dtype: DType = {"int": "int", "bool": "bool"}.get(value.kind, "wide")  # type: ignore[assignment]
            return self.node("unknown", (), TensorType((), dtype), span, name=value.name)
        if isinstance(value, bool):
            return self.node("scalar", (), TensorType((), "bool"), span, value=value)
        if isinstance(value, int):
            value = Size.of(value)
        if isinstance(value, Size):
            return self._size(value, span)
        number = float(value)
        return self.node("scalar", (), TensorType((), "wide"), span, value=number)

    def _size(self, size: Size, span: Span) -> Node:
        constant = size.constant()
        if constant is not None:
            whole = constant.denominator == 1 and abs(constant) < 2**63
            value = int(constant) if whole else float(constant)
            return self.node("scalar", (), TensorType((), "int" if whole else "wide"), span, value=value)
        if any(abs(value) >= 2**63 for _, value in size.terms):
            return self._large(size, span)
        if size.is_integer() is True:
            return self.node("size", (), TensorType((), "int"), span, value=size)
        top, bottom = as_ratio(size)
        if bottom == Size.of(1):
            return self.node("size", (), TensorType((), "int"), span, value=size)
        return self.call("div", (self._size(top, span), self._size(bottom, span)), span)

    def _large(self, size: Size, span: Span) -> Node:
        """A size with numbers beyond the integers, in floating point."""
        parts = [
            self.call("mul", (self.scalar(float(value), span), self._size(Size({factor: value / value}), span)), span)
            for factor, value in size.terms
        ]
        return reduce(lambda left, right: self.call("add", (left, right), span), parts)

    def call(
        self, name: str, tensors: Sequence[Node], span: Span, axes: Sequence[AxisRef] = (), spans: Sequence[Span] = (), **options: Any
    ) -> Node:
        operator = OPERATORS[name]
        if operator.build is None:
            raise KeyError(f"operator {name} cannot be built")
        defaults = {option.name: option.default for option in operator.signature.options}
        places = tuple(spans) or tuple(tensor.span for tensor in tensors)
        call = Call(
            name, span, self, tuple(tensors), tuple((tensor,) for tensor in tensors), places, tuple(axes), options={**defaults, **options}
        )
        result = operator.build(call)
        if isinstance(result, tuple):
            raise TypeError(f"operator {name} has several results")
        return result

    # ------------------------------------------------ weights

    def weight(
        self,
        name: str,
        axes: Sequence[Axis],
        groups: Sequence[Sequence[str]],
        init: Init,
        span: Span,
        kind: str = "param",
        dtype: DType = "float",
    ) -> Node:
        known = self.owner.direct.get(name)
        if known is not None:
            return self._again(self.session.slots[known], tuple(axes), span)
        cut = tuple(tuple(group) for group in groups)
        slot = Slot(self.owner, name, _kind(kind), tuple(axes), cut, dtype, init, span, turn=self.turn, visits=tuple(self.session.visits))
        slot.names = tuple(self.local(axis.name) for axis in axes)
        number = len(self.session.slots)
        for axis in axes:
            self.require_whole(axis.size, span, f"axis `{self.local(axis.name)}`")
        slot.node = self.node("weight", (), TensorType(tuple(axes), dtype), span, slot=number)
        self.session.slots.append(slot)
        if self.session.quiet is None:  # a branch that is only looked at leaves nothing behind
            self.owner.direct[name] = number
        return slot.node

    def _again(self, slot: Slot, axes: tuple[Axis, ...], span: Span) -> Node:
        """The weight of a layer that is applied once more: same sizes, or a fault."""
        for old, new in zip(slot.axes, axes, strict=True):
            if equal(old.size, new.size) is False:
                shown = self.local(new.name)
                raise fault(
                    "E0404",
                    f"this layer already has weights for `{shown}` of size {old.size}",
                    span,
                    f"here `{shown}` has size {new.size}",
                    (Label(slot.span, "the layer is written here"),),
                    help="write the layer twice to get two sets of weights",
                )
        assert slot.node is not None
        pairs = [(old.name, new.name) for old, new in zip(slot.axes, axes, strict=True)]
        return rename_axes(self, slot.node, pairs, span)

    def update(self, state: Node, value: Node) -> None:
        self.session.updates[state["slot"]] = value

    # ------------------------------------------------ sizes

    def require_equal(self, left: Size, right: Size, reason: str, span: Span, code: str = "E0202", labels: tuple[Label, ...] = ()) -> None:
        same = equal(left, right)
        if same is False:
            raise fault(code, f"{reason}: {left} and {right}", span, "these two disagree", labels, self.bindings())
        if same is None:
            self.session.guard("equal", left, right, reason, span)

    def require_whole(self, size: Size, span: Span, what: str) -> None:
        whole = size.integer()
        if whole is not None and whole >= 0:
            return
        constant = size.constant()
        if constant is None:
            if size.is_integer() is None:
                top, bottom = as_ratio(size)
                self.require_divisor(bottom, what, span)
                if bottom != Size.of(1):
                    self.session.guard("divides", bottom, top, f"{what} must be a whole number", span)
            return
        if constant.denominator != 1:
            raise Fault(_not_whole(constant, what, span))
        if constant < 0:
            raise fault("E0207", f"{what} would have the negative size {constant}", span, notes=self.bindings())

    def require_divisor(self, size: Size, what: str, span: Span) -> None:
        """Whole numbers are divided by a size, which an empty tensor may make zero; one below zero divides, too."""
        if size.constant() is None:
            least = size if at_least(size, 0) else size * size
            self.require_at_least(least, Size.of(1), f"{what} divides by zero", span, "E0215")

    def require_at_least(self, left: Size, right: Size, reason: str, span: Span, code: str) -> None:
        holds = at_least(left, right)
        if holds is False:
            raise fault(code, f"{reason}: {left} is less than {right}", span, notes=self.bindings())
        # Proofs take a size to be 1 or more; a caller's tensor may still be empty.
        if holds is None or (right == 1 and _may_be_empty(left)):
            self.session.guard("at_least", left, right, reason, span)

    def bindings(self) -> tuple[str, ...]:
        """The sizes known so far, for a message."""
        shown = [
            f"{name} = {known.size}" for name, entry in self.scope.axes.items() for known in entry.sizes[:1] if str(known.size) != name
        ]
        return (f"sizes known here: {', '.join(shown)}",) if shown else ()

    # ------------------------------------------------ axes

    def declare(self, ref: AxisRef, size: Size) -> Axis:
        if ref.symbol in self.scope.hidden:
            return Axis(ref.symbol, size)
        self.require_whole(size, ref.span, f"axis `{ref.name}`")
        self.scope.entry(ref.name).add(size, ref.span, "made here")
        return Axis(ref.symbol, size)

    def local(self, symbol: str) -> str:
        return self.scope.local(symbol)

    def prime(self, symbol: str) -> str:
        return self.scope.entry(self.local(symbol) + "'").symbol

    def fresh(self, symbol: str, avoid: Sequence[str]) -> str:
        while symbol in avoid:
            symbol += "_"
        return symbol

    def size_of(self, ref: AxisRef) -> Size:
        if ref.is_number:
            return Size.of(int(ref.name))
        if ref.size is not None:
            return ref.size
        known = self.scope.sizes(ref.name)
        if not known and self.scope.spoiled(ref.name):
            raise Poisoned
        if not known:
            raise fault(
                "E0206",
                f"axis `{ref.name}` has no size yet",
                ref.span,
                "needed here",
                help=f"give it here ({ref.name}=64) or before (axis {ref.name} = 64)",
            )
        raise self.ambiguous(ref.name, ref.span)

    def ambiguous(self, name: str, span: Span) -> Fault:
        known = self.scope.sizes(name)
        labels = tuple(Label(place.span, f"{place.size} {place.why}") for place in known[:4])
        return fault(
            "E0210",
            f"axis `{name}` has several sizes here: {', '.join(str(place.size) for place in known)}",
            span,
            "which one is meant?",
            labels,
            help=f"say whose: size(x, {name})",
        )

    def warn(self, diagnostic: Diagnostic) -> None:
        self.session.report(diagnostic)


def _kind(kind: str) -> Kind:
    kinds: tuple[Kind, ...] = ("param", "const", "state", "buffer")
    return kinds[kinds.index(kind)]


def _may_be_empty(size: Size) -> bool:
    """Whether tensors without entries would make this size less than 1."""
    try:
        return size.evaluate(dict.fromkeys(size.free(), 0)) < 1
    except (ArithmeticError, ValueError):
        return True


def _not_whole(value: Fraction, what: str, span: Span) -> Diagnostic:
    """510 channels into 8 heads: both numbers and the nearest that work."""
    top, bottom = value.numerator, value.denominator
    lower, upper = nearest_multiples(top, bottom)
    return Diagnostic(
        "E0203",
        f"{what} would have the size {top}/{bottom}, which is not a whole number",
        span,
        f"{top} = {bottom} * {top // bottom} + {top % bottom}",
        help=f"nearest sizes that divide: {lower} or {upper}",
    )
