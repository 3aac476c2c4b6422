"""Making nodes inside a rule. Types are worked out here; axes that meet have one size, as the program or its guards say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..graph import Builder, Graph, Node
from ..ops.broadcast import arithmetic_type, floating_type
from ..ops.products import product_type
from ..sizes import Size
from ..types import Axis, DType, TensorType, TupleType, promote


class AxisNames:
    """The names of axes that a graph has, and those that were made since. They are gathered when a new one is asked for."""

    def __init__(self, graph: Graph | None = None) -> None:
        self._graph = graph
        self._taken: set[str] | None = None

    def fresh(self, like: str) -> str:
        """A name that is not taken yet; it is from now on."""
        if self._taken is None:
            nodes = self._graph.everything if self._graph is not None else ()
            self._taken = {axis.name for node in nodes for type in types_of(node) for axis in type.axes}
        name, count = like, 1
        while name in self._taken:
            count += 1
            name = f"{like}_{count}"
        self._taken.add(name)
        return name


def types_of(node: Node) -> tuple[TensorType, ...]:
    """The types of a node's results."""
    return node.type.items if isinstance(node.type, TupleType) else (node.type,)


class Make:
    """Makes nodes in the place of `at`, a node of the old graph: they take over where it stands in the text."""

    def __init__(self, builder: Builder, at: Node, names: AxisNames, known: Mapping[Node, Node]) -> None:
        self.builder = builder
        self.at = at
        self._names = names
        self._known = known

    def new(self, old: Node) -> Node:
        """What a node of the old graph, below `at`, has become."""
        return self._known[old]

    def now(self) -> Node:
        """The node `at` itself on what its inputs have become."""
        known = self._known
        inputs = tuple([known[source] for source in self.at.inputs])
        return self.builder.adopt(self.at) if inputs == self.at.inputs else self.again(self.at, inputs)

    def settled(self, old: Node) -> Node:
        """The same for a node anywhere in the graph, which no rule has changed or will change."""
        return self._known.get(old, old)

    def node(self, op: str, inputs: Sequence[Node], type: TensorType | TupleType, **attrs: Any) -> Node:
        return self.builder.make(op, tuple(inputs), type, attrs, self.at.span, self.at.scope, self.at.name)

    def again(self, like: Node, inputs: Sequence[Node], **changed: Any) -> Node:
        """A node of the same operator, options and type on other inputs; `changed` are options that differ."""
        return self.node(like.op, inputs, like.type, **{**like.options, **changed})

    def copy(self, like: Node, inputs: Sequence[Node]) -> Node:
        """The same operation on other inputs, where it stands in the text and under its own name."""
        return self.builder.make(like.op, tuple(inputs), like.type, like.options, like.span, like.scope, like.name)

    def param(self, like: Node, **attrs: Any) -> Node:
        """What stands for a node inside a body; `attrs` say which body and which place."""
        return self.builder.make("param", (), like.type, attrs, like.span, like.scope, like.name)

    def called(self, name: str) -> Make:
        """Makes nodes in the same place under another name."""
        return Make(self.builder, replace(self.at, name=name), self._names, self._known)

    def fresh(self, like: str) -> str:
        """A name of an axis that the graph does not have."""
        return self._names.fresh(like)

    # ------------------------------------------------ numbers

    def scalar(self, value: int | float | bool) -> Node:
        kind: DType = "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "wide"
        return self.node("scalar", (), TensorType((), kind), value=value)

    def size(self, size: Size) -> Node:
        """A size as a number."""
        known = size.integer()
        return self.scalar(known) if known is not None else self.node("size", (), TensorType((), "int"), value=size)

    def positions(self, axis: Axis) -> Node:
        """0, 1, 2 .. along an axis."""
        return self.node("pos", (), TensorType((axis,), "int"), axis=axis.name)

    def pointwise(self, op: str, *nodes: Node) -> Node:
        """A function number by number of floating point operands that line up by name (`sqrt`, `tanh`, `maximum`, `relu` ...)."""
        kinds: list[DType] = [node.dtype for node in nodes]
        return self.node(op, nodes, TensorType(union(nodes), floating_type(*kinds)))

    def widened(self, x: Node) -> Node:
        """`x` in float32 at least: the same numbers, unless the module works in half precision."""
        return self.node("float32", (x,), x.tensor.cast("wide")) if x.dtype == "float" else x

    def arithmetic(self, op: str, *nodes: Node) -> Node:
        """`add`, `sub`, `mul`, `neg`; and `div`, which is never whole. Operands line up by name."""
        kinds: list[DType] = [node.dtype for node in nodes]
        dtype = floating_type(*kinds) if op == "div" else arithmetic_type(*kinds)
        return self.node(op, nodes, TensorType(union(nodes), dtype))

    def logic(self, op: str, *masks: Node) -> Node:
        """`and`, `or`, `not`, of bools that line up by name."""
        return self.node(op, masks, TensorType(union(masks), "bool"))

    def compare(self, op: str, left: Node, right: Node) -> Node:
        """`lt`, `le`, `gt`, `ge`, `eq`, `ne`."""
        return self.node(op, (left, right), TensorType(union((left, right)), "bool"))

    def function(self, op: str, x: Node) -> Node:
        """A function of one number whose result is rarely whole: `sqrt`, `exp`, `log`."""
        return self.node(op, (x,), x.tensor.cast(floating_type(x.dtype)))

    def cast(self, x: Node, op: str) -> Node:
        """`float` or `float32`: whole numbers become wide; `float32` makes every number wide."""
        return x if x.dtype == "wide" or (op == "float" and x.dtype == "float") else self.node(op, (x,), x.tensor.cast("wide"))

    def where(self, mask: Node, a: Node, b: Node) -> Node:
        return self.node("where", (mask, a, b), TensorType(union((mask, a, b)), arithmetic_type(a.dtype, b.dtype)))

    # ------------------------------------------------ axes

    def rename(self, x: Node, names: Mapping[str, str]) -> Node:
        """`x` with axes under other names, all at once; names it lacks are left out."""
        pairs = tuple((axis.name, names[axis.name]) for axis in x.axes if names.get(axis.name, axis.name) != axis.name)
        if not pairs:
            return x
        moved = dict(pairs)
        axes = tuple(Axis(moved.get(name, name), size) for name, size in x.axes)
        if len({axis.name for axis in axes}) < len(axes):
            raise ValueError(f"renaming {x.type} by {pairs} gives a name twice")
        return self.node("rename", (x,), TensorType(axes, x.dtype), pairs=pairs)

    def expand(self, x: Node, axes: Sequence[Axis]) -> Node:
        """`x` repeated along axes it lacks."""
        more = tuple(axis for axis in axes if not x.tensor.has(axis.name))
        return self.node("expand", (x,), x.tensor.plus(more), axes=tuple(axis.name for axis in more)) if more else x

    def cut(self, x: Node, axis: str, start: Size | int, size: Size | int) -> Node:
        """The part of `axis` that begins at `start` and has this size."""
        count = size if isinstance(size, Size) else Size.of(size)
        axes = tuple(Axis(name, count) if name == axis else Axis(name, old) for name, old in x.axes)
        first = start if isinstance(start, Size) else Size.of(start)
        return self.node("cut", (x,), TensorType(axes, x.dtype), axis=axis, start=first)

    def pick(self, x: Node, axis: str, index: int) -> Node:
        """One position of `axis`, which is gone after."""
        return self.node("pick", (x,), x.tensor.without((axis,)), axis=axis, index=Size.of(index))

    def gather(self, x: Node, axis: str, places: Sequence[int]) -> Node:
        """These positions of `axis`, none of them negative."""
        index = self.node("literal", (), TensorType((Axis(axis, Size.of(len(places))),), "int"), value=tuple(places))
        axes = tuple(Axis(name, Size.of(len(places)) if name == axis else size) for name, size in x.axes)
        return self.node("gather", (x, index), TensorType(axes, x.dtype), axis=axis)

    def concat(self, nodes: Sequence[Node], axis: str) -> Node:
        """Tensors with all the same axes, end to end along `axis`."""
        total = sum((node.tensor.size(axis) for node in nodes), Size.of(0))
        axes = tuple(Axis(name, total if name == axis else size) for name, size in union(nodes))
        kinds: list[DType] = [node.dtype for node in nodes]
        return self.node("concat", nodes, TensorType(axes, promote(*kinds)), axis=axis)

    def stack(self, nodes: Sequence[Node], axis: str) -> Node:
        """Tensors with all the same axes, side by side along a new axis."""
        kinds: list[DType] = [node.dtype for node in nodes]
        type = TensorType((*union(nodes), Axis(axis, Size.of(len(nodes)))), promote(*kinds))
        return self.node("stack", nodes, type, axis=axis, inner=False)

    def full(self, value: int | float | bool, axes: Sequence[Axis]) -> Node:
        """A number at every place: int, bool, or wide for a float."""
        number = self.scalar(value)
        return self.node("full", (number,), TensorType(tuple(axes), number.dtype)) if axes else number

    def merge(self, x: Node, names: Sequence[str], into: str) -> Node:
        """The axes `names` as one axis, the left one outer; of one it is the new name, of none an axis of size 1."""
        if len(names) == 1:
            return self.rename(x, {names[0]: into})
        size = TensorType(tuple(Axis(name, x.tensor.size(name)) for name in names)).elements()
        if not names:
            return self.expand(x, [Axis(into, size)])
        return self.node("merge", (x,), x.tensor.without(names).plus([Axis(into, size)]), parts=(tuple(names),), axes=(into,))

    def split(self, x: Node, axis: str, parts: Sequence[Axis]) -> Node:
        """The inverse: `axis` taken apart, the left part outer."""
        if len(parts) == 1:
            return self.rename(x, {axis: parts[0].name})
        if not parts:
            return self.pick(x, axis, 0)
        axes = tuple(new for old in x.axes for new in (parts if old.name == axis else (old,)))
        return self.node("split", (x,), TensorType(axes, x.dtype), axis=axis, parts=tuple(part.name for part in parts))

    # ------------------------------------------------ sums and products

    def total(self, x: Node, axes: Sequence[str]) -> Node:
        """The sum along axes."""
        return self.node("sum", (x,), x.tensor.without(axes).cast(arithmetic_type(x.dtype)), axes=tuple(axes)) if axes else x

    def dot(self, nodes: Sequence[Node], over: Sequence[str]) -> Node:
        """Products that line up by name, added up along `over`; each of these axes is in two of the nodes or more."""
        for name in over:
            if sum(node.tensor.has(name) for node in nodes) < 2:
                raise ValueError(f"axis {name} is not in two of {[str(node.type) for node in nodes]}")
        axes = tuple(axis for axis in union(nodes) if axis.name not in over)
        return self.node("dot", nodes, TensorType(axes, product_type(node.dtype for node in nodes)), over=tuple(over))

    def linear(self, x: Node, weight: Node, over: Sequence[str], made: Sequence[str]) -> Node:
        """`x` mapped along `over` by a weight with these axes and those it makes, whose names `x` does not have."""
        axes = tuple(Axis(name, weight.tensor.size(name)) for name in made)
        kind = product_type((x.dtype, weight.dtype))
        type = TensorType((*x.tensor.without(over).axes, *axes), kind)
        return self.node("linear", (x, weight), type, over=tuple(over), made=tuple(made), each=(), own=tuple(made))


def union(nodes: Sequence[Node]) -> tuple[Axis, ...]:
    """Every axis of the nodes once, in order of appearance."""
    return tuple({axis.name: axis for node in reversed(nodes) for axis in reversed(node.axes)}.values())[::-1]
