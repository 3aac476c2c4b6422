"""What the record of text-guided dynamic attention asks for, as far as it takes no training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import attn
from attn.compiler.graph import topological

from .cases.x_mesh_tdam import INPUTS, SIZES
from .support import CLOSE, Case, built, compare, parameters


class Dynamic(nn.Module):
    """As released: U is predicted and cut into a matrix with in + 1 rows, times V; the last row is the bias."""

    def __init__(self, width: int, made: int, text: int, rank: int) -> None:
        super().__init__()
        self.width, self.rank = width, rank
        self.u = nn.Linear(text, (width + 1) * rank)
        self.v = nn.Parameter(torch.zeros(rank, made))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        whole = torch.bmm(self.u(t).view(t.shape[0], self.width + 1, self.rank), self.v[None].expand(t.shape[0], -1, -1))
        return torch.matmul(x, whole[:, :-1]) + whole[:, -1:]


class Guided(nn.Module):
    """Both gates, one after the other, on x: [B, P, D] and t: [B, E]."""

    def __init__(self, width: int, text: int, rank: int, reduction: int = 8) -> None:
        super().__init__()
        self.channel, self.spatial = (
            nn.ModuleDict({"fc1": Dynamic(width, width // reduction, text, rank), "fc2": Dynamic(width // reduction, width, text, rank)})
            for _ in range(2)
        )

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        def mlp(parts: nn.ModuleDict, x: Tensor) -> Tensor:
            return parts["fc2"](torch.relu(parts["fc1"](x, t)), t)

        x = x * torch.sigmoid(mlp(self.channel, x).mean(1, keepdim=True))
        return x * torch.sigmoid(mlp(self.spatial, x).mean(2, keepdim=True))


@pytest.mark.system(
    "x-mesh-tdam",
    "It equals a module of torch built as the released QueryDynamicAttention is, with its state_dict, in values and gradients.",
)
def test_it_is_the_module_of_dynamic_layers() -> None:
    other = Guided(16, 7, 3).double()
    case = Case("std.dynamic", "tdam", lambda w, x, t: torch.func.functional_call(other, dict(w), (x, t)), INPUTS, {"D": 16, **SIZES})
    made = case.module()
    assert {name: value.shape for name, value in made.state_dict().items()} == {
        name: value.shape for name, value in other.state_dict().items()
    }
    compare(case, made)


@pytest.mark.system(
    "x-mesh-tdam", "At the start, where V is 0, it gives exactly x / 4, at the paper's sizes (256 channels, 512 numbers of text)."
)
def test_at_the_start_it_is_a_quarter() -> None:
    made = attn.compile("std.dynamic", "tdam", D=256, E=512)
    x, t = torch.randn(11, 256), torch.randn(512)
    assert torch.equal(made(x, t), x / 4)


@pytest.mark.system("x-mesh-tdam", "With V of full rank and U that does not look at the text it is a plain gate of two linear layers.")
def test_with_a_constant_text_it_is_a_plain_gate() -> None:
    rank = 17
    made = built("std.dynamic", "tdam", D=16, E=7, rank=rank)
    with torch.no_grad():
        for name, value in made.named_parameters():
            if name.endswith("u.weight"):
                value.zero_()
            elif name.endswith("u.bias"):  # the factor U is the identity, so V is the weight and, in its last row, the bias
                value.copy_(torch.eye(value.shape[0] // rank, rank).flatten())
    w = dict(made.named_parameters())

    def mlp(path: str, x: Tensor) -> Tensor:
        hidden = torch.relu(x @ w[f"{path}.fc1.v"][:16] + w[f"{path}.fc1.v"][16])
        return hidden @ w[f"{path}.fc2.v"][:2] + w[f"{path}.fc2.v"][2]

    x = torch.randn(9, 16, dtype=torch.float64)
    y = x * torch.sigmoid(mlp("channel", x).mean(0))
    wanted = y * torch.sigmoid(mlp("spatial", y).mean(1, keepdim=True))
    for t in torch.randn(2, 7, dtype=torch.float64):
        assert_close(made(x, t), wanted, **CLOSE)


@pytest.mark.system("x-mesh-tdam", "It has 8,943,480 weights at the paper's sizes and rank 30.")
def test_the_number_of_weights() -> None:
    layers = [(256, 32), (32, 256)]
    assert parameters("std.dynamic", "tdam", D=256, E=512) == 8_943_480
    assert sum(2 * (513 * 30 * (wide + 1) + 30 * made) for wide, made in layers) == 8_943_480


@pytest.mark.system(
    "x-mesh-tdam", "The predicted matrix of each of the four dynamic layers is a node of the graph, named as in the program."
)
def test_the_predicted_weights_are_in_the_graph() -> None:
    graph = attn.load("std.dynamic", "tdam").graph({"D": 16, **SIZES}, checking=True)
    found = [node for node in topological([output.node for output in graph.outputs]) if (node.op, node.name) == ("dot", "predicted")]
    shapes = sorted(tuple(str(axis.size) for axis in node.tensor.axes if axis.name != "*") for node in found)
    assert shapes == sorted([("17", "2"), ("3", "16")] * 2)
