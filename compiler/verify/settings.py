"""How a program is run when it is held against another: sizes that fit its guards, and inputs in memory as they may come."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor

from ..graph import Graph, Node
from ..sizes import Size
from ..types import STAR


@dataclass(frozen=True)
class Setting:
    """One way to run a program.

    `bind` and `given` are for compiling; `free` are the sizes of axes that stay dynamic, `lead` what `*` stands for; an integer input `x`
    is below `below["x"]` (2 unless said). `loose`: memory that is not contiguous. `positive`: no number below 0.1. `gaps`: rows of truth
    values that are false throughout. `training`: as after `.train()`. `gradients` are compared too. `slack` is how far the program itself
    blows up rounding.
    """

    bind: Mapping[str, Any] = field(default_factory=dict[str, Any])
    given: tuple[str, ...] = ()
    free: Mapping[str, int] = field(default_factory=dict[str, int])
    lead: tuple[int, ...] = (2,)
    below: Mapping[str, int] = field(default_factory=dict[str, int])
    seed: int = 1
    loose: bool = False
    gradients: bool = False
    positive: bool = False
    gaps: bool = False
    training: bool = False
    slack: float = 1.0

    @property
    def sizes(self) -> dict[str, int]:
        """Every symbol of a size that this setting knows, `*` among them."""
        return {**self.free, STAR: prod(self.lead)}

    @property
    def is_empty(self) -> bool:
        """Whether some axis has no entry."""
        return 0 in self.sizes.values()


# ---------------------------------------------------------------- sizes


def present(graph: Graph) -> list[Node]:
    """The inputs that the graph was made with."""
    return [node for node in graph.inputs if not node.options.get("absent", False)]


def symbols(graph: Graph) -> list[str]:
    """The sizes that the inputs of a graph leave open."""
    return sorted({name for node in present(graph) for axis in node.axes for name in axis.size.free()})


def fits(graph: Graph, sizes: Mapping[str, int]) -> bool:
    """Whether every input has whole sizes that are not negative, and every guard that these sizes decide holds."""
    for node in present(graph):
        for axis in node.axes:
            value = axis.size.evaluate(sizes)
            if value.denominator != 1 or value < 0:
                return False
    return all(_holds(guard.kind, guard.left, guard.right, sizes) for guard in graph.guards)


def _holds(kind: str, left: Size, right: Size, sizes: Mapping[str, int]) -> bool:
    if not left.free() | right.free() <= sizes.keys():
        return True
    a, b = left.evaluate(sizes), right.evaluate(sizes)
    if kind == "divides":
        return a != 0 and (b / a).denominator == 1
    return a == b if kind == "equal" else a >= b


def fitting(graph: Graph, choices: Sequence[int], seed: int, fixed: Mapping[str, int]) -> dict[str, int] | None:
    """Sizes drawn from `choices` that the graph takes; None where none were found."""
    source = random.Random(seed)
    names = [name for name in symbols(graph) if name not in fixed]
    for _ in range(300):
        sizes = {**fixed, **{name: source.choice(list(choices)) for name in names}}
        if fits(graph, sizes):
            return sizes
    return None


# ---------------------------------------------------------------- inputs


def drawn(shape: Sequence[int], kind: str, setting: Setting, below: int, source: torch.Generator) -> Tensor:
    """A random tensor, float64 where it has a point; a loose one lies in memory in another order, with gaps."""
    laid = [2 * size for size in reversed(shape)] if setting.loose else list(shape)
    if kind == "bool":
        x = torch.rand(laid, generator=source, dtype=torch.float64) < 0.6
    elif kind == "int":
        x = torch.randint(0, max(below, 1), laid, generator=source)
    elif kind == "complex":
        x = torch.randn(laid, generator=source, dtype=torch.complex128)
    else:
        x = torch.randn(laid, generator=source, dtype=torch.float64)
        x = x.abs() + 0.1 if setting.positive else x
    x = x[(slice(None, None, 2),) * len(laid)].permute(list(range(len(laid) - 1, -1, -1))) if setting.loose else x
    return _with_gaps(x) if kind == "bool" and setting.gaps else x


def _with_gaps(x: Tensor) -> Tensor:
    """The first entry of every axis false throughout, so that rows and columns are empty however they are read."""
    for dim in range(x.dim()):
        if x.shape[dim]:
            x.select(dim, 0).fill_(False)
    return x


def inputs_for(graph: Graph, sizes: Mapping[str, int], setting: Setting) -> dict[str, Tensor]:
    """Random inputs by name at these sizes."""
    source = torch.Generator().manual_seed(setting.seed)
    found: dict[str, Tensor] = {}
    for node in present(graph):
        shape: list[int] = []
        for name in node["order"]:
            shape.extend(setting.lead if name == STAR else (int(node.tensor.size(name).evaluate(sizes)),))
        found[node["name"]] = drawn(shape, node.dtype, setting, setting.below.get(node["name"], 2), source)
    return found
