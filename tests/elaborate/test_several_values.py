"""`a, b = b, a`: the values are worked out first, then named."""

from __future__ import annotations

import torch

import attn


def test_two_names_swap() -> None:
    program = "block t(x: [*, N]) -> [*, N] {\n    a, b = x, 2 * x\n    a, b = b, a\n    return a - b\n}"
    x = torch.randn(3)
    torch.testing.assert_close(attn.compile(attn.text(program))(x), x)


def test_weights_are_called_after_the_name_beside_them() -> None:
    program = "block t(x: [*, D]) -> [*, D] {\n    q, k = linear(x, D -> D), linear(x, D -> D, bias=false)\n    return q + k\n}"
    assert list(attn.compile(attn.text(program), D=3).state_dict()) == ["q.weight", "q.bias", "k.weight"]


def test_as_many_values_as_names() -> None:
    (found, *_) = attn.check(attn.text("block t(x: [*, N]) -> [*, N] {\n    a, b = x, x, x\n    return a + b\n}"))
    assert (found.code, found.title) == ("E0306", "2 names for 3 values")


def test_a_bilinear_filter_is_the_linear_one_along_two_axes() -> None:
    program = "block t(x: [*, H, W]) -> [*, U, V] {\n    return resize(x, H W -> U=7 V=5, mode=MODE)\n}"
    x = torch.randn(2, 4, 3)
    first, second = (attn.compile(attn.text(program.replace("MODE", mode)))(x) for mode in ("linear", "bilinear"))
    assert torch.equal(first, second)
