"""A graph as text for people who work on the compiler: one operation a line, every name in it unique and the same in every run."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from ..graph import Body, Graph, Node, topological
from ..sizes import Size
from ..types import is_tuple
from .rewriting import bodies


def listing(graph: Graph, named: bool = True) -> str:
    """`%4 = linear(%0, q.weight, q.bias; over=D, made=h d): [N, *, h=8, d=8]  q`; without the names of bindings if not `named`."""
    writer = _Writer(graph, named)
    writer.nodes(graph.nodes, "")
    writer.lines += [f"return {output.name + ': ' if output.name else ''}{writer.name(output.node)}" for output in graph.outputs]
    writer.lines += [f"next {graph.weights[slot].path} = {writer.name(node)}" for slot, node in graph.updates]
    return "\n".join(writer.lines) + "\n"


class _Writer:
    def __init__(self, graph: Graph, named: bool) -> None:
        self.graph = graph
        self.named = named
        self.names: dict[Node, str] = {}
        self.lines: list[str] = []
        self.count = 0

    def name(self, node: Node) -> str:
        return self.names[node]

    def nodes(self, nodes: Iterable[Node], indent: str) -> None:
        for node in nodes:
            if node in self.names:
                continue
            if node.op == "weight":
                slot: int = node["slot"]
                self.names[node] = self.graph.weights[slot].path
            elif node.op == "scalar":
                self.names[node] = repr(node["value"])
            else:
                self.count += 1
                self.names[node] = f"%{self.count}"
                self._line(node, indent)

    def _line(self, node: Node, indent: str) -> None:
        inputs = ", ".join(self.name(source) for source in node.inputs)
        options = ", ".join(f"{key}={_value(value)}" for key, value in node.attrs if not _is_silent(value))
        inside = "; ".join(part for part in (inputs, options) if part)
        self.lines.append(
            f"{indent}{self.names[node]} = {node.op}({inside}): {node.type}" + (f"  {node.name}" if node.name and self.named else "")
        )
        for body in bodies(node):
            self._body(body, f"{indent}    ")

    def _body(self, body: Body, indent: str) -> None:
        self.nodes(body.params, indent)
        self.nodes(topological([*body.yields, *body.carries]), indent)
        ends = [self.name(node) for node in (*body.yields, *body.carries)]
        self.lines.append(f"{indent}gives {', '.join(ends)}")


def _is_silent(value: Any) -> bool:
    """Options that say nothing: bodies, which have lines of their own, and what is not set."""
    return isinstance(value, Body) or value is None or value is False or value == ()


def _value(value: Any) -> str:
    if is_tuple(value):
        return " ".join(f"({_value(part)})" if is_tuple(part) else _value(part) for part in value)
    return str(value) if isinstance(value, Size | Fraction | str) else repr(value)
