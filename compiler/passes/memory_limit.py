"""Attention that would hold more than a memory limit is worked out in chunks of keys."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import ClassVar

from ..graph import Graph, Node
from ..ops.attend_held import held_for_pairs
from ..ops.attend_way import roles
from ..sizes import Size
from .base import Change, Mode, Outcome, Pass, spoken_attention
from .limits import spoken_bytes
from .live.blocks import ground_of
from .making import Make
from .plan_choice import Chooser, choices
from .plan_decide import Decision, compared, spoken
from .rewriting import everything, rewrite

CHUNKED = ("softmax", "sigmoid", "relu2")
LARGEST = 1 << 16
"""The most scores that are held together: more are not faster, as they leave the caches of a processor."""
SMALLEST = 16
PART = 8
"""How many such blocks the working of one takes, at most."""


@dataclass(frozen=True)
class MemoryLimit(Pass):
    """`limit`: how many bytes an attention may hold for scores and masks; None for any. `width`: the bytes of a float."""

    name: ClassVar[str] = "memory"
    promise: ClassVar[str] = "attention that would hold more than a memory limit takes its keys in chunks"
    exact: ClassVar[bool] = False

    limit: int | None = None
    width: int = 4

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        if self.limit is None:
            return Outcome(graph)
        rule = _Rule(self.limit, self.width, graph, mode)
        return Outcome(rewrite(graph, rule, ("attend",)), tuple(rule.changes), tuple(rule.left))


class _Rule:
    """Puts chunks into one attention after another."""

    def __init__(self, limit: int, width: int, graph: Graph, mode: Mode) -> None:
        self.limit, self.width, self.mode = limit, width, mode
        self.block = max(SMALLEST, min(LARGEST, limit // (PART * width)))
        self.chunk = 1 << (isqrt(self.block).bit_length() - 1)
        self.chooser = Chooser(choices(everything(graph)))
        self.changes: list[Change] = []
        self.left: list[Change] = []

    def __call__(self, make: Make, node: Node) -> Node | None:
        if node.op != "attend" or node["chunk"] is not None:
            return None
        held = held_for_pairs(node, self.mode == "train", self.width)
        decision = self._decided(held)
        if not decision.take:
            return None
        why = _obstacle(node)
        if why:
            text = f"{spoken_attention(node)} would hold {spoken(held)} bytes, more than {spoken_bytes(self.limit)}, but {why}"
            self.left.append(Change(text, (node.span,)))
            return None
        self.changes.append(Change(self._told(node, held, decision), (node.span,)))
        inputs = [make.new(source) for source in node.inputs]
        chunked = make.again(node, inputs, chunk=Size.of(self.chunk), block=self.block)
        if not decision.condition:
            return chunked
        outside = ground_of(inputs, 2 * node["terms"] + 1)
        return self.chooser.choice(make, (chunked, make.now()), decision, lambda one: one in outside)

    def _decided(self, held: Size) -> Decision:
        """By whether more is held than the limit."""
        gap = held - self.limit - 1
        number = gap.constant()
        return Decision(number >= 0) if number is not None else compared(gap)

    def _told(self, node: Node, held: Size, decision: Decision) -> str:
        where = f", where {decision.condition} (looked at in each run)" if decision.condition else ""
        return (
            f"{spoken_attention(node)} takes {self.chunk} keys at a time: whole it would hold {spoken(held)} bytes for scores and masks, "
            f"more than {spoken_bytes(self.limit)}{where}"
        )


def _obstacle(node: Node) -> str:
    """Why an attention cannot be worked out in chunks."""
    parts = roles(node)
    if node["by"] not in CHUNKED:
        return f"`by={node['by']}` looks at all scores of a query together"
    told = [name for name in parts.side(parts.q) if name in parts.keys]
    return f"there is another query for every key along {' '.join(told)}" if told else ""
