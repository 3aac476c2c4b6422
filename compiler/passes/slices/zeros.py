"""Forward: which slices of a value are zero, whatever the inputs and the trained weights are.

A slice that is multiplied by zero counts as zero: infinite and undefined numbers are not looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import reduce

from ....dsl.frozen import frozen
from ...graph import Graph, Node, Weight
from ...types import TensorType
from .bits import countable, full, length, parts, reversed_bits, spread, those
from .constants import Constants, is_true, is_zero
from .facts import NO_FACTS, WeightFacts, ZeroSlice


@frozen
class Zero:
    """`whole`: all of it; else the zero positions of each axis that has any."""

    whole: bool = False
    axes: Mapping[str, int] = field(default_factory=dict[str, int])


NOTHING, WHOLE = Zero(), Zero(True)


class Zeros:
    """The facts of every node of a graph outside loops, in one walk. `true` has the slices of masks that are true everywhere; `leaf` an
    input or weight of the working type below each node."""

    def __init__(self, graph: Graph, facts: WeightFacts = NO_FACTS) -> None:
        self.graph = graph
        self.constants = Constants(graph)
        self.found: dict[Node, Zero] = {}
        self.true: dict[Node, Zero] = {}
        self.leaf: dict[Node, Node | None] = {}
        self._told: dict[str, list[ZeroSlice]] = {}
        for fact in facts.zeros:
            self._told.setdefault(fact.path, []).append(fact)
        for node in graph.nodes:
            self.leaf[node] = node if _is_leaf(node) else next((self.leaf[one] for one in node.inputs if self.leaf[one] is not None), None)
            self.found[node] = self._one(node)

    def at(self, node: Node, axis: str) -> int:
        """The zero positions of an axis; all of them where the whole value is zero or lacks the axis and is zero."""
        zero = self.found[node]
        count = length(node, axis)
        return full(count) if zero.whole and count is not None else zero.axes.get(axis, 0)

    def vanishes(self, node: Node) -> bool:
        """Whether all of it is zero though something is computed for it."""
        if not self.found[node].whole or not node.inputs or self.constants.found.get(node) is not None or node.op == "full":
            return False
        return node.dtype in ("int", "bool", "wide") or (node.dtype == "float" and self.leaf[node] is not None)

    def along(self, node: Node, axis: str, count: int) -> int:
        """The same for an operand that lines up with an axis of so many positions, which it may lack."""
        if self.found[node].whole:
            return full(count)
        return self.found[node].axes.get(axis, 0)

    def _one(self, node: Node) -> Zero:
        table = self.constants.note(node)
        if table is not None:
            if node.dtype == "bool":
                self.true[node] = Zero(table.all(is_true), table.where(is_true))
            return _tidy(node, Zero(table.all(is_zero), table.where(is_zero)))
        if node.op == "weight":
            return _tidy(node, Zero(False, self._facts(node)))
        rule = RULES.get(node.op)
        return NOTHING if rule is None or not isinstance(node.type, TensorType) else _tidy(node, rule(self, node))

    def _facts(self, node: Node) -> dict[str, int]:
        weight = weight_of(self.graph, node)
        return {weight.axes[one.axis].name: those(one.positions) for one in self._told.get(weight.path, ())}


def weight_of(graph: Graph, node: Node) -> Weight:
    """The weight that a `weight` node stands for."""
    slot: int = node["slot"]
    return graph.weights[slot]


def _is_leaf(node: Node) -> bool:
    return node.op in ("weight", "input") and isinstance(node.type, TensorType) and node.dtype == "float" and bool(node.axes)


def _tidy(node: Node, zero: Zero) -> Zero:
    """Whole where one axis is zero everywhere; only axes that the node has."""
    if zero.whole:
        return WHOLE
    kept = {name: zero.axes[name] & full(count) for name, count in countable(node) if zero.axes.get(name, 0)}
    return WHOLE if any(kept[name] == full(count) for name, count in countable(node) if name in kept) else Zero(False, kept)


Rule = Callable[[Zeros, Node], Zero]


def _any(zeros: Zeros, node: Node) -> Zero:
    """A product: zero where one factor is."""
    found = [zeros.found[source] for source in node.inputs]
    axes = {name: reduce(int.__or__, (zero.axes.get(name, 0) for zero in found)) for zero in found for name in zero.axes}
    return Zero(any(zero.whole for zero in found), axes)


def _all(zeros: Zeros, node: Node, of: tuple[Node, ...] | None = None) -> Zero:
    """A sum: zero where every operand is."""
    sources = node.inputs if of is None else of
    axes = {name: reduce(int.__and__, (zeros.along(source, name, count) for source in sources)) for name, count in countable(node)}
    return Zero(all(zeros.found[source].whole for source in sources), axes)


def _same(zeros: Zeros, node: Node) -> Zero:
    """Zero where the first input is, along the axes that are left of it."""
    return zeros.found[node.inputs[0]]


def _quotient(zeros: Zeros, node: Node) -> Zero:
    below = node.inputs[1]
    safe = below.op == "size" or (below.op == "scalar" and below["value"] != 0)
    return zeros.found[node.inputs[0]] if safe else NOTHING


def _where(zeros: Zeros, node: Node) -> Zero:
    """Zero where what is chosen is."""
    mask, a, b = node.inputs
    true = zeros.true.get(mask, NOTHING)
    axes: dict[str, int] = {}
    for name, count in countable(node):
        never, always = zeros.along(mask, name, count), full(count) if true.whole else true.axes.get(name, 0)
        left, right = zeros.along(a, name, count), zeros.along(b, name, count)
        axes[name] = (left | never) & (right | always)
    return Zero(zeros.found[a].whole and zeros.found[b].whole, axes)


def _rename(zeros: Zeros, node: Node) -> Zero:
    names, zero = dict(node["pairs"]), zeros.found[node.inputs[0]]
    return Zero(zero.whole, {names.get(name, name): mask for name, mask in zero.axes.items()})


def _split(zeros: Zeros, node: Node) -> Zero:
    """A part is zero where all of its places are."""
    zero, axis = zeros.found[node.inputs[0]], node["axis"]
    counts = _counts(node, node["parts"])
    found = {name: mask for name, mask in zero.axes.items() if name != axis}
    if axis in zero.axes and counts is not None:
        count = length(node.inputs[0], axis) or 0
        alive = parts(full(count) & ~zero.axes[axis], counts)
        found |= {name: full(size) & ~mask for name, size, mask in zip(node["parts"], counts, alive, strict=True)}
    return Zero(zero.whole, found)


def _merge(zeros: Zeros, node: Node) -> Zero:
    (x,) = node.inputs
    zero = zeros.found[x]
    gone = {part for group in node["parts"] for part in group}
    found = {name: mask for name, mask in zero.axes.items() if name not in gone}
    for axis, group in zip(node["axes"], node["parts"], strict=True):
        counts = _counts(x, group)
        if counts is not None and any(name in zero.axes for name in group):
            alive = [full(count) & ~zero.axes.get(name, 0) for name, count in zip(group, counts, strict=True)]
            found[axis] = full(length(node, axis) or 0) & ~spread(alive, counts)
    return Zero(zero.whole, found)


def _counts(node: Node, names: tuple[str, ...]) -> list[int] | None:
    found = [length(node, name) for name in names]
    known = [count for count in found if count is not None]
    return known if len(known) == len(found) else None


def _pick(zeros: Zeros, node: Node) -> Zero:
    (x,), axis = node.inputs, node["axis"]
    zero, index, count = zeros.found[x], node["index"].integer(), length(x, axis)
    here = index is not None and count is not None and zero.axes.get(axis, 0) >> (index % count) & 1
    return Zero(zero.whole or bool(here), zero.axes)


def _cut(zeros: Zeros, node: Node) -> Zero:
    (x,), axis = node.inputs, node["axis"]
    zero, start = zeros.found[x], node["start"].integer()
    others = {name: mask for name, mask in zero.axes.items() if name != axis}
    if axis in zero.axes and start is not None:
        others[axis] = zero.axes[axis] >> start
    return Zero(zero.whole, others)


def _concat(zeros: Zeros, node: Node) -> Zero:
    """End to end along one axis, side by side along the others."""
    axis, start, mask = node["axis"], 0, 0
    for source in node.inputs:
        count = length(source, axis) if source.tensor.has(axis) else 1
        if count is None or length(node, axis) is None:
            return Zero(all(zeros.found[one].whole for one in node.inputs))
        mask |= zeros.along(source, axis, count) << start
        start += count
    return Zero(False, {**_all(zeros, node).axes, axis: mask})


def _stack(zeros: Zeros, node: Node) -> Zero:
    mask = those(at for at, source in enumerate(node.inputs) if zeros.found[source].whole)
    return Zero(False, {**_all(zeros, node).axes, node["axis"]: mask})


def _flip(zeros: Zeros, node: Node) -> Zero:
    zero = zeros.found[node.inputs[0]]
    turned = {name: reversed_bits(mask, length(node, name) or 0) if name in node["axes"] else mask for name, mask in zero.axes.items()}
    return Zero(zero.whole, turned)


def _gather(zeros: Zeros, node: Node) -> Zero:
    zero = zeros.found[node.inputs[0]]
    return Zero(zero.whole, {name: mask for name, mask in zero.axes.items() if name != node["axis"]})


def _dot(zeros: Zeros, node: Node) -> Zero:
    """Zero where a factor is, and everywhere where no position that is added up has all factors."""
    found = _any(zeros, node)
    return Zero(found.whole or any(live_over(zeros, node.inputs, name) == 0 for name in node["over"]), found.axes)


def live_over(zeros: Zeros, nodes: tuple[Node, ...], axis: str) -> int | None:
    """The positions of an axis at which no factor is zero; None where the axis has no known length."""
    holders = [node for node in nodes if node.tensor.has(axis)]
    counts = [length(node, axis) for node in holders]
    if not counts or counts[0] is None:
        return None
    return reduce(int.__and__, (full(counts[0]) & ~zeros.at(node, axis) for node in holders))


def _linear(zeros: Zeros, node: Node) -> Zero:
    """Zero where the product and the bias are."""
    names = dict(zip(node["own"], node["made"], strict=True))
    return _product(zeros, node, names, node["over"])


def _conv(zeros: Zeros, node: Node) -> Zero:
    """Sliding axes mix positions, so nothing is known along them."""
    found = _product(zeros, node, {}, node["inner"])
    return Zero(found.whole, {name: mask for name, mask in found.axes.items() if name not in node["over"]})


def _product(zeros: Zeros, node: Node, names: Mapping[str, str], over: tuple[str, ...]) -> Zero:
    """`names`: what axes of the weight are called in the result; `over`: axes that are added up."""
    x, weight = node.inputs[:2]
    whole = zeros.found[x].whole or zeros.found[weight].whole or any(live_over(zeros, (x, weight), name) == 0 for name in over)
    inner = {names.get(name, name): mask for name, mask in zeros.found[weight].axes.items() if name not in over}
    axes: dict[str, int] = {}
    for name, count in countable(node):
        product = full(count) if whole else zeros.found[x].axes.get(name, 0) | inner.get(name, 0)
        axes[name] = reduce(int.__and__, (zeros.along(bias, name, count) for bias in node.inputs[2:]), product)
    return Zero(whole and all(zeros.found[bias].whole for bias in node.inputs[2:]), axes)


def _attend(zeros: Zeros, node: Node) -> Zero:
    """A weighted mean of nothing but zeros, or of nothing."""
    terms: int = node["terms"]
    value = node.inputs[2 * terms]
    axes = dict(zeros.found[value].axes)
    mask = extra(node, "where")
    if mask is None:
        return Zero(zeros.found[value].whole, axes)
    none = zeros.found[mask]
    axes = {name: axes.get(name, 0) | none.axes.get(name, 0) for name in (*axes, *none.axes)}
    return Zero(zeros.found[value].whole or none.whole, axes)


def extra(node: Node, name: str) -> Node | None:
    """An optional tensor of an `attend`."""
    given = dict(zip(node["extras"], node.inputs[2 * node["terms"] + 1 :], strict=True))
    return given.get(name)


def _softmax(zeros: Zeros, node: Node) -> Zero:
    """Where its mask is false everywhere."""
    return zeros.found[node.inputs[1]] if node["masked"] else NOTHING


_KEEP_ZERO = (
    "neg", "abs", "sign", "floor", "ceil", "round", "sin", "tanh", "erf", "relu", "gelu", "silu", "elu", "leaky_relu", "hardswish", "mish",
    "square", "sqrt", "expm1", "log1p", "int", "float", "bool", "float32", "detach", "real", "imag", "conj", "dropout", "droppath",
    "expand", "full", "sum", "mean", "max", "min",
)  # fmt: skip
"""Functions that are zero at zero, and reductions, along the axes they leave."""

RULES: dict[str, Rule] = {
    **dict.fromkeys(_KEEP_ZERO, _same),
    **dict.fromkeys(("mul", "and"), _any),
    **dict.fromkeys(("add", "sub", "or", "maximum", "minimum"), _all),
    **dict.fromkeys(("div", "floordiv", "mod"), _quotient),
    **dict.fromkeys(("softmax", "sparsemax", "entmax15"), _softmax),
    **dict.fromkeys(("conv", "conv_transpose"), _conv),
    "where": _where, "rename": _rename, "split": _split, "merge": _merge, "pick": _pick, "cut": _cut, "concat": _concat, "stack": _stack,
    "flip": _flip, "gather": _gather, "dot": _dot, "linear": _linear, "attend": _attend,
}  # fmt: skip
