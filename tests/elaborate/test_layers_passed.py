"""A layer passed to a block keeps the axes it was written with, and one mistake is one message."""

from __future__ import annotations

import torch

import attn

RESIDUAL = """
use std.heads (mha)
block residual(x: [*, D], f: [*, D] -> [*, D]) -> [*, D] { return x + f(x) }
block t(x: [*, N, D]) -> [*, N, D] { return residual(x, mha(heads=2) as attention) }
"""


def test_a_layer_may_name_axes_that_are_hidden_where_it_is_applied() -> None:
    module = attn.compile(attn.text(RESIDUAL), D=4)
    inner = attn.compile(attn.std.heads.mha, D=4, heads=2)
    inner.load_state_dict({name.removeprefix("attention."): weight for name, weight in module.state_dict().items()})
    x = torch.randn(2, 5, 4)
    torch.testing.assert_close(module(x), x + inner(x))


def test_a_use_that_fails_is_one_message() -> None:
    found = attn.check(attn.text("use missing (f)\nblock t(x: [*, N]) -> [*, N] { return x |> f }"))
    assert [diagnostic.code for diagnostic in found] == ["E0040"]


def test_a_missing_axis_names_the_tensor_it_is_missing_from() -> None:
    (found,) = attn.check(attn.text("block t(q: [*, N, d], k: [*, M, e]) -> [*, N, d] { return softmax(q, M) + mean(k, M e) }"))
    assert found.title == "`q` has no axis `M`"
