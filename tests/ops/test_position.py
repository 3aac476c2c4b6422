"""Positions, sizes, and tensors of one value."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import attn
from attn.compiler.lower.module import AttnModule
from attn.dsl.diagnostics import AttnError


def module(text: str, head: str = "x: [*, N, D]", result: str = "[*, N, D]", **bind: Any) -> AttnModule:
    return attn.compile(attn.text(f"block t({head}) -> {result} {{\n    return {text}\n}}"), bind=bind)


def fault(text: str, result: str = "[*, N, D]") -> str:
    with pytest.raises(AttnError) as caught:
        module(text, result=result)
    return str(caught.value)


@pytest.mark.parametrize("n", [1, 5])
def test_positions_count_from_zero(n: int) -> None:
    got = module("pos(N)", result="int [N]")(torch.ones(2, n, 3))
    assert got.dtype == torch.int64
    assert got.tolist() == [*range(n)]


def test_positions_can_bring_their_axis() -> None:
    assert module("pos(M=4) + 0 * size(x, N)", result="int [M=4]")(torch.ones(2, 3, 1)).tolist() == [0, 1, 2, 3]
    got = module("x * pos(M=N + 1)", result="[*, N, D, M=N + 1]")(torch.ones(1, 2, 1))
    assert got[0, 1, 0].tolist() == [0, 1, 2]


def test_pos_takes_one_axis() -> None:
    told = fault("x * pos(N D)")
    assert "E0209" in told
    assert "pos(H) * W + pos(W)" in told


def test_sizes_are_numbers() -> None:
    m = module("x * size(x, N) + size(x, N D) - size(D)")
    for n in (2, 7):
        torch.testing.assert_close(m(torch.ones(1, n, 3)), torch.full((1, n, 3), n + 3.0 * n - 3))


def test_tensors_of_one_value() -> None:
    x = torch.ones(2, 3, 4, dtype=torch.float64)
    assert torch.equal(module("x + zeros(N D) + ones(D)")(x), 2 * x)
    assert torch.equal(module("x * full(0.1, N)")(x), 0.1 * x)
    assert module("full(7, N D)", result="int [N, D]")(x).dtype == torch.int64
    assert module("full(true, M=2)", result="bool [M=2]")(x).tolist() == [True, True]
    assert module("zeros(M=2)", result="[M=2]")(x).dtype == torch.float64
    spread = module("full(x, M=5)", result="[*, N, D, M=5]")(x)
    assert spread.shape == (2, 3, 4, 5)
    assert torch.equal(spread, x[..., None].expand(2, 3, 4, 5))


def test_filling_keeps_half_precision() -> None:
    assert module("x + zeros(N D) * full(0.5, D)")(torch.ones(1, 2, 3).half()).dtype == torch.float16


def test_a_value_has_an_axis_once() -> None:
    assert "E0204" in fault("full(x, N)")
