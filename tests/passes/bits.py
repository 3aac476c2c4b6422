"""Whether passes that call themselves exact are: a graph compiled with and without them, on the same weights and inputs, bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from attn.compiler.graph import Graph
from attn.compiler.lower.lowering import lower
from attn.compiler.lower.module import AttnModule
from attn.compiler.passes import Mode, Pass, optimise
from attn.compiler.verify import Setting, fitting, inputs_for
from attn.compiler.verify.agreement import outputs
from attn.compiler.verify.differences import same_bits

SHAPES: tuple[tuple[tuple[int, ...], tuple[int, ...], bool], ...] = (
    ((2,), (5, 7, 3, 4, 6, 9), True),
    ((), (1, 2, 3, 5), False),
    ((3, 1), (33, 17, 18, 4, 6, 3, 2), False),
)
"""What `*` stands for, sizes to draw from, and whether memory is left in disorder."""


def module(graph: Graph, pipeline: Sequence[Pass], dtype: torch.dtype, mode: Mode) -> AttnModule:
    made = lower(graph, dtype=dtype, optimiser=partial(optimise, mode=mode, pipeline=pipeline))
    source = torch.Generator().manual_seed(3)
    fixed = {weight.path for weight in graph.weights if weight.kind == "const"}
    with torch.no_grad():
        for name, value in (*made.named_parameters(), *made.named_buffers()):
            if value.is_floating_point() and name not in fixed:
                drawn = torch.randn(value.shape, generator=source, dtype=torch.float64)
                value.copy_(drawn.abs() + 0.5 if name.endswith("var") else drawn * 0.5)
    return made.eval()


def settled(graph: Graph, choices: Sequence[int], lead: Sequence[int]) -> dict[str, int] | None:
    """Sizes from the choices that the graph takes, or where none fit from many more."""
    known = {"*": int(torch.tensor(lead).prod())}
    return fitting(graph, choices, len(lead), known) or fitting(graph, range(1, 13), 1, known)


def near(left: Tensor, right: Tensor) -> bool:
    """Equal but for the order in which a value's readers add up what they say of its slope: a few of them, each rounded once."""
    strange = ~(left.isfinite() & right.isfinite())
    scale = max(1.0, float(torch.where(strange, 0, left).abs().max())) if left.numel() else 1.0
    apart = torch.where(strange, 0, left - right).abs()
    return bool((apart <= 8 * torch.finfo(left.dtype).eps * scale).all()) and torch.equal(left.isnan(), right.isnan())


def slopes(made: AttnModule, results: dict[str, Tensor], inputs: dict[str, Tensor]) -> list[Tensor]:
    """The gradients of a weighted sum of all results, zeros where nothing depends on a leaf."""
    seeds = torch.Generator().manual_seed(5)
    total = torch.zeros((), dtype=torch.float64)
    for value in results.values():
        if value.is_floating_point():
            total = total + (value.double() * torch.randn(value.shape, generator=seeds, dtype=torch.float64)).sum()
    leaves = [*(x for x in inputs.values() if x.requires_grad), *(p for p in made.parameters() if p.requires_grad)]
    if not total.requires_grad or not leaves:
        return []
    found = torch.autograd.grad(total, leaves, allow_unused=True)
    return [torch.zeros_like(leaf) if slope is None else slope for leaf, slope in zip(leaves, found, strict=True)]


def differences(graph: Graph, pipeline: Sequence[Pass], mode: Mode = "train", dtype: torch.dtype = torch.float32) -> list[str]:
    """What the two modules differ in, over several shapes: results in a bit, gradients by more than the order of a few additions."""
    before, after = (module(graph, chosen, dtype, mode) for chosen in ((), pipeline))
    found: list[str] = []
    for lead, choices, loose in SHAPES:
        sizes = settled(graph, choices, lead)
        if sizes is None:
            continue
        drawn = inputs_for(graph, sizes, Setting(lead=lead, loose=loose))
        seen: list[tuple[dict[str, Tensor], list[Tensor]]] = []
        for made in (before, after):
            inputs = {name: _leaf(x, dtype) for name, x in drawn.items()}
            torch.manual_seed(0)
            results = outputs(graph, made(**inputs))
            seen.append((results, slopes(made, results, inputs)))
        (left, left_slopes), (right, right_slopes) = seen
        found += [f"{name or 'result'} at {sizes}" for name in left if not same_bits(left[name], right[name])]
        found += [f"gradient {i} at {sizes}" for i, (a, b) in enumerate(zip(left_slopes, right_slopes, strict=True)) if not near(a, b)]
    return found


def _leaf(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.to(dtype).detach().requires_grad_() if x.is_floating_point() else x
