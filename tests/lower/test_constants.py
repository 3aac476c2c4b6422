"""Constants have all the digits of the dtype the module works in."""

from __future__ import annotations

import torch

import attn

PROGRAM = """
block f(x: [*, N]) -> [*, N] {
    const k: [N] = sin(pos(N) * 0.1)
    return x * k
}
"""


def test_a_module_turned_to_float64_has_constants_of_float64() -> None:
    module = attn.compile(attn.text(PROGRAM), N=50).double()
    expected = torch.sin(torch.arange(50, dtype=torch.float64) * 0.1)
    assert torch.equal(module(torch.ones(50, dtype=torch.float64)), expected)


def test_constants_are_not_saved() -> None:
    assert list(attn.compile(attn.text(PROGRAM), N=5).state_dict()) == []


def test_a_dtype_may_be_given_by_name() -> None:
    module = attn.compile(attn.std.channel.se, C=16, dtype="float64")
    assert {weight.dtype for weight in module.parameters()} == {torch.float64}
