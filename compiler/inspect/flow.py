"""Attention flow: how much can pass from a token of the input to one at the end, if each weight is the width of a pipe.

"Quantifying Attention Flow in Transformers" (Abnar, Zuidema, 2020). A maximum flow for every pair of tokens, by push-relabel (Goldberg,
Tarjan, 1988), for many pairs together and a layer of nodes at a time. Algorithms that take one pair and one edge at a time, as those of
networkx, need ten times as long here; the tests hold these flows against theirs. The numbers are whole ones in float64, so they are exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...dsl.closest import closest
from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from .measures import mixed

UNIT = 2.0**40
"""Capacities are whole numbers of this part. A sum over up to 8192 of them is exact in float64."""
FAR = 1 << 20
"""The height of a node from which nothing can reach the input token."""
TOGETHER = 1 << 20
"""How many pipes of all pairs together are worked on at once."""
BUDGET = 16_000_000
"""Pairs of tokens times pipes that take about ten seconds on one core: all pairs of 32 tokens in 12 layers."""


def flow(maps: Sequence[Tensor], rows: Sequence[int]) -> Tensor:
    """What can flow from each input token to the tokens `rows` at the end: [rows, tokens], exact for weights rounded to 2 ** -40."""
    pipes = capacities(maps)
    tokens = pipes.shape[-1]
    ends = torch.tensor(rows, dtype=torch.long).repeat_interleave(tokens)
    starts = torch.arange(tokens).repeat(len(rows))
    step = max(TOGETHER // pipes.numel(), 1)
    parts = [slice(first, first + step) for first in range(0, len(ends), step)]
    found = [_Preflow(pipes, ends[part], starts[part]).solved() for part in parts]
    return torch.cat(found).reshape(len(rows), tokens) / UNIT


def capacities(maps: Sequence[Tensor]) -> Tensor:
    """The pipes [layers, rows, keys] in whole units, the first layer first."""
    return torch.stack([(mixed(map) * UNIT).round() for map in maps])


def flow_rows(tokens: int, layers: int, budget: int = BUDGET) -> list[int]:
    """The rows whose flows are found within a budget of pairs times pipes: all, else the first, else none."""
    pipes = layers * tokens * tokens
    if tokens * tokens * pipes <= budget:
        return list(range(tokens))
    return [0] if tokens * pipes <= budget else []


def asked_rows(asked: str, labels: Sequence[str]) -> list[int]:
    """The rows that `all`, `none`, or positions and words with commas between them mean here; those that are not here are left out."""
    if asked in ("all", "none"):
        return list(range(len(labels))) if asked == "all" else []
    return sorted({row for part in asked.split(",") for row in _meant(part.strip(), labels)})


def check_asked(asked: str, samples: Sequence[Sequence[str]]) -> None:
    """Raises AttnError (E0608) for a position or a word that none of the samples has."""
    for part in () if asked in ("all", "none") else (part.strip() for part in asked.split(",")):
        if not any(_meant(part, labels) for labels in samples):
            words = list(dict.fromkeys(label for labels in samples for label in labels))
            near = closest(part, words)
            help = f"did you mean `{near}`?" if near else "positions count from 0; all and none are words, too"
            raise AttnError([Diagnostic("E0608", f"there is no token `{part}` to which flow could be shown", NOWHERE, help=help)])


def _meant(part: str, labels: Sequence[str]) -> list[int]:
    if part.isdecimal():
        return [int(part)] if int(part) < len(labels) else []
    return [row for row, label in enumerate(labels) if label == part]


class _Preflow:
    """Some pairs of tokens, `ends` to `starts`, and what was pushed for each so far. A pair that is done leaves.

    Node [l, i] stands for token i before layer l. `down` [pairs, l, i, j] is what still fits from node [l + 1, i] to [l, j], and `up` what
    came that way and could go back; `waiting` is what has come to a node and has to go on, and `heights` are at most the pipes between it
    and the start.
    """

    def __init__(self, pipes: Tensor, ends: Tensor, starts: Tensor) -> None:
        self.pairs, self.starts = torch.arange(len(ends)), starts
        self.layers, self.tokens = pipes.shape[:2]
        self.down = pipes[:-1].expand(len(ends), -1, -1, -1).clone()
        self.up = torch.zeros_like(self.down)
        self.waiting = torch.zeros(len(ends), self.layers, self.tokens, dtype=pipes.dtype)
        self.waiting[:, -1] = pipes[-1, ends]
        self.heights = self._distances()

    def solved(self) -> Tensor:
        """The flow of every pair, in units."""
        found = self.waiting.new_zeros(len(self.pairs))
        sweeps = 0
        while len(self.pairs):
            active = ((self.waiting[:, 1:] > 0) & (self.heights[:, 1:] < FAR)).flatten(1).any(1)
            done = ~active
            found[self.pairs[done]] = self.waiting[done, 0, self.starts[done]]
            self._keep(active)
            for layer in range(self.layers - 1, 0, -1):
                self._discharge(layer)
            sweeps += 1
            if sweeps % 2 == 0:
                self.heights = self._distances()
        return found

    def _keep(self, active: Tensor) -> None:
        if not bool(active.all()):
            self.pairs, self.starts, self.down, self.up = self.pairs[active], self.starts[active], self.down[active], self.up[active]
            self.waiting, self.heights = self.waiting[active], self.heights[active]

    def _discharge(self, layer: int) -> None:
        """Push what waits in the nodes of a layer on to nodes that are one lower, and lift those that keep some of it."""
        waiting, heights = self.waiting[:, layer], self.heights[:, layer]
        room, others = self._around(layer)
        active = (waiting > 0) & (heights < FAR)
        fits = torch.where((others == (heights - 1)[..., None]) & active[..., None], room, 0.0)
        pushed = torch.minimum((waiting[..., None] - (fits.cumsum(-1) - fits)).clamp_min(0), fits)
        left = waiting - pushed.sum(-1)
        lifted = torch.where(room > pushed, others, FAR).amin(-1).add(1).clamp_max(FAR)
        self.heights[:, layer] = torch.where(active & (left > 0), lifted, heights)
        self.waiting[:, layer] = left
        self._move(layer, pushed)

    def _around(self, layer: int) -> tuple[Tensor, Tensor]:
        """The room from every node of a layer to those of the layer below, then to those above, and the heights of these."""
        below, above = self.down[:, layer - 1], self.heights[:, layer - 1]
        if layer == self.layers - 1:
            return below, above[:, None].expand_as(below)
        others = torch.cat([above, self.heights[:, layer + 1]], 1)
        return torch.cat([below, self.up[:, layer].transpose(1, 2)], 2), others[:, None].expand(-1, self.tokens, -1)

    def _move(self, layer: int, pushed: Tensor) -> None:
        below, above = pushed[..., : self.tokens], pushed[..., self.tokens :].transpose(1, 2)
        self.down[:, layer - 1] -= below
        self.up[:, layer - 1] += below
        self.waiting[:, layer - 1] += below.sum(1)
        if layer < self.layers - 1:
            self.up[:, layer] -= above
            self.down[:, layer] += above
            self.waiting[:, layer + 1] += above.sum(2)

    def _distances(self) -> Tensor:
        """How many pipes with room lie between each node and the start: the greatest heights that are allowed."""
        heights = torch.full(self.waiting.shape, FAR, dtype=torch.int32)
        heights[torch.arange(len(self.pairs)), 0, self.starts] = 0
        down, up = (torch.where(room > 0, 0, FAR).int() for room in (self.down, self.up))
        while True:
            before = heights.clone()
            for layer in range(1, self.layers):
                ways = (down[:, layer - 1] + heights[:, layer - 1, None]).amin(-1) + 1
                heights[:, layer] = torch.minimum(heights[:, layer], ways)
            for layer in range(self.layers - 2, 0, -1):
                ways = (up[:, layer] + heights[:, layer + 1, :, None]).amin(1) + 1
                heights[:, layer] = torch.minimum(heights[:, layer], ways)
            if torch.equal(heights, before):
                return heights
