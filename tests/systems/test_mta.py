"""What the record of multi-token attention asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as fn
from torch.testing import assert_close

import attn

from .cases.mta import CASES
from .plain import dense, heads, joined
from .support import CLOSE, Case, parameters


def plain(**bind: Any) -> Any:
    """The block as it starts: identity kernels and head matrices, without norm, gate and rotation."""
    return attn.compile("std.scores", "mta", bind={"D": 16, "heads": 4, "norm": False, "scaling": "off", "base": None, **bind},
                        dtype=torch.float64)  # fmt: skip


@pytest.mark.system("mta", "With identity kernels and head matrices, as it starts, and no norm or gate, it is PyTorch's causal attention.")
@pytest.mark.parametrize("side", ["centre", "left", "right"])
def test_as_it_starts_it_is_causal_attention(side: str) -> None:
    made, x = plain(side=side, mix=2 if side == "left" else None), torch.randn(2, 9, 16, dtype=torch.float64)
    w = made.state_dict()
    q, k, v = (heads(dense(w, name, x), 4) for name in "qkv")
    assert_close(made(x), dense(w, "out", joined(fn.scaled_dot_product_attention(q, k, v, is_causal=True))), **CLOSE)


@pytest.mark.system("mta", "In every variant, what comes later changes nothing before it.")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_later_tokens_change_nothing(case: Case) -> None:
    made, x = case.module(), torch.randn(2, 9, 16, dtype=torch.float64)
    changed = x.clone()
    changed[:, 5:] = torch.randn(2, 4, 16, dtype=torch.float64)
    assert_close(made(changed)[:, :5], made(x)[:, :5], **CLOSE)
    assert not torch.allclose(made(changed)[:, 5:], made(x)[:, 5:])


@pytest.mark.system("mta", "A layer has 2 h 66 + 2 h h + d + d + 1 parameters more than attention: 2,817 in the released 830M model.")
def test_the_number_of_parameters() -> None:
    for width, count in ((1536, 16), (512, 8), (64, 4)):
        d = width // count
        extra = 2 * count * 66 + 2 * count**2 + d + d + 1
        assert parameters("std.scores", "mta", D=width, heads=count) == 4 * width**2 + extra
    assert 2 * 16 * 66 + 2 * 16**2 + 2 * 96 + 1 == 2817


LINES = """attn 1
use std.scores (mix_heads, score_conv)

block lines(x: [*, N, D], heads: int = 4) -> [*, N, D] {
    axis h = heads, d = D / heads
    q = linear(x, D -> h d, bias=false)
    k = linear(x, D -> h d, bias=false)
    v = linear(x, D -> h d, bias=false)
    seen = pos(N') <= pos(N)
    s = scores(q, k, over=N, dot=d)
    s = score_conv(s, seen, cq=6, ck=11) as before
    s = mix_heads(s) as mix_before
    a = softmax(s, over=N', where=seen)
    return read(a, v, over=N) |> linear(h d -> D, bias=false) as out
}
"""


@pytest.mark.system("mta", "A line for the convolution and one for the heads, between scores and softmax of plain attention, make it.")
def test_two_lines_make_it() -> None:
    case = Case("", "lines", lambda w, x: x, (), {"D": 16}, program=LINES)
    made, other, x = case.module(), plain(after=False, mix_after=False), torch.randn(2, 9, 16, dtype=torch.float64)
    other.load_state_dict(made.state_dict())
    assert_close(made(x), other(x), **CLOSE)


@pytest.mark.system("mta", "Decoding token by token with caches of keys, values and rows of scores gives what the sequence gives.")
@pytest.mark.parametrize("case", [CASES[0], CASES[2]], ids=["centre", "right"])
def test_decoding_with_caches(case: Case) -> None:
    whole = case.module()
    step = attn.compile("std.scores", "mta_step", bind={**case.bind, "B": 2, "room": 8}, dtype=torch.float64).eval()
    step.load_state_dict({**step.state_dict(), **whole.state_dict()})
    x = torch.randn(2, 7, 16, dtype=torch.float64)
    assert_close(torch.stack([step(x[:, n]) for n in range(7)], 1), whole(x), **CLOSE)


@pytest.mark.system("mta", "The convolution keeps the rows it needs: row by row it gives what it gives for the whole map.")
def test_the_convolution_goes_row_by_row() -> None:
    sizes = {"h": 2, "cq": 3, "ck": 4}
    whole = Case("std.scores", "score_conv", lambda w, x: x, (), sizes).module()
    step = attn.compile("std.scores", "score_conv_step", bind={**sizes, "B": 1, "L": 7}, dtype=torch.float64).eval()
    step.load_state_dict({**step.state_dict(), **whole.state_dict()})
    seen = torch.ones(7, 7, dtype=torch.bool).tril()
    s = torch.randn(1, 2, 7, 7, dtype=torch.float64)
    rows = torch.where(seen, s, 0)
    assert_close(torch.stack([step(rows[:, :, n]) for n in range(7)], 2), whole(s, seen), **CLOSE)
