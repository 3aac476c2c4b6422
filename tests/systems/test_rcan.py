"""What the record of RCAN asks for, as far as it takes no training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import attn
from attn.compiler.cost import graph_cost
from attn.compiler.graph import Graph

from .support import CLOSE, Case, parameters

NETWORK = ("std.systems.rcan", "rcan")
PROGRAM = Path(__file__).parents[2] / "examples" / "systems" / "rcan.attn"
SHIFTS = 2 * (3 * 3 + 3)  # the released class stores the shift of the mean there and back as fixed convolutions


@pytest.fixture(scope="module")
def graph() -> Graph:
    """The whole network for x2."""
    return attn.load(*NETWORK).graph(checking=True)


@pytest.mark.system(
    "rcan", "It has 15,444,667 numbers at x2, 15,629,307 at x3 and 15,592,379 at x4, with the 24 fixed ones of the mean shifts."
)
def test_the_number_of_parameters(graph: Graph) -> None:
    double = graph_cost(graph).parameters.integer()
    assert double is not None
    assert double + SHIFTS == 15_444_667
    shallow = {scale: parameters(*NETWORK, groups=1, blocks=1, scale=scale) for scale in (2, 3, 4)}  # the ends do not depend on the middle
    assert double + shallow[3] - shallow[2] + SHIFTS == 15_629_307
    assert double + shallow[4] - shallow[2] + SHIFTS == 15_592_379


@pytest.mark.system("rcan", "The gate of channels, two 1x1 convolutions in the paper, is squeeze and excitation with the same weights.")
def test_the_gate_is_squeeze_and_excitation() -> None:
    se = Case("std.channel", "se", lambda w, x: x, (), {"C": 64}).module()
    gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(64, 4, 1), nn.ReLU(), nn.Conv2d(4, 64, 1), nn.Sigmoid()).double()
    names = {"1": "fc1", "3": "fc2"}
    stored = se.state_dict()
    gate.load_state_dict({name: stored[f"{names[name[0]]}{name[1:]}"].reshape(value.shape) for name, value in gate.state_dict().items()})
    x = torch.randn(2, 64, 5, 3, dtype=torch.float64)
    assert_close(se(x), x * gate(x), **CLOSE)
    assert "use std.channel (se)" in PROGRAM.read_text(encoding="utf-8")


@pytest.mark.system("rcan", "The body of the network of 200 blocks has 18 lines, with two loops, one in the other.")
def test_the_network_is_short(graph: Graph) -> None:
    text = PROGRAM.read_text(encoding="utf-8")
    body = text[text.index(") -> [B, I = 3") :].splitlines()[1:-1]
    assert len(body) == 18
    assert len({weight.path.rpartition(".conv1")[0] for weight in graph.weights if ".conv1." in weight.path}) == 200


@pytest.mark.system("rcan", "With its last convolution at zero it gives the mean colour: 255 times (0.4488, 0.4371, 0.4040).")
def test_colours_are_shifted_back() -> None:
    made = Case(*NETWORK, lambda w, x: x, (), {"channels": 8, "groups": 1, "blocks": 1, "reduction": 4}).module()
    for name in ("tail.weight", "tail.bias"):
        made.get_parameter(name).data.zero_()
    y = made(torch.randn(1, 3, 4, 5, dtype=torch.float64))
    assert_close(y.mean((0, 2, 3)), 255 * torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float64), **CLOSE)
