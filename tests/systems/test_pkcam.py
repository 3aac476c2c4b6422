"""What the record of PKCAM asks for, as far as it takes no training."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch.testing import assert_close

import attn

from .support import CLOSE, Case, counted, parameters

NETWORK = ("std.systems.pkcam", "pkcam_resnet")
# Channels of the four stages, kernel of each, blocks of each, and the published number of weights.
RESNETS = {
    18: ({}, (3, 5, 5, 5), (2, 2, 2, 2), 11_689_628, 11.148),
    50: ({"deep": True, "depths": [3, 4, 6, 3]}, (5, 5, 5, 7), (3, 4, 6, 3), 25_557_293, 24.373),
}


@pytest.mark.system(
    "pkcam",
    "ResNet-18 and 50 have 11,689,628 and 25,557,293 weights (11.148 and 24.373 times 2**20), of which the first blocks of the stages "
    "never use 40 and 44; those are not here.",
)
@pytest.mark.parametrize("layers", RESNETS)
def test_the_number_of_parameters(layers: int) -> None:
    bind, kernels, _, published, printed = RESNETS[layers]
    never_used = sum(kernel + (stage + 1) + 2 for stage, kernel in enumerate(kernels, 1))  # far gate, one per source, two for the sum
    assert parameters(*NETWORK, **bind) + never_used == published
    assert round(published / 2**20, 3) == printed


@pytest.mark.system(
    "pkcam", "In ResNet-18 and 50 the blocks' own weights are those of the formula: 2k + t + 3 behind t vectors, k in front."
)
@pytest.mark.parametrize("layers", RESNETS)
def test_what_the_attention_adds(layers: int) -> None:
    bind, kernels, depths, _, _ = RESNETS[layers]
    weights = attn.load(*NETWORK).graph(bind, checking=True).weights
    found = sum(math.prod(int(size.integer() or 0) for size in weight.shape) for weight in weights if ".attention." in weight.path)
    stages = enumerate(zip(kernels, depths, strict=True), 1)
    assert found == sum(k + (depth - 1) * (2 * k + (stage + 1) + 2) for stage, (k, depth) in stages)


@pytest.mark.system("pkcam", "Without a memory it is x plus ECA of x with the same kernel, at 16, 64 and 256 channels.")
@pytest.mark.parametrize("channels", [16, 64, 256])
def test_without_a_memory_it_is_eca(channels: int) -> None:
    near = Case("std.cross_layer", "pkcam", lambda w, x: x, (), {"C": channels}).module()
    kernel = near.get_parameter("near.conv.weight")
    eca = attn.compile("std.channel", "eca", C=channels, kernel=kernel.shape[-1], dtype=torch.float64)
    eca.load_state_dict({"conv.weight": kernel})
    x = torch.randn(2, channels, 5, 3, dtype=torch.float64)
    assert_close(near(x), x + eca(x), **CLOSE)


@pytest.mark.system("pkcam", "The stages of a ResNet read a named memory: one vector more for each stage, gradients flow into all of them.")
def test_later_stages_learn_from_what_earlier_ones_left() -> None:
    made = Case("std.cross_layer", "pkcam", lambda w, x: x, (), {"C": 16, "K": 3}, given=("memory",)).module()
    memory = torch.randn(2, 3, 16, dtype=torch.float64, requires_grad=True)
    made(torch.randn(2, 16, 5, 3, dtype=torch.float64), memory).square().sum().backward()
    assert memory.grad is not None
    assert (memory.grad.abs().sum((0, 2)) > 0).all()
    sources = [counted("std.cross_layer", "pkcam", ("memory",), C=64, K=k).parameters.integer() or 0 for k in (1, 2, 3, 4)]
    assert [later - earlier for earlier, later in itertools.pairwise(sources)] == [1, 1, 1]
