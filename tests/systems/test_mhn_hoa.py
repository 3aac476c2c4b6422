"""What the record of the mixed high-order attention network asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import attn

from .cases.mhn_hoa import CASES, FILE, adversary, network
from .support import CLOSE, Case, leaves, parameters

HOA = ("std.gates", "high_order")


class HighDivModule(nn.Module):
    """The released class: for order j a list of j convolutions, whose product is mapped back under a sigmoid."""

    def __init__(self, channels: int, order: int) -> None:
        super().__init__()
        inner = channels // 8 * 2
        self.maps = nn.ModuleList(nn.ModuleList(nn.Conv2d(channels, inner, 1, bias=False) for _ in range(j + 1)) for j in range(order))
        self.back = nn.ModuleList(nn.Sequential(nn.Conv2d(inner, channels, 1, bias=False), nn.Sigmoid()) for _ in range(order))

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        for maps, back in zip(self.maps, self.back, strict=True):
            product = torch.ones((), dtype=x.dtype)
            for each in maps.children():
                product = product * each(x)
            total = total + back(product.relu())
        return x * total / len(self.back)


@pytest.mark.system("mhn-hoa", "It equals the released HighDivModule with its weights loaded by a map of names, for orders 1, 2 and 4.")
@pytest.mark.parametrize("order", [1, 2, 4])
def test_it_is_the_released_module(order: int) -> None:
    other = HighDivModule(19, order).double()
    made = attn.compile(*HOA, C=19, order=order, dtype=torch.float64)
    names = {f"maps.{r}.{s}.weight": f"orders.{r + 1}.maps.{s}.weight" for r in range(order) for s in range(r + 1)}
    attn.load_weights(made, other.state_dict(), names | {f"back.{r}.0.weight": f"orders.{r + 1}.out.weight" for r in range(order)})
    x = torch.randn(2, 19, 5, 7, dtype=torch.float64)
    assert_close(made(x), other(x), **CLOSE)


@pytest.mark.system("mhn-hoa", "With 512 channels it has (R (R + 1) / 2 + R) 65,536 parameters, for R from 1 to 6: 589,824 for R = 3.")
def test_the_number_of_parameters() -> None:
    for order in range(1, 7):
        assert parameters(*HOA, C=512, order=order) == (order * (order + 1) // 2 + order) * 65_536
    assert parameters(*HOA, C=512, order=3) == 589_824


@pytest.mark.system("mhn-hoa", "Of order 1 it is a gate for each place, x sigmoid(W2 relu(W1 x)), without pooling.")
def test_the_first_order_is_a_gate() -> None:
    made, x = CASES[1].module(), torch.randn(2, 16, 5, 7, dtype=torch.float64)
    w = made.state_dict()
    hidden = torch.einsum("rc,bchw->brhw", w["orders.1.maps.0.weight"], x).relu()
    assert_close(made(x), x * torch.einsum("cr,brhw->bchw", w["orders.1.out.weight"], hidden).sigmoid(), **CLOSE)


@pytest.mark.system("mhn-hoa", "In training the network normalises over all parts, as where they are stacked on the batch axis.")
def test_parts_share_the_norms_in_training() -> None:
    case = CASES[-1]
    made = case.module().train()
    x = case.tensors()[0]
    for found, wanted in zip(made(x), network(leaves(made), x, training=True), strict=True):
        assert_close(found, wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.system("mhn-hoa", "Around a ResNet-50 the network gives 6 vectors of 256 for an image; its modules have 5,046,272 parameters.")
def test_the_whole_network() -> None:
    modules = [parameters(*HOA, C=512, order=order) for order in range(1, 7)]
    head = 2048 * 256 + 256 + 2 * 256 + 6 * (256 * 751 + 751)
    assert parameters(FILE, "mhn", K=751) == 23_508_032 + sum(modules) + head
    assert sum(modules) == 5_046_272


@pytest.mark.system("mhn-hoa", "The adversary measures the mean distance of two parts; gradients of the features have their sign turned.")
def test_the_adversary_turns_gradients() -> None:
    made = Case(FILE, "adversary", adversary, ((3, 4, 6),), {"F": 6, "P": 4, "hidden": 5}).module()
    weights, f = leaves(made), torch.randn(3, 4, 6, dtype=torch.float64, requires_grad=True)
    found, wanted = made(f), adversary(weights, f)
    assert_close(found, wanted, **CLOSE)
    learnt: dict[str, Any] = dict(made.named_parameters())
    (got, *own), (plain, *theirs) = (
        torch.autograd.grad(value, [f, *(source[name] for name in learnt)]) for value, source in ((found, learnt), (wanted, weights))
    )
    assert_close(got, -plain, **CLOSE)
    assert_close(own, theirs, **CLOSE)
