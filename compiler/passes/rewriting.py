"""Rebuilding a graph node by node. Replaced nodes keep their place in the text, their scope and their name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..graph import Body, Builder, Graph, Node, topological
from ..types import TensorType, TupleType, is_tuple
from .making import AxisNames, Make

Rule = Callable[[Make, Node], "Node | None"]
"""Told a node of the old graph; gives what stands in its place, or None to keep it. `make.new(old)` is what an earlier node became."""


def uses(graph: Graph) -> Counter[Node]:
    """How often each node is read: by other nodes, as a result, or by a state. Nodes inside bodies count within their body."""
    return graph.reads


def bodies(node: Node) -> tuple[Body, ...]:
    """The bodies a node carries among its options."""
    return node.bodies


def everything(graph: Graph) -> tuple[Node, ...]:
    """The nodes of a graph, each after its inputs, and those inside bodies before the node that carries them."""
    return graph.everything


def rewrite(graph: Graph, rule: Rule, ops: Container[str] | None = None) -> Graph:
    """The graph with `rule` applied to every node, inputs first, inside bodies too. The same graph where nothing changed.

    `ops` are the operators that the rule may replace, where it does not look at all of them; a graph without these is left at once.
    A replacement has the axes, sizes and kind of number of what it replaces (ValueError otherwise). Equal nodes become one.
    """
    if ops is not None and all(node.op not in ops for node in graph.everything):
        return graph
    state = _Rewrite(rule, graph, ops)
    state.walk(graph.nodes)
    new = state.new
    if all(new[one.node] is one.node for one in graph.outputs) and all(new[node] is node for _, node in graph.updates):
        return graph
    outputs = tuple(replace(output, node=new[output.node]) for output in graph.outputs)
    updates = tuple((slot, new[node]) for slot, node in graph.updates)
    named = tuple(one if (now := new.get(one.node)) is None or now is one.node else replace(one, node=now) for one in graph.names)
    return replace(graph, outputs=outputs, updates=updates, names=named)


class _Rewrite:
    """One walk over a graph and its bodies."""

    def __init__(self, rule: Rule, graph: Graph, ops: Container[str] | None) -> None:
        self.rule = rule
        self.ops = ops
        self.builder = Builder(graph)
        self.names = AxisNames(graph)
        self.new: dict[Node, Node] = {}

    def walk(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            if node not in self.new:
                self.new[node] = self._one(node)

    def _one(self, node: Node) -> Node:
        attrs = {key: self._option(value) for key, value in node.attrs} if node.bodies else None
        asked = self.ops is None or node.op in self.ops
        found = self.rule(Make(self.builder, node, self.names, self.new), node) if asked else None
        if found is None:
            return self._kept(node, attrs)
        same_type(node, found)
        return found

    def _kept(self, node: Node, attrs: Mapping[str, Any] | None) -> Node:
        """The node on its new inputs; `attrs` are its options where there are bodies among them."""
        new = self.new
        inputs = tuple([new[source] for source in node.inputs])
        if inputs == node.inputs and (attrs is None or all(attrs[key] is value for key, value in node.attrs)):
            return self.builder.adopt(node)
        return self.builder.make(node.op, inputs, node.type, node.options if attrs is None else attrs, node.span, node.scope, node.name)

    def _option(self, value: Any) -> Any:
        """A body, rewritten; every other option as it is."""
        if isinstance(value, Body):
            return self._body(value)
        parts = value if is_tuple(value) else (value,)
        if not any(isinstance(part, Body) for part in parts):
            return value
        made = tuple(self._body(part) if isinstance(part, Body) else part for part in parts)
        return value if all(a is b for a, b in zip(made, parts, strict=True)) else made

    def _body(self, body: Body) -> Body:
        for param in body.params:
            self.new.setdefault(param, param)
        self.walk(topological([*body.yields, *body.carries]))
        yields, carries = (tuple(self.new[node] for node in part) for part in (body.yields, body.carries))
        return body if yields == body.yields and carries == body.carries else Body(body.params, yields, carries)


def alike(old: Node, new: Node) -> bool:
    """Whether both have the same axes, of the same sizes, in whatever order, and the same kind of number."""
    if old.type == new.type:
        return True
    left, right = ([(item.dtype, frozenset(item.axes)) for item in _items(node.type)] for node in (old, new))
    return left == right


def same_type(old: Node, new: Node) -> None:
    """ValueError unless they are alike."""
    if not alike(old, new):
        raise ValueError(f"{old.op} of type {old.type} cannot be replaced by {new.op} of type {new.type}")


def _items(type: TensorType | TupleType) -> tuple[TensorType, ...]:
    return type.items if isinstance(type, TupleType) else (type,)
