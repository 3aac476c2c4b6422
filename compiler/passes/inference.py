"""For inference alone: batch norms by their running statistics, and scalings, go into the weights beside them.

What they become is arithmetic on weights, which is done once. An affine is first tried on the product that it follows; one that is
left is tried on the products that read it; a batch norm that is still left becomes one factor and one summand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from ..graph import Graph, Node, Weight
from .base import Change, Mode, Outcome, Pass
from .inference_affine import NORMS, VIEWS, Affine, Fixed, affine_of, norm_affine, pulled, pushed, trunk_of
from .inference_ahead import operand_of, taken
from .inference_back import SINKS, into_weights
from .inference_phases import LEAST, in_phases
from .making import Make
from .recognise import readers
from .rewriting import alike, everything, rewrite, uses

DEPTH = 16
"""How many operations are looked through between an affine and a product."""

LONGEST = 40
"""Of what is shown as it is written, in characters."""


@dataclass(frozen=True)
class InferenceFolding(Pass):
    """`least`: a convolution that makes one channel makes several places at once where it has so many results; 0: never, as a GPU has no
    use for it."""

    name: ClassVar[str] = "inference"
    promise: ClassVar[str] = "batch norms and scalings are in the weights of the products beside them"
    exact: ClassVar[bool] = False
    modes: ClassVar[tuple[Mode, ...]] = ("infer",)

    least: int = LEAST

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        states = frozenset([*(slot for slot, _ in graph.updates), *(i for i, one in enumerate(graph.weights) if one.kind == "state")])
        folding = _Folding(graph.weights, Fixed(states), uses(graph))
        folding.look(graph)
        made = rewrite(graph, folding.rule)
        if any(node.op == "batchnorm" for node in made.nodes):
            made = rewrite(made, folding.last)
        made, spread = in_phases(made, Fixed(states), self.least) if self.least else (made, ())
        return Outcome(made, (*folding.changes, *spread))


@dataclass
class _Folding:
    """The rule of one run. `ahead`: nodes that are read by products with fixed weights alone, perhaps through views and affines.
    `inner`: nodes of the new graph that were made below others, and are read by these alone."""

    weights: tuple[Weight, ...]
    fixed: Fixed
    uses: Counter[Node]
    ahead: set[Node] = field(default_factory=set[Node])
    inner: set[Node] = field(default_factory=set[Node])
    changes: list[Change] = field(default_factory=list[Change])

    def look(self, graph: Graph) -> None:
        """Find out what is read by products alone: readers first."""
        read = readers(graph)
        for node in reversed(everything(graph)):
            if read[node] and all(reader is not None and self._hands_on(reader, node) for reader in read[node]):
                self.ahead.add(node)

    def _hands_on(self, reader: Node, node: Node) -> bool:
        place = operand_of(reader, self.fixed) if reader.op in ("linear", "conv", "conv_transpose", "dot") else None
        if place is not None:
            return reader.inputs[place] is node
        inner = 0 if reader.op in VIEWS else trunk_of(reader, self.fixed)
        return inner is not None and reader in self.ahead and reader.inputs[inner] is node

    def rule(self, make: Make, node: Node) -> Node | None:
        place = operand_of(node, self.fixed)
        if place is not None:
            return self._fits(node, self._ahead(make, node, place))
        trunk = trunk_of(node, self.fixed)
        return None if trunk is None else self._fits(node, self._back(make, node, trunk))

    def _fits(self, node: Node, found: Node | None) -> Node | None:
        """A replacement of another type is none; nor is one of which sizes are only equal by a check at the entry."""
        return found if found is not None and alike(node, found) else None

    # ------------------------------------------------ into the product that an affine follows

    def _back(self, make: Make, node: Node, trunk: int) -> Node | None:
        now = make.again(node, [make.new(source) for source in node.inputs])
        affine, x = affine_of(make, now, trunk), make.new(node.inputs[trunk])
        return self._into(make, node, x, affine, self._alone(make, node.inputs[trunk]))

    def last(self, make: Make, node: Node) -> Node | None:
        """A batch norm that no product has taken."""
        if node.op != "batchnorm" or trunk_of(node, self.fixed) is None:
            return None
        now = make.again(node, [make.new(source) for source in node.inputs])
        self._tell(node, f"{self._called(node)} is one factor and one summand for each channel")
        return self._fits(node, affine_of(make, now, 0).on(make, now.inputs[0]))

    def _alone(self, make: Make, old: Node) -> set[Node]:
        """What a chain of single readers has become: views and affines, down to a product."""
        found: set[Node] = set()
        while self.uses[old] == 1 and len(found) < DEPTH:
            trunk = 0 if old.op in VIEWS else trunk_of(old, self.fixed)
            if trunk is None and old.op not in SINKS:
                break
            found.add(make.new(old))
            if trunk is None:
                break
            old = old.inputs[trunk]
        return found

    def _into(self, make: Make, node: Node, x: Node, affine: Affine, alone: set[Node]) -> Node | None:
        """Down to a product that takes the affine; two affines on the way become one."""
        views: list[Node] = []
        count = 2 if node.op == "batchnorm" else 1
        for _ in range(DEPTH):
            if x not in alone and x not in self.inner:
                break
            trunk = trunk_of(x, self.fixed)
            if x.op in VIEWS:
                before = pulled(make, x, affine)
                if before is None:
                    break
                views.append(x)
                affine, x = before, x.inputs[0]
            elif trunk is not None:
                affine, x, count = affine_of(make, x, trunk).then(make, affine), x.inputs[trunk], count + 1
            else:
                found = into_weights(make, x, affine, self.fixed)
                return None if found is None else self._told(make, node, x, found, views)
        if count <= sum(part is not None for part in (affine.scale, affine.shift)):
            return None
        self._tell(node, f"{self._called(node)} and what is before it are one factor and one summand")
        return _again(make, views, self._on(make, affine, x))

    def _told(self, make: Make, node: Node, x: Node, found: Node, views: Iterable[Node]) -> Node:
        if found.op == "add":
            self.inner.add(found.inputs[0])
        self._tell(node, f"{self._called(node)} is in the weights of {self._called(x)}")
        return _again(make, views, found)

    def _on(self, make: Make, affine: Affine, x: Node) -> Node:
        found = affine.on(make, x)
        if affine.scale is not None and affine.shift is not None:
            self.inner.add(found.inputs[0])
        return found

    # ------------------------------------------------ into the products that read an affine

    def _ahead(self, make: Make, node: Node, place: int) -> Node | None:
        """Take off what stands before a product, where nothing but products reads it."""
        old, names = node.inputs[place], list[str]()
        reach = self._read_by_products(make, old, names)
        x, affine, views = make.new(old), Affine(), list[Node]()
        for _ in range(DEPTH):
            if x not in reach and x not in self.inner:
                break
            if x.op in VIEWS:
                views.append(x)
                x = x.inputs[0]
                continue
            step = self._taken_off(make, x)
            if step is None:
                break
            x, before = step
            for view in reversed(views):
                before = pushed(make, view, before)
            affine = before.then(make, affine)
        if affine.scale is None and affine.shift is None:
            return None
        now = make.again(node, [make.new(source) for source in node.inputs])
        found = taken(make, now, place, _again(make, views, x), affine)
        if found is not None:
            self._tell(node, f"{' and '.join(names)}: in the weights of {self._called(node)}")
        return found

    def _taken_off(self, make: Make, x: Node) -> tuple[Node, Affine] | None:
        """A node without its affine; None where it has none."""
        trunk = trunk_of(x, self.fixed)
        if trunk is None:
            return norm_affine(make, x, self.fixed)
        return (x.inputs[trunk], affine_of(make, x, trunk)) if x.inputs[trunk].dtype == x.dtype else None

    def _read_by_products(self, make: Make, old: Node, names: list[str]) -> set[Node]:
        found: set[Node] = set()
        while old in self.ahead and len(found) < DEPTH:
            found.add(make.new(old))
            if old.op in VIEWS:
                (old,) = old.inputs
                continue
            trunk = trunk_of(old, self.fixed)
            if trunk is None and old.op not in NORMS:
                break
            names.append(self._called(old))
            if trunk is None:
                break
            old = old.inputs[trunk]
        return found

    # ------------------------------------------------ words

    def _tell(self, node: Node, text: str) -> None:
        self.changes.append(Change(text, (node.span,)))

    def _called(self, node: Node) -> str:
        """A node by the path of its weights, by its binding, or as it is written."""
        for source in reversed(node.inputs):
            while source.op in VIEWS or source.op in ("mul", "add"):
                source = source.inputs[0]
            if source.op == "weight":
                slot: int = source["slot"]
                path = self.weights[slot].path
                return f"`{path.rpartition('.')[0] or path}`"
        text = node.name or node.span.text
        return f"`{text}`" if 0 < len(text) <= LONGEST and "\n" not in text else f"the `{node.op}`"


def _again(make: Make, views: Iterable[Node], x: Node) -> Node:
    """Views, outermost first, on another tensor of the same type."""
    for view in reversed([*views]):
        x = make.again(view, [x])
    return x
