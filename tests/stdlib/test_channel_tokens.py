"""Attention between channels: DaViT and XCiT of timm, Restormer's written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from stdlib_support import Weights, block, close, numbers, same, shapes
from torch import Tensor
from torch.func import functional_call

D, HEADS = 12, 3


def packed(w: Weights, order: str = "qkv") -> dict[str, Tensor]:
    return {
        **{f"qkv.{leaf}": torch.cat([w[f"{name}.{leaf}"] for name in order]) for leaf in ("weight", "bias") if f"q.{leaf}" in w},
        **{f"proj.{leaf}": w[f"out.{leaf}"] for leaf in ("weight", "bias")},
    }


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("n", [7, 1])
def test_channel_group_is_that_of_davit_with_its_roles_turned(timm: Any, bias: bool, n: int) -> None:
    from timm.models.davit import ChannelAttention

    other = ChannelAttention(D, HEADS, qkv_bias=bias).double()
    # What their code calls k asks, v is asked, and q is read.
    same(
        block("channel_tokens", "channel_group", D=D, groups=HEADS, bias=bias),
        lambda w, x: functional_call(other, packed(w, "vqk"), x),
        numbers(2, n, D),
    )


@pytest.mark.parametrize("bias", [True, False])
def test_xca_is_that_of_xcit(timm: Any, bias: bool) -> None:
    from timm.models.xcit import XCA

    other = XCA(D, HEADS, qkv_bias=bias).double()
    made = block("channel_tokens", "xca", D=D, heads=HEADS, bias=bias)
    assert shapes(made)["temperature"] == (HEADS,)
    same(made, lambda w, x: functional_call(other, {**packed(w), "temperature": w["temperature"][:, None, None]}, x), numbers(2, 7, D))


def test_a_checkpoint_of_xcit_loads(timm: Any) -> None:
    from timm.models.xcit import XCA

    other = XCA(D, HEADS).double()
    torch.nn.init.normal_(other.temperature)
    made = block("channel_tokens", "xca", D=D, heads=HEADS)
    q, k, v = other.qkv.weight.chunk(3)
    rest = {"temperature": other.temperature, "out.weight": other.proj.weight, "out.bias": other.proj.bias}
    made.load_state_dict({"q.weight": q, "k.weight": k, "v.weight": v, **rest})
    x = numbers(2, 7, D)
    close(made(x), other(x))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kernel", [3, 5])
def test_mdta_is_its_formula(bias: bool, kernel: int) -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        def mixed(name: str) -> Tensor:
            y = functional.conv2d(x, w[f"{name}.point.weight"][..., None, None], w.get(f"{name}.point.bias"))
            y = functional.conv2d(y, w[f"{name}.depth.weight"], w.get(f"{name}.depth.bias"), padding=kernel // 2, groups=D)
            return y.flatten(2).unflatten(1, (HEADS, -1))

        q, k, v = functional.normalize(mixed("q"), dim=-1), functional.normalize(mixed("k"), dim=-1), mixed("v")
        a = (q @ k.transpose(-1, -2) * w["temperature"][:, None, None]).softmax(-1)
        y = (a @ v).flatten(1, 2).view_as(x)
        return functional.conv2d(y, w["out.weight"][..., None, None], w.get("out.bias"))

    made = block("channel_tokens", "mdta", C=D, heads=HEADS, bias=bias, kernel=kernel)
    assert shapes(made)["q.depth.weight"] == (D, 1, kernel, kernel)
    same(made, reference, numbers(2, D, 5, 4))
