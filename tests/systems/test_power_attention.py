"""What the record of PowerAttention asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn

from .cases.power_attention import mask
from .plain import attention, causal
from .support import CLOSE

WAYS = ({"size": 1, "local": 1, "sink": 0}, {"size": 3, "local": 2, "sink": 1}, {"size": 5, "local": 4, "sink": 0})


def built(block: str, **bind: Any) -> Any:
    return attn.compile("std.sparse", block, bind=bind, dtype=torch.float64)


def blocks(**way: int) -> Tensor:
    """The mask of 128 blocks: a block of one token stands for a block of any size."""
    found: Tensor = built("power_mask", N=128, size=1, **way)()
    return found


@pytest.mark.system("power-attention", "The mask is the predicate of the definition, pair by pair, for three settings at 50 tokens.")
def test_the_mask_is_that_of_the_definition() -> None:
    for way in WAYS:
        assert torch.equal(built("power_mask", N=50, **way)(), mask(50, **way))


@pytest.mark.system("power-attention", "Of 128 blocks a query sees at most 10: 0 to 4, 8, 16, 32 and 64 back, and the sink.")
def test_a_query_sees_ten_blocks_at_most() -> None:
    see = blocks(local=5, sink=1)
    assert int(see.sum(-1).max()) == 10
    assert [127 - int(key) for key in see[127].nonzero().flatten()] == [127, 64, 32, 16, 8, 4, 3, 2, 1, 0]


@pytest.mark.system("power-attention", "The report of the receptive field shows that 128 blocks are covered after 6 layers, not after 5.")
def test_six_layers_reach_everything() -> None:
    share = built("receptive_field", N=128, layers=6)(blocks(local=5, sink=1))
    assert share[5] == 1
    assert share[4] < 1


@pytest.mark.system("power-attention", "With edges at powers of two alone, full coverage of 128 blocks takes 7 = log2(128) layers.")
def test_powers_alone_need_a_layer_for_every_bit() -> None:
    share = built("receptive_field", N=128, layers=7)(blocks(local=1, sink=0))
    assert share[6] == 1
    assert share[5] < 1
    assert bool((share.diff() > 0).all())


@pytest.mark.system("power-attention", "With a local window of all blocks it is full causal attention.")
def test_a_window_of_everything_is_causal_attention() -> None:
    q, k, v = torch.randn(3, 2, 23, 6, dtype=torch.float64)
    assert_close(built("power_attend", size=4, local=6)(q, k, v), attention(q, k, v, causal(23)), **CLOSE)


@pytest.mark.system("power-attention", "The mask goes into grouped-query attention with rotary positions, whose weights stay.")
def test_the_mask_is_one_for_any_attention() -> None:
    text = """attn 1
use std.heads (gqa)
use std.positions (rope)
use std.sparse (power_mask)

block sparse(x: [*, N, D]) -> [*, N, D] {
    return gqa(x, heads=4, groups=2, rotate=rope, mask=power_mask(N, size=2, local=SPAN))
}
"""
    narrow, wide = (attn.compile(attn.text(text.replace("SPAN", span)), D=8, dtype=torch.float64) for span in ("1", "99"))
    full = attn.compile(attn.text(text.replace("mask=power_mask(N, size=2, local=SPAN)", "causal=true")), D=8, dtype=torch.float64)
    for other in (wide, full):
        other.load_state_dict(narrow.state_dict())
    x = torch.randn(2, 23, 8, dtype=torch.float64)
    assert_close(wide(x), full(x), **CLOSE)
    assert not torch.allclose(narrow(x), full(x))
