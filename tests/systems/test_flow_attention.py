"""What the record of flow attention asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from .cases.flow_attention import CASES, causal_flow, flow
from .support import CLOSE, flops, holding, named_values, optimised

BLOCK = ("std.linear", "flow_attention")


@pytest.fixture(scope="module")
def inner() -> dict[str, Any]:
    """What the names of the program stand for, with 7 sinks and 5 sources."""
    return named_values(CASES[1], CASES[1].module(), *[value.detach() for value in CASES[1].tensors()])


@pytest.mark.system("flow-attention", "The competition of S sources sums to S.")
def test_the_competition_sums_to_the_sources(inner: dict[str, Any]) -> None:
    total = inner["competition"].ordered(("*", "h", "M")).sum(-1)
    assert_close(total, torch.full_like(total, 5.0), **CLOSE)


@pytest.mark.system("flow-attention", "Conserved flow sums to S over the sinks and, before the clamp, to L over the sources, up to eps.")
def test_flow_is_conserved(inner: dict[str, Any]) -> None:
    total = inner["conserved_in"].ordered(("*", "h", "N")).sum(-1)
    assert_close(total, torch.full_like(total, 5.0), rtol=1e-5, atol=0)
    q, k = inner["q"].ordered(("*", "h", "N", "d")), inner["k"].ordered(("*", "h", "M", "d"))
    sinks = inner["incoming"].ordered(("*", "h", "N"))
    total = torch.einsum("bhnd,bhn,bhmd->bh", q, sinks, k)
    assert_close(total, torch.full_like(total, 7.0), rtol=1e-5, atol=0)


@pytest.mark.system("flow-attention", "For one token both forms are the same, up to eps.")
def test_both_forms_agree_on_one_token() -> None:
    both, x = [case.module() for case in (CASES[0], CASES[2])], torch.randn(3, 1, 6, dtype=torch.float64)
    both[1].load_state_dict(both[0].state_dict())
    assert_close(both[0](x), both[1](x), rtol=1e-5, atol=1e-5)


@pytest.mark.system("flow-attention", "In both forms the cost is linear in the tokens, and no map of all pairs is made.")
@pytest.mark.parametrize("causal", [False, True])
def test_the_cost_is_linear(causal: bool) -> None:
    graph = optimised(*BLOCK, D=64, causal=causal)
    first, second, third = (flops(graph, N=n) for n in (1024, 2048, 3072))
    assert third - second == second - first > 0
    assert holding(graph, "N", "N'") == holding(graph, "N", "M") == []


@pytest.mark.system("flow-attention", "Across two sequences the cost is linear in sinks and in sources, and no map of all pairs is made.")
def test_the_cost_across_sequences_is_linear() -> None:
    graph = optimised("std.linear", "flow_attend", d=32, e=32)
    assert holding(graph, "L", "S") == []
    costs = {(m, n): flops(graph, L=m * 1000, S=n * 1000) for m in (1, 2, 3) for n in (1, 2, 3)}
    assert all(costs[3, n] - costs[2, n] == costs[2, n] - costs[1, n] > 0 for n in (1, 2, 3))
    assert costs[2, 2] - costs[2, 1] == costs[1, 2] - costs[1, 1] == costs[1, 3] - costs[1, 2] > 0
    assert holding(optimised("std.linear", "causal_flow_attend"), "N", "N'") == []


@pytest.mark.system("flow-attention", "In float32 it is the released classes' formula to 1e-5, in both forms.")
def test_it_holds_in_float32() -> None:
    for case, reference in ((CASES[0], flow), (CASES[2], causal_flow)):
        made, x = case.module(dtype=torch.float32), torch.randn(2, 33, 6)
        assert_close(made(x), reference(made.state_dict(), x), rtol=1e-5, atol=1e-5)
