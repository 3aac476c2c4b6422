"""What every graph holds to, whoever made it: enough that nothing that reads a graph trips over a stranger's. ValueError where it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..graph import Body, Graph, Node, Weight
from ..sizes import Size
from ..types import TupleType

Test = Callable[[Any], bool]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _word(value: Any) -> bool:
    return isinstance(value, str)


def _body(value: Any) -> bool:
    return isinstance(value, Body)


def _size(value: Any) -> bool:
    return isinstance(value, Size)


_OPTIONS: Mapping[str, Mapping[str, Test]] = {
    "input": {"name": _word},
    "weight": {"slot": _whole},
    "scalar": {"value": lambda value: isinstance(value, int | float)},
    "size": {"value": _size},
    "pos": {"axis": _word},
    "item": {"index": _whole},
    "rename": {},
    "scan": {"body": _body, "axis": _word},
    "choose": {"first": _body, "second": _body, "left": _size, "right": _size},
}
_COUNTS: Mapping[str, int] = {"input": 0, "weight": 0, "scalar": 0, "size": 0, "pos": 0, "item": 1, "rename": 1, "param": 0}


def check_node(node: Node) -> None:
    """The options and the number of inputs of the operators that every reader of a graph looks into."""
    for name, fits in _OPTIONS.get(node.op, {}).items():
        if name not in node.options or not fits(node.options[name]):
            raise ValueError(f"`{node.op[:40]}` needs the option `{name}`")
    if node.op in _COUNTS and len(node.inputs) != _COUNTS[node.op]:
        raise ValueError(f"`{node.op}` has {len(node.inputs)} inputs")
    several = [isinstance(source.type, TupleType) for source in node.inputs]
    if node.op == "item":
        source = node.inputs[0].type
        if not isinstance(source, TupleType) or node["index"] >= len(source.items):
            raise ValueError("`item` has nothing to take")
    elif any(several):
        raise ValueError("only `item` reads a node with several results")
    if isinstance(node.type, TupleType) and node.op in ("item", "rename", "input", "weight", "param"):
        raise ValueError(f"`{node.op}` has one result")
    if node.op == "scan":
        _check_scan(node)
    if node.op == "choose":
        _check_choice(node)


def _check_scan(node: Node) -> None:
    body: Body = node["body"]
    if len(body.params) != len(node.inputs) + 1 or any(param.op != "param" for param in body.params):
        raise ValueError("the body of a scan has another number of parameters than the scan has inputs")
    if len(body.carries) > len(node.inputs) or len(set(body.params)) != len(body.params) or not body.yields:
        raise ValueError("the body of a scan does not fit it")
    items = len(node.type.items) if isinstance(node.type, TupleType) else 1
    if items > len(body.yields) + len(body.carries):
        raise ValueError("a scan has more results than its body")
    if any(isinstance(inner.type, TupleType) for inner in (*body.yields, *body.carries)):
        raise ValueError("the body of a scan gives a node with several results")


def _check_choice(node: Node) -> None:
    ways: tuple[Body, Body] = (node["first"], node["second"])
    for body in ways:
        if len(body.params) != len(node.inputs) or any(param.op != "param" for param in body.params):
            raise ValueError("a way of a choice has another number of parameters than the choice has inputs")
        if len(set(body.params)) != len(body.params) or len(body.yields) != 1 or body.carries:
            raise ValueError("a way of a choice does not fit it")
    if any(isinstance(part.type, TupleType) for part in (node, *(body.yields[0] for body in ways))):
        raise ValueError("a choice has one result")


def check_graph(graph: Graph, nodes: Sequence[Node]) -> None:
    """Slots, inputs and results that are there, each parameter of a body in one body only."""
    if any(node.op != "input" for node in graph.inputs) or len(set(graph.inputs)) != len(graph.inputs):
        raise ValueError("inputs must be different `input` nodes")
    slots = [node["slot"] for node in nodes if node.op == "weight"] + [slot for slot, _ in graph.updates]
    if any(slot >= len(graph.weights) for slot in slots):
        raise ValueError("a weight has a slot that the graph has not")
    ends = [*(output.node for output in graph.outputs), *(node for _, node in graph.updates)]
    if any(isinstance(node.type, TupleType) for node in ends):
        raise ValueError("a result of a graph is one tensor")
    params = [param for node in nodes for body in _bodies(node) for param in body.params]
    if len(set(params)) != len(params):
        raise ValueError("two bodies share a parameter")
    for weight in graph.weights:
        _check_weight(weight)


def _bodies(node: Node) -> list[Body]:
    names = {"scan": ("body",), "choose": ("first", "second")}.get(node.op, ())
    return [node[name] for name in names]


def _check_weight(weight: Weight) -> None:
    names = [axis.name for axis in weight.axes]
    if [name for group in weight.groups for name in group] != names:
        raise ValueError(f"the stored shape of weight `{weight.path[:80]}` does not use each of its axes once, in order")
