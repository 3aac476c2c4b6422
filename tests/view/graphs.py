"""Graphs made by hand, for tests of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from attn.compiler.graph import Body, Builder, Graph, Init, Node, Output, Weight
from attn.compiler.sizes import Size
from attn.compiler.types import Axis, DType, TensorType, TupleType


def size(text: str | int) -> Size:
    return Size.symbol(text) if isinstance(text, str) else Size.of(text)


def tensor(*axes: str | tuple[str, Size | int | str], dtype: DType = "float") -> TensorType:
    """`tensor("N", ("r", 4))`: a bare name has its own size."""
    pairs = [(axis, axis) if isinstance(axis, str) else axis for axis in axes]
    return TensorType(tuple(Axis(name, one if isinstance(one, Size) else size(one)) for name, one in pairs), dtype)


@dataclass
class Sketch:
    """A builder with short words."""

    name: str
    builder: Builder = field(default_factory=Builder)
    weights: list[Weight] = field(default_factory=list[Weight])
    inputs: list[Node] = field(default_factory=list[Node])
    scope: tuple[str, ...] = ()

    def input(self, name: str, type: TensorType) -> Node:
        node = self.builder.make("input", (), type, {"name": name, "order": type.names, "optional": False, "star": False}, name=name)
        self.inputs.append(node)
        return node

    def op(self, op: str, *inputs: Node, type: TensorType | TupleType | None = None, name: str = "", **attrs: Any) -> Node:
        return self.builder.make(op, inputs, type or inputs[0].type, attrs, scope=self.scope, name=name)

    def scalar(self, value: float) -> Node:
        type = TensorType((), "int" if isinstance(value, int) else "wide")
        return self.builder.make("scalar", (), type, {"value": value}, scope=self.scope)

    def weight(self, path: str, type: TensorType, groups: tuple[tuple[str, ...], ...] | None = None, kind: Any = "param") -> Node:
        stored = groups or tuple((name,) for name in type.names)
        self.weights.append(Weight(path, kind, type.axes, stored, type.dtype, Init("torch_linear", (1,))))
        return self.builder.make("weight", (), type, {"slot": len(self.weights) - 1}, scope=self.scope)

    def linear(self, x: Node, path: str, over: str, made: Mapping[str, Size]) -> Node:
        gone = tuple(over.split())
        old = tuple(axis for axis in x.axes if axis.name in gone)
        new = tuple(Axis(name, one) for name, one in made.items())
        weight = self.weight(f"{path}.weight", TensorType((*new, *old)), (tuple(made), gone))
        bias = self.weight(f"{path}.bias", TensorType(new), (tuple(made),))
        return self.op("linear", x, weight, bias, type=x.tensor.without(gone).plus(new), over=gone, made=tuple(made), each=(), own=True)

    def norm(self, x: Node, path: str, over: str) -> Node:
        type = TensorType((Axis(over, x.tensor.size(over)),))
        return self.op("layernorm", x, self.weight(f"{path}.weight", type), self.weight(f"{path}.bias", type), axes=(over,), eps=1e-5)

    def graph(self, *outputs: Node, names: tuple[str, ...] = ("",), doc: str = "") -> Graph:
        results = tuple(Output(name, node, node.tensor.names) for name, node in zip(names, outputs, strict=True))
        return Graph(self.name, tuple(self.inputs), results, tuple(self.weights), doc=doc)


C, D, N = Size.symbol("C"), Size.symbol("D"), Size.symbol("N")


def se() -> Graph:
    s = Sketch("se")
    x = s.input("x", tensor("*", "C", "H", "W"))
    y = s.op("mean", x, type=tensor("*", "C"), axes=("H", "W"))
    y = s.op("relu", s.linear(y, "fc1", "C", {"r": C / 16}))
    y = s.op("sigmoid", s.linear(y, "fc2", "r", {"C": C}))
    return s.graph(s.op("mul", x, y, type=x.tensor), doc="Squeeze-and-Excitation.")


def attention(s: Sketch, x: Node, path: str, heads: int, causal: bool = True) -> Node:
    outer = s.scope
    s.scope = (*outer, path.rpartition(".")[2])
    parts = {"h": Size.of(heads), "d": D / heads}
    q, k, v = (s.linear(x, f"{path}.{name}", "D", parts) for name in "qkv")
    k, v = (s.op("rename", part, type=tensor("*", ("N'", N), ("h", heads), ("d", D / heads)), pairs=(("N", "N'"),)) for part in (k, v))
    inputs = [q, k, v]
    if causal:
        keys, queries = (s.op("pos", type=tensor((name, N), dtype="int"), axis=name) for name in ("N'", "N"))
        inputs.append(s.op("le", keys, queries, type=tensor(("N'", N), "N", dtype="bool")))
    extras = ("where",) if causal else ()
    y = s.op("attend", *inputs, type=q.type, keys=("N'",), dots=(("d",),), terms=1, extras=extras, by="softmax", dropout=0.0)
    y = s.linear(y, f"{path}.out", "h d", {"D": D})
    s.scope = outer
    return y


def layer(s: Sketch, x: Node, path: str, heads: int, causal: bool) -> Node:
    x = s.op("add", x, attention(s, s.norm(x, f"{path}.norm1", "D"), f"{path}.attention", heads, causal))
    y = s.op("gelu", s.linear(s.norm(x, f"{path}.norm2", "D"), f"{path}.fc1", "D", {"E": 4 * D}))
    return s.op("add", x, s.linear(y, f"{path}.fc2", "E", {"D": D}))


def encoder(depth: int, heads: int = 8, causal: bool = True) -> Graph:
    s = Sketch("encoder")
    x = s.input("x", tensor("*", "N", "D"))
    for number in range(depth):
        s.scope = (f"layers.{number}",)
        x = layer(s, x, f"layers.{number}", heads, causal)
    s.scope = ()
    return s.graph(s.norm(x, "norm", "D"))


def ema() -> Graph:
    """A scan: `s = alpha * x + (1 - alpha) * s`, with the last state as a second result."""
    s = Sketch("ema")
    x = s.input("x", tensor("*", "N", "D"))
    alpha = s.weight("alpha", tensor("D"))
    step = s.op("param", type=tensor(dtype="int"), name="", number=1, index=0)
    carry = s.op("param", type=tensor("*", "D"), name="s", number=1, index=1)
    part = s.op("param", type=tensor("*", "D"), name="x", number=1, index=2)
    left = s.op("mul", part, alpha)
    right = s.op("mul", carry, s.op("sub", s.scalar(1), alpha, type=alpha.type))
    new = s.op("add", left, right)
    body = Body((step, carry, part), (new,), (new,))
    types = TupleType((tensor("*", "D", "N"), tensor("*", "D")))
    scan = s.op("scan", s.scalar(0), x, type=types, body=body, axis="N", carries=1, sliced=1, length=N, number=1)
    ends = [s.op("item", scan, type=one, index=index) for index, one in enumerate(types.items)]
    return s.graph(*ends, names=("y", "last"))


def cbam() -> Graph:
    """A shared layer, several blocks, a concatenation."""
    s = Sketch("cbam")
    x = s.input("x", tensor("*", "C", "H", "W"))
    means = [s.op(how, x, type=tensor("*", "C"), axes=("H", "W")) for how in ("mean", "max")]
    first = s.linear(means[0], "mlp.fc1", "C", {"r": C / 16})
    again = replace_input(s, first, means[1])
    second = s.linear(s.op("relu", first), "mlp.fc2", "r", {"C": C})
    more = replace_input(s, second, s.op("relu", again))
    x = s.op("mul", x, s.op("sigmoid", s.op("add", second, more)), type=x.tensor)
    maps = [s.op(how, x, type=tensor("*", "H", "W"), axes=("C",)) for how in ("max", "mean")]
    z = s.op("stack", *maps, type=tensor("*", "H", "W", ("Z", 2)), axis="Z", inner=False)
    kernel = s.weight("spatial.weight", tensor(("Z", 2), ("i", 7), ("j", 7)))
    z = s.op("conv", z, kernel, type=tensor("*", "H", "W"), over=("H", "W"), taps=("i", "j"))
    return s.graph(s.op("mul", x, s.op("sigmoid", z), type=x.tensor))


def replace_input(s: Sketch, node: Node, x: Node) -> Node:
    """The same layer, applied to something else."""
    return s.builder.make(node.op, (x, *node.inputs[1:]), node.type, node.options, scope=node.scope)
