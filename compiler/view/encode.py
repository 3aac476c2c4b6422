"""A graph as plain JSON values. What the fields mean stands in `schema.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import isfinite
from typing import Any

from ...dsl.source import NOWHERE, Source, Span
from ..graph import Body, Graph, Guard, Init, Node, Weight
from ..sizes import Size
from ..sizes.serial import to_plain
from ..types import Axis, TensorType, TupleType, is_tuple

Json = Any
_LONG = ("sources", "outputs", "guards", "weights", "nodes")


def encode(graph: Graph) -> dict[str, Json]:
    return _Encoder(graph).graph()


def text(record: dict[str, Json]) -> str:
    """Two levels are laid out over lines, so that a change of one node is a change of one line."""
    parts: list[str] = []
    for key, value in record.items():
        if key in _LONG and value:
            lines = ",\n".join(f"    {_line(item)}" for item in value)
            parts.append(f"  {_line(key)}: [\n{lines}\n  ]")
        else:
            parts.append(f"  {_line(key)}: {_line(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _line(value: Json) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


class _Encoder:
    def __init__(self, graph: Graph) -> None:
        self.source = graph
        self.nodes = list(_all_nodes(graph))
        self.number = {node: place for place, node in enumerate(self.nodes)}
        self.sources: dict[Source, int] = {}

    def graph(self) -> dict[str, Json]:
        graph = self.source
        nodes = [self.node(node) for node in self.nodes]
        record = {
            "schema": 1,
            "name": graph.name,
            "doc": graph.doc,
            "span": self.span(graph.span),
            "sources": [],
            "inputs": self.numbers(graph.inputs),
            "outputs": [{"name": output.name, "node": self.number[output.node], "order": list(output.order)} for output in graph.outputs],
            "updates": [[slot, self.number[node]] for slot, node in graph.updates],
            "guards": [self.guard(guard) for guard in graph.guards],
            "weights": [self.weight(weight) for weight in graph.weights],
            "nodes": nodes,
        }
        record["sources"] = [{"name": source.name, "text": source.text, "library": source.library} for source in self.sources]
        return record

    def numbers(self, nodes: Iterable[Node]) -> list[int]:
        return [self.number[node] for node in nodes]

    def node(self, node: Node) -> dict[str, Json]:
        return {
            "op": node.op,
            "inputs": self.numbers(node.inputs),
            "attrs": {name: self.value(value) for name, value in node.attrs},
            "type": self.type(node.type),
            "span": self.span(node.span),
            "scope": list(node.scope),
            "name": node.name,
        }

    def guard(self, guard: Guard) -> dict[str, Json]:
        sides = {"left": to_plain(guard.left), "right": to_plain(guard.right)}
        return {"kind": guard.kind, **sides, "reason": guard.reason, "span": self.span(guard.span)}

    def weight(self, weight: Weight) -> dict[str, Json]:
        return {
            "path": weight.path,
            "kind": weight.kind,
            "type": self.type(TensorType(weight.axes, weight.dtype)),
            "groups": [list(group) for group in weight.groups],
            "init": self.init(weight.init),
            "span": self.span(weight.span),
        }

    def init(self, init: Init) -> dict[str, Json]:
        node = None if init.node is None else self.number[init.node]
        return {"kind": init.kind, "values": [self.value(value) for value in init.values], "node": node}

    def type(self, type: TensorType | TupleType) -> Json:
        if isinstance(type, TupleType):
            return [self.type(item) for item in type.items]
        return {"dtype": type.dtype, "axes": [[axis.name, to_plain(axis.size)] for axis in type.axes]}

    def span(self, span: Span) -> Json:
        if span == NOWHERE:
            return None
        return [self.sources.setdefault(span.source, len(self.sources)), span.start, span.end]

    def value(self, value: Any) -> Json:
        """An option. What JSON has is itself, a list is a tuple; the rest is a record of one field that names the kind."""
        match value:
            case None | bool() | int() | str():
                return value
            case float():
                return value if isfinite(value) else {"float": str(value)}
            case Axis(name, size):
                return {"axis": [name, to_plain(size)]}
            case _ if is_tuple(value):
                return [self.value(item) for item in value]
            case Size():
                return {"size": to_plain(value)}
            case Fraction():
                return {"fraction": [value.numerator, value.denominator]}
            case Node():
                return {"node": self.number[value]}
            case Init():
                return {"init": self.init(value)}
            case TensorType() | TupleType():
                return {"type": self.type(value)}
            case Body():
                parts = {"params": value.params, "yields": value.yields, "carries": value.carries}
                return {"body": {name: self.numbers(nodes) for name, nodes in parts.items()}}
            case _:
                raise TypeError(f"an option of a node may not be {type(value).__name__}")


def _all_nodes(graph: Graph) -> Iterator[Node]:
    """Every node once, each after all it refers to: inputs, bodies, formulas. Without recursion."""
    formulas = [weight.init.node for weight in graph.weights if weight.init.node is not None]
    seen: set[Node] = set()
    for root in [*graph.inputs, *(output.node for output in graph.outputs), *(node for _, node in graph.updates), *formulas]:
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if ready:
                yield node
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                below = [*node.inputs, *(inner for _, value in node.attrs for inner in _inside(value))]
                stack.extend((child, False) for child in reversed(below) if child not in seen)


def _inside(value: Any) -> Iterator[Node]:
    """The nodes in an option. Options are nested no deeper than the text they were written in."""
    match value:
        case Node():
            yield value
        case Body():
            yield from (*value.params, *value.yields, *value.carries)
        case Init():
            if value.node is not None:
                yield value.node
        case _ if is_tuple(value):
            for item in value:
                yield from _inside(item)
        case _:
            return
