"""Which axes of which values are one axis: a slice of one cannot go without those of the others.

Where an operator works through an axis position by position, its inputs and its result are tied along it. Where it adds up along an axis
(`linear`, `dot`, `sum`), a slice ends: gated to zero there, it is as if it were not. Whatever else an operator does along an axis stops it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..graph import Graph, Node
from ..passes.slices.demand import POINTWISE
from ..types import TensorType, is_tuple

End = tuple[Node, str]
"""An axis of a value."""


@dataclass(frozen=True)
class Sink:
    """An operator that adds up along an axis: its input with this number is where a slice ends."""

    node: Node
    input: int
    axis: str


@dataclass
class Ties:
    """`parent` joins what is tied; `sinks` and `stops` (with the reason) are by one of the ends they concern."""

    graph: Graph
    parent: dict[End, End] = field(default_factory=dict["End", "End"])
    sinks: list[tuple[End, Sink]] = field(default_factory=list["tuple[End, Sink]"])
    stops: list[tuple[End, Node, str]] = field(default_factory=list["tuple[End, Node, str]"])

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            _tie(self, node)
        for output in self.graph.outputs:
            self.stop(output.node, output.node.tensor.names, "it reaches a result")
        for slot, node in self.graph.updates:
            self._update(slot, node)

    def find(self, end: End) -> End:
        """The one end that stands for all that are tied to this one."""
        root = end
        while (above := self.parent.get(root, root)) != root:
            root = above
        while (above := self.parent.get(end, end)) != root:
            self.parent[end], end = root, above
        return root

    def tie(self, left: Node, a: str, right: Node, b: str) -> None:
        first, second = self.find((left, a)), self.find((right, b))
        if first != second:
            self.parent[second] = first

    def stop(self, node: Node, names: Iterable[str], why: str, at: Node | None = None) -> None:
        self.stops += [((node, name), at or node, why) for name in names]

    def sink(self, node: Node, number: int, axis: str) -> None:
        self.sinks.append(((node.inputs[number], axis), Sink(node, number, axis)))

    def _update(self, slot: int, node: Node) -> None:
        for other in self.graph.nodes:
            if other.op == "weight" and other["slot"] == slot:
                for name in other.tensor.names:
                    self.tie(other, name, node, name)


def _tie(ties: Ties, node: Node) -> None:
    """One operator: its ties, its sinks and what it stops."""
    if not isinstance(node.type, TensorType):
        for source in node.inputs:
            ties.stop(source, _names(source), f"`{node.op}` takes it whole", node)
        return
    special = {
        "input": _leaf, "literal": _leaf, "pos": _leaf, "linear": _linear, "dot": _dot, "attend": _attend, "conv": _conv, "sum": _sum,
        "rename": _rename,
    }.get(node.op)  # fmt: skip
    if special is not None:
        special(ties, node)
    elif node.op in _MIXED:
        mixed = node[_MIXED[node.op]]
        _along(ties, node, mixed if is_tuple(mixed) else (mixed,))
    elif node.op == "batchnorm":
        _along(ties, node, [name for name in node.tensor.names if name not in node["axes"]])
    elif node.op in _POSITIONWISE:
        _along(ties, node, ())
    elif node.op not in ("weight", "scalar", "size"):
        _unknown(ties, node)


_POSITIONWISE = frozenset((*POINTWISE, "where", "droppath"))
_MIXED = {
    **dict.fromkeys(
        ("softmax", "log_softmax", "softmax1", "sparsemax", "entmax15", "sink_softmax", "layernorm", "rmsnorm", "l2norm"), "axes"
    ),
    **dict.fromkeys(("mean", "max", "min", "prod", "any", "all", "logsumexp", "norm", "var", "std", "argmax", "argmin", "flip"), "axes"),
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "argsort", "pick", "cut", "gather"), "axis"),
}
"""The option that names the axes along which positions meet."""


def _names(node: Node) -> tuple[str, ...]:
    return node.type.names if isinstance(node.type, TensorType) else ()


def _along(ties: Ties, node: Node, mixed: Iterable[str]) -> None:
    """Tied by name, but for the axes that are mixed."""
    gone = tuple(mixed)
    for source in node.inputs:
        for name in _names(source):
            if name in gone:
                ties.stop(source, [name], f"`{node.op}` works along it", node)
            elif node.tensor.has(name):
                ties.tie(source, name, node, name)
    ties.stop(node, [name for name in gone if node.tensor.has(name)], f"`{node.op}` works along it")


def _unknown(ties: Ties, node: Node) -> None:
    """Axes that nothing happens to are tied by name; any that change are stopped."""
    steady = [name for name in node.tensor.names if all(_names(source).count(name) for source in node.inputs)] if node.op in _MOVES else []
    for source in node.inputs:
        for name in _names(source):
            if name in steady and name not in _moved(node):
                ties.tie(source, name, node, name)
            else:
                ties.stop(source, [name], f"`{node.op}` takes it whole", node)
    ties.stop(node, [name for name in node.tensor.names if name not in steady or name in _moved(node)], f"`{node.op}` makes it")


_MOVES = frozenset(("split", "merge", "concat", "stack", "unfold", "fold", "pad", "roll", "shift"))


def _moved(node: Node) -> set[str]:
    """The axes that an operator names in any of its options."""
    found: set[str] = set()
    waiting = [value for _, value in node.attrs]
    while waiting:
        value = waiting.pop()
        if is_tuple(value):
            waiting.extend(value)
        elif isinstance(value, str):
            found.add(value)
    return found


def _leaf(ties: Ties, node: Node) -> None:
    why = {"input": f"it comes in with `{node.options.get('name')}`", "pos": "its positions are used as numbers"}
    ties.stop(node, node.tensor.names, why.get(node.op, "a list in the program has a number for each position"))


def _weighted(ties: Ties, node: Node, names: dict[str, str], over: tuple[str, ...], slid: tuple[str, ...] = ()) -> None:
    """A weight (whose axes may have other names than in the result) on an input, and a bias."""
    x, weight = node.inputs[:2]
    for axis in over:
        ties.tie(x, axis, weight, axis)
        ties.sink(node, 0, axis)
    for name in x.tensor.names:
        if name in slid:
            ties.stop(x, [name], f"`{node.op}` slides along it", node)
        elif name not in over and node.tensor.has(name):
            ties.tie(x, name, node, name)
    for name in weight.tensor.names:
        if name not in over and node.tensor.has(names.get(name, name)):
            ties.tie(weight, name, node, names.get(name, name))
    for bias in node.inputs[2:]:
        for name in bias.tensor.names:
            ties.tie(bias, name, node, name)


def _linear(ties: Ties, node: Node) -> None:
    _weighted(ties, node, dict(zip(node["own"], node["made"], strict=True)), node["over"])


def _conv(ties: Ties, node: Node) -> None:
    _weighted(ties, node, {}, node["inner"], node["over"])
    ties.stop(node, node["over"], "`conv` slides along it")
    ties.stop(node.inputs[1], node["taps"], "`conv` slides along it", node)


def _dot(ties: Ties, node: Node) -> None:
    for axis in node["over"]:
        holders = [number for number, source in enumerate(node.inputs) if source.tensor.has(axis)]
        for number in holders[1:]:
            ties.tie(node.inputs[holders[0]], axis, node.inputs[number], axis)
        ties.sink(node, holders[0], axis)
    for source in node.inputs:
        for name in source.tensor.names:
            if name not in node["over"]:
                ties.tie(source, name, node, name)


def _sum(ties: Ties, node: Node) -> None:
    (x,) = node.inputs
    for name in x.tensor.names:
        if name in node["axes"]:
            ties.sink(node, 0, name)
        else:
            ties.tie(x, name, node, name)


def _rename(ties: Ties, node: Node) -> None:
    names = dict(node["pairs"])
    for name in node.inputs[0].tensor.names:
        ties.tie(node.inputs[0], name, node, names.get(name, name))


def _attend(ties: Ties, node: Node) -> None:
    """Keys are weighed against each other. Features are added up, but how many there are sets the scale where none is written."""
    terms: int = node["terms"]
    scaled = "scale" in node["extras"]
    for term, dots in enumerate(node["dots"]):
        q, k = node.inputs[term], node.inputs[terms + term]
        for axis in dots:
            ties.tie(q, axis, k, axis)
            if scaled:
                ties.sink(node, term, axis)
            else:
                ties.stop(q, [axis], "how many there are sets the scale of the scores: write `scale=` at the `attend`", node)
    dotted = {name for dots in node["dots"] for name in dots}
    for number, source in enumerate(node.inputs):
        for name in source.tensor.names:
            if name in node["keys"]:
                ties.stop(source, [name], "`attend` weighs its positions against each other", node)
            elif node.tensor.has(name) and (number >= 2 * terms or name not in dotted):
                ties.tie(source, name, node, name)
