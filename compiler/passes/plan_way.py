"""Another way to work out a node: nodes over the same leaves of the old graph, and whether and when it is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..graph import Node
from .cost_model import below
from .making import Make
from .plan_decide import Decision


@dataclass(frozen=True)
class Way:
    """`node` instead of `root`, both over `leaves`; `inside` are the nodes of the graph it makes superfluous. `order`: told to the user."""

    root: Node
    node: Node
    leaves: tuple[Node, ...]
    inside: tuple[Node, ...]
    decision: Decision
    order: str


def copied(make: Make, root: Node, leaves: Sequence[Node]) -> Node:
    """Nodes over leaves of the old graph, made again over what these have become."""
    return over(make, root, {leaf: make.new(leaf) for leaf in leaves})


def over(make: Make, root: Node, new: Mapping[Node, Node]) -> Node:
    """A node made again, with others in the place of some below it."""
    made = dict(new)
    for node in below([root], lambda node: node in new):
        made[node] = make.copy(node, [made[source] for source in node.inputs])
    return made[root]
