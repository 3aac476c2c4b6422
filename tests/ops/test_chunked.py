"""Attention on blocks of rows and keys against attention with all scores, in values and gradients, where nothing divides anything."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from attn.compiler.lower.runtime_chunked import chunked_attention

B, H, N, K, D, E = 2, 3, 5, 7, 4, 3
BLOCKS = [(3, 1000), (7, 20), (2, 13)]
"""Keys that are taken together, and scores that are held together."""
OPTIONS: list[Any] = [
    (None, None, False, False, False), (2.0, (B, 1, N, K), True, True, True), (None, (1, H, N, 1), True, False, True),
    (2.0, None, False, True, False),
]  # fmt: skip
"""A cap, the shape of a bias, whether there are a mask and a sink, and whether the scale is a tensor."""


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def whole(q: list[Tensor], k: list[Tensor], v: Tensor, scale: Any, cap: float | None, bias: Any, where: Any, sink: Any, by: str) -> Tensor:
    s: Tensor = sum((a.unsqueeze(-2) * b).sum(-1) for a, b in zip(q, k, strict=True)) * scale
    s = torch.tanh(s / cap) * cap if cap else s
    s = s if bias is None else s + bias
    s = s if where is None else torch.where(where, s, float("-inf"))
    if by != "softmax":
        w = torch.sigmoid(s) if by == "sigmoid" else torch.relu(s) ** 2
    else:
        top = s.amax(-1, keepdim=True) if sink is None else torch.maximum(s.amax(-1, keepdim=True), sink)
        top = torch.where(top == -torch.inf, 0, top).detach()
        total = torch.exp(s - top).sum(-1, keepdim=True) + (0 if sink is None else torch.exp(sink - top))
        w = torch.exp(s - top) / torch.where(total == 0, 1, total)
    return (w.unsqueeze(-1) * v).sum(-2)


@pytest.mark.parametrize("by", ["softmax", "sigmoid", "relu2"])
@pytest.mark.parametrize("terms", [1, 2])
def test_blocks_are_the_whole(by: str, terms: int) -> None:
    """Groups of heads share keys; a mask has rows without any key; bias, scale and sink have some of the axes."""
    for cap, biased, masked, sunk, scaled in OPTIONS:
        sunk = sunk and by == "softmax"
        q, k = [drawn(B, H, N, D), drawn(1, H, N, 2)][:terms], [drawn(B, 1, 1, K, D, seed=1), drawn(B, H, 1, K, 2, seed=2)][:terms]
        v, bias = drawn(B, H, 1, K, E, seed=3), None if biased is None else drawn(*biased, seed=4)
        where = (torch.arange(K) % 3 != torch.arange(N)[:, None] % 2)[None, None] & (torch.arange(N) != 1)[:, None] if masked else None
        sink, scale = drawn(1, H, 1, 1, seed=5) if sunk else None, drawn(1, H, 1, 1, seed=6) if scaled else 0.4
        wanted = whole(q, k, v, scale, cap, bias, where, sink, by)
        leaves = [x for x in (*q, *k, v, bias, sink, scale) if isinstance(x, Tensor)]
        slopes = torch.autograd.grad(wanted, leaves, torch.ones_like(wanted).cumsum(-1))
        for chunk, block in BLOCKS:
            found = chunked_attention(q, k, v, chunk, scale, cap, bias, where, sink, by, block=block)
            assert_close(found, wanted, rtol=1e-10, atol=1e-10)
            assert_close(torch.autograd.grad(found, leaves, torch.ones_like(found).cumsum(-1)), slopes, rtol=1e-9, atol=1e-9)


def test_gradients_have_gradients() -> None:
    x = drawn(2, 3, 2), drawn(2, 1, 4, 2, seed=1), drawn(2, 1, 4, 2, seed=2)
    assert torch.autograd.gradgradcheck(lambda q, k, v: chunked_attention([q], [k], v, 3, 0.5, block=4), x)


def test_what_is_dropped_is_the_same_in_both_directions() -> None:
    def f(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        torch.manual_seed(3)
        return chunked_attention([q], [k], v, 3, 0.5, block=4, dropout=0.5)

    x = drawn(2, 3, 2), drawn(2, 1, 4, 2, seed=1), drawn(2, 1, 4, 2, seed=2)
    assert torch.autograd.gradcheck(f, x)
    assert not torch.equal(f(*x), chunked_attention([x[0]], [x[1]], x[2], 3, 0.5))


@pytest.mark.parametrize("empty", ["rows", "keys"])
def test_nothing_is_read_where_there_is_nothing(empty: str) -> None:
    rows, keys = (0, 4) if empty == "rows" else (3, 0)
    q, k, v = drawn(2, rows, 2), drawn(2, 1, keys, 2), drawn(2, 1, keys, 2)
    y = chunked_attention([q], [k], v, 3, 0.5)
    assert y.shape == (2, rows, 2)
    assert not y.any()
    assert [x.shape for x in torch.autograd.grad(y.sum(), (q, k, v))] == [q.shape, k.shape, v.shape]


def test_autocast_is_the_same_in_both_directions() -> None:
    q, k, v = (drawn(*shape).float().detach().requires_grad_() for shape in ((2, 5, 4), (2, 1, 6, 4), (2, 1, 6, 4)))
    with torch.autocast("cpu", torch.bfloat16):
        y = chunked_attention([q], [k], v, 4, 0.5)
    assert all(x.dtype == torch.float32 for x in torch.autograd.grad(y.sum(), (q, k, v)))
