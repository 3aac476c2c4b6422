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


def convolution(inner: int, outer: int, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inner, outer, kernel, padding=kernel // 2)


class Part(nn.Module):
    """A sequence under the name `body`, whose result is added to its input, or `conv_du`, which makes a gate of the means."""

    def __init__(self, name: str, *parts: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.add_module(name, nn.Sequential(*parts))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.get_submodule(self.name)
        return x * inner(x.mean((2, 3), keepdim=True)) if self.name == "conv_du" else x + inner(x)


class Released(nn.Module):
    """Modules laid out and called as in the released class, for scales 2 and 4."""

    def __init__(self, width: int = 64, groups: int = 10, blocks: int = 20, reduction: int = 16, scale: int = 2) -> None:
        super().__init__()

        def gate() -> Part:
            down, up = convolution(width, width // reduction, 1), convolution(width // reduction, width, 1)
            return Part("conv_du", down, nn.ReLU(), up, nn.Sigmoid())

        def block() -> Part:
            return Part("body", convolution(width, width), nn.ReLU(), convolution(width, width), gate())

        def group() -> Part:
            return Part("body", *(block() for _ in range(blocks)), convolution(width, width))

        steps = [part for _ in range(scale // 2) for part in (convolution(width, 4 * width), nn.PixelShuffle(2))]
        self.sub_mean, self.add_mean = convolution(3, 3, 1), convolution(3, 3, 1)
        self.head = nn.Sequential(convolution(3, width))
        self.body = nn.Sequential(*(group() for _ in range(groups)), convolution(width, width))
        self.tail = nn.Sequential(nn.Sequential(*steps), convolution(width, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.head(self.sub_mean(x))
        return self.add_mean(self.tail(x + self.body(x)))

    def shifted(self) -> Released:
        """With the fixed weights of the two shifts."""
        with torch.no_grad():
            for shift, sign in ((self.sub_mean, -255), (self.add_mean, 255)):
                shift.weight.copy_(torch.eye(3)[..., None, None])
                assert shift.bias is not None
                shift.bias.copy_(sign * torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float64))
        return self


def names(groups: int, blocks: int) -> dict[str, str | None]:
    block = "groups.{g}.blocks.{i}."
    return {
        "head.0.{w}": "head.{w}",
        f"body.{groups}.{{w}}": "body.{w}",
        f"body.{{g}}.body.{blocks}.{{w}}": "groups.{g}.conv.{w}",
        "body.{g}.body.{i}.body.0.{w}": block + "conv1.{w}",
        "body.{g}.body.{i}.body.2.{w}": block + "conv2.{w}",
        "body.{g}.body.{i}.body.3.conv_du.0.{w}": block + "gate.fc1.{w}",
        "body.{g}.body.{i}.body.3.conv_du.2.{w}": block + "gate.fc2.{w}",
        "tail.0.0.{w}": "up.0.{w}",
        "tail.0.2.{w}": "up.1.{w}",
        "tail.1.{w}": "tail.{w}",
        "sub_mean.{w}": None,
        "add_mean.{w}": None,
    }


@pytest.mark.system(
    "rcan", "It loads the weights of modules laid out as the released class through twelve lines of names, and gives the same at x2, x4."
)
@pytest.mark.parametrize("scale", [2, 4])
def test_it_loads_what_the_released_layout_stores(scale: int) -> None:
    other = Released(8, 2, 3, 4, scale).double().shifted()
    made = attn.compile(*NETWORK, channels=8, groups=2, blocks=3, reduction=4, scale=scale, dtype=torch.float64)
    attn.load_weights(made, other.state_dict(), names(2, 3))
    x = 255 * torch.rand(2, 3, 5, 7, dtype=torch.float64)
    assert_close(made(x), other(x), **CLOSE)


@pytest.mark.system("rcan", "At full size that layout stores 15,444,667 numbers, and every weight has its place here.")
def test_the_layout_at_full_size(graph: Graph) -> None:
    with torch.device("meta"):
        stored = Released().state_dict()
    assert sum(value.numel() for value in stored.values()) == 15_444_667
    assert len(stored) == len([weight for weight in graph.weights if weight.kind == "param"]) + 4


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
