"""How much a program makes of rounding: it is run with a little noise on every value, as if each had been rounded much more coarsely.

What moves under this noise may move under another order of sums, in proportion; what jumps under it (a tie, a whole number that is met
from both sides) says nothing about a pass. What does not move has to agree.
"""

from __future__ import annotations

import torch

from attn.compiler.graph import Graph, Node
from attn.compiler.reference.named import Named
from attn.compiler.reference.rules import Touch

from .answers import EPS, Answer, Case, Difference, all_of, answer, spread

SIZE = 2.0**-36
DRAWS = 4
STEPS = 64
"""How many roundings one operation is taken for."""
JUMP = 2.0**-12
QUIET = frozenset(
    {"scalar", "literal", "size", "pos", "input", "weight", "param", "rename", "split", "merge", "expand", "cut", "pick", "item"}
)
"""Kinds of nodes that only name, hold or move numbers: they do not round."""


def shaking(turn: int) -> Touch:
    """x + s * (1 + |x|) * random in the place of every value x of floats that is worked out, and the same for its slope, as slopes cancel,
    too; turns 2n and 2n+1 are opposites."""
    source = torch.Generator().manual_seed(turn // 2)
    sign = -1.0 if turn % 2 else 1.0  # each draw both ways: what jumps does so in one of them

    def touch(node: Node, value: Named) -> Named:
        x = value.data
        if node.op in QUIET or not x.is_floating_point():
            return value
        noise = torch.randn(x.shape, generator=source, dtype=x.dtype)
        size = 1 + x.detach().abs().clamp(max=1e6)  # a masked -inf stays one
        shaken = x + sign * SIZE * noise * size
        if shaken.requires_grad:
            shaken.register_hook(lambda g: g + sign * SIZE * torch.randn(g.shape, generator=source, dtype=g.dtype) * (1 + g.abs()))
        return Named(shaken, value.axes)

    return touch


def unexplained(graph: Graph, case: Case, wanted: Answer, found: list[Difference]) -> list[Difference]:
    """The differences that are larger than what rounding does to this program."""
    moved = dict.fromkeys([one.name for one in found], 0.0)
    values = all_of(wanted)
    for turn in range(DRAWS):
        other = answer(graph, case, shaking(turn))
        for name in moved.keys() & values.keys() & all_of(other).keys():
            moved[name] = max(moved[name], spread(values[name], all_of(other)[name])[1])
    kept: list[Difference] = []
    for one in found:
        allowed = max(one.allowed, moved[one.name] * STEPS * EPS / SIZE)
        if one.told or (moved[one.name] <= JUMP and one.distance > allowed):
            kept.append(Difference(one.name, one.distance, allowed, one.told))
    return kept
