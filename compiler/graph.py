"""The typed graph: immutable nodes over named axes, each with the place in the text it came from.

Equal expressions are one node (the `Builder` remembers what it made), so a graph is a value: passes make new graphs.
Weights, state and randomness are explicit: a `weight` node names a slot of the graph, `random` nodes carry a number of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ..dsl.frozen import frozen
from ..dsl.source import NOWHERE, Span
from .sizes import Size, product
from .types import Axis, DType, TensorType, TupleType, is_tuple

Attrs = tuple[tuple[str, Any], ...]
"""Sorted pairs; every value is hashable: numbers, words, Sizes, tuples of these, or a Body."""


@frozen(eq=False)
class Node:
    """One operation. `scope` is the path of blocks around it, outermost first; `name` the binding it feeds, if any."""

    op: str
    inputs: tuple[Node, ...]
    attrs: Attrs
    type: TensorType | TupleType
    span: Span = field(default=NOWHERE, repr=False)
    scope: tuple[str, ...] = ()
    name: str = ""

    @cached_property
    def options(self) -> dict[str, Any]:
        return dict(self.attrs)

    @cached_property
    def bodies(self) -> tuple[Body, ...]:
        """The bodies among its options, those in tuples too."""
        if not self.attrs:
            return ()
        parts = [part for _, value in self.attrs for part in (value if is_tuple(value) else (value,))]
        return tuple([part for part in parts if isinstance(part, Body)])

    def __getitem__(self, key: str) -> Any:
        return self.options[key]

    @property
    def tensor(self) -> TensorType:
        """The type of a node with one result (TypeError for one with several)."""
        if isinstance(self.type, TupleType):
            raise TypeError(f"{self.op} has several results")
        return self.type

    @property
    def axes(self) -> tuple[Axis, ...]:
        type = self.type
        return type.axes if isinstance(type, TensorType) else self.tensor.axes

    @property
    def dtype(self) -> DType:
        type = self.type
        return type.dtype if isinstance(type, TensorType) else self.tensor.dtype


@dataclass(frozen=True, eq=False)
class Body:
    """The inside of a `scan`. `params` are `param` nodes, in the order of the scan node's inputs after the step number
    (params[0]: int [], the position): carries, then the tensors that lose the axis, then the whole ones.
    Or one way of a `choose`: `params` are its inputs, `yields` the result, and there are no carries."""

    params: tuple[Node, ...]
    yields: tuple[Node, ...]
    carries: tuple[Node, ...]


@dataclass(frozen=True)
class Init:
    """How a weight starts. `kind`: zeros ones constant normal uniform trunc_normal xavier_uniform xavier_normal
    kaiming_uniform kaiming_normal orthogonal eye torch_linear (PyTorch's own for linear and conv) torch_bias list formula.

    `values` are its numbers (constant: value; normal, trunc_normal: standard deviation; uniform: low, high; torch_bias: fan-in;
    list: the nested list); `node` is the formula, a graph without inputs.
    """

    kind: str
    values: tuple[Any, ...] = ()
    node: Node | None = None


@dataclass(frozen=True)
class Weight:
    """A named tensor the module owns: a parameter, a constant (not saved), a state or a buffer (saved, not trained).

    `axes` are its axes in stored order; `groups` says how neighbours are flattened into stored dimensions
    (`linear(D -> h d)`: axes h, d, D; groups ((h, d), (D,))). Gradients reach only `param`.
    """

    path: str
    kind: Literal["param", "const", "state", "buffer"]
    axes: tuple[Axis, ...]
    groups: tuple[tuple[str, ...], ...]
    dtype: DType
    init: Init
    span: Span = field(repr=False, compare=False, default=NOWHERE)

    @cached_property
    def shape(self) -> tuple[Size, ...]:
        """The stored shape."""
        sizes = {axis.name: axis.size for axis in self.axes}
        return tuple(product(sizes[name] for name in group) for group in self.groups)


@dataclass(frozen=True)
class Guard:
    """A fact about sizes that only the caller's tensors can decide, checked once at the entry of the module.

    `kind` `equal`: left == right; `divides`: right / left is whole; `at_least`: left >= right. `reason` is told to the user.
    """

    kind: Literal["equal", "divides", "at_least"]
    left: Size
    right: Size
    reason: str
    span: Span = field(repr=False, compare=False, default=NOWHERE)


@dataclass(frozen=True)
class Output:
    """One result: its name (empty for a single one), its value, and the declared order of its axes (graph-wide names)."""

    name: str
    node: Node
    order: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Named:
    """A value under the name that the text gives it: `path` is that of the block around it, as weights have it, `name` the binding.

    `kind`: `value`; `attend`, whose weights can be asked for, too; `weights`, which are the weights of some attention themselves.
    In a graph that was rewritten, `node` is what the value has become; where nothing reads it any more, it is not in the graph.
    """

    path: tuple[str, ...]
    name: str
    kind: Literal["value", "attend", "weights"]
    node: Node


@dataclass(frozen=True)
class Graph:
    """A block, elaborated. `inputs` are `input` nodes (options: name, order, optional, star) in declared order.

    `weights[slot]` belongs to the `weight` nodes with that slot; `updates` are the `next` values of states, by slot. `names` are the
    values that the text names, inside scans too, in the order they were made; they keep nothing alive.
    """

    name: str
    inputs: tuple[Node, ...]
    outputs: tuple[Output, ...]
    weights: tuple[Weight, ...] = ()
    updates: tuple[tuple[int, Node], ...] = ()
    guards: tuple[Guard, ...] = ()
    doc: str = ""
    span: Span = field(repr=False, compare=False, default=NOWHERE)
    names: tuple[Named, ...] = field(repr=False, compare=False, default=())

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node once, each after its inputs; the declared inputs first."""
        roots = [*self.inputs, *(output.node for output in self.outputs), *(node for _, node in self.updates)]
        return tuple(topological(roots))

    @cached_property
    def everything(self) -> tuple[Node, ...]:
        """The nodes, each after its inputs, and those inside bodies before the node that carries them."""
        found: list[Node] = []
        _gather(self.nodes, found)
        return tuple(found)

    @cached_property
    def known(self) -> dict[Operation, Node]:
        """Every node under what it does; of equal ones the first."""
        found: dict[Operation, Node] = {}
        for node in self.everything:
            found.setdefault(operation(node), node)
        return found

    @cached_property
    def reads(self) -> Counter[Node]:
        """How often each node is read: by other nodes, as a result, or by a state. Nodes inside bodies count within their body."""
        found: Counter[Node] = Counter()
        for node in self.everything:
            found.update(node.inputs)
            for body in node.bodies:
                found.update([*body.yields, *body.carries])
        found.update(output.node for output in self.outputs)
        found.update(node for _, node in self.updates)
        return found


def _gather(nodes: Iterable[Node], into: list[Node]) -> None:
    for node in nodes:
        for body in node.bodies:
            _gather(topological([*body.params, *body.yields, *body.carries]), into)
        into.append(node)


def topological(roots: Iterable[Node], done: Callable[[Node], bool] | None = None) -> Iterator[Node]:
    """The nodes below the roots, inputs first, in a fixed order and without recursion. Nothing that is `done` is looked at."""
    seen: set[Node] = set()
    for root in roots:
        stack: list[Node | None] = [root]  # None: the node below it is next, all its inputs were
        while stack:
            node = stack.pop()
            if node is None:
                ready = stack.pop()
                assert ready is not None
                yield ready
            elif node not in seen and (done is None or not done(node)):
                seen.add(node)
                stack += (node, None)
                stack += [child for child in reversed(node.inputs) if child not in seen]


Operation = tuple[Any, ...]


def operation(node: Node) -> Operation:
    """What tells a node from others: equal operations on the same inputs are one."""
    attrs = node.attrs
    kinds = tuple([value.__class__ for _, value in attrs]) if attrs else ()  # 1, 1.0 and True are equal but not the same option
    return node.op, node.inputs, attrs, kinds, node.type


class Builder:
    """Makes nodes; the same operation on the same inputs is the same node. It may begin with the nodes of a graph."""

    def __init__(self, graph: Graph | None = None) -> None:
        self._known: dict[Operation, Node] = {} if graph is None else dict(graph.known)
        self._ours = set(self._known.values())
        self._numbers = 0

    def make(
        self,
        op: str,
        inputs: tuple[Node, ...],
        type: TensorType | TupleType,
        attrs: Mapping[str, Any] | None = None,
        span: Span = NOWHERE,
        scope: tuple[str, ...] = (),
        name: str = "",
    ) -> Node:
        packed = tuple(sorted((attrs or {}).items()))
        return self.adopt(Node(op, inputs, packed, type, span, scope, name))

    def adopt(self, node: Node) -> Node:
        """The node that stands for this operation here: this one, unless an equal one is known."""
        if node in self._ours:
            return node
        found = self._known.setdefault(operation(node), node)
        self._ours.add(found)
        return found

    def number(self) -> int:
        """A fresh number: what keeps two random draws, or two scans, apart."""
        self._numbers += 1
        return self._numbers
