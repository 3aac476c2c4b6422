"""What is known of the weights a module will run with, as plain data: which slices of them are exactly zero."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ZeroSlice:
    """`positions` of one axis of a weight, by its place among the weight's axes, at which every number is zero."""

    path: str
    axis: int
    positions: tuple[int, ...]


@dataclass(frozen=True)
class WeightFacts:
    """Facts about weights by path. Whoever runs a graph that was optimised with them must see to it that they hold."""

    zeros: tuple[ZeroSlice, ...] = ()


NO_FACTS = WeightFacts()
