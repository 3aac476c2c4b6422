"""What maps of attention say in numbers. A map is [heads, rows, keys]; each row is weights that add up to one, or all zeros.

Rollout: "Quantifying Attention Flow in Transformers" (Abnar, Zuidema, 2020). Sinks: "Efficient Streaming Language Models with
Attention Sinks" (Xiao, Tian, Chen, Han, Lewis, 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Tally:
    """Sums over the rows of a map, which may come in parts. `positions` [keys, dimensions] are where tokens are, for distances; those that
    have no place (a class token) are not `placed`."""

    positions: Tensor
    placed: Tensor
    rows: int = 0
    placed_rows: int = 0
    entropies: Tensor | None = None
    distances: Tensor | None = None
    received: Tensor | None = None

    def add(self, part: Tensor, first: int, square: bool) -> None:
        """`part` [heads, some rows, keys] of a map, from row `first` on. Distances need as many rows as keys (`square`)."""
        part = part.double()
        self.rows += part.shape[1]
        self.entropies = _plus(self.entropies, entropy(part).sum(1))
        self.received = _plus(self.received, part.sum(1))
        if square:
            own = self.placed[first : first + part.shape[1]]
            self.placed_rows += int(own.sum())
            here = self.positions[first : first + part.shape[1]]
            self.distances = _plus(self.distances, distance(part, here, self.positions, self.placed)[:, own].sum(1))

    def shares(self) -> Tensor:
        """What each key receives, over an even share: [heads, keys], means of 1 where every row adds up to one."""
        assert self.received is not None
        return self.received * self.received.shape[-1] / max(self.rows, 1)


def _plus(total: Tensor | None, more: Tensor) -> Tensor:
    return more if total is None else total + more


def entropy(map: Tensor) -> Tensor:
    """The entropy of each row in bits: 0 where one key takes all, log2(keys) where all take the same."""
    logs = torch.where(map > 0, map, 1).log2()
    return -(map * logs).sum(-1)


def distance(map: Tensor, rows: Tensor, keys: Tensor, placed: Tensor) -> Tensor:
    """How far away each row [heads, rows] reads on average: Euclidean, in tokens, over the keys that have a place."""
    apart = torch.cdist(rows.double(), keys.double(), compute_mode="donot_use_mm_for_euclid_dist")
    read = map * placed
    return (read * apart).sum(-1) / read.sum(-1).clamp_min(torch.finfo(read.dtype).tiny)


def similarity(maps: Sequence[Tensor]) -> Tensor:
    """The cosine of every two heads' maps, as vectors of all their weights: [all heads, all heads]."""
    flat = torch.cat([map.double().flatten(1) for map in maps])
    lengths = (flat * flat).sum(1, keepdim=True).sqrt()
    unit = flat / lengths.clamp_min(torch.finfo(flat.dtype).tiny)
    return unit @ unit.transpose(0, 1)


def mixed(map: Tensor) -> Tensor:
    """A layer as the paper takes it: the mean over heads, half of it the token itself (the residual path), rows adding up to one."""
    mean = map.double().mean(0)
    both = (mean + torch.eye(len(mean), dtype=mean.dtype)) / 2
    return both / both.sum(-1, keepdim=True)


def rollout(maps: Sequence[Tensor]) -> Tensor:
    """How much of each input token is in each token at the end, if values pass on linearly: [rows, tokens], the product of the layers."""
    total = mixed(maps[0])
    for map in maps[1:]:
        total = mixed(map) @ total
    return total
