"""What the record of attention as an adaptive filter asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as fn
from torch.testing import assert_close

import attn

from .cases.afa import CASES, SIZES, TIMES, complex_heads, frequencies
from .plain import causal, dense
from .support import CLOSE, Case, named_values

IRREGULAR = CASES[5]


def taken_apart(made: Any, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of a module as complex heads [B, h, N, d], and what turns a pair of tokens [h, N, N, d]."""
    w = made.state_dict()
    q, k = (complex_heads(w, name, x, 2) for name in "qk")
    between = t[:, None] - t
    return q, k, torch.exp(1j * frequencies(w, 2, 4, len(t))[:, None, None] * between[..., None])


@pytest.mark.system("afa", "The residual in factors is |exp((mu + i w)(t_i - t_j)) k_j - q_i|^2, worked out pair by pair.")
def test_the_residual_is_the_direct_one() -> None:
    made, (x, t) = IRREGULAR.module(), IRREGULAR.tensors()
    found = named_values(IRREGULAR, made, x.detach(), t)
    q, k, turn = taken_apart(made, x.detach(), t)
    fade = found["away"].ordered(("h", "N", "N'")).exp()[..., None]
    wanted = (turn * fade * k[..., None, :, :] - q[..., :, None, :]).abs().square().sum(-1)
    assert_close(found["residual"].ordered(("*", "h", "N", "N'")), wanted, **CLOSE)


@pytest.mark.system("afa", "Only differences of times enter: adding a constant to all of them changes nothing.")
@pytest.mark.parametrize("case", CASES[5:7], ids=["sum", "predict"])
def test_times_may_be_shifted(case: Case) -> None:
    made, (x, t) = case.module(), case.tensors()
    assert_close(made(x, t + 17.25), made(x, t), rtol=1e-9, atol=1e-9)


def quiet(**bind: Any) -> Any:
    """A filter without damping, with noise of the queries alone, and exponential scores: its limit."""
    eps = 1e-13
    made = Case("std.scores", "afa", lambda w, x: x, (), {**SIZES, "robust": False, "inner": "off", "eps": eps, **bind}).module()
    weights = {name: value.clone() for name, value in made.state_dict().items()}
    for name, value in (("mu", 60.0), ("noise.sigma", -800.0), ("noise.eta", -800.0), ("score.tau", 1.0)):
        weights[name].fill_(value)
    made.load_state_dict(weights)
    return made


@pytest.mark.system("afa", "Undamped, at one variance S and with exponential scores, weights are softmax(2 Re<q, k> / S - |k|^2 / S).")
def test_its_limit_is_rotary_attention_with_the_norm_of_keys() -> None:
    made, x, t = quiet(), torch.randn(2, 7, 6, dtype=torch.float64), torch.arange(7.0, dtype=torch.float64)
    w = made.state_dict()
    q, k, turn = taken_apart(made, x, t)
    product = (q[..., :, None, :].conj() * turn * k[..., None, :, :]).sum(-1).real
    s = fn.softplus(w["score.nu"]) * 4 * fn.softplus(w["noise.gamma"])
    logits = (2 * product - k.abs().square().sum(-1)[..., None, :]) / s[:, None, None]
    a = logits.masked_fill(~causal(7), -torch.inf).softmax(-1).to(turn.dtype)
    v = complex_heads(w, "v", x, 2)
    wanted = torch.einsum("bhij,hijd,bhjd->bhid", a, turn, v)
    assert_close(made(x), dense(w, "out", torch.view_as_real(wanted.transpose(1, 2)).flatten(-3)), rtol=1e-9, atol=1e-9)


@pytest.mark.system("afa", "For keys of one length that limit is rotary attention, the softmax of 2 Re<q, k> / S.")
def test_keys_of_one_length_give_rotary_attention() -> None:
    text = """attn 1
use std.scores (filter_scores)

block weights(q: [*, h, N, d, z=2], k: [*, h, N, d, z], still: [h, N, N'], spread: [h, N, N']) -> [*, h, N, N'] {
    return softmax(filter_scores(q, k, still, spread, robust=false, eps=0.0) as score, over=N')
}
"""
    made = attn.compile(attn.text(text), h=2, dtype=torch.float64)
    q, k = torch.randn(2, 1, 2, 5, 4, 2, dtype=torch.float64)
    k = k / k.square().sum((-1, -2), keepdim=True).sqrt()
    found = made(q, k, torch.zeros(2, 5, 5, dtype=torch.float64), torch.full((2, 5, 5), 0.7, dtype=torch.float64))
    scale = 2 / (0.7 * 4 * fn.softplus(torch.zeros(2, dtype=torch.float64)))
    wanted = (torch.einsum("bhidz,bhjdz->bhij", q, k) * scale[:, None, None]).softmax(-1)
    assert_close(found, wanted, **CLOSE)


@pytest.mark.system("afa", "As the damping goes to 0, the variance of the process goes to sigma^2 times the time between.")
def test_the_variance_without_damping() -> None:
    made = attn.compile("std.scores", "filter_variance", h=2, eps=0.0, dtype=torch.float64)
    between = (TIMES[:, None] - TIMES).abs().expand(2, 7, 7)
    damping = torch.full((2,), -1e-9, dtype=torch.float64)
    half = fn.softplus(torch.zeros((), dtype=torch.float64))
    assert_close(made(damping[:, None, None] * between, damping), half * between + 2 * half, rtol=1e-7, atol=1e-7)
