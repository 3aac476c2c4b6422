"""The table of rules, one for each kind of node, and what a rule may ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ..graph import Node, Weight
from ..sizes import Size
from ..types import Axis
from .named import Named


class Refused(ValueError):
    """The reference has no answer: a draw of random numbers, or dropout in training."""


Watch = Callable[[Node, Named], None]
Touch = Callable[[Node, Named], Named]
Draw = Callable[[Node, tuple[int, ...]], Tensor]
"""Numbers for a node that draws some, of this shape: evenly from 0 to 1, for `randn` from the normal distribution; float64."""


@dataclass(frozen=True)
class Run:
    """What holds for a whole evaluation: the size of every symbol, stored tensors by path, whether it is training, who looks on, who
    changes values on the way, and where random numbers come from (None: there are none)."""

    sizes: Mapping[str, int]
    slots: tuple[Weight, ...]
    weights: Mapping[str, Tensor]
    training: bool
    watch: Watch | None
    touch: Touch | None = None
    draw: Draw | None = None
    known: dict[Size, int] = field(default_factory=dict[Size, int], compare=False)
    """Sizes that were worked out already."""

    def inside(self, node: Node, value: Named) -> Named:
        """A value that a node works out on the way, which is changed like others."""
        return value if self.touch is None else self.touch(node, value)

    def drawn(self, node: Node, axes: tuple[Axis, ...]) -> Named:
        """Random numbers for a node. Refused where there are none."""
        return self.drawn_along(node, self.lengths(axes))

    def drawn_along(self, node: Node, lengths: Mapping[str, int]) -> Named:
        """The same along axes of these lengths; which number stands where does not depend on the order of the axes."""
        if self.draw is None:
            raise Refused(f"{node.op} draws random numbers")
        names = sorted(lengths)
        return Named(self.draw(node, tuple(lengths[name] for name in names)), tuple(names))

    def size(self, size: Size) -> int:
        """A size as a number. ValueError where it is not whole."""
        known = size.integer()
        if known is None:
            known = self.known.get(size)
        if known is None:
            value = size.evaluate(self.sizes)
            if value.denominator != 1:
                raise ValueError(f"the size {size} is {value}")
            known = self.known[size] = value.numerator
        return known

    def lengths(self, axes: tuple[Axis, ...]) -> dict[str, int]:
        return {name: self.size(size) for name, size in axes}


Value = Named | tuple[Named, ...]
Rule = Callable[[Run, Node, list[Named]], Value]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for these kinds of node."""

    def enter(function: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise ValueError(f"two rules for {name}")
            RULES[name] = function
        return function

    return enter
