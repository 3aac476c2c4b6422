"""What is repeated along an axis is repeated as late as can be, and not at all where something else has that axis.

Keys that are expanded to the heads of the queries come out of `attend` and `dot` so, also through work number by number on them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Node
from ..ops.base import OPERATORS
from ..types import Axis, TensorType
from .making import Make

_ROWWISE = frozenset(("softmax", "l2norm", "layernorm", "rmsnorm", "sum", "mean"))
"""Operators that treat every position of the axes they do not name alike."""


def repeats(make: Make, node: Node) -> Node | None:
    """The rule: this node on inputs that are not repeated, and the repetition after it."""
    inputs = [make.new(source) for source in node.inputs]
    if not any(source.op == "expand" for source in inputs) or not isinstance(node.type, TensorType):
        return None
    if node.op in ("dot", "attend"):
        return _without_repeats(make, node, inputs)
    if node.op == "rename":
        return _renamed(make, node, inputs[0])
    axes = [name for name in _repeated(inputs) if _passes(node, inputs, name)]
    if not axes:
        return None
    bare = [_bare(make, source, axes) for source in inputs]
    made = make.node(node.op, bare, node.tensor.without(axes), **node.options)
    return make.expand(made, [axis for axis in node.axes if axis.name in axes])


def _renamed(make: Make, node: Node, x: Node) -> Node:
    names: dict[str, str] = dict(node["pairs"])
    repeated = {names.get(name, name) for name in x["axes"]}
    return make.expand(make.rename(x.inputs[0], names), [axis for axis in node.axes if axis.name in repeated])


def _repeated(inputs: Sequence[Node]) -> list[str]:
    """The axes that inputs are repeated along, in order."""
    return list(dict.fromkeys(name for source in inputs if source.op == "expand" for name in source["axes"]))


def _real(source: Node, name: str) -> bool:
    """Whether a tensor has an axis along which it is not merely repeated."""
    return source.tensor.has(name) and not (source.op == "expand" and name in source["axes"])


def _passes(node: Node, inputs: Sequence[Node], name: str) -> bool:
    """Whether the operator does the same at every position of an axis that no input really has."""
    if any(_real(source, name) for source in inputs) or not node.tensor.has(name):
        return False
    if node.op == "linear":
        return name not in node["over"] and name not in node["made"] and name not in node["each"]
    if node.op in _ROWWISE:
        return set(node.options) <= {"axes", "eps", "masked", "safe"} and name not in node["axes"]
    operator = OPERATORS.get(node.op)
    return operator is not None and operator.pointwise and node.op not in ("dropout", "droppath") and "number" not in node.options


def _bare(make: Make, source: Node, axes: Sequence[str]) -> Node:
    """A tensor without its repetition along these axes."""
    if source.op != "expand":
        return source
    kept = [Axis(name, source.tensor.size(name)) for name in source["axes"] if name not in axes]
    return make.expand(source.inputs[0], kept)


# ---------------------------------------------------------------- products


def _without_repeats(make: Make, node: Node, inputs: list[Node]) -> Node | None:
    """A product whose factors are not repeated along an axis that another factor has anyway."""
    count = 2 * node["terms"] + 1 if node.op == "attend" else len(inputs)
    done = False
    for place in range(count):
        for name in inputs[place]["axes"] if inputs[place].op == "expand" else ():
            if name not in _worked(node) and any(other.tensor.has(name) for at, other in enumerate(inputs) if at != place):
                inputs[place] = _bare(make, inputs[place], [name])
                done = True
    return make.node(node.op, inputs, node.type, **node.options) if done else None


def _worked(node: Node) -> frozenset[str]:
    """The axes that a product adds up along, or looks for keys along."""
    if node.op == "dot":
        return frozenset(node["over"])
    return frozenset(node["keys"]).union(*node["dots"])
