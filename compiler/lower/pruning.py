"""Pruning with tensors: how important slices are, the smaller checkpoint, and both files written together."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...dsl.diagnostics import AttnError
from ..graph import Weight
from ..program import BlockProgram
from ..prune.budget import Kept, refusal
from ..prune.groups import Group
from ..prune.plan import Prunable, given_scores, normalised, prunable
from ..prune.shrink import GATE, gated
from ..types import is_tuple
from .checkpoint import Names, fitting
from .lowering import lower
from .module import AttnModule
from .weights import recut, stored

Loss = Callable[[Any, Mapping[str, Tensor]], Tensor]
"""From what the module returned and the sample it was given to one number."""
Sample = Mapping[str, Tensor]
Importance = Mapping[str, Sequence[float]]
DRAWS = 4
"""How many random projections of the results a sample is looked at through."""


@dataclass(frozen=True)
class Pruned:
    """A smaller program and its weights. `kept`: the positions that stayed, by the path that their weights share; `importances` likewise.

    `parameters` and `operations` are before and after; for the operations, sizes that are not bound count as 64.
    """

    text: str
    weights: dict[str, Tensor]
    axis: str
    kept: dict[str, tuple[int, ...]]
    importances: dict[str, tuple[float, ...]]
    parameters: tuple[int, int]
    operations: tuple[float, float]

    def save(self, program: str | os.PathLike[str], weights: str | os.PathLike[str], others: Mapping[Path, str] | None = None) -> None:
        """Write the program, its weights as safetensors, and `others` (texts by path): all of them whole, or none. Raises OSError."""
        from safetensors.torch import save

        tensors = {name: tensor.detach().contiguous() for name, tensor in self.weights.items()}
        texts = {path: text.encode() for path, text in (others or {}).items()}
        write_together({Path(program): self.text.encode(), Path(weights): save(tensors), **texts})


def prune(
    program: BlockProgram,
    axis: str,
    weights: str | os.PathLike[str] | Mapping[str, Tensor],
    *,
    keep: float | int | None = None,
    flops: float | None = None,
    importance: str | Importance | Sequence[float] = "norm",
    data: Sample | Sequence[Sample] | None = None,
    loss: str | Loss = "projection",
    normalise: str | None = "l2",
    uniform: bool = False,
    bind: Mapping[str, Any] | None = None,
    inputs: Sequence[str] = (),
    names: Names | None = None,
    ignore: Sequence[str] = (),
) -> Pruned:
    """The program without the least important slices of an axis. See `attn.prune`."""
    found = prunable(program, axis, bind or {}, tuple(dict.fromkeys((*inputs, *_given(program, data)))))
    tensors = _tensors(found, weights, names, ignore)
    scores = normalised(_scores(found, tensors, importance, data, loss), normalise)
    kept = found.choose(scores, keep, flops, uniform)
    before, after = [group.length for group in found.groups], [len(one) for one in kept]
    return Pruned(
        found.written(after), sliced(found, tensors, kept), axis,
        {group.name: one for group, one in zip(found.groups, kept, strict=True)},
        {group.name: tuple(row) for group, row in zip(found.groups, scores, strict=True)},
        (found.parameters(before), found.parameters(after)), (found.work(before), found.work(after)),
    )  # fmt: skip


def importances(
    program: BlockProgram,
    axis: str,
    weights: str | os.PathLike[str] | Mapping[str, Tensor],
    *,
    importance: str = "norm",
    data: Sample | Sequence[Sample] | None = None,
    loss: str | Loss = "projection",
    normalise: str | None = "l2",
    bind: Mapping[str, Any] | None = None,
    names: Names | None = None,
    ignore: Sequence[str] = (),
) -> dict[str, tuple[float, ...]]:
    """How important every slice of an axis is. See `attn.importances`."""
    found = prunable(program, axis, bind or {}, _given(program, data))
    tensors = _tensors(found, weights, names, ignore)
    scores = normalised(_scores(found, tensors, importance, data, loss), normalise)
    return {group.name: tuple(row) for group, row in zip(found.groups, scores, strict=True)}


def _given(program: BlockProgram, data: Sample | Sequence[Sample] | None) -> tuple[str, ...]:
    """The optional inputs that the data have."""
    samples = [data] if isinstance(data, Mapping) else list(data or ())
    return tuple(name for name in program.optional() if any(name in sample for sample in samples))


def _tensors(found: Prunable, weights: Any, names: Names | None, ignore: Sequence[str]) -> dict[str, Tensor]:
    """The checkpoint under the program's own names, in its own dtypes and in stored shapes."""
    return fitting(lower(found.graph), weights, names, ignore)


# ---------------------------------------------------------------- importances


def _scores(found: Prunable, tensors: Mapping[str, Tensor], importance: Any, data: Any, loss: str | Loss) -> Sequence[Sequence[float]]:
    if importance == "norm":
        return [weight_norms(found, group, tensors) for group in found.groups]
    if importance == "gradient":
        return sensitivities(found, tensors, samples_of(found, data), loss)
    if isinstance(importance, str):
        raise AttnError([refusal(f"importance={importance!r} is not known", "norm, gradient, or numbers of your own")])
    return given_scores(found.groups, importance)


def weight_norms(found: Prunable, group: Group, tensors: Mapping[str, Tensor]) -> list[float]:
    """For each slice the root of the sum of squares of all weights that it has."""
    total = torch.zeros(group.length, dtype=torch.float64)
    for slot, place in group.weights:
        weight = found.graph.weights[slot]
        if weight.kind == "param":
            whole = tensors[weight.path].detach().to(torch.float64).reshape(_sizes(weight))
            total += whole.square().movedim(place, 0).reshape(group.length, -1).sum(1)
    return [float(value) for value in total.sqrt()]


def sensitivities(found: Prunable, tensors: Mapping[str, Tensor], samples: Sequence[Sample], loss: str | Loss) -> list[list[float]]:
    """The mean over samples of |d loss / d gate|, gates of ones standing where slices end (Michel, Levy, Neubig, 2019)."""
    graph = gated(found.graph, found.groups)
    module = lower(graph).eval()
    for weight in found.graph.weights:
        if weight.kind != "const":
            stored(module, weight.path).data.copy_(recut(tensors[weight.path], stored(module, weight.path)))
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    gates = [stored(module, f"{GATE}{number}").requires_grad_(True) for number in range(len(found.groups))]
    totals = [torch.zeros(group.length, dtype=torch.float64) for group in found.groups]
    draw = torch.Generator().manual_seed(0)
    for sample in samples:
        for gradients in _gradients(module, gates, sample, loss, draw):
            for total, gradient in zip(totals, gradients, strict=True):
                total += gradient.detach().abs().to(torch.float64)
    return [[float(value) / len(samples) for value in total] for total in totals]


def _gradients(
    module: AttnModule, gates: Sequence[Tensor], sample: Sample, loss: str | Loss, draw: torch.Generator
) -> list[Sequence[Tensor]]:
    """Those of one loss, or of every projection."""
    result = module(**sample)
    results: tuple[Any, ...] = result if is_tuple(result) else (result,)
    tensors = [one for one in results if isinstance(one, Tensor) and one.is_floating_point()]
    if callable(loss):
        losses = [loss(result, sample)]
    elif loss == "norm":
        losses = [torch.stack([one.square().sum() for one in tensors]).sum()]
    elif loss == "projection":
        losses = [
            torch.stack([(one * torch.randn(one.shape, generator=draw).to(one)).sum() for one in tensors]).sum() for _ in range(DRAWS)
        ]
    else:
        raise AttnError([refusal(f"loss={loss!r} is not known", "projection, norm, or a function")])
    found: list[Sequence[Tensor]] = []
    for number, one in enumerate(losses):
        kept = number + 1 < len(losses)
        gradients = torch.autograd.grad(one, gates, retain_graph=kept, allow_unused=True) if one.requires_grad else [None] * len(gates)
        found.append([torch.zeros_like(gate) if gradient is None else gradient for gate, gradient in zip(gates, gradients, strict=True)])
    return found


def samples_of(found: Prunable, data: Sample | Sequence[Sample] | None) -> list[Sample]:
    """Samples as they are given; one table of tensors is cut along the first axis of the first input, one entry a sample."""
    wanted = [node for node in found.graph.inputs if not node.options.get("absent", False)]
    names = [node["name"] for node in wanted]
    if not data:
        raise AttnError([refusal("gradients need data", f"tensors by input: {', '.join(names)}")])
    samples = [data] if isinstance(data, Mapping) else list(data)
    for sample in samples:
        missing, unknown = [name for name in names if name not in sample], [name for name in sample if name not in names]
        if missing or unknown:
            notes = (*(f"missing: {name}" for name in missing), *(f"unknown: {name}" for name in unknown))
            raise AttnError([refusal("the data are not those that the block takes", f"its inputs: {', '.join(names)}", notes)])
    if not isinstance(data, Mapping) or not wanted:
        return samples
    first = wanted[0]["order"][0] if wanted[0]["order"] else None
    cut = [node["name"] for node in wanted if node["order"] and node["order"][0] == first and data[node["name"]].dim()]
    lengths = {len(data[name]) for name in cut}
    if len(lengths) != 1 or lengths == {0}:
        raise AttnError([refusal("the data have no entries, or not the same number for each input", f"along `{first}`: {sorted(lengths)}")])
    return [{name: x[at : at + 1] if name in cut else x for name, x in data.items()} for at in range(lengths.pop())]


# ---------------------------------------------------------------- the smaller checkpoint


def sliced(found: Prunable, tensors: Mapping[str, Tensor], kept: Kept) -> dict[str, Tensor]:
    """Every weight with the slices that stay, in the stored shapes of the smaller program."""
    cuts: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
    for group, positions in zip(found.groups, kept, strict=True):
        for slot, place in group.weights:
            cuts.setdefault(slot, []).append((place, positions))
    made: dict[str, Tensor] = {}
    for slot, weight in enumerate(found.graph.weights):
        if weight.kind != "const":
            made[weight.path] = _cut(weight, tensors[weight.path], cuts.get(slot, []))
    return made


def _sizes(weight: Weight) -> list[int]:
    return [axis.size.integer() or 0 for axis in weight.axes]


def _cut(weight: Weight, tensor: Tensor, cuts: Sequence[tuple[int, tuple[int, ...]]]) -> Tensor:
    if not cuts:
        return tensor
    whole = tensor.detach().reshape(_sizes(weight))
    for place, positions in cuts:
        whole = whole.index_select(place, torch.tensor(positions))
    sizes = dict(zip((axis.name for axis in weight.axes), whole.shape, strict=True))
    shape: list[int] = []
    for group in weight.groups:
        total = 1
        for name in group:
            total *= sizes[name]
        shape.append(total)
    return whole.reshape(shape)


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files, all of them whole or none: beside their places first, which they take at the end. Raises OSError."""
    ready: list[tuple[str, Path]] = []
    try:
        for path, data in files.items():
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            ready.append((name, path))
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)
        for path in files:
            if path.is_dir():
                raise IsADirectoryError(21, "it is a folder", str(path))
        for name, path in ready:
            os.replace(name, path)
    except BaseException:
        for name, _ in ready:
            Path(name).unlink(missing_ok=True)
        raise
