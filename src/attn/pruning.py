"""Pruning from Python: slices of an axis removed by decision. Nothing here imports torch before it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .compiler.program import load

if TYPE_CHECKING:
    from .compiler.lower.pruning import Pruned


def prune(
    source: Any,
    block: str | None = None,
    *,
    axis: str,
    weights: Any,
    keep: float | int | None = None,
    flops: float | None = None,
    importance: str | Mapping[str, Sequence[float]] | Sequence[float] = "norm",
    data: Any = None,
    loss: Any = "projection",
    normalise: str | None = "l2",
    uniform: bool = False,
    bind: Mapping[str, Any] | None = None,
    names: Any = None,
    ignore: Sequence[str] = (),
) -> Pruned:
    """A smaller program and smaller weights: the least important slices of an axis are gone, such as heads (`axis="h"`) or channels.

    Together they equal the original in which these slices are multiplied by zero where they are added up. `weights` is a safetensors file
    or tensors by name, under the program's names or others (`names`, `ignore`: see `load_weights`). The budget is `keep` (a float: which
    part of all slices; an int: how many) or `flops` (which part of the operations may be left; sizes that are not bound count as 64).
    Slices of all places are ranked together, and each place keeps one at least; `uniform=True` keeps as many in each.

    `importance`: `norm` (of all weights that a slice has), `gradient` (the mean over the samples of |d loss / d gate|, from `data`), or
    numbers of your own by place, as `importances` gives them. `normalise="l2"` makes places comparable, None leaves them as they are.
    `data`: tensors by input, cut along the first axis into samples, or a list of such samples. `loss`: `projection` (the result times
    random numbers: how much the result moves, whatever it is for), `norm` (its square), or a function of result and sample.

    The result has `text`, `weights`, `kept` and `save(program, weights)`. Raises AttnError: E0801 where the axis cannot be pruned and why,
    E0802 for a budget, importances or data that do not fit, E0701 for weights that do not.
    """
    from .compiler.lower.pruning import prune as prune_program

    return prune_program(
        load(source, block), axis, weights, keep=keep, flops=flops, importance=importance, data=data, loss=loss,
        normalise=normalise, uniform=uniform, bind=bind, names=names, ignore=ignore,
    )  # fmt: skip


def importances(
    source: Any,
    block: str | None = None,
    *,
    axis: str,
    weights: Any,
    importance: str = "norm",
    data: Any = None,
    loss: Any = "projection",
    normalise: str | None = "l2",
    bind: Mapping[str, Any] | None = None,
    names: Any = None,
    ignore: Sequence[str] = (),
) -> dict[str, tuple[float, ...]]:
    """How important every slice of an axis is: numbers by place, the path that its weights share. Arguments are those of `prune`."""
    from .compiler.lower.pruning import importances as measure

    return measure(
        load(source, block), axis, weights, importance=importance, data=data, loss=loss, normalise=normalise, bind=bind, names=names,
        ignore=ignore,
    )  # fmt: skip
