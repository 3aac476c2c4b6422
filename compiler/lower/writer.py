"""The writing end of one fx graph: calls, sizes, and moving dimensions about. Implements `Emitter`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx

from ..graph import Node, Weight
from ..ops.base import OPERATORS
from ..ops.pairs import Pairs
from ..sizes import Size
from ..types import Axis
from . import arithmetic
from .emitter import Value
from .moves import Moves
from .targets import function, makes_a_number

Numeric = (int, float, bool)


class Missing(KeyError):
    """A size that the inputs do not tell."""


class Writer(Moves, ABC):
    """Writes one graph. `lower_node` lowers a node whose inputs are lowered; `seed` gives the value of one that comes from outside."""

    def __init__(self, graph: fx.Graph, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.graph = graph
        self.dtype = dtype
        self.kind = "cpu"
        self.half: torch.dtype | None = None
        """The working type, where weights are kept in another."""
        self.symbols: dict[str, Callable[[], Any]] = {}
        self.typist: Any = None
        self.host: Any = None
        self.pieces: Mapping[Node, tuple[tuple[int, ...], int]] = {}
        self._values: dict[Node, Value | tuple[Value, ...]] = {}
        self._memo: dict[Any, Any] = {}
        self._numbers: set[fx.Node] = set()
        self._made: set[fx.Node] = set()

    # ------------------------------------------------ nodes

    def seed(self, node: Node, value: Value | tuple[Value, ...]) -> None:
        """Say what a node is worth that this graph takes from outside."""
        self._values[node] = value
        if isinstance(value, Value):
            self._describe(value)

    def knows(self, node: Node) -> bool:
        """Whether a node is written, or comes from outside."""
        return node in self._values

    def lower_node(self, node: Node) -> None:
        """Write a node, once."""
        if node in self._values:
            return
        operator = OPERATORS[node.op]
        if operator.lower is None:
            raise TypeError(f"operator {node.op} has no lowering")
        self._made.clear()
        result = operator.lower(self, node)
        self._values[node] = result
        named = ((*node.scope, f"scan {node['axis']}") if node.op == "scan" else node.scope, node.name)
        for made in self._made:
            made.meta.update(place=node.span, named=named)
        if isinstance(result, Value):
            self._check(node, result)
            if node.name and isinstance(result.fx, fx.Node) and (result.fx in self._made or node.op == "item"):
                rename(result.fx, node.name)

    def called(self, x: Any, axes: tuple[str, ...]) -> None:
        x.meta.setdefault("axes", axes)

    def _check(self, node: Node, value: Value) -> None:
        if set(value.axes) != set(node.tensor.names) or len(value.axes) != len(node.axes):
            raise AssertionError(f"{node.op} was lowered to axes {value.axes}, and its type is {node.type}")
        self._describe(value)

    def _describe(self, value: Value) -> None:
        if isinstance(value.fx, fx.Node) and value.fx not in self._numbers:
            value.fx.meta["axes"] = value.axes

    def value(self, node: Node) -> Value:
        value = self._values[node]
        if isinstance(value, tuple):
            raise TypeError(f"{node.op} has several results")
        return value

    def parts(self, node: Node) -> tuple[Value, ...]:
        value = self._values[node]
        return value if isinstance(value, tuple) else (value,)

    # ------------------------------------------------ calls

    def call(self, target: str, *args: Any, **kwargs: Any) -> Any:
        numeric = makes_a_number(target) and all(map(self.is_number, args))
        if numeric and target.startswith("operator.") and all(isinstance(arg, Numeric) for arg in args):
            folded = fold(target, args)
            if folded is not None:
                return folded
        node = self.graph.call_function(function(target), args, kwargs)
        return self._new(node, numeric)

    def method(self, name: str, x: Any, *args: Any, **kwargs: Any) -> Any:
        numeric = name in ("size", "bit_length") or (name in ("dim", "numel"))
        return self._new(self.graph.call_method(name, (x, *args), kwargs), numeric)

    def effect(self, target: Callable[..., Any], *args: Any) -> fx.Node:
        """A call that is made for what it does: it stays although nothing uses it."""
        node = self.graph.call_function(target, args)
        node.meta["effect"] = True
        return node

    def get_attr(self, path: str) -> Any:
        """An attribute of the module, read once."""
        return self.once(("attr", path), lambda: self._new(self.graph.get_attr(path), False))

    def piece(self, node: Node) -> tuple[tuple[int, ...], int] | None:
        return self.pieces.get(node)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]

    def _new(self, node: fx.Node, numeric: bool) -> fx.Node:
        self._made.add(node)
        if numeric:
            self._numbers.add(node)
        return node

    def is_number(self, x: Any) -> bool:
        """Whether this is a Python number, or will be when the module runs."""
        return isinstance(x, Numeric) or x in self._numbers

    # ------------------------------------------------ sizes and numbers

    def size(self, size: Size) -> Any:
        constant = size.constant()
        if constant is not None:
            if constant.denominator != 1:
                raise ValueError(f"the size {constant} is not a whole number")
            return int(constant)
        return self.once(("size", size), lambda: arithmetic.emit(size, self.symbol, self._count, self.method))

    def _count(self, target: str, *args: Any) -> Any:
        return self.once((target, args), lambda: self.call(target, *args))

    def symbol(self, name: str) -> Any:
        """The number a size symbol stands for; Missing where nothing tells."""
        if name not in self.symbols:
            raise Missing(name)
        return self.once(("symbol", name), self.symbols[name])

    def sizes(self, axes: Sequence[Axis]) -> list[Any]:
        return [self.size(axis.size) for axis in axes]

    def halved(self, x: Any, weight: Weight, cast: bool = True) -> Any:
        """A stored weight of floats in the half precision that is worked in, if there is one."""
        return self.method("to", x, self.half) if cast and self.half is not None and weight.dtype == "float" else x

    def as_kept(self, node: Node) -> Value:
        """A weight in the memory that the module keeps, and so in its own dtype; anything else as it is."""
        if node.op == "rename":
            inner, names = self.as_kept(node.inputs[0]), dict(node["pairs"])
            return Value(inner.fx, tuple(names.get(name, name) for name in inner.axes))
        return self.weight(node["slot"], cast=False) if node.op == "weight" else self.value(node)

    def tensor(self, node: Node) -> Value:
        value = self.value(node)
        return Value(self.number_tensor(value.fx), ()) if self.is_number(value.fx) else value

    def number_tensor(self, number: Any) -> Any:
        """A number as a tensor without dimensions."""
        key = ("number", str(number.__class__), number)
        return self.once(key, lambda: self.call("runtime.number_tensor", number, self.wide_dtype(), self.device()))

    def wide(self, node: Node) -> Value:
        value = self.tensor(node)
        if node.dtype == "complex":
            return value
        made = self.once(("wide", value.fx), lambda: self.method("to", value.fx, self.wide_dtype()))
        return Value(self.once(("wide", made), lambda: made), value.axes)  # what is wide stays as it is

    def float_dtype(self) -> Any:
        """The working float type: the given one, or at run time that of the first float input or weight."""
        if self.dtype is not None:
            return self.dtype
        if self.typist is None:
            return self.once("float_dtype", lambda: self.call("torch.get_default_dtype"))
        return self.once("float_dtype", lambda: self._attribute(self.typist, "dtype"))

    def wide_dtype(self) -> Any:
        if self.dtype is not None:
            return function("runtime.wide_dtype")(self.dtype)
        return self.once("wide_dtype", lambda: self.call("runtime.wide_dtype", self.float_dtype()))

    def device(self) -> Any:
        if self.host is None:
            return None
        return self.once("device", lambda: self._attribute(self.host, "device"))

    def _attribute(self, x: Any, name: str) -> Any:
        node = self.call("builtins.getattr", x, name)
        rename(node, name)
        return node

    def device_kind(self) -> str:
        return self.kind

    def training(self) -> Any:
        return self.get_attr("training")

    def finish(self) -> None:
        """Remove what nothing uses."""
        for node in reversed(self.graph.nodes):
            if not node.users and node.op not in ("placeholder", "output") and "effect" not in node.meta:
                self.graph.erase_node(node)

    # ------------------------------------------------ what a module or a body adds

    @abstractmethod
    def weight(self, slot: int, cast: bool = True) -> Value: ...

    @abstractmethod
    def body_name(self, module: fx.GraphModule, kind: str = "scan") -> str:
        """Keep the body of a loop, or a way of a choice, and say under which attribute."""

    def loop(self, node: Node) -> tuple[Value, ...]:
        from .loops import write_loop

        return write_loop(self, node)

    def pairs(
        self, ground: Sequence[Node], nodes: Sequence[Node], results: Sequence[Node], axes: tuple[str, ...]
    ) -> tuple[Any, tuple[Any, ...]]:
        from .loops import write_pairs

        return write_pairs(self, ground, nodes, results, axes)

    def per_pair(self, pairs: Pairs, dimensions: Sequence[Sequence[Axis]], added: bool = False) -> tuple[Any, tuple[Any, ...]]:
        from .pairs import write_pairs

        return write_pairs(self, pairs, dimensions, added)

    def choice(self, node: Node) -> Value:
        from .loops import write_choice

        return write_choice(self, node)


def rename(node: fx.Node, name: str) -> None:
    """Give an fx node a readable name; fx makes it a unique identifier."""
    node._rename(name)  # pyright: ignore[reportPrivateUsage]


def fold(target: str, args: Sequence[Any]) -> Any:
    """Arithmetic on plain numbers, done now; None where it cannot be (a division by zero is left to the run)."""
    try:
        return function(target)(*args)
    except ArithmeticError:
        return None
