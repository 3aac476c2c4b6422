"""What a pass is: a frozen dataclass with a name, a one-line promise, its options as fields, and one method from graph to graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from ...dsl.frozen import frozen
from ...dsl.source import Span
from ..backends.target import Backend
from ..graph import Graph, Node

Mode = Literal["train", "infer"]
"""`train`: every weight may change between runs and gets gradients, `module.training` decides what dropout and batch norm do.
`infer`: as after `.eval()`, weights change only between runs and get no gradients, so what depends on them alone is prepared once."""


@dataclass(frozen=True)
class Change:
    """One thing a pass did, in a sentence for the user, and where in her text the operations stand that it touched."""

    text: str
    spans: tuple[Span, ...] = ()


@frozen
class Outcome:
    """The graph after a pass and what was done; the same graph object where nothing was.

    `left` is what looked like work for the pass and was left alone, each with the reason.
    """

    graph: Graph
    changes: tuple[Change, ...] = ()
    left: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Pass(ABC):
    """One rewrite of graphs. `run` keeps inputs, outputs, weights (all slots, used or not), states and guards as they are.

    `exact`: the compiled module gives the same bits with and without it (in gradients, the readers of a value may add up what they say of
    its slope in another order). Otherwise the pass reassociates: it may change the order of sums and products, and with it the rounding,
    but nothing else. `modes`: where it applies. `backends`: for whom it pays.
    """

    name: ClassVar[str]
    promise: ClassVar[str]
    exact: ClassVar[bool]
    modes: ClassVar[tuple[Mode, ...]] = ("train", "infer")
    backends: ClassVar[tuple[Backend, ...]] = ("eager", "inductor", "package")

    @abstractmethod
    def run(self, graph: Graph, mode: Mode) -> Outcome:
        """The rewritten graph and what was done."""

    @property
    def level(self) -> int:
        """The lowest level at which it runs: 1 for exact passes, 2 for those that reassociate."""
        return 1 if self.exact else 2


def spoken_attention(node: Node) -> str:
    """An attention in a sentence: by its name where it has one."""
    return f"`{node.name}`" if node.name else "this attention"
