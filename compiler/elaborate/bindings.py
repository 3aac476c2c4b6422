"""What a caller binds from Python, and what stands for a parameter while nothing is bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from ...dsl import tree
from ...dsl.closest import closest
from ...dsl.diagnostics import Diagnostic, Fault, Label, fault
from ...dsl.source import Span
from ..graph import Node
from ..sizes import Size
from ..types import STAR, Axis, DType
from .blocks import axis_name, static_value
from .frame import Frame
from .signatures import declared_size
from .values import Value, Word

KINDS: tuple[DType, ...] = ("float", "int", "bool", "complex")


def input_dtype(spec: tree.TensorSpec) -> DType:
    for known in KINDS:
        if spec.dtype == known:
            return known
    near = closest(spec.dtype, ["float", "int", "bool", "complex"])
    raise fault(
        "E0107",
        f"there is no kind of number `{spec.dtype}`",
        spec.span,
        "not known",
        help=f"did you mean `{near}`?" if near else "float, int or bool",
    )


def from_python(value: Any, param: tree.Param) -> Value:
    """A caller's Python value as a static of the declared kind."""
    spec = param.spec
    if isinstance(spec, tree.EnumSpec):
        if value in spec.values:
            return Word(value)
        near = closest(str(value), spec.values)
        raise fault(
            "E0105",
            f"{value!r} is none of the values of `{param.name}`",
            spec.span,
            "the values are declared here",
            help=f"did you mean `{near}`?" if near else f"one of: {', '.join(spec.values)}",
        )
    if not isinstance(spec, tree.StaticSpec):
        raise Fault(
            Diagnostic(
                "E0503", f"`{param.name}` cannot be bound from Python", param.span, "it is a layer", help="call the block from another one"
            )
        )
    return static_value(param.name, spec, _static(value, param), param.span)


def _static(value: Any, param: tree.Param) -> Value:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return Size.of(value)
    if isinstance(value, float):
        return value if value != value or value in (float("inf"), float("-inf")) else Fraction(repr(value))
    if isinstance(value, list | tuple):
        items = cast(Sequence[Any], value)
        return tuple(_static(item, param) for item in items)
    raise fault("E0503", f"`{param.name}` is bound to {value!r}", param.span, "numbers, booleans, lists and words can be bound")


@dataclass(frozen=True, eq=False)
class ParamLayer:
    """A layer parameter while its block is checked alone: only its declared type is known."""

    frame: Frame
    param: tree.Param
    spec: tree.LayerSpec

    def describe(self) -> str:
        return f"the layer `{self.param.name}`"

    def apply(self, tensors: Sequence[Node], span: Span) -> Node:
        if len(tensors) != 1:
            raise fault("E0302", f"`{self.param.name}` takes 1 tensor, {len(tensors)} given", span, "applied here")
        scope, known, x = self.frame.scope, static_names_of(self.frame), tensors[0]
        gone = [scope.entry(name).symbol for spec in self.spec.input.axes if (name := axis_name(spec, known)) not in (None, STAR) and name]
        for symbol in gone:
            if not x.tensor.has(symbol):
                shown = ", ".join(self.frame.local(name) for name in x.tensor.names)
                raise fault(
                    "E0301",
                    f"layer `{self.param.name}` needs axis `{self.frame.local(symbol)}`",
                    span,
                    f"this tensor has {shown}",
                    (Label(self.spec.span, "declared here"),),
                )
        made = [self._made(spec, x) for spec in self.spec.output.axes if spec.name != STAR]
        type = x.tensor.without(gone).plus(made)
        return self.frame.node("layer", (x,), type, span, name=self.param.name)

    def _made(self, spec: tree.AxisSpec, x: Node) -> Axis:
        name = axis_name(spec, static_names_of(self.frame))
        if name is None:
            raise fault("E0506", "this axis has no name", spec.span, help="write it as name = size")
        symbol = self.frame.scope.entry(name).symbol
        found = declared_size(self.frame, spec, name)
        if found is None:
            found = x.tensor.size(symbol) if x.tensor.has(symbol) else Size.symbol(name)
        return Axis(symbol, found)


def static_names_of(frame: Frame) -> set[str]:
    return {name for name, value in frame.scope.values.items() if not isinstance(value, Node)}
