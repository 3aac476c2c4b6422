"""More mechanisms from papers, written from the language page, against their plain PyTorch formulation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from systems.support import CLOSE, MECHANISMS, Case, compare, near_in_half, several, stacked
from torch.testing import assert_close

import attn
from attn.dsl.format import format_text
from attn.dsl.source import Source

from . import references_sequences as sequences
from .cases_b import CASES

STATEFUL = ["broadcast_cache", "kv_cache"]
FILES = sorted({case.file for case in CASES} | set(STATEFUL))
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@every
def test_computes_what_the_equations_say(case: Case) -> None:
    compare(case, case.module())


@every
def test_binding_every_size_changes_no_number(case: Case) -> None:
    open_, closed = case.module(), case.module(**case.free)
    assert {k: v.shape for k, v in open_.state_dict().items()} == {k: v.shape for k, v in closed.state_dict().items()}
    assert_close(several(closed(*case.tensors())), several(open_(*case.tensors())), **CLOSE)


@pytest.mark.parametrize("case", [case for case in CASES if case.lead], ids=lambda case: case.name)
def test_leading_dimensions_are_carried(case: Case) -> None:
    made = case.module()
    stacked(case, made)
    inputs = case.tensors()
    for got, want in zip(several(made(*[value[0] for value in inputs])), several(made(*inputs)), strict=True):
        assert_close(got, want[0], **CLOSE)


@pytest.mark.parametrize("case", [case for case in CASES if case.half], ids=lambda case: case.name)
def test_bfloat16_stays_bfloat16_and_near(case: Case) -> None:
    near_in_half(case)


@pytest.mark.parametrize("file", FILES)
def test_checks_without_any_size(file: str) -> None:
    assert [item.title for item in attn.check(attn.text((MECHANISMS / f"{file}.attn").read_text()))] == []


@pytest.mark.parametrize("file", FILES)
def test_formatting_twice_changes_nothing(file: str) -> None:
    once = format_text(Source(file, (MECHANISMS / f"{file}.attn").read_text()))
    assert format_text(Source(file, once)) == once


@pytest.mark.parametrize("case", list({case.file + case.block: case for case in CASES}.values()), ids=lambda case: case.name)
def test_formatting_keeps_the_meaning(case: Case) -> None:
    plain = case.module()
    formatted = case.module(format_text(Source(case.file, case.text())))
    assert list(formatted.state_dict()) == list(plain.state_dict())
    assert_close(several(formatted(*case.tensors())), several(plain(*case.tensors())), rtol=0, atol=0)


# ---------------------------------------------------------------- what the papers say of them


def built(file: str, block: str, **bind: Any) -> Any:
    return attn.compile(MECHANISMS / f"{file}.attn", block, bind=bind, dtype=torch.float64)


def parameters(made: Any) -> int:
    return sum(weight.numel() for weight in made.parameters())


def test_a_cache_takes_several_tokens_at_a_time() -> None:
    made = built("kv_cache", "cached", B=2, D=6)
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    found = torch.cat([made(part) for part in x.split([3, 1, 2, 1], 1)], 1)
    weights = dict(made.state_dict())
    q, k, v = (sequences.heads(sequences.dense(weights, name, x), 2) for name in "qkv")
    wanted = sequences.attention(q, k, v, sequences.causal(7))
    assert_close(found, sequences.dense(weights, "out", sequences.joined(wanted)), **CLOSE)


def test_an_output_that_is_broadcast_is_made_again_when_its_turn_comes() -> None:
    made = built("broadcast_cache", "pab", B=2, N=5, D=6, skip=3)
    fresh = built("broadcast_cache", "pab", B=2, N=5, D=6, skip=1)
    fresh.load_state_dict(made.state_dict())
    kept = torch.zeros(())
    for call, at in enumerate([900.0, 850.0, 700.0, 600.0, 500.0, 400.0, 300.0, 90.0]):
        x = torch.randn(2, 5, 6, dtype=torch.float64)
        if call % 3 == 0 or not 100 < at < 800:
            kept = fresh(x, torch.tensor(at, dtype=torch.float64))
        assert_close(made(x, torch.tensor(at, dtype=torch.float64)), kept, **CLOSE)
