"""What the record of mixture of block attention asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn

from .cases.moba import moba, seen
from .plain import attention, causal
from .support import CLOSE


def built(**bind: Any) -> Any:
    return attn.compile("std.sparse", "moba", bind=bind, dtype=torch.float64)


def tokens(n: int) -> Tensor:
    return torch.randn(3, 2, 3, n, 6, generator=torch.Generator().manual_seed(n), dtype=torch.float64)


@pytest.mark.system("moba", "It equals the released naive function for 1 to 17 tokens, with a last block that is short or whole.")
def test_it_is_the_naive_function_at_any_length() -> None:
    made = built(size=4, top=2)
    for n in (1, 2, 3, 4, 5, 7, 8, 11, 16, 17):
        q, k, v = tokens(n)
        assert_close(made(q, k, v), moba({}, q, k, v, 4, 2), **CLOSE)


@pytest.mark.system("moba", "With room for all blocks it is full causal attention.")
def test_room_for_all_blocks_is_causal_attention() -> None:
    q, k, v = tokens(9)
    assert_close(built(size=4, top=9)(q, k, v), attention(q, k, v, causal(9)), **CLOSE)


@pytest.mark.system("moba", "With one block it is causal attention inside blocks.")
def test_one_block_is_attention_inside_blocks() -> None:
    q, k, v = tokens(11)
    block = torch.arange(11) // 4
    assert_close(built(size=4, top=1)(q, k, v), attention(q, k, v, causal(11) & (block[:, None] == block)), **CLOSE)


@pytest.mark.system("moba", "Every query attends to itself, to no later key, and to parts of at most K blocks.")
def test_a_query_sees_itself_and_few_blocks() -> None:
    q, k, _ = tokens(16)
    see = built(size=4, top=2, d=6, N=16)(q, k, torch.eye(16, dtype=torch.float64).expand(2, 3, 16, 16)) > 0
    assert bool(see.diagonal(dim1=-2, dim2=-1).all())
    assert not bool(see.triu(1).any())
    assert int(see.unflatten(-1, (4, 4)).any(-1).sum(-1).max()) == 2
    assert torch.equal(see, seen(q, k, 4, 2))
