"""`x * scale + shift` with tensors that only weights decide: reading it off nodes, putting two into one, moving it through views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..graph import Node
from ..ops.facts import varies
from ..types import Axis, TupleType
from .making import Make

VIEWS = frozenset({"rename", "split", "merge", "expand"})
ARITHMETIC = frozenset({"mul", "div", "add", "sub", "neg"})
NORMS = frozenset({"layernorm", "rmsnorm", "groupnorm"})


class Fixed:
    """Which values are known once the weights are: no input, no draw, no state, and no size that a caller decides."""

    def __init__(self, states: frozenset[int]) -> None:
        self.states = states
        self._known: dict[Node, bool] = {}

    def __call__(self, node: Node) -> bool:
        stack = [node]
        while stack:
            top = stack[-1]
            waiting = [] if top in self._known else [source for source in top.inputs if source not in self._known]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            self._known.setdefault(top, self._rule(top))
        return self._known[node]

    def _rule(self, node: Node) -> bool:
        if node.op == "size" or (node.op == "weight" and node["slot"] in self.states) or varies(node):
            return False
        if isinstance(node.type, TupleType) or any(axis.size.integer() is None for axis in node.axes):
            return False
        return all(self._known[source] for source in node.inputs)


@dataclass(frozen=True)
class Affine:
    """`x * scale + shift`; None for 1 and for 0. Both line up with `x` by name."""

    scale: Node | None = None
    shift: Node | None = None

    @property
    def axes(self) -> frozenset[str]:
        return frozenset(axis.name for node in (self.scale, self.shift) if node is not None for axis in node.axes)

    def then(self, make: Make, after: Affine) -> Affine:
        """This one, and `after` it another."""
        scale = product(make, self.scale, after.scale)
        shift = None if self.shift is None else product(make, self.shift, after.scale)
        return Affine(scale, total(make, shift, after.shift))

    def on(self, make: Make, x: Node) -> Node:
        if self.scale is not None:
            x = make.arithmetic("mul", x, self.scale)
        return x if self.shift is None else make.arithmetic("add", x, self.shift)


def product(make: Make, a: Node | None, b: Node | None) -> Node | None:
    """`a * b`, where None is 1."""
    if a is None or b is None:
        return b if a is None else a
    if a.op == b.op == "scalar":
        return make.scalar(a["value"] * b["value"])
    return make.arithmetic("mul", a, b)


def total(make: Make, a: Node | None, b: Node | None) -> Node | None:
    """`a + b`, where None is 0."""
    if a is None or b is None:
        return b if a is None else a
    return make.arithmetic("add", a, b)


# ---------------------------------------------------------------- reading


def trunk_of(node: Node, fixed: Fixed) -> int | None:
    """Which operand an affine node works on; None for every other node.

    Arithmetic on positions and sizes alone (`wide`) is left as it is written: what it is rounded to may decide on a whole number.
    """
    if node.op == "batchnorm":
        return 0 if not fixed(node.inputs[0]) and all(fixed(source) for source in node.inputs[1:]) else None
    if node.op not in ARITHMETIC or node.dtype != "float":
        return None
    loose = [place for place, source in enumerate(node.inputs) if not fixed(source)]
    if len(loose) != 1 or (node.op == "div" and loose[0] == 1):
        return None
    x = node.inputs[loose[0]]
    return loose[0] if x.dtype == node.dtype and len(x.axes) == len(node.axes) else None


def affine_of(make: Make, node: Node, trunk: int) -> Affine:
    """What a node with this trunk does to it. The node is of the new graph."""
    if node.op == "batchnorm":
        return _statistics(make, node)
    if node.op == "neg":
        return Affine(make.scalar(-1))
    other = node.inputs[1 - trunk]
    if node.op == "mul":
        return Affine(other)
    if node.op == "div":
        inverse = other.op == "scalar" and other["value"]
        return Affine(make.scalar(1 / other["value"]) if inverse else make.arithmetic("div", make.scalar(1.0), other))
    if node.op == "add":
        return Affine(None, other)
    return Affine(None, make.arithmetic("neg", other)) if trunk == 0 else Affine(make.scalar(-1), other)


def _statistics(make: Make, node: Node) -> Affine:
    """Of a batch norm: weight over the root of the running variance, and what the running mean leaves."""
    rest = list(node.inputs[1:-3])
    weight = rest.pop(0) if node["weight"] else make.scalar(1.0)
    bias = rest.pop(0) if node["bias"] else None
    mean, variance = node.inputs[-3:-1]
    root = make.function("sqrt", make.arithmetic("add", make.cast(variance, "float32"), make.scalar(float(node["eps"]))))
    scale = make.arithmetic("div", weight, root)
    moved = make.arithmetic("mul", mean, scale)
    return Affine(scale, make.arithmetic("neg", moved) if bias is None else make.arithmetic("sub", bias, moved))


def norm_affine(make: Make, node: Node, fixed: Fixed) -> tuple[Node, Affine] | None:
    """A norm without its factor and its summand, and these; None where it has none, or not fixed ones."""
    if node.op not in NORMS or not (node["weight"] or node["bias"]) or not all(fixed(source) for source in node.inputs[1:]):
        return None
    weights = list(node.inputs[1:])
    scale = weights.pop(0) if node["weight"] else None
    plain = make.again(node, node.inputs[:1], weight=False, bias=False)
    return plain, Affine(scale, weights.pop(0) if node["bias"] else None)


# ---------------------------------------------------------------- views


def pulled(make: Make, view: Node, affine: Affine) -> Affine | None:
    """What has to happen before a view, so that this happens after it; None where nothing does."""
    found = [None if node is None else _back(make, view, node) for node in (affine.scale, affine.shift)]
    if any(new is None and old is not None for new, old in zip(found, (affine.scale, affine.shift), strict=True)):
        return None
    return Affine(*found)


def pushed(make: Make, view: Node, affine: Affine) -> Affine:
    """What happens after a view, where this happens before it."""
    return Affine(*(None if node is None else _ahead(make, view, node) for node in (affine.scale, affine.shift)))


def _back(make: Make, view: Node, x: Node) -> Node | None:
    if view.op == "rename":
        return make.rename(x, {new: old for old, new in view["pairs"]})
    if view.op == "expand":
        return None if any(x.tensor.has(name) for name in view["axes"]) else x
    if view.op == "split":
        return _merged(make, x, [Axis(name, view.tensor.size(name)) for name in view["parts"]], view["axis"])
    for parts, name in zip(view["parts"], view["axes"], strict=True):
        x = _taken_apart(make, x, name, [Axis(part, view.inputs[0].tensor.size(part)) for part in parts])
    return x


def _ahead(make: Make, view: Node, x: Node) -> Node:
    if view.op == "rename":
        return make.rename(x, dict(view["pairs"]))
    if view.op == "split":
        return _taken_apart(make, x, view["axis"], [Axis(name, view.tensor.size(name)) for name in view["parts"]])
    if view.op == "merge":
        for parts, name in zip(view["parts"], view["axes"], strict=True):
            x = _merged(make, x, [Axis(part, view.inputs[0].tensor.size(part)) for part in parts], name)
    return x


def _merged(make: Make, x: Node, parts: Sequence[Axis], into: str) -> Node:
    if not any(x.tensor.has(part.name) for part in parts):
        return x
    return make.merge(make.expand(x, parts), [part.name for part in parts], into)


def _taken_apart(make: Make, x: Node, name: str, parts: Sequence[Axis]) -> Node:
    return make.split(x, name, parts) if x.tensor.has(name) else x
