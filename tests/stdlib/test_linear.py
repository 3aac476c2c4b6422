"""Attention at linear cost, against the same weights written as a matrix of all pairs."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as functional
from stdlib_support import Weights, block, numbers, program, same, shapes
from torch import Tensor

B, N, D, HEADS = 2, 5, 12, 3


def heads_of(w: Weights, name: str, x: Tensor) -> Tensor:
    return functional.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias")).unflatten(-1, (HEADS, -1)).transpose(-2, -3)


def out_of(w: Weights, y: Tensor) -> Tensor:
    return functional.linear(y.transpose(-2, -3).flatten(-2), w["out.weight"], w.get("out.bias"))


@pytest.mark.parametrize("n", [N, 1])
def test_efficient_attention_is_the_product_with_the_whole_map(n: int) -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        a = heads_of(w, "q", x).softmax(-1) @ heads_of(w, "k", x).softmax(-2).transpose(-1, -2)
        return out_of(w, a @ heads_of(w, "v", x))

    made = block("linear", "efficient_attention", D=D, heads=HEADS)
    assert shapes(made) == {
        f"{p}.{leaf}": (D, D) if leaf == "weight" else (D,) for p in ("q", "k", "v", "out") for leaf in ("weight", "bias")
    }
    same(made, reference, numbers(B, n, D))


def paired(q: Tensor, k: Tensor, v: Tensor, causal: bool, eps: float) -> Tensor:
    a = q @ k.transpose(-1, -2)
    a = a.tril() if causal else a
    return a @ v / (a.sum(-1, keepdim=True) + eps)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("eps", [1e-6, 0.1])
@pytest.mark.parametrize("n", [N, 1])
def test_linear_attend_is_weights_over_their_sum(causal: bool, eps: float, n: int) -> None:
    made = block("linear", "linear_attend", causal=causal, eps=eps)
    inputs = numbers(B, n, 4), numbers(B, n, 4, seed=2), numbers(B, n, 3, seed=3)
    same(made, lambda w, q, k, v: paired(functional.elu(q) + 1, functional.elu(k) + 1, v, causal, eps), *inputs)


def test_the_feature_of_linear_attention_is_positive() -> None:
    made = block("linear", "elu1")
    same(made, lambda w, x: torch.where(x > 0, x + 1, x.exp()), numbers(3, 5))
    assert bool((made(numbers(100) * 5) > 0).all())


def test_linear_attend_takes_another_feature() -> None:
    made = program("""
use std.linear (linear_attend)

block t(q: [*, N, d], k: [*, N, d], v: [*, N, e]) -> [*, N, e] {
    return linear_attend(q, k, v, feature=exp)
}
""")  # fmt: skip
    same(
        made,
        lambda w, q, k, v: paired(q.exp(), k.exp(), v, False, 1e-6),
        numbers(B, N, 4),
        numbers(B, N, 4, seed=2),
        numbers(B, N, 3, seed=3),
    )


@pytest.mark.parametrize("causal", [False, True])
def test_linear_mha_is_its_formula(causal: bool) -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        q, k, v = (heads_of(w, name, x) for name in "qkv")
        return out_of(w, paired(functional.elu(q) + 1, functional.elu(k) + 1, v, causal, 1e-6))

    same(block("linear", "linear_mha", D=D, heads=HEADS, causal=causal), reference, numbers(B, N, D))


@pytest.mark.parametrize("length", [None, 9])
def test_cosformer_weighs_pairs_by_a_cosine(length: int | None) -> None:
    def reference(w: Weights, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        away = (torch.arange(N)[:, None] - torch.arange(N)).double()
        a = functional.relu(q) @ functional.relu(k).transpose(-1, -2) * (math.pi / 2 * away / (length or N)).cos()
        return a @ v / a.sum(-1, keepdim=True).clamp(min=1e-6)

    made = block("linear", "cosformer_attend", **({} if length is None else {"length": length}))
    same(made, reference, numbers(B, N, 4), numbers(B, N, 4, seed=2), numbers(B, N, 3, seed=3))


def test_linformer_mixes_the_keys_down() -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        k, v = (w[f"{mix}.weight"] @ heads_of(w, name, x) for name, mix in (("k", "e"), ("v", "f")))
        a = (heads_of(w, "q", x) @ k.transpose(-1, -2) * (D // HEADS) ** -0.5).softmax(-1)
        return out_of(w, a @ v)

    made = block("linear", "linformer", D=D, N=7, heads=HEADS, length=4)
    assert shapes(made)["e.weight"] == shapes(made)["f.weight"] == (4, 7)
    same(made, reference, numbers(B, 7, D))
