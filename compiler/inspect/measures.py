"""What maps of attention say in numbers. A map is [heads, rows, keys]; each row is weights that add up to one, or all zeros.

Rollout and flow: "Quantifying Attention Flow in Transformers" (Abnar, Zuidema, 2020). Sinks: "Efficient Streaming Language Models with
Attention Sinks" (Xiao, Tian, Chen, Han, Lewis, 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import networkx
import torch
from torch import Tensor

nx: Any = networkx

FLOW_UNIT = 2**40
"""Capacities are whole numbers of this part, so that maximum flows are exact: no rounding while paths are found."""


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


def flow(maps: Sequence[Tensor], rows: Sequence[int]) -> Tensor:
    """How much can flow from each input token to the tokens `rows` at the end, if each weight is the width of a pipe: [rows, tokens].

    Maximum flows in the graph of all layers, one for each pair; exact for weights rounded to 2 ** -40.
    """
    graph = flow_graph(maps)
    residual = nx.algorithms.flow.build_residual_network(graph, "capacity")  # once: a flow starts it anew
    tokens = maps[0].shape[-1]
    found = torch.zeros(len(rows), tokens, dtype=torch.float64)
    for place, row in enumerate(rows):
        for token in range(tokens):
            solved = nx.algorithms.flow.preflow_push(graph, (len(maps), row), (0, token), residual=residual, value_only=True)
            found[place, token] = solved.graph["flow_value"] / FLOW_UNIT
    return found


def flow_graph(maps: Sequence[Tensor]) -> Any:
    """A node (layer, token) for every token before, between and after the layers; capacities go down, from what reads to what is read."""
    graph = nx.DiGraph()
    for layer, map in enumerate(maps):
        units: list[list[int]] = cast(Any, (mixed(map) * FLOW_UNIT).round().long()).tolist()
        for i, row in enumerate(units):
            graph.add_edges_from(((layer + 1, i), (layer, j), {"capacity": units}) for j, units in enumerate(row) if units)
    return graph


def flow_rows(tokens: int, layers: int, budget: int = 400_000) -> list[int]:
    """The rows whose flows are found within a budget of pairs times pipes: all, else the first, else none."""
    pipes = layers * tokens * tokens
    if tokens * tokens * pipes <= budget:
        return list(range(tokens))
    return [0] if tokens * pipes <= budget else []
