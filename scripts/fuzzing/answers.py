"""What a graph gives on numbers: its results and their gradients by the reference interpreter; and how two answers differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from attn.compiler.graph import Graph
from attn.compiler.reference import run
from attn.compiler.reference.rules import Draw, Touch

EPS = 2.0**-52
CLOSE = 64 * EPS


@dataclass(frozen=True)
class Case:
    """Everything a graph is run on. Tensors that want gradients are leaves."""

    inputs: dict[str, Tensor]
    weights: dict[str, Tensor]
    draw: Draw
    training: bool = False
    gradients: bool = True

    def leaves(self) -> dict[str, Tensor]:
        found = {**self.inputs, **self.weights}
        return {name: x for name, x in found.items() if x.requires_grad}


@dataclass(frozen=True)
class Answer:
    """Results, states after the run (as `next ...`), and gradients (as `d ...`); or the error that there was instead."""

    values: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    slopes: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    error: Exception | None = None


def wanting(graph: Graph, inputs: dict[str, Tensor], weights: dict[str, Tensor]) -> None:
    """Mark what gradients reach: inputs of floats and parameters."""
    params = {weight.path for weight in graph.weights if weight.kind == "param"}
    for x in (*inputs.values(), *(x for name, x in weights.items() if name in params)):
        x.requires_grad_(x.is_floating_point())


def answer(graph: Graph, case: Case, touch: Touch | None = None) -> Answer:
    """What the reference says of a graph; `touch` may change values on the way."""
    try:
        result = run(graph, case.inputs, case.weights, case.training, touch=touch, draw=case.draw)
    except (ValueError, IndexError, RuntimeError) as error:
        return Answer(error=error)
    values = {**result.outputs, **{f"next {path}": x for path, x in result.updates.items()}}
    return Answer({name: x.detach() for name, x in values.items()}, slopes(values, case.leaves()) if case.gradients else {})


def slopes(values: Mapping[str, Tensor], leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The gradients of all results together, each weighed with random numbers; 0 where nothing depends on a leaf."""
    roots = {name: x for name, x in values.items() if x.requires_grad}
    if not roots or not leaves:
        return {f"d {name}": torch.zeros_like(x) for name, x in leaves.items()}
    source = torch.Generator().manual_seed(9)
    drawn = {name: torch.randn(x.shape, generator=source, dtype=torch.float64) for name, x in values.items()}  # whichever want gradients
    found = torch.autograd.grad(list(roots.values()), list(leaves.values()), [drawn[name] for name in roots], allow_unused=True)
    return {f"d {name}": torch.zeros_like(x) if slope is None else slope for (name, x), slope in zip(leaves.items(), found, strict=True)}


# ---------------------------------------------------------------- two answers


@dataclass(frozen=True)
class Difference:
    """Where two answers part: the result's name, how far, and how far they may (0 for what must be equal)."""

    name: str
    distance: float
    allowed: float
    told: str = ""

    def __str__(self) -> str:
        return self.told or f"{self.name or 'the result'}: off by {self.distance:.3g}, allowed are {self.allowed:.3g}"


BACK = 4
"""How many times as many operations a slope goes through: one that cancels on the way leaves more than those at the ends show."""


def all_of(answer: Answer) -> dict[str, Tensor]:
    return {**answer.values, **answer.slopes}


def differences(wanted: Answer, found: Answer) -> list[Difference]:
    """Every result that is not the same up to the rounding of a few operations. What is not finite in `wanted` may be anything."""
    if found.error is not None:
        return [Difference("", float("inf"), 0.0, f"{type(found.error).__name__}: {found.error}")]
    left, right = all_of(wanted), all_of(found)
    if left.keys() != right.keys():
        return [Difference("", float("inf"), 0.0, f"the results are {sorted(left)} and {sorted(right)}")]
    return unlike(wanted, found)


def unlike(wanted: Answer, found: Answer) -> list[Difference]:
    """What differs of all that was found. Where a slope is no number another order of sums carries it further: zero times it is none."""
    left, right, steep = all_of(wanted), all_of(found), _largest(wanted.slopes.values())
    if not all(bool(x.isfinite().all()) for x in wanted.slopes.values()):
        right |= {name: torch.where(x.isnan(), left[name], x) for name, x in found.slopes.items() if x.shape == left[name].shape}
    least = {name: BACK * steep if name in wanted.slopes else 1.0 for name in right}
    return [one for name in right if (one := _difference(name, left[name], right[name], least[name])) is not None]


def _largest(tensors: Iterable[Tensor]) -> float:
    """The largest finite number, at least 1. A gradient of nothing is what is left of others as large as the largest."""
    return max([1.0, *(float(x[x.isfinite()].abs().max()) for x in tensors if bool(x.isfinite().any()))])


def _difference(name: str, wanted: Tensor, found: Tensor, least: float = 1.0) -> Difference | None:
    """What is more than the rounding of a few operations on numbers as large as those wanted, and as `least`."""
    if wanted.shape != found.shape or wanted.dtype != found.dtype:
        told = f"{name}: {wanted.dtype} {tuple(wanted.shape)} becomes {found.dtype} {tuple(found.shape)}"
        return Difference(name, float("inf"), 0.0, told)
    if torch.equal(wanted, found) or not wanted.numel():
        return None
    size, away = spread(wanted, found)
    allowed = CLOSE * max(least, size) if wanted.is_floating_point() else 0.0
    return None if away <= allowed else Difference(name, away, allowed)


def spread(wanted: Tensor, found: Tensor) -> tuple[float, float]:
    """The largest finite number wanted, and the largest distance to what was found where that is finite."""
    if not wanted.is_floating_point():
        return 0.0, float((wanted != found).sum())
    finite = wanted.isfinite()
    if not bool(finite.any()):
        return 0.0, 0.0
    away = (wanted - found).abs()[finite]
    return float(wanted.abs()[finite].max()), float("inf") if bool(away.isnan().any()) else float(away.max())
