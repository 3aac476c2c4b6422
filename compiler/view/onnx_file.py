"""The structure of a graph as an ONNX model, for programs that show such models. Its operators are attn's own: nothing can run it.

Axes are kept: symbolic dimensions carry them by name, and every value says its named axes where ONNX has room for words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from ..graph import Body, Graph, Node, topological
from ..sizes import Size
from ..types import TensorType, TupleType
from .words import plain_text, type_text

DOMAIN = "attn"
_TYPES = {"float": "FLOAT", "wide": "FLOAT", "int": "INT64", "bool": "BOOL", "complex": "COMPLEX64"}


def to_onnx(graph: Graph) -> bytes:
    """A model with one node for each operation, in which scans and choices hold their insides as graphs of their own."""
    helper = _onnx().helper
    writer = _Writer(graph)
    body = writer.whole()
    opsets = [helper.make_opsetid(DOMAIN, 1), helper.make_opsetid("", 17)]
    model = helper.make_model(body, producer_name="attn", opset_imports=opsets, ir_version=8, doc_string=graph.doc)
    return bytes(model.SerializeToString(deterministic=True))


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        title = "an .onnx file is written with the package `onnx`, which is not installed"
        raise AttnError([Diagnostic("E0704", title, NOWHERE, help="pip install 'attn[onnx]'")]) from None
    return onnx


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.onnx = _onnx()
        self.names: dict[tuple[Node, int], str] = {}
        self.counts: dict[str, int] = {}

    def whole(self) -> Any:
        for node in self.graph.inputs:
            self._name(node, str(node["name"]))
        for node in self.graph.nodes:
            if node.op == "weight":
                slot: int = node["slot"]
                self._name(node, self.graph.weights[slot].path)
        given = [node for node in self.graph.nodes if node.op in ("input", "weight")]
        made = list(self._nodes(self.graph.nodes))
        ends: list[Any] = []
        for output in self.graph.outputs:
            name = self._fresh(output.name or "result")
            made.append(self.onnx.helper.make_node("Identity", [self._read(output.node)], [name], name=name))
            ends.append(self._value(name, output.node.tensor))
        return self.onnx.helper.make_graph(
            made, self.graph.name, [self._value(self._read(node), node.tensor) for node in given], ends, doc_string=self.graph.doc
        )

    # ------------------------------------------------ names

    def _fresh(self, wish: str) -> str:
        """A name nobody has: the wish, or the wish with a number."""
        name = wish
        while name in self.counts:
            self.counts[wish] += 1
            name = f"{wish}.{self.counts[wish]}"
        self.counts[name] = 0
        return name

    def _name(self, node: Node, wish: str, index: int = 0) -> str:
        if (node, index) not in self.names:
            self.names[node, index] = self._fresh(wish)
        return self.names[node, index]

    def _read(self, node: Node) -> str:
        while node.op == "rename":
            node = node.inputs[0]
        return self.names[node, 0]

    # ------------------------------------------------ nodes

    def _nodes(self, nodes: Iterable[Node]) -> Iterator[Any]:
        for node in nodes:
            if (node, 0) in self.names or node.op == "rename":
                continue
            if node.op == "item":
                self.names[node, 0] = self.names[node.inputs[0], int(node["index"])]
                continue
            yield self._node(node)

    def _node(self, node: Node) -> Any:
        path = ".".join((*node.scope, node.name or node.op))
        count = len(node.type.items) if isinstance(node.type, TupleType) else 1
        inputs = [self._read(source) for source in node.inputs]
        results = [self._name(node, path, index) for index in range(count)]
        made = self.onnx.helper.make_node(
            node.op, inputs, results, name=self._fresh(f"{path}()"), domain=DOMAIN, doc_string=type_text(node.type)
        )
        for name, value in node.attrs:
            attribute = self._attribute(name, value, path)
            if attribute is not None:
                made.attribute.append(attribute)
        return made

    def _attribute(self, name: str, value: Any, path: str) -> Any:
        if isinstance(value, Body):
            return self.onnx.helper.make_attribute(name, self._body(value, f"{path}.{name}"))
        if isinstance(value, bool | int | float) and abs(value) < 2**62:
            return self.onnx.helper.make_attribute(name, int(value) if isinstance(value, bool | int) else value)
        text = plain_text(value)
        return self.onnx.helper.make_attribute(name, text) if text else None

    def _body(self, body: Body, name: str) -> Any:
        """A graph of its own; it sees the values around it, as graphs in ONNX do."""
        known = len(self.names)
        params = [self._value(self._name(param, f"{name}.{param.name or 'param'}"), param.tensor) for param in body.params]
        ends = [*body.yields, *body.carries]
        nodes = list(self._nodes(topological(ends)))
        results: list[Any] = []
        for node in ends:
            result = self._fresh(f"{name}.result")
            nodes.append(self.onnx.helper.make_node("Identity", [self._read(node)], [result]))
            results.append(self._value(result, node.tensor))
        while len(self.names) > known:  # nothing outside sees them; what stands there, too, is made there again
            self.names.popitem()
        return self.onnx.helper.make_graph(nodes, name, params, results)

    # ------------------------------------------------ types

    def _value(self, name: str, type: TensorType) -> Any:
        kind = getattr(self.onnx.TensorProto, _TYPES[type.dtype])
        shape = [_dimension(axis.name, axis.size) for axis in type.axes]
        return self.onnx.helper.make_tensor_value_info(name, kind, shape, doc_string=type_text(type))


def _dimension(name: str, size: Size) -> int | str:
    """A number where it is known; else the name of the axis, with its size where that is a formula."""
    number = size.integer()
    if number is not None:
        return number
    return name if str(size) == name else f"{name}={size}"
