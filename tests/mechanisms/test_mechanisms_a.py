"""Mechanisms from papers, written from the language page, compute what their plain PyTorch formulation computes."""

from __future__ import annotations

import pytest
import torch
from systems.support import CLOSE, MECHANISMS, Case, compare, near_in_half, several, stacked
from torch.testing import assert_close

import attn
from attn.dsl.format import format_text
from attn.dsl.source import Source

from . import references_tokens as tokens
from . import references_transnext as transnext

MAP = {"H": 7, "W": 5}


def _ids(*shape: int, top: int) -> torch.Tensor:
    return torch.randint(0, top, shape, generator=torch.Generator().manual_seed(3))


def _token_cases() -> list[Case]:
    return [
        Case("perceiver", "perceiver", tokens.perceiver(), ((9, 6), (7, 10)), {"E": 6, "F": 10}, {"M": 9, "Q": 7}),
        Case("slot_attention", "slots", tokens.slots, ((9, 6), (4, 6)), {"D": 6}, {"N": 9, "S": 4}),
        *[Case("deformable", "deformable", tokens.deformable, ((7, 6), (9, 8, 6), (7, 2)), {"D": 6, "by": by}, {"N": 7, "H": 9, "W": 8})
          for by in ("gathers", "sample")],
        Case("capsules", "capsules", tokens.capsules, ((9, 3),), {"I": 9, "a": 3}),
        Case("turing", "machine", tokens.machine, ((5, 7),), {"D": 7}, {"N": 5}),
        Case("aggregated_attention", "aggregated", transnext.aggregated, ((7, 9, 8),), {"C": 8}, {"H": 7, "W": 9}),
        Case("aggregated_attention", "conv_glu", transnext.conv_glu, ((7, 5, 6),), {"C": 6}, MAP),
        Case("aggregated_attention", "stage", transnext.transnext_stage, ((7, 9, 6),), {"C": 6}, {"H": 7, "W": 9}),
    ]  # fmt: skip


CASES = _token_cases()
FILES = sorted({case.file for case in CASES})
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
    stacked(case, case.module())


# PyTorch's Fourier transforms refuse tensors without entries.
@pytest.mark.parametrize("case", [case for case in CASES if case.lead and case.bind.get("form") != "fourier"], ids=lambda case: case.name)
def test_a_leading_dimension_may_be_empty(case: Case) -> None:
    empty = [torch.empty((0, *value.shape), dtype=value.dtype) for value in case.tensors()]
    for found, one in zip(several(case.module()(*empty)), several(case.module()(*case.tensors())), strict=True):
        assert found.shape == (0, *one.shape)


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
