"""Facts about the weights that a module was compiled with: found once, checked before a run, given up where they no longer hold.

A module for inference may leave out slices that its weights make zero. When a weight is another tensor, or was written to, its facts are
looked at again; where one fails, the program runs without any, until they hold again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..graph import Graph, Weight
from ..passes.pipeline import Optimised
from ..passes.slices.bits import LONGEST
from ..passes.slices.facts import WeightFacts, ZeroSlice
from .runtime_prepared import can_be_kept, is_traced, marks
from .weights import stored

if TYPE_CHECKING:
    from .module import AttnModule


def zero_slices(weights: Sequence[Weight], tensors: Mapping[str, Tensor]) -> WeightFacts:
    """The positions of every axis of every weight at which all its numbers are zero."""
    found: list[ZeroSlice] = []
    for weight in weights:
        if weight.kind == "const" or not weight.axes or weight.path not in tensors:
            continue
        whole = split_axes(weight, tensors[weight.path])
        for axis, count in enumerate(whole.shape):
            positions = _zero_positions(whole, axis) if 0 < count <= LONGEST else ()
            found += [ZeroSlice(weight.path, axis, positions)] if positions else []
    return WeightFacts(tuple(found))


def _zero_positions(whole: Tensor, axis: int) -> tuple[int, ...]:
    alive = (whole != 0).movedim(axis, 0).reshape(whole.shape[axis], -1).any(1)
    return tuple(int(at) for at in (~alive).nonzero().flatten())


def split_axes(weight: Weight, tensor: Tensor) -> Tensor:
    """A stored tensor with a dimension for each axis."""
    return tensor.detach().reshape([axis.size.integer() or 0 for axis in weight.axes])


class Reliance:
    """What a module relies on, and the program without it: `optimiser` makes that where it is needed. A copy begins anew."""

    def __init__(self, facts: WeightFacts, optimiser: Callable[[Graph], Optimised]) -> None:
        self.facts = facts
        self.optimiser = optimiser
        self.seen: dict[str, tuple[Tensor, list[int], Tensor]] = {}
        self.held: dict[str, bool] = {}
        self.fallback: AttnModule | None = None
        self.by_path: dict[str, list[ZeroSlice]] = {}
        for fact in facts.zeros:
            self.by_path.setdefault(fact.path, []).append(fact)

    def fresh(self) -> Reliance:
        return Reliance(self.facts, self.optimiser)

    def __deepcopy__(self, memo: Any) -> Reliance:
        return self.fresh()

    def forget(self) -> None:
        """Look at every weight again at the next call."""
        self.seen.clear()

    def holds(self, module: AttnModule) -> bool:
        """Whether every fact holds now. Weights that are as they were when last seen are not looked at again."""
        if is_traced():
            return False  # what is recorded here runs with other weights later
        weights = {weight.path: weight for weight in module.attn_graph.weights}
        for path in self.by_path:
            tensor = stored(module, path)
            if not can_be_kept(tensor):
                return False
            known = self.seen.get(path)
            if known is None or known[0] is not tensor or known[1] != marks([tensor]):
                self.held[path] = self._still_zero(weights[path], tensor)
                self.seen[path] = (tensor, marks([tensor]), tensor.detach())  # held, so that its memory stays its own
            if not self.held[path]:
                return False
        return True

    def _still_zero(self, weight: Weight, tensor: Tensor) -> bool:
        whole = split_axes(weight, tensor)
        for fact in self.by_path[weight.path]:
            places = torch.tensor(fact.positions, device=whole.device)
            if bool(whole.index_select(fact.axis, places).count_nonzero()):
                return False
        return True


def relying(straight: Callable[..., Any]) -> Callable[..., Any]:
    """A forward that goes the way without facts where they do not hold."""

    @functools.wraps(straight)
    def forward(self: AttnModule, *args: Any, **kwargs: Any) -> Any:
        if self.relied is None or self.relied.holds(self):
            return straight(self, *args, **kwargs)
        return self.without_facts()(*args, **kwargs)

    return forward
