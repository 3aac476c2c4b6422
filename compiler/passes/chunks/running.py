"""A product that runs along an axis: every query reads the keys and values up to its own position, weighted by a decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...graph import Node
from ...types import Axis
from ..making import Make, union


@dataclass(frozen=True)
class Running:
    """`y[n] = sum over m <= n and over` of `q[n] k[m] v[m]`, times `decay[j]` for every j from m + 1 to n.

    Each of q, k and v is a product of tensors (an empty one is 1). Every k has an axis of `over`, no v has one. `strict`: only m < n.
    `reverse`: later positions instead of earlier ones. `decay` is None for 1, and need not have the axis.
    """

    axis: Axis
    q: tuple[Node, ...]
    k: tuple[Node, ...]
    v: tuple[Node, ...]
    over: tuple[str, ...]
    decay: Node | None = None
    strict: bool = False
    reverse: bool = False

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (*self.q, *self.k, *self.v, *(() if self.decay is None else (self.decay,)))

    @property
    def scores(self) -> tuple[object, ...]:
        """What makes the scores of pairs: two products in which it is the same have them in common."""
        return self.axis, self.q, self.k, self.over, self.decay, self.strict, self.reverse

    @property
    def state(self) -> tuple[Axis, ...]:
        """The axes of one running sum."""
        return tuple(axis for axis in union((*self.k, *self.v)) if axis.name != self.axis.name)

    @property
    def decays_apart(self) -> bool:
        """Whether every feature of the keys has a decay of its own."""
        return self.decay is not None and any(self.decay.tensor.has(name) for name in self.over)

    @property
    def is_outer(self) -> bool:
        """Whether values have axes that no key has: their product is larger than both."""
        keys = {axis.name for axis in union(self.k)} | {self.axis.name}
        return any(axis.name not in keys for axis in union(self.v)) and bool(self.k)


def sorted_out(
    axis: Axis, q: Sequence[Node], memory: Sequence[Node], over: Sequence[str], strict: bool = False, reverse: bool = False
) -> Running | None:
    """Keys and values told apart: a factor with an axis that is added up is a key. None where this is no product of the two."""
    wanted = frozenset(over)
    k = tuple(node for node in memory if not wanted.isdisjoint(node.tensor.names))
    v = tuple(node for node in memory if wanted.isdisjoint(node.tensor.names))
    asked, held = ({one.name for one in union(side)} for side in (q, k))
    if not wanted or not wanted <= asked & held:
        return None
    return Running(axis, tuple(q), k, v, tuple(over), None, strict, reverse)


def multiplied(make: Make, nodes: Sequence[Node]) -> Node | None:
    """The product of tensors that line up by name, the small ones first; None for none."""
    ordered = sorted(nodes, key=lambda node: len(node.axes))
    total: Node | None = None
    for node in ordered:
        total = node if total is None else make.arithmetic("mul", total, node)
    return total
