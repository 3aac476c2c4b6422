"""A graph as the text of a program, for the operators that most graphs are made of. Where it cannot be written, there is no text.

What an operator owns stays its own (`linear(x, D -> E=3) as w1`), so that passes find the pattern again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...dsl.diagnostics import AttnError
from ..graph import Graph, Node
from ..ops import OPERATORS
from ..passes.rewriting import bodies, uses
from ..program import load, text
from ..sizes import Size
from ..types import STAR, Axis, TensorType, TupleType, is_tuple
from .settings import present

INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
    "and": "and", "or": "or",
}  # fmt: skip
OWNERS = frozenset({"layernorm", "rmsnorm", "groupnorm", "batchnorm", "instancenorm"})
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*'*")


class Unwritable(Exception):
    """The language has no way to say this node."""


def program_text(graph: Graph, sizes: Mapping[str, int] | None = None, name: str = "smaller") -> str | None:
    """The graph as one block that the compiler takes; None where it cannot be written. `sizes` puts numbers in the place of open sizes."""
    try:
        written = _Text(graph, sizes).block(name)
        load(text(written)).graph()
    except (Unwritable, AttnError):
        return None
    return written


class _Text:
    """One block being written, a line for each operation."""

    def __init__(self, graph: Graph, sizes: Mapping[str, int] | None) -> None:
        self.graph = graph
        self.sizes = sizes
        self.names: dict[Node, str] = {}
        self.known: dict[str, str] = {}
        self.lines: list[str] = []
        self.readers = uses(graph)
        self.count = 0

    def block(self, name: str) -> str:
        plain_first = sorted(present(self.graph), key=lambda node: any(name.endswith("'") for name in node.tensor.names))
        inputs = ", ".join(self._input(node) for node in plain_first)
        if self.graph.updates:
            raise Unwritable("states")
        for node in self.graph.nodes:
            if node.op not in ("input", "weight") and not isinstance(node.type, TupleType):
                self.names[node] = self._named(node)
        results = [self._type(output.node.tensor, output.order) for output in self.graph.outputs]
        head = results[0] if len(results) == 1 else "(" + ", ".join(f"y{i}: {result}" for i, result in enumerate(results)) + ")"
        last = "return " + ", ".join(self.names[output.node] for output in self.graph.outputs)
        body = "".join(f"    {line}\n" for line in [*self.lines, last])
        return f"block {name}({inputs}) -> {head} {{\n{body}}}\n"

    # ------------------------------------------------ types and sizes

    def _input(self, node: Node) -> str:
        self.names[node] = node["name"]
        for axis in node.axes:
            self.known[axis.name] = self.size(axis.size)
        return f"{node['name']}: {self._type(node.tensor, node['order'])}"

    def _type(self, type: TensorType, order: Sequence[str]) -> str:
        kind = {"float": "", "wide": "", "int": "int ", "bool": "bool "}.get(type.dtype)
        if kind is None:
            raise Unwritable(type.dtype)
        return f"{kind}[{', '.join(self._declared(Axis(name, type.size(name))) for name in order)}]"

    def _declared(self, axis: Axis) -> str:
        size = self.size(axis.size)
        if axis.name == STAR:
            return STAR
        if not NAME.fullmatch(axis.name):
            raise Unwritable(axis.name)
        plain = size == axis.name or (self.sizes is None and size == axis.name.rstrip("'"))
        return axis.name if plain else f"{axis.name}={size}"

    def size(self, size: Size) -> str:
        if self.sizes is not None and size.free() <= self.sizes.keys():
            return str(size.evaluate(self.sizes))
        return str(size)

    def made(self, node: Node, names: Sequence[str]) -> str:
        """Axes on the right of an arrow, with their sizes where they are new."""
        parts: list[str] = []
        for name in names:
            size = self.size(node.tensor.size(name))
            new = self.known.setdefault(name, size) != size or name not in self.known
            parts.append(name if not new and self._is_given(name) else f"{name}={size}")
        return " ".join(parts) or "1"

    def _is_given(self, name: str) -> bool:
        return any(node.tensor.has(name) for node in present(self.graph))

    # ------------------------------------------------ lines

    def _named(self, node: Node) -> str:
        """What a node is called: a number stands for itself, everything else gets a line."""
        if node.op == "scalar":
            return _number(node["value"])
        if node.op == "size":
            return f"({self.size(node['value'])})"
        said = self._said(node)
        self.count += 1
        self.lines.append(f"v{self.count} = {said}")
        return f"v{self.count}"

    def value(self, node: Node) -> str:
        if node.op == "weight":
            return self._param(node)
        if node not in self.names:
            raise Unwritable(node.op)
        return self.names[node]

    def _param(self, node: Node) -> str:
        """A weight that no operator owns is declared."""
        if node not in self.names:
            self.names[node] = f"w{node['slot']}"
            if node.dtype != "float":
                raise Unwritable("a weight of whole numbers")
            self.lines.append(f"param w{node['slot']}: {self._type(node.tensor, node.tensor.names)} = normal(0.5)")
        return self.names[node]

    def _said(self, node: Node) -> str:
        if bodies(node):
            raise Unwritable(node.op)
        if node.op in INFIX:
            left, right = (self.value(source) for source in node.inputs)
            return f"{left} {INFIX[node.op]} {right}"
        writer = WRITERS.get(node.op)
        if writer is not None:
            return writer(self, node)
        return self._call(node)

    def _call(self, node: Node) -> str:
        """`name(x, y, axes, option=value)`: any operator whose options are those of the node."""
        operator = OPERATORS.get(node.op)
        if operator is None or operator.build is None:
            raise Unwritable(node.op)
        options = {**node.options}
        axes: tuple[str, ...] = options.pop("axes", ())
        known = {option.name for option in operator.signature.options}
        said = [self.value(source) for source in self._shared(node)]
        said += [" ".join(axes)] if axes else []
        for key, value in options.items():
            if key in known and not is_tuple(value) and value is not None:
                said.append(f"{key}={_number(value)}")
            elif key not in ("number", "inner", "safe", "masked") and key not in known:
                raise Unwritable(f"{node.op} with {key}")
        return f"{node.op}({', '.join(said)})" + self._owned(node)

    # ------------------------------------------------ weights of an operator's own

    def own(self, node: Node) -> bool:
        """Whether the weights of a node are read by it alone."""
        return all(source.op != "weight" or self.readers[source] == 1 for source in node.inputs[1:])

    def _shared(self, node: Node) -> Sequence[Node]:
        """The inputs but for weights of its own."""
        return node.inputs[:1] if node.op in OWNERS and self.own(node) else node.inputs

    def _owned(self, node: Node) -> str:
        return f" as own{node.inputs[1]['slot']}" if node.op in OWNERS and len(node.inputs) > 1 and node.inputs[1].op == "weight" else ""


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "inf" if value > 0 else "(-inf)" if value < 0 else "nan"
    shown = _decimal(value) if isinstance(value, float) else str(value)
    return f"({shown})" if shown.startswith("-") else shown


def _decimal(value: float) -> str:
    """With digits on both sides of the point, as the language has it, and without an exponent."""
    if "e" not in repr(value):
        return repr(value)
    shown = f"{value:.17f}".rstrip("0")
    return f"{shown}0" if shown.endswith(".") else shown


# ---------------------------------------------------------------- operators with a spelling of their own


def _linear(text: _Text, node: Node) -> str:
    x, weight, *bias = node.inputs
    arrow = f"{' '.join(node['over']) or '1'} -> {text.made(node, node['made'])}"
    each = f", each={' '.join(node['each'])}" if node["each"] else ""
    if weight.op == "weight" and text.own(node):
        return f"linear({text.value(x)}, {arrow}{each}{'' if bias else ', bias=false'}) as own{weight['slot']}"
    if bias or node["each"]:
        raise Unwritable("a bias that is not its own")
    return f"linear({text.value(x)}, {arrow}, weight={text.value(weight)}, bias=false)"


def _dot(text: _Text, node: Node) -> str:
    if not node["over"]:
        raise Unwritable("dot")
    return f"dot({', '.join(text.value(source) for source in node.inputs)}, over={' '.join(node['over'])})"


def _rename(text: _Text, node: Node) -> str:
    return f"rename({text.value(node.inputs[0])}, {', '.join(f'{old} -> {new}' for old, new in node['pairs'])})"


def _split(text: _Text, node: Node) -> str:
    return f"split({text.value(node.inputs[0])}, {node['axis']} -> {text.made(node, node['parts'])})"


def _merge(text: _Text, node: Node) -> str:
    arrows = [f"{' '.join(parts)} -> {axis}" for axis, parts in zip(node["axes"], node["parts"], strict=True)]
    return f"merge({text.value(node.inputs[0])}, {', '.join(arrows)})"


def _expand(text: _Text, node: Node) -> str:
    axes = [f"{name}={text.size(node.tensor.size(name))}" for name in node["axes"]]
    return f"expand({text.value(node.inputs[0])}, {', '.join(axes)})"


def _side_by_side(text: _Text, node: Node) -> str:
    parts = [text.value(source) for source in node.inputs]
    if node.op == "concat" and not all(source.tensor.has(node["axis"]) for source in node.inputs):
        raise Unwritable("concat of what lacks the axis")
    return f"{node.op}({', '.join(parts)}, {'over=' if node.op == 'concat' else ''}{node['axis']})"


def _pick(text: _Text, node: Node) -> str:
    return f"{text.value(node.inputs[0])}[{node['axis']}={text.size(node['index'])}]"


def _cut(text: _Text, node: Node) -> str:
    start = node["start"]
    end = text.size(start + node.tensor.size(node["axis"]))
    return f"{text.value(node.inputs[0])}[{node['axis']}={text.size(start)}..{end}]"


def _gather(text: _Text, node: Node) -> str:
    return f"{text.value(node.inputs[0])}[{node['axis']}={text.value(node.inputs[1])}]"


def _moved(text: _Text, node: Node) -> str:
    moves = [f"{name}={text.size(by)}" for name, by in node["moves"]]
    fill = [f"fill={_number(node['fill'])}"] if node.op == "shift" else []
    return f"{node.op}({', '.join([text.value(node.inputs[0]), *moves, *fill])})"


def _clamp(text: _Text, node: Node) -> str:
    x, *limits = map(text.value, node.inputs)
    names = [name for name in ("lo", "hi") if node[name]]
    return f"clamp({', '.join([x, *(f'{name}={limit}' for name, limit in zip(names, limits, strict=True))])})"


def _pos(text: _Text, node: Node) -> str:
    return f"pos({node['axis']})"


def _softmax(text: _Text, node: Node) -> str:
    x, *mask = node.inputs
    where = f", where={text.value(mask[0])}" if mask else ""
    return f"softmax({text.value(x)}, over={' '.join(node['axes'])}{where})"


def _attend(text: _Text, node: Node) -> str:
    terms: int = node["terms"]
    parts = [text.value(source) for source in node.inputs]
    groups = [parts[:terms], parts[terms : 2 * terms], parts[2 * terms : 2 * terms + 1]]
    places = [group[0] if len(group) == 1 else f"({', '.join(group)})" for group in groups]
    over = " ".join(key.removesuffix("'") for key in node["keys"])
    dots = [" ".join(axes) for axes in node["dots"]]
    said = [*places, f"over={over}", f"dot={dots[0]}" if len(dots) == 1 and " " not in dots[0] else f"dot=({', '.join(dots)})"]
    said += [f"{option}={part}" for option, part in zip(node["extras"], parts[2 * terms + 1 :], strict=True)]
    said += [f"by={node['by']}"] if node["by"] != "softmax" else []
    said += [f"{key}={_number(node[key])}" for key in ("softcap", "dropout", "chunk") if node[key]]
    return f"attend({', '.join(said)})"


WRITERS: dict[str, Callable[[_Text, Node], str]] = {
    "linear": _linear, "dot": _dot, "rename": _rename, "split": _split, "merge": _merge, "expand": _expand, "concat": _side_by_side,
    "stack": _side_by_side, "pick": _pick, "cut": _cut, "gather": _gather, "roll": _moved, "shift": _moved, "clamp": _clamp, "pos": _pos,
    "softmax": _softmax, "attend": _attend, "neg": lambda text, node: f"-{text.value(node.inputs[0])}",
    "not": lambda text, node: f"not {text.value(node.inputs[0])}",
}  # fmt: skip
