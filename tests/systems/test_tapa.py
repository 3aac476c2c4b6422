"""What the record of token-aware phase attention asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn

from .cases.tapa import CASES, tapa
from .plain import attention, causal
from .support import CLOSE, named_values

PLAIN = CASES[0]


def tokens(n: int) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = torch.randn(3, 2, 3, n, 6, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    return q, k, v


def scores(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The scores before the mask, as the program works them out."""
    found: Tensor = named_values(PLAIN, PLAIN.module(), q, k, v)["s"].ordered(("*", "N", "N'")).unflatten(0, (2, 3))
    return found


@pytest.mark.system("tapa", "It equals the released naive function with theta 0.5 and alpha 0.5, causal, for 1 to 33 tokens.")
def test_it_is_the_naive_function() -> None:
    made = PLAIN.module()
    for n in (1, 2, 9, 33):
        assert_close(made(*tokens(n)), tapa({}, *tokens(n)), **CLOSE)


@pytest.mark.system("tapa", "Where the phase part of the queries is 0, it is scaled dot-product attention on the amplitude features.")
def test_without_a_phase_it_is_dot_product_attention() -> None:
    q, k, v = tokens(9)
    q[..., 3:] = 0
    assert_close(PLAIN.module()(q, k, v), attention(q[..., :3], k[..., :3], v, causal(9)), **CLOSE)


@pytest.mark.system("tapa", "At distance 0 the cosine is 1: the score is the scaled product of the amplitudes.")
def test_a_token_meets_itself_without_a_phase() -> None:
    q, k, v = tokens(9)
    own = (q[..., :3] * k[..., :3]).sum(-1) * 3**-0.5
    assert_close(scores(q, k, v).diagonal(dim1=-2, dim2=-1), own, **CLOSE)


@pytest.mark.system("tapa", "Scores depend on distances alone: tokens that stand four places later have the same.")
def test_scores_do_not_see_absolute_positions() -> None:
    q, k, v = tokens(11)
    assert_close(scores(q, k, v)[..., 4:, 4:], scores(q[..., 4:, :], k[..., 4:, :], v[..., 4:, :]), **CLOSE)


@pytest.mark.system("tapa", "Decoding token by token with a cache of keys and values gives what the whole sequence gives.")
@pytest.mark.parametrize("way", [{}, {"theta": 0.2, "alpha": 1.5, "c": 2.0}], ids=["default", "other"])
def test_decoding_with_a_cache(way: dict[str, Any]) -> None:
    sizes = {"B": 2, "h": 3, "d": 6, "e": 6, "room": 12}
    step = attn.compile("std.scores", "tapa_step", bind={**sizes, **way}, dtype=torch.float64)
    q, k, v = tokens(9)
    found = torch.stack([step(q[:, :, n], k[:, :, n], v[:, :, n]) for n in range(9)], 2)
    assert_close(found, tapa({}, q, k, v, **way), **CLOSE)
