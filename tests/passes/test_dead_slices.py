"""Slices that cannot reach a result are removed, and nothing else changes: values, gradients, names of weights."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

import attn
from attn.compiler.graph import Graph
from attn.compiler.lower.lowering import lower
from attn.compiler.passes.base import Mode
from attn.compiler.passes.dead_slices import DeadSlices
from attn.compiler.passes.pipeline import optimise
from attn.compiler.reference import evaluate
from attn.compiler.verify import Setting, fitting, inputs_for

from .dead_programs import PROGRAMS, UNTOUCHED

EPS = 2.0**-52


def graph_of(text: str, bind: dict[str, int]) -> Graph:
    return attn.load(attn.text(text), "t").graph(bind)


def module_of(graph: Graph, mode: Mode, seed: int = 0) -> Any:
    """Compiled with this pass alone, in float64, with random weights."""
    module = lower(graph, dtype=torch.float64, optimiser=partial(optimise, mode=mode, pipeline=(DeadSlices(),)))
    source = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=source, dtype=torch.float64))
    return module


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_says_what_it_removed(name: str) -> None:
    program = PROGRAMS[name]
    outcome = DeadSlices().run(graph_of(program.text, program.bind), "train")
    assert program.says in "\n".join(change.text for change in outcome.changes)


@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_may_matter_stays(name: str) -> None:
    graph = graph_of(UNTOUCHED[name], {"D": 8})
    assert DeadSlices().run(graph, "train").graph is graph


@pytest.mark.parametrize("sizes", [(1, 3), (5, 1), (2, 4), (0, 2)], ids=str)
@pytest.mark.parametrize("name", PROGRAMS)
def test_values_and_gradients_stay(name: str, sizes: tuple[int, int]) -> None:
    program, (free, lead) = PROGRAMS[name], sizes
    graph = graph_of(program.text, program.bind)
    fixed = fitting(graph, [max(free, 1)], 0, {}) if free else dict.fromkeys(_free(graph), 0)
    if fixed is None or (free == 0 and "conv" in program.text):
        pytest.skip("the program does not take these sizes")
    inputs = inputs_for(graph, fixed, Setting(lead=(lead,)))
    modes: tuple[Mode, ...] = ("train", "infer")
    for mode in modes:
        _compare(graph, inputs, mode)


def _free(graph: Graph) -> list[str]:
    return sorted({name for node in graph.inputs for axis in node.axes for name in axis.size.free() if name != "*"})


def _compare(graph: Graph, inputs: dict[str, torch.Tensor], mode: Mode) -> None:
    optimised = DeadSlices().run(graph, mode).graph
    plain, smaller = lower(graph, dtype=torch.float64), module_of(graph, mode)
    plain.load_state_dict(smaller.state_dict())
    weights = {path: tensor.detach() for path, tensor in smaller.state_dict().items()}
    before, after = evaluate(graph, inputs, weights)[""], evaluate(optimised, inputs, weights)[""]
    _close(after, before)
    wanted, found = plain(*inputs.values()), smaller(*inputs.values())
    _close(wanted, before)
    _close(found, before)
    assert list(plain.state_dict()) == list(smaller.state_dict())
    assert smaller.optimised.graph is not graph
    if mode == "train":
        _same_gradients(plain, smaller, wanted, found)


def _same_gradients(plain: Any, smaller: Any, wanted: torch.Tensor, found: torch.Tensor) -> None:
    wanted.square().sum().backward()
    found.square().sum().backward()
    largest = max((float(one.grad.abs().max()) for one in plain.parameters() if one.grad is not None), default=0.0)
    for (path, one), (_, other) in zip(plain.named_parameters(), smaller.named_parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), path
        if one.grad is not None and other.grad is not None:
            _close(other.grad, one.grad, largest)  # that of a key's bias is the rounding of much larger ones


def _close(found: torch.Tensor, wanted: torch.Tensor, scale: float = 0.0) -> None:
    largest = float(wanted.abs().max()) if wanted.numel() else 0.0
    torch.testing.assert_close(found, wanted, rtol=0, atol=512 * EPS * max(scale, largest, 1.0), check_stride=False)
