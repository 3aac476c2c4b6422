"""How an operator is declared. All that is known of one stands in its declaration; everything else asks there.

An operator the user writes has a `signature` and a `build` that turns a bound `Call` into nodes. A node's operator also has `lower`
(how it becomes PyTorch), `cost`, and perhaps `scratch`. Most have both; a few only one (`pipe`-level words, or nodes that no one writes).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from ...dsl.diagnostics import Diagnostic, Fault, Label
from ...dsl.frozen import frozen
from ...dsl.record import Record
from ...dsl.source import Span
from ..graph import Init, Node
from ..sizes import Size
from ..types import Axis, DType, TensorType, TupleType

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value


class Option(Record):
    """A named argument. `kind` is one of

    `int` (a `Size`), `ints` (a `Size`, or a tuple of them for a list), `float`, `bool`, `word` (one of `words`), `padding` (`Size`,
    tuple, or a word of `words`), `init` (an `Init`), `tensor` (a `Node`; a number becomes a scalar node), `bool|tensor`,
    `layer` (an `Applicable`), `by` (a word of `words` or an `Applicable`), `axes` (a tuple of `AxisRef`), `axes_list` (`dot=(d, r)`: a
    tuple of tuples of AxisRef).
    Every kind also takes `none` when `default` is None, or where `optional`.
    """

    name: str
    kind: str
    default: Any = None
    doc: str = ""
    words: tuple[str, ...] = ()
    optional: bool = False


class Signature(Record):
    """What may stand in a call.

    `tensors` are the names of the positional tensors; with `variadic` the last one repeats (at least once). `tuples` lets a tensor
    place hold `(a, b)`. `axes`: what follows them by position (or as `over=`): `none`, `list` (`H W`), `arrow` (one `C -> E`),
    `arrows` (several), `list|arrow`; a trailing `?` makes it optional. `over`: what `over=` may be (`none`, `list`, `arrow`,
    `list|arrow`, with `?`) when it is a separate argument beside the positional axes (conv); empty when `over=` is only another
    spelling of the positional axes. `settings`: other `axis=value` arguments are allowed and are of this Option kind
    (`pad(x, H=[5, 0])`, `roll(x, H=-3)`, `expand(x, M=4)`).
    `layer`: whether leaving out the tensors makes a layer.
    """

    tensors: tuple[str, ...] = ("x",)
    variadic: bool = False
    tuples: bool = False
    axes: str = "none"
    over: str = ""
    settings: str = ""
    options: tuple[Option, ...] = ()
    layer: bool = True


class AxisRef(Record):
    """An axis written in an argument. `symbol` is its graph-wide name; `size` what is known in the scope or was given there (`u=7`, then
    `given`). A number (`C -> 1`) has `name` "1" and no axis."""

    name: str
    symbol: str
    size: Size | None
    span: Span
    given: bool = False

    @property
    def is_number(self) -> bool:
        return self.name.isdigit()


class ArrowRef(Record):
    """`H -> Y u=7`: each side a sum (mostly one term) of products of axes."""

    left: tuple[tuple[AxisRef, ...], ...]
    right: tuple[tuple[AxisRef, ...], ...]
    span: Span


class Applicable(Protocol):
    """A layer value: something that takes tensors."""

    def apply(self, tensors: Sequence[Node], span: Span) -> Node: ...


class Maker(Protocol):
    """What the evaluator offers to an operator while it builds."""

    def node(self, op: str, inputs: Sequence[Node], type: TensorType | TupleType, span: Span, **attrs: Any) -> Node: ...

    def scalar(self, value: Any, span: Span) -> Node:
        """A number (int, float, bool, Fraction, Size) as a node without axes."""
        ...

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
        """A weight `name` of the operator being built; its path comes from the naming rule."""
        ...

    def update(self, state: Node, value: Node) -> None:
        """What a state or buffer holds after the run (used by operators that own state)."""
        ...

    def require_equal(self, left: Size, right: Size, reason: str, span: Span, code: str = "E0202", labels: tuple[Label, ...] = ()) -> None:
        """Equal, or a Fault where provably different; a guard at the entry where undecidable."""
        ...

    def require_whole(self, size: Size, span: Span, what: str) -> None:
        """`size` must be a whole number >= 0: a Fault naming both numbers, or a guard."""
        ...

    def require_at_least(self, left: Size, right: Size, reason: str, span: Span, code: str) -> None: ...

    def declare(self, ref: AxisRef, size: Size) -> Axis:
        """The axis `ref` at this size, made known to the scope."""
        ...

    def local(self, symbol: str) -> str:
        """The name that the user's scope has for a graph-wide axis."""
        ...

    def prime(self, symbol: str) -> str:
        """The graph-wide name of the second copy of an axis (`N` -> `N'`) in this scope."""
        ...

    def fresh(self, symbol: str, avoid: Sequence[str]) -> str:
        """A graph-wide name like this one that is none of `avoid`."""
        ...

    def size_of(self, ref: AxisRef) -> Size:
        """The size of an axis named on the right of an arrow; a Fault where the scope knows none, or several."""
        ...

    def hidden(self) -> tuple[str, ...]:
        """The graph-wide names of the axes that `*` stands for in the block being built."""
        ...

    def stepping(self) -> Collection[str]:
        """The graph-wide names of the axes that a `scan` around this steps along."""
        ...

    def number(self) -> int:
        """A fresh number, which keeps two random draws apart."""
        ...

    def warn(self, diagnostic: Diagnostic) -> None: ...

    def call(self, name: str, tensors: Sequence[Node], span: Span, axes: Sequence[AxisRef] = (), **options: Any) -> Node:
        """Build another operator by name, with arguments already bound (options by name; missing ones take their defaults)."""
        ...


@frozen
class Call:
    """One call with every argument read and checked against the signature. Missing options hold their defaults."""

    name: str
    span: Span
    make: Maker
    tensors: tuple[Node, ...]
    groups: tuple[tuple[Node, ...], ...] = ()
    """The tensors by place; a place written `(a, b)` has several."""
    spans: tuple[Span, ...] = ()
    """Where each of `tensors` is written."""
    axes: tuple[AxisRef, ...] = ()
    arrows: tuple[ArrowRef, ...] = ()
    over: tuple[AxisRef, ...] = ()
    over_arrow: ArrowRef | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    option_spans: Mapping[str, Span] = field(default_factory=dict[str, Span])
    settings: tuple[tuple[AxisRef, Any], ...] = ()

    def __getitem__(self, option: str) -> Any:
        return self.options[option]

    @property
    def x(self) -> Node:
        return self.tensors[0]

    def at(self, option: str) -> Span:
        """Where an option is written; the call where it is not."""
        return self.option_spans.get(option, self.span)

    # ------------------------------------------------ making nodes

    def node(self, op: str, inputs: Sequence[Node], type: TensorType | TupleType, **attrs: Any) -> Node:
        return self.make.node(op, inputs, type, self.span, **attrs)

    def do(self, op: str, *tensors: Node, axes: Sequence[AxisRef] = (), **options: Any) -> Node:
        """Another operator of the table on these tensors."""
        return self.make.call(op, tensors, self.span, axes, **options)

    def number(self, value: Any) -> Node:
        return self.make.scalar(value, self.span)

    # ------------------------------------------------ faults

    def fault(self, code: str, title: str, span: Span | None = None, label: str = "", help: str = "", notes: tuple[str, ...] = (),
              labels: tuple[Label, ...] = ()) -> Fault:  # fmt: skip
        return Fault(Diagnostic(code, title, span or self.span, label, labels, notes, help))

    # ------------------------------------------------ axes

    def axis(self, ref: AxisRef, x: Node | None = None) -> Axis:
        """The axis of `x` (the first tensor) that `ref` names; a Fault with the axes there are where it has none."""
        tensor = (x or self.x).tensor
        if not tensor.has(ref.symbol):
            raise self.missing_axis(ref, tensor)
        return Axis(ref.symbol, tensor.size(ref.symbol))

    def missing_axis(self, ref: AxisRef, tensor: TensorType) -> Fault:
        from ...dsl.closest import closest

        names = [self.make.local(name) for name in tensor.names]
        near = closest(ref.name, names)
        help = f"did you mean `{near}`?" if near else "name an axis that the tensor has"
        if ref.symbol in self.make.stepping():
            help = f"inside the scan a tensor has lost `{ref.name}`; for the whole, rename(x, {ref.name} -> {ref.name}') before it"
        return self.fault("E0201", f"{self._called(tensor)} has no axis `{ref.name}`", ref.span, f"`{self.name}` needs it here", help,
                          notes=(f"its axes: {self.describe(tensor)}",))  # fmt: skip

    def _called(self, tensor: TensorType) -> str:
        """A tensor as it is written in the call, where that is short."""
        for node, span in zip(self.tensors, self.spans, strict=False):
            if node.type is tensor and len(span.text) <= 24 and "\n" not in span.text:
                return f"`{span.text}`"
        return "this tensor"

    def describe(self, tensor: TensorType) -> str:
        """`[*, N, D=4*C]` in the names of the user's scope."""
        parts = [(self.make.local(name), str(size)) for name, size in tensor.axes]
        return "[" + ", ".join(name if name == size else f"{name}={size}" for name, size in parts) + "]"

    def new_axis(self, ref: AxisRef) -> Axis:
        """An axis made on the right of an arrow: its given or known size, declared to the scope."""
        return self.make.declare(ref, self.make.size_of(ref))

    def per_axis(self, option: str, count: int) -> tuple[Size, ...]:
        """An `ints` option as one number per axis of `over`."""
        value: Any = self.options[option]
        if isinstance(value, Size):
            return (value,) * count
        if len(value) != count:
            raise self.fault(
                "E0303",
                f"`{option}` has {len(value)} values for {count} axes",
                self.at(option),
                "one value per axis, in the order of `over`",
            )
        if not all(isinstance(part, Size) for part in value):
            raise self.fault("E0303", f"`{option}` has a list in its list", self.at(option), "one number per axis")
        return tuple(value)


Build = Callable[[Call], "Node | tuple[Node, ...]"]
Lower = Callable[["Emitter", Node], "Value | tuple[Value, ...]"]
Cost = Callable[[Node], Size]


def no_cost(node: Node) -> Size:
    """Moves or names things; computes nothing."""
    return Size.of(0)


def per_element(node: Node) -> Size:
    """One operation for each number of the result."""
    return node.tensor.elements() if isinstance(node.type, TensorType) else Size.of(0)


def per_input(node: Node) -> Size:
    """One operation for each number that is read."""
    total = Size.of(0)
    for source in node.inputs:
        total = total + (source.type.elements() if isinstance(source.type, TensorType) else Size.of(0))
    return total


class Operator(Record):
    """One row of the table.

    `doc` is what `attn doc` prints: a sentence, then details. `examples` are whole small programs (each has one block); they
    are checked, run, and where `differentiable` put through gradcheck in float64 by the tests, so each shows a real use.
    `family` names the group in the documentation and the colour in pictures.
    """

    name: str
    family: str
    doc: str
    build: Build | None = None
    signature: Signature = Signature()
    lower: Lower | None = None
    cost: Cost = per_element
    differentiable: bool = True
    pointwise: bool = False
    examples: tuple[str, ...] = ()
    scratch: Cost = no_cost
    """How many numbers it holds besides its inputs and its result while it works."""


OPERATORS: dict[str, Operator] = {}


def register(*operators: Operator) -> None:
    """Add rows to the table; a name stands once."""
    for operator in operators:
        if operator.name in OPERATORS:
            raise ValueError(f"operator {operator.name} is declared twice")
        OPERATORS[operator.name] = operator
