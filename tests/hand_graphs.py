"""Graphs written by hand, for tests of lowering that need no program text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from attn.compiler.graph import Body, Builder, Graph, Guard, Init, Node, Output, Weight
from attn.compiler.ops import arithmetic, pointwise, structure  # noqa: F401  (they register operators)
from attn.compiler.sizes import Size
from attn.compiler.types import Axis, DType, TensorType, TupleType
from attn.dsl.source import Source, Span

SOURCE = Source("hand.attn", "attn 1\n\nblock hand(x: [*, N, D], y: [*, N, D]) -> [*, N, D] {\n    return x\n}\n")


def span(word: str) -> Span:
    """Where a word first stands in the source of these graphs."""
    start = SOURCE.text.index(word)
    return Span(SOURCE, start, start + len(word))


NORMAL = Init("normal", (1.0,))


@dataclass
class Hand:
    """Builds one graph. `sizes` gives the axes that are bound or have an expression for a size; the others are their own symbol."""

    sizes: dict[str, int | Size] = field(default_factory=dict[str, int | Size])
    builder: Builder = field(default_factory=Builder)
    inputs: list[Node] = field(default_factory=list[Node])
    weights: list[Weight] = field(default_factory=list[Weight])

    def axis(self, name: str) -> Axis:
        size = self.sizes.get(name, Size.symbol(name))
        return Axis(name, Size.of(size) if isinstance(size, int) else size)

    def type(self, axes: str, dtype: DType = "float") -> TensorType:
        return TensorType(tuple(map(self.axis, axes.split())), dtype)

    def make(self, op: str, inputs: Sequence[Node], type: TensorType | TupleType, name: str = "", **attrs: Any) -> Node:
        return self.builder.make(op, tuple(inputs), type, attrs, name=name)

    def input(self, name: str, axes: str, dtype: DType = "float", **options: Any) -> Node:
        order = tuple(axes.split())
        attrs = {"name": name, "order": order, "optional": False, "star": "*" in order, **options}
        node = self.builder.make("input", (), self.type(axes, dtype), attrs, span=span("x: [*, N, D]"), name=name)
        self.inputs.append(node)
        return node

    def weight(self, path: str, groups: str, init: Init = NORMAL, kind: Any = "param", dtype: DType = "float") -> Node:
        """`groups` are stored dimensions, each of axes joined by `*`: `h*d D`."""
        split = tuple(tuple(group.split("*")) for group in groups.split())
        axes = tuple(self.axis(name) for group in split for name in group)
        self.weights.append(Weight(path, kind, axes, split, dtype, init, span("block hand")))
        return self.make("weight", (), TensorType(axes, dtype), slot=len(self.weights) - 1)

    def number(self, value: float) -> Node:
        dtype: DType = "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "wide"
        return self.make("scalar", (), TensorType((), dtype), value=value)

    def op(self, op: str, *inputs: Node, axes: str = "", dtype: DType = "float", name: str = "", **attrs: Any) -> Node:
        return self.make(op, inputs, self.type(axes, dtype), name, **attrs)

    def graph(self, *outputs: tuple[str, Node, str], guards: Sequence[Guard] = (), updates: Sequence[tuple[int, Node]] = (), doc: str = "",
              name: str = "hand") -> Graph:  # fmt: skip
        made = tuple(Output(title, node, tuple(order.split())) for title, node, order in outputs)
        return Graph(name, tuple(self.inputs), made, tuple(self.weights), tuple(updates), tuple(guards), doc, span("block hand"))


def affine(name: str = "hand", doc: str = "") -> Graph:
    """`exp(x) * scale + shift` over `[*, N, D]` with D = 6."""
    hand = Hand({"D": 6})
    x = hand.input("x", "* N D")
    scale, shift = hand.weight("layers.0.scale", "D"), hand.weight("layers.0.shift", "D", Init("zeros"))
    y = hand.op("mul", hand.op("exp", x, axes="* N D"), scale, axes="* N D", name="y")
    return hand.graph(("", hand.op("add", y, shift, axes="* N D"), "* N D"), name=name, doc=doc)


def running(reverse: bool = False, number: int = 1) -> Graph:
    """A moving average along N of `[B, N, D]`, its steps and its last value: s = alpha * x + (1 - alpha) * s."""
    hand = Hand({"D": 3})
    x, alpha = hand.input("x", "B N D"), hand.weight("alpha", "D", Init("uniform", (0.2, 0.8)))
    cut, state = hand.type("B D"), hand.type("B D")
    step = hand.make("param", (), TensorType((), "int"), index=0, scan=number)
    s = hand.make("param", (), state, "s", index=1, scan=number)
    row = hand.make("param", (), cut, "row", index=2, scan=number)
    a = hand.make("param", (), hand.type("D"), "a", index=3, scan=number)
    kept = hand.op("mul", hand.op("sub", hand.number(1), a, axes="D"), s, axes="B D")
    new = hand.op("add", hand.op("mul", a, row, axes="B D"), kept, axes="B D", name="new")
    body = Body((step, s, row, a), (new,), (new,))
    kind = TupleType((hand.type("B N D"), state))
    options = {"axis": "N", "reverse": reverse, "carries": 1, "sliced": 1, "body": body, "length": Size.symbol("N"), "number": number}
    loop = hand.make("scan", (hand.number(0), x, alpha), kind, **options)
    y, last = hand.make("item", (loop,), kind.items[0], "y", index=0), hand.make("item", (loop,), kind.items[1], "last", index=1)
    return hand.graph(("y", y, "B N D"), ("last", last, "B D"))
