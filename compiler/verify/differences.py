"""Two answers to one question, and where they part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

TOWARD = 9
"""The seed of the weights that results are added up with before they are differentiated."""


@dataclass(frozen=True)
class Answer:
    """What a program says: results and states after the run by name, and slopes of the results."""

    values: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    slopes: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


@dataclass(frozen=True)
class Difference:
    """Where two answers part. `error` is how far, `allowed` how far they may; both are infinite and 0 where it is not a matter of size."""

    name: str
    text: str
    error: float = float("inf")
    allowed: float = 0.0


def value_names(names: Sequence[str]) -> list[str]:
    """What results are called: `y`, or `the result` where there is but one."""
    return [name or "the result" for name in names]


def slopes_of(results: Mapping[str, Tensor], leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The gradients of the results, each weighed with fixed random numbers, for every leaf; zeros where nothing depends on one."""
    source = torch.Generator().manual_seed(TOWARD)
    seeds = {name: torch.randn(x.shape, generator=source, dtype=torch.float64).to(x) for name, x in results.items()}
    names = [name for name, x in results.items() if x.requires_grad]
    if not names or not leaves:
        return {f"the gradient of {name}": torch.zeros_like(leaf) for name, leaf in leaves.items()}
    found = _gradients([results[name] for name in names], [*leaves.values()], [seeds[name] for name in names])
    pairs = zip(leaves.items(), found, strict=True)
    return {f"the gradient of {name}": torch.zeros_like(leaf) if slope is None else slope.detach() for (name, leaf), slope in pairs}


def _gradients(results: Sequence[Tensor], leaves: Sequence[Tensor], seeds: Sequence[Tensor]) -> Sequence[Tensor | None]:
    return torch.autograd.grad(results, leaves, seeds, allow_unused=True)


# ---------------------------------------------------------------- comparing


def distance(left: Tensor, right: Tensor) -> float:
    """The largest difference of two tensors. Infinite where shapes, whole numbers, or what is not finite differ."""
    if left.shape != right.shape:
        return float("inf")
    if not (left.is_floating_point() or left.is_complex()):
        return 0.0 if torch.equal(left, right) else float("inf")
    wide = torch.complex128 if left.is_complex() else torch.float64
    left, right = left.to(wide), right.to(wide)
    alike = (left == right) | (left.isnan() & right.isnan())
    strange = ~(left.isfinite() & right.isfinite())
    if bool((strange & ~alike).any()):
        return float("inf")
    away = torch.where(strange, 0, left - right).abs()
    return float(away.max()) if away.numel() else 0.0


def same_bits(left: Tensor, right: Tensor) -> bool:
    """Equal number by number; one NaN is as good as another, and the sign of a zero counts for nothing."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    return bool(((left == right) | ((left != left) & (right != right))).all())


def place(left: Tensor, right: Tensor) -> tuple[int, ...]:
    """Where two tensors of one shape are farthest apart; what is not a number is farthest of all."""
    wide = torch.complex128 if left.is_complex() or right.is_complex() else torch.float64
    away = (left.to(wide) - right.to(wide)).abs()
    away = torch.where(left == right, 0, torch.where(away.isfinite(), away, torch.finfo(torch.float64).max))
    return tuple(int(i) for i in torch.unravel_index(away.argmax(), away.shape)) if away.numel() else ()


def difference(name: str, found: Tensor, wanted: Tensor, allowed: float) -> Difference | None:
    """None where `found` is as `wanted` up to `allowed`."""
    if found.shape != wanted.shape:
        return Difference(name, f"{name} has the shape {list(found.shape)}, not {list(wanted.shape)}")
    if _kind(found) != _kind(wanted):
        return Difference(name, f"{name} holds {found.dtype}, not {wanted.dtype}")
    error = distance(found, wanted)
    if error <= allowed:
        return None
    at = place(found, wanted)
    where = f" at {list(at)}" if at else ""
    off = "" if error == float("inf") else f": off by {error:.3g}, allowed are {allowed:.3g}"
    return Difference(name, f"{name}{where} is {_told(found[at])}, not {_told(wanted[at])}{off}", error, allowed)


def _kind(x: Tensor) -> str:
    return "complex" if x.is_complex() else "float" if x.is_floating_point() else str(x.dtype)


def _told(x: Tensor) -> str:
    value: Any = x.item()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def missing(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Difference | None:
    """A result that only one of two answers has."""
    for name in (*found, *wanted):
        if (name in found) != (name in wanted):
            return Difference(name, f"only one of the two has {name}")
    return None
