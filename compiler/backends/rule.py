"""`backend="auto"`: whether inductor pays for a graph, by an estimate of the work with and without it.

Inductor makes one kernel of elementwise operators and reductions that look at the same numbers, so that these are read once. Products,
convolutions and attention are the same calls either way. A loop is eager: its steps would be written out one after another.

The unit is that of `passes/cost_model`: one operation of a large matrix product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..cost import FREE, node_bytes, node_flops, type_bytes
from ..graph import Body, Graph, Node, topological
from ..memory import nominal
from ..ops.base import OPERATORS
from ..sizes import Size
from .target import Backend, Wanted

NUMBER = 4
"""The bytes of a float."""
MOVED = 28
"""A float read or written once (see `passes/cost_model`)."""
CALL = 1_000_000
"""A call into PyTorch, about 3 microseconds; so is a kernel that inductor made."""
ENTRY = 15_000_000
"""Going into compiled code: its guards and its arguments, about 40 microseconds."""
LEAST = 1.15
"""How many times less work inductor has to leave, for its seconds of compiling."""

VIEWS = FREE | {"merge"}
_MOVES = ("pad", "shift", "roll", "flip", "concat", "stack", "full", "pos")
_WHOLE = ("softmax", "log_softmax", "groupnorm", "batchnorm", "layernorm", "rmsnorm", "l2norm", "moments", "sum", "mean", "max", "min",
          "prod", "any", "all", "logsumexp", "norm", "var", "std")  # fmt: skip
MOVES, WHOLE = frozenset(_MOVES), frozenset(_WHOLE)
"""What is done number by number beside arithmetic; and what needs all numbers along an axis before its result can be used."""


@dataclass(frozen=True)
class Choice:
    """A backend and why. `eager` and `inductor` are the estimates at `sizes`, where what is not bound counts as so much; 0 where none were
    made. `kernels`: eager text that calls kernels of inductor's for attention to few distances."""

    backend: Backend
    text: str
    eager: int = 0
    inductor: int = 0
    sizes: tuple[tuple[str, int], ...] = ()
    kernels: bool = False


DISTANCES = (
    "the distances that a mask leaves are looked up in each run, which compiled code cannot do; where they are few, inductor makes a "
    "kernel of the attention to these"
)


def chosen_backend(wanted: Wanted, graph: Graph) -> Choice:
    """The backend that was asked for, or the one that pays for this (optimised) graph."""
    if wanted != "eager" and any(node.options.get("line") for node in graph.everything):
        return Choice("eager", DISTANCES, kernels=True)
    if wanted != "auto":
        return Choice(wanted, "as asked for")
    loop = next((node for node in graph.nodes if node.op == "scan" or node.options.get("chunk") is not None), None)
    if loop is not None:
        what = "a `scan`" if loop.op == "scan" else "`chunk=`"
        return Choice("eager", f"{what} is a loop in Python, and inductor would write out its steps one after another")
    sizes = {name: nominal(name) for name in sorted({name for node in graph.nodes for name in type_bytes(node.type).free()})}
    estimate = _Estimate(graph, sizes)
    eager, inductor = estimate.eager(), estimate.inductor()
    backend: Backend = "inductor" if eager >= LEAST * inductor else "eager"
    return Choice(backend, estimate.told(eager, inductor), eager, inductor, tuple(sizes.items()))


class _Estimate:
    """Counts the work of a graph at sizes, one operator after another and as inductor fuses them."""

    def __init__(self, graph: Graph, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.nodes: list[Node] = []
        self.bases: dict[Node, Node] = {}
        self.stages: dict[Node, int] = {}
        self._walk(graph.nodes)
        ends = [*(output.node for output in graph.outputs), *(node for _, node in graph.updates)]
        self.ends = frozenset(self.bases[node] for node in ends)

    def _walk(self, nodes: Iterable[Node]) -> None:
        """Each node, and in place of a choice the nodes of its way at these sizes."""
        for node in nodes:
            if node in self.bases:
                continue
            if node.op == "choose":
                body: Body = node["first" if self._number(node["left"]) <= self._number(node["right"]) else "second"]
                self.bases.update({param: self.bases[source] for param, source in zip(body.params, node.inputs, strict=True)})
                self._walk(topological(body.yields))
                self.bases[node] = self.bases[body.yields[0]]
                continue
            self.bases[node] = self.bases[node.inputs[0]] if node.op in VIEWS and node.inputs else node
            self.stages[node] = max((self._after(self.bases[source]) for source in node.inputs), default=0)
            self.nodes += [node] if node.op not in VIEWS else []

    def _after(self, node: Node) -> int:
        """The stage at which what needs this can be worked on: all that is fused in one stage is one look at the numbers."""
        return self.stages[node] + (0 if fuses(node) and node.op not in WHOLE else 1 if node.op not in VIEWS else 0)

    def eager(self) -> int:
        return sum(self._single(node) for node in self.nodes)

    def inductor(self) -> int:
        fused = [node for node in self.nodes if fuses(node)]
        kernels = len({self.stages[node] for node in fused}) * CALL
        return ENTRY + sum(self._single(node) for node in self.nodes if not fuses(node)) + MOVED * self.moved_as_one() + kernels

    def _single(self, node: Node) -> int:
        """One operator by itself."""
        work = MOVED * self._number(node_bytes(node)) // NUMBER + CALL
        return work if fuses(node) else work + self._number(node_flops(node))

    def moved_one_by_one(self) -> int:
        """How many numbers the fused operators would read and write, each by itself."""
        return sum(self._number(node_bytes(node)) for node in self.nodes if fuses(node)) // NUMBER

    def moved_as_one(self) -> int:
        """How many numbers are read and written where each stage reads what it needs once, and writes what others need."""
        read = {(self.stages[node], self.bases[source]) for node in self.nodes if fuses(node) for source in node.inputs}
        outside = [source for stage, source in read if self.stages[source] != stage or not fuses(source) or source.op in WHOLE]
        needed = {self.bases[source] for node in self.nodes for source in node.inputs if self._is_outside(node, self.bases[source])}
        written = [node for node in self.nodes if fuses(node) and (node in needed or node in self.ends)]
        return sum(self._number(type_bytes(node.type)) for node in [*outside, *written]) // NUMBER

    def _is_outside(self, node: Node, source: Node) -> bool:
        return not fuses(node) or self.stages[node] != self.stages[source] or source.op in WHOLE

    def _number(self, size: Size) -> int:
        return int(size.evaluate(self.sizes))

    def told(self, eager: int, inductor: int) -> str:
        apart, together = short(self.moved_one_by_one()), short(self.moved_as_one())
        ratio = f"{eager / max(inductor, 1):.2f} times the work that inductor leaves, and {LEAST} is asked for"
        where = ", ".join(f"{'batch' if name == '*' else name}={size}" for name, size in self.sizes.items())
        return (
            f"elementwise operators and reductions move {apart} numbers one by one and {together} as one; with the calls and all products "
            f"eager has {ratio}" + (f" (at {where})" if where else "")
        )


def fuses(node: Node) -> bool:
    """Whether inductor makes one kernel of this and what it meets."""
    return OPERATORS[node.op].pointwise or node.op in MOVES or node.op in WHOLE


def short(number: int) -> str:
    """Three figures and a thousand's letter."""
    for letter, unit in (("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if number >= unit:
            return f"{number / unit:.3g} {letter}"
    return str(number)
