"""Which settings a program is tried under: odd sizes, sizes of one, none and several leading dimensions, gaps in masks, empty axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod

from ..graph import Graph
from ..passes.base import Mode
from ..passes.rewriting import everything
from ..types import STAR
from .settings import Setting, fitting, present, symbols

BELOW = (40, 7, 3, 2, 1)
"""Whole numbers of an input are below the first of these that the program takes."""
LEARNS = frozenset({"batchnorm", "dropout", "droppath"})
MANY = ((1, 13), (1, 65))
"""Ranges of sizes that are looked through where the choices do not fit."""


@dataclass(frozen=True)
class Shape:
    """A kind of setting, before sizes are found: what `*` stands for and sizes to draw from."""

    lead: tuple[int, ...]
    choices: tuple[int, ...]
    like: Setting


SHAPES = (
    Shape((2,), (5, 7, 3, 9, 6, 11), Setting(seed=1, loose=True, gradients=True)),
    Shape((), (1, 2, 3, 1), Setting(seed=2, gradients=True)),
    Shape((2, 3), (4, 6, 2, 8, 1), Setting(seed=3, gradients=True, gaps=True, positive=True)),
    Shape((1, 2), (0, 0, 3, 4), Setting(seed=4, gradients=True)),
    Shape((3,), (4, 5, 2), Setting(seed=5, gradients=True, training=True)),
)


def settings_for(graph: Graph, mode: Mode = "train") -> tuple[Setting, ...]:
    """The settings of a graph whose weights are bound. Empty axes where a size is open; training where that is another computation."""
    found: list[Setting] = []
    for shape in SHAPES:
        empty = 0 in shape.choices
        if (shape.like.training and not _learns(graph, mode)) or (empty and not set(symbols(graph)) - {STAR}):
            continue
        sizes = _sizes(graph, shape, searching=not empty)
        if sizes is not None and (not empty or 0 in sizes.values()):
            free = {name: size for name, size in sizes.items() if name != STAR}
            found.append(replace(shape.like, free=free, lead=shape.lead))
    return tuple(found)


def _learns(graph: Graph, mode: Mode) -> bool:
    """Whether training is another computation."""
    return mode == "train" and any(node.op in LEARNS or node.options.get("dropout") for node in everything(graph))


def _sizes(graph: Graph, shape: Shape, searching: bool) -> dict[str, int] | None:
    known = {STAR: prod(shape.lead)}
    ranges: Iterable[Sequence[int]] = (shape.choices, *(range(*ends) for ends in MANY)) if searching else (shape.choices,)
    return next((sizes for choices in ranges if (sizes := fitting(graph, choices, shape.like.seed, known)) is not None), None)


def with_indices(setting: Setting, graph: Graph, below: int) -> Setting:
    """Every whole number that comes in is below this."""
    return replace(setting, below={node["name"]: below for node in present(graph) if node.dtype == "int"})


def takes_indices(graph: Graph) -> bool:
    return any(node.dtype == "int" for node in present(graph))
