"""Masks and biases of `attend` are ordinary expressions; its options have an order and a written answer for every edge."""

from __future__ import annotations

import pytest
import torch
from language_support import codes, compiled, module, program, randn
from torch import Tensor
from torch.testing import assert_close

import attn

HEAD = "q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, d]"
OUT = "[*, h, N, d]"
LONG = 300
ROWS, COLUMNS = torch.arange(LONG)[:, None], torch.arange(LONG)[None]
NEAR = (ROWS - COLUMNS).clamp(min=1)


def masked(q: Tensor, k: Tensor, v: Tensor, seen: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    s = q @ k.mT * q.shape[-1] ** -0.5 + bias
    return s.masked_fill(~seen, -torch.inf).softmax(-1).nan_to_num() @ v


def three(n: int, h: int = 2, d: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    return randn(1, h, n, d, seed=1), randn(1, h, n, d, seed=2), randn(1, h, n, d, seed=3)


MASKS = {
    "causal": ("pos(N') <= pos(N)", COLUMNS <= ROWS),
    "sliding": ("pos(N') <= pos(N) and pos(N) - pos(N') < 256", (COLUMNS <= ROWS) & (ROWS - COLUMNS < 256)),
    "power": (
        "pos(N') <= pos(N) and (is_pow2(pos(N) - pos(N')) or pos(N) - pos(N') < 64)",
        (COLUMNS <= ROWS) & (((ROWS - COLUMNS > 0) & (NEAR & (NEAR - 1) == 0)) | (ROWS - COLUMNS < 64)),
    ),
}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_arithmetic_on_positions(name: str) -> None:
    written, seen = MASKS[name]
    text = "use std.pointwise (is_pow2)\n\n" + program(HEAD, f"return attend(q, k, v, over=N, dot=d, where={written})", OUT)
    m, (q, k, v) = compiled(text), three(LONG)
    assert_close(m(q, k, v), masked(q, k, v, seen))


def test_packed_documents_see_themselves() -> None:
    m = module(f"{HEAD}, doc: int [*, N]", "return attend(q, k, v, over=N, dot=d, where=doc == rename(doc, N -> N'))", OUT)
    (q, k, v), doc = three(6), torch.tensor([[0, 0, 1, 1, 1, 2]])
    assert_close(m(q, k, v, doc), masked(q, k, v, (doc[:, :, None] == doc[:, None])[:, None]))


def test_routed_blocks_are_looked_up_by_position() -> None:
    body = "return attend(q, k, v, over=N, dot=d, where=keep[J = pos(N') // size] and pos(N') <= pos(N))"
    m = module(f"{HEAD}, keep: bool [*, h, N, J], size: int = 3", body, OUT)
    (q, k, v), keep = three(9), randn(1, 2, 9, 3, seed=4) > 0
    assert_close(m(q, k, v, keep), masked(q, k, v, keep.repeat_interleave(3, -1) & (COLUMNS <= ROWS)[:9, :9]))


def test_alibi_is_a_bias() -> None:
    m = module(f"{HEAD}, slope: [h]", "return attend(q, k, v, over=N, dot=d, bias=-slope * abs(pos(N) - pos(N')))", OUT)
    (q, k, v), slope = three(6), randn(2, seed=5).abs()
    bias = -slope[:, None, None] * (ROWS - COLUMNS).abs()[:6, :6]
    assert_close(m(q, k, v, slope), masked(q, k, v, torch.ones(6, 6, dtype=torch.bool), bias))


def test_a_row_without_an_allowed_key_is_zero() -> None:
    m = module(f"{HEAD}, keep: bool [*, N']", "return attend(q, k, v, over=N, dot=d, where=keep)", OUT)
    q, k, v = (x.requires_grad_() for x in three(5))
    y = m(q, k, v, torch.zeros(1, 5, dtype=torch.bool))
    assert torch.equal(y, torch.zeros_like(y))
    y.sum().backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in (q, k, v))


def test_a_mask_without_a_key_axis_is_a_doubt() -> None:
    assert "W0803" in codes(f"{HEAD}, keep: bool [*, N]", "return attend(q, k, v, over=N, dot=d, where=keep)", OUT)


def test_options_act_in_the_order_that_is_promised() -> None:
    head = f"{HEAD}, b: [N, N'], keep: bool [N, N']"
    body = "return attend(q, k, v, over=N, dot=d, scale=0.7, softcap=2.0, bias=b, where=keep, sink_logit=0.3)"
    (q, k, v), b, keep = three(6), randn(6, 6, seed=6), randn(6, 6, seed=7) > -1
    s = torch.tanh(q @ k.mT * 0.7 / 2) * 2 + b
    e = s.exp() * keep
    assert_close(module(head, body, OUT)(q, k, v, b, keep), e / (e.sum(-1, keepdim=True) + torch.tensor(0.3).double().exp()) @ v)


@pytest.mark.parametrize("by", ["sigmoid", "relu2", "entmax15", "softmax"])
def test_scores_become_weights_by_any_map(by: str) -> None:
    (q, k, v), body = three(6), f"return attend(q, k, v, over=N, dot=d, by={by})"
    s = q @ k.mT / 2
    maps = {"sigmoid": torch.sigmoid, "relu2": lambda s: s.relu() ** 2, "softmax": lambda s: s.softmax(-1)}
    found = module(HEAD, body, OUT)(q, k, v)
    if by in maps:
        assert_close(found, maps[by](s) @ v)
    else:
        a = module("s: [*, M, N]", "return entmax15(s, N)", "[*, M, N]")(s)
        assert_close(a.sum(-1), torch.ones(1, 2, 6, dtype=torch.float64))
        assert_close(found, a @ v)


def test_by_may_be_a_layer() -> None:
    text = "return attend(q, k, v, over=N, dot=d, by=softplus)"
    q, k, v = three(6)
    assert_close(module(HEAD, text, OUT)(q, k, v), torch.nn.functional.softplus(q @ k.mT / 2) @ v)


def test_the_scale_may_be_a_tensor() -> None:
    m = module(f"{HEAD}, t: [h]", "return attend(q, k, v, over=N, dot=d, scale=t)", OUT)
    (q, k, v), t = three(6), randn(2, seed=8)
    assert_close(m(q, k, v, t), (q @ k.mT * t[:, None, None]).softmax(-1) @ v)


def test_chunks_are_the_same_numbers() -> None:
    q, k, v = three(7)
    whole = module(HEAD, "return attend(q, k, v, over=N, dot=d, where=pos(N') <= pos(N))", OUT)
    for size in (1, 2, 7, 50):
        m = module(HEAD, f"return attend(q, k, v, over=N, dot=d, where=pos(N') <= pos(N), chunk={size})", OUT)
        assert_close(m(q, k, v), whole(q, k, v))


def test_weights_are_given_when_asked_for() -> None:
    m = module(HEAD, "y, w = attend(q, k, v, over=N, dot=d, weights=true); return y, w", "(y: [*, h, N, d], w: [*, h, N, N'])")
    q, k, v = three(6)
    found = m(q, k, v)
    assert found._fields == ("y", "w")
    assert_close(found.w, (q @ k.mT / 2).softmax(-1))
    assert_close(found.y, found.w @ v)


def test_statistics_are_wide_for_half_inputs() -> None:
    m = module(HEAD, "return attend(q, k, v, over=N, dot=d)", OUT).to(torch.float16)
    q, k, v = (x.half() for x in three(600, d=8))
    got = m(q * 6, k * 6, v)
    exact = ((q * 6).double() @ (k * 6).double().mT * 8**-0.5).softmax(-1) @ v.double()
    assert got.dtype == torch.float16
    assert got.isfinite().all()
    assert (got.double() - exact).abs().max() < 0.05


def test_no_keys_at_all_are_zeros() -> None:
    m = module("q: [*, M, d], k: [*, N, d], v: [*, N, e]", "return attend(q, k, v, over=N, dot=d)", "[*, M, e]")
    assert torch.equal(m(randn(2, 3, 4), randn(2, 0, 4), randn(2, 0, 5)), torch.zeros(2, 3, 5, dtype=torch.float64))


def test_a_block_of_the_library_that_is_not_used_is_offered() -> None:
    (found,) = attn.check(attn.text(program(HEAD, "return attend(q, k, v, over=N, dot=d, bias=alibi_slopes(pos(N)))", OUT)))
    assert found.code == "E0102"
    assert found.help == "the library has one: use std.positions (alibi_slopes)"
