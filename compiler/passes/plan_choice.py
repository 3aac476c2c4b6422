"""Making a `choose` node: two ways over the same inputs become bodies whose parameters stand for these."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..graph import Body, Node
from .cost_model import below
from .making import Make
from .plan_decide import Decision

STAYS = frozenset(("weight", "scalar", "size", "literal"))
"""What a body reads by itself."""
GIVEN = frozenset(("input", "param"))
"""What is there before any choice."""


class Chooser:
    """Numbers the choices of a graph, so that the parameters of each are its own."""

    def __init__(self, taken: int) -> None:
        self.last = taken

    def choice(self, make: Make, ways: tuple[Node, Node], decision: Decision, outside: Callable[[Node], bool]) -> Node:
        """The first way where the decision's comparison holds, else the second. `outside(node)`: made before the choice."""
        self.last += 1
        inputs = self._inputs(ways, lambda node: node.op in GIVEN or outside(node))
        first, second = (self._body(make, way, inputs, place) for place, way in enumerate(ways))
        options = {"left": decision.left, "right": decision.right, "first": first, "second": second}
        return make.node("choose", inputs, ways[0].type, **options)

    def _inputs(self, ways: Sequence[Node], outside: Callable[[Node], bool]) -> tuple[Node, ...]:
        found: dict[Node, None] = {}
        for node in below(ways, lambda node: outside(node) or node.op in STAYS):
            found.update(dict.fromkeys(source for source in node.inputs if outside(source) and source.op not in STAYS))
        return tuple(found)

    def _body(self, make: Make, way: Node, inputs: Sequence[Node], branch: int) -> Body:
        params = tuple(make.param(node, choice=self.last, branch=branch, place=place) for place, node in enumerate(inputs))
        new = dict(zip(inputs, params, strict=True))
        return Body(params, (on_others(make, way, new),), ())


def on_others(make: Make, root: Node, new: dict[Node, Node]) -> Node:
    """A node on other inputs than it has, however far below; `new` says which, and learns what is made."""
    for node in below([root], new.__contains__):
        sources = tuple(new.get(source, source) for source in node.inputs)
        new[node] = node if sources == node.inputs else make.copy(node, sources)
    return new[root]


def choices(nodes: Sequence[Node]) -> int:
    """The last number that a choice of these nodes has; 0 where there is none."""
    numbers: list[int] = [node["choice"] for node in nodes if node.op == "param" and "choice" in node.options]
    return max(numbers, default=0)
