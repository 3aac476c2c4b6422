"""A pruned program with its pruned weights is the original with those slices multiplied by zero: values, gradients, text, names."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import attn
from attn.compiler.lower.lowering import lower
from attn.compiler.lower.weights import stored
from attn.compiler.prune.plan import Prunable, prunable
from attn.compiler.prune.shrink import GATE, gated
from attn.dsl.format import format_text
from attn.dsl.source import Source

from .pruned_programs import PROGRAMS, REFUSED, Program

EPS = 2.0**-52


def plan(program: Program) -> Prunable:
    return prunable(attn.load(attn.text(program.text), "t"), program.axis, program.bind)


def weights_of(found: Prunable, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights in float64; running variances are positive."""
    source = torch.Generator().manual_seed(seed)
    module = lower(found.graph, dtype=torch.float64)
    drawn = {
        name: torch.randn(tensor.shape, generator=source, dtype=torch.float64) if tensor.is_floating_point() else tensor
        for name, tensor in module.state_dict().items()
    }
    return {name: tensor.abs() + 0.5 if name.endswith("running_var") else tensor for name, tensor in drawn.items()}


def gated_module(found: Prunable, weights: dict[str, torch.Tensor], kept: dict[str, tuple[int, ...]]) -> Any:
    """The original with gates of zero where slices are gone."""
    module = lower(gated(found.graph, found.groups), dtype=torch.float64).eval()
    gates: dict[str, torch.Tensor] = {}
    for number, group in enumerate(found.groups):
        gates[f"{GATE}{number}"] = torch.tensor([float(at in kept[group.name]) for at in range(group.length)], dtype=torch.float64)
    module.load_state_dict({**weights, **gates})
    return module


def close(found: torch.Tensor, wanted: torch.Tensor, scale: float = 1.0) -> None:
    torch.testing.assert_close(
        found, wanted, rtol=0, atol=1024 * EPS * max(scale, 1.0, float(wanted.detach().abs().max())), check_stride=False
    )


@pytest.mark.parametrize("fraction", [0.25, 0.6, 1.0])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_pruned_program_is_the_original_with_gates_of_zero(name: str, fraction: float) -> None:
    program = PROGRAMS[name]
    found = plan(program)
    assert len(found.groups) == program.places
    weights = weights_of(found)
    source = torch.Generator().manual_seed(3)
    scores = {group.name: torch.rand(group.length, generator=source).tolist() for group in found.groups}
    pruned = attn.prune(
        attn.text(program.text), "t", axis=program.axis, weights=weights, keep=fraction, importance=scores, bind=program.bind
    )
    smaller: Any = attn.compile(attn.text(pruned.text), "t", bind=program.bind, dtype=torch.float64, level=0).eval()
    attn.load_weights(smaller, pruned.weights)
    inputs = [torch.randn(shape, generator=source, dtype=torch.float64) for shape in program.shapes]
    original = gated_module(found, weights, pruned.kept)
    wanted, given = original(*inputs), smaller(*inputs)
    close(given, wanted)
    wanted.square().sum().backward()
    given.square().sum().backward()
    same_gradients(found, pruned.kept, original, smaller)


def same_gradients(found: Prunable, kept: dict[str, tuple[int, ...]], original: Any, smaller: Any) -> None:
    cuts: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
    for group in found.groups:
        for slot, place in group.weights:
            cuts.setdefault(slot, []).append((place, kept[group.name]))
    largest = max(float(parameter.grad.abs().max()) for parameter in original.parameters() if parameter.grad is not None)
    for slot, weight in enumerate(found.graph.weights):
        if weight.kind != "param":
            continue
        slope: Any = stored(original, weight.path).grad
        wanted = slope.reshape([axis.size.integer() or 0 for axis in weight.axes])
        for place, positions in cuts.get(slot, []):
            wanted = wanted.index_select(place, torch.tensor(positions))
        grad: Any = stored(smaller, weight.path).grad
        close(grad.reshape(wanted.shape), wanted, largest)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_text_is_the_users_own(name: str) -> None:
    """Formatted, without mistakes, with its comments, and with as many slices as were kept."""
    program = PROGRAMS[name]
    found = plan(program)
    scores = {group.name: [float((at * 7 + 3 * number) % 5) for at in range(group.length)] for number, group in enumerate(found.groups)}
    pruned = attn.prune(
        attn.text(program.text),
        "t",
        axis=program.axis,
        weights=weights_of(found),
        keep=0.6,
        importance=scores,
        bind=program.bind,
        normalise=None,
    )
    assert format_text(Source("t", pruned.text)) == pruned.text
    assert [found.title for found in attn.check(attn.text(pruned.text)) if found.severity == "error"] == []
    assert program.says in pruned.text
    for comment in (line.split("#")[1] for line in program.text.splitlines() if "#" in line):
        assert f"#{comment}" in pruned.text


def test_pruning_again_changes_the_numbers_alone() -> None:
    program = PROGRAMS["heads of layers in a loop"]
    weights = weights_of(plan(program))
    once = attn.prune(attn.text(program.text), axis="h", weights=weights, keep=8, bind=program.bind)
    twice = attn.prune(attn.text(once.text), axis="h", weights=once.weights, keep=4, bind=program.bind)
    differ = [pair for pair in zip(once.text.splitlines(), twice.text.splitlines(), strict=True) if pair[0] != pair[1]]
    assert len(differ) == 1
    assert "kept_h: int* = [" in differ[0][1]
    other = attn.prune(attn.text(twice.text), axis="E", weights=twice.weights, keep=0.5, uniform=True, bind=program.bind)
    assert "kept_E: int = 16" in other.text


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_pruned_is_said_with_the_reason(name: str) -> None:
    text, axis, why = REFUSED[name]
    program = attn.load(attn.text(text), "t")
    with pytest.raises(attn.AttnError) as caught:
        _written(program, axis)
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {"E0801"}
    assert why in str(caught.value)


def _written(program: attn.BlockProgram, axis: str) -> str:
    """With other numbers in every place."""
    found = prunable(program, axis, {"D": 4})
    return found.written([1 + number % 2 + number // 3 for number, _ in enumerate(found.groups)])
