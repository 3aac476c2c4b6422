"""What the record of efficient attention asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import attn

from .cases.efficient_attention import CASES, SIZES
from .plain import heads
from .support import CLOSE, flops, holding, optimised, parameters

FILE = "std.systems.efficient_attention"


class Module(nn.Module):
    """The released class: 1x1 convolutions, and for each head a context of keys times values."""

    def __init__(self, channels: int, keys: int, count: int, values: int) -> None:
        super().__init__()
        self.count = count
        self.keys, self.queries = nn.Conv2d(channels, keys, 1), nn.Conv2d(channels, keys, 1)
        self.values, self.reprojection = nn.Conv2d(channels, values, 1), nn.Conv2d(values, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        k, q, v = (layer(x).flatten(2).chunk(self.count, 1) for layer in (self.keys, self.queries, self.values))
        done: list[Tensor] = []
        for key, query, value in zip(k, q, v, strict=True):
            context = key.softmax(2) @ value.mT
            done.append((context.mT @ query.softmax(1)).unflatten(-1, x.shape[2:]))
        return x + self.reprojection(torch.cat(done, 1))


@pytest.mark.system("efficient-attention", "It equals the class of the released code with its weights loaded by a map of names.")
def test_it_is_the_released_class() -> None:
    other = Module(12, 6, 3, 15).double()
    path = {"keys": "attention.k", "queries": "attention.q", "values": "attention.v", "reprojection": "attention.out"}
    names = {f"{old}.{leaf}": f"{new}.{leaf}" for old, new in path.items() for leaf in ("weight", "bias")}
    made = attn.compile(FILE, bind={"C": 12, "keys": 6, "heads": 3, "values": 15}, dtype=torch.float64)
    attn.load_weights(made, other.state_dict(), names)
    x = torch.randn(2, 12, 5, 7, dtype=torch.float64)
    assert_close(made(x), other(x), **CLOSE)


def maps(made: Any, x: Tensor, scaling: bool) -> Tensor:
    """The map of all pairs of each head, from the weights."""
    places = x.flatten(2).mT
    w = made.state_dict()
    q, k = (heads(nn.functional.linear(places, w[f"attention.{n}.weight"], w[f"attention.{n}.bias"]), 2) for n in "qk")
    return q @ k.mT / places.shape[1] if scaling else q.softmax(-1) @ k.softmax(-2).mT


@pytest.mark.system("efficient-attention", "Each row of the map of all pairs that it stands for sums to 1.")
def test_rows_of_the_map_sum_to_one() -> None:
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    rows = maps(CASES[0].module(), x, False).sum(-1)
    assert_close(rows, torch.ones_like(rows), **CLOSE)


@pytest.mark.system("efficient-attention", "With scaling it is dot-product attention without a softmax, with the scale 1 / n.")
def test_scaling_is_dot_product_attention() -> None:
    made, x = CASES[1].module(), torch.randn(2, 8, 5, 7, dtype=torch.float64)
    w = made.state_dict()
    v = heads(nn.functional.linear(x.flatten(2).mT, w["attention.v.weight"], w["attention.v.bias"]), 2)
    y = (maps(made, x, True) @ v).transpose(1, 2).flatten(2)
    wanted = x + nn.functional.linear(y, w["attention.out.weight"], w["attention.out.bias"]).mT.reshape(x.shape)
    assert_close(made(x), wanted, **CLOSE)


@pytest.mark.system(
    "efficient-attention", "The compiler takes the order of products whose cost is linear in the places; no map of all pairs is made."
)
@pytest.mark.parametrize("norm", ["softmax", "scaling"])
def test_the_cost_is_linear(norm: str) -> None:
    graph = optimised(FILE, "efficient_module", C=64, heads=4, keys=64, values=64, norm=norm)
    first, second, third = (flops(graph, H=n, W=5) for n in (16, 32, 64))
    assert third - second == 2 * (second - first) > 0
    assert holding(optimised("std.linear", "efficient_attention", D=64, norm=norm), "N", "M") == []


@pytest.mark.system("efficient-attention", "It has the parameters of four 1x1 convolutions with biases.")
def test_the_number_of_parameters() -> None:
    assert parameters(FILE, "efficient_module", **SIZES) == 2 * (8 * 6 + 6) + (8 * 10 + 10) + (10 * 8 + 8)
