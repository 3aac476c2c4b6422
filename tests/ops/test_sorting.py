"""The largest entries and entries in order, against torch on the same dimension."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn


def compiled(signature: str, body: str, results: str) -> Any:
    return attn.compile(attn.text(f"block t({signature}) -> {results} {{\n    {body}\n}}"))


def numbers(*shape: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


BOTH = "(v: [B, K, D], i: int [B, K, D])"


@pytest.mark.parametrize("written", ["topk(x, E -> K=2)", "topk(x, E -> K, k=2)"])
def test_the_largest_entries_come_first_with_their_places(written: str) -> None:
    x = numbers(3, 5, 4)
    v, i = compiled("x: [B, E, D]", f"v, i = {written}\n    return v, i", BOTH)(x)
    expected = torch.topk(x, 2, dim=1)
    assert_close(v, expected.values)
    assert torch.equal(i, expected.indices)
    assert i.dtype == torch.int64


def test_the_smallest_may_be_asked_for_and_the_name_kept() -> None:
    x = numbers(3, 5, 4)
    v, i = compiled("x: [B, E, D]", "v, i = topk(x, D -> D=3, largest=false)\n    return v, i", "(v: [B, E, D=3], i: int [B, E, D=3])")(x)
    expected = torch.topk(x, 3, dim=2, largest=False)
    assert_close(v, expected.values)
    assert torch.equal(i, expected.indices)


def test_places_pick_the_values() -> None:
    x = numbers(3, 5)
    y = compiled("x: [B, E]", "v, i = topk(x, E -> K=3)\n    return v - x[E=i]", "[B, K]")(x)
    assert torch.equal(y, torch.zeros(3, 3, dtype=torch.float64))


@pytest.mark.parametrize("descending", [False, True])
def test_sorting(descending: bool) -> None:
    x = numbers(3, 5, 4).detach().round(decimals=0)
    option = ", descending=true" if descending else ""
    v, i = compiled("x: [B, N, D]", f"v, i = sort(x, N{option})\n    return v, i", "(v: [B, N, D], i: int [B, N, D])")(x)
    expected = torch.sort(x, dim=1, descending=descending, stable=True)
    assert torch.equal(v, expected.values)
    assert torch.equal(i, expected.indices)
    places = compiled("x: [B, N, D]", f"return argsort(x, N{option})", "int [B, N, D]")(x)
    assert torch.equal(places, expected.indices)


@pytest.mark.parametrize(
    ("body", "results"), [("v, i = topk(x, N -> K=2)\n    return v", "[B, K]"), ("v, i = sort(x, N)\n    return v * i", "[B, N]")]
)
def test_gradients_flow_through_the_values(body: str, results: str) -> None:
    assert torch.autograd.gradcheck(compiled("x: [B, N]", body, results), (numbers(3, 4),))


def test_all_of_an_axis_and_an_axis_of_one() -> None:
    assert torch.equal(
        compiled("x: [N]", "v, i = topk(x, N -> K=1)\n    return i", "int [K]")(torch.zeros(1)), torch.zeros(1, dtype=torch.long)
    )
    assert compiled("x: [N]", "v, i = sort(x, N)\n    return v", "[N]")(torch.zeros(0)).shape == (0,)


def test_kinds_of_number_are_kept() -> None:
    truth = torch.tensor([[False, True, False]])
    v, i = compiled("x: bool [B, E]", "v, i = topk(x, E -> K=1)\n    return v, i", "(v: bool [B, K], i: int [B, K])")(truth)
    assert v.tolist() == [[True]]
    assert i.tolist() == [[1]]
    half = compiled("x: [B, N]", "v, i = sort(x, N)\n    return v", "[B, N]")(torch.ones(2, 3).half())
    assert half.dtype == torch.float16


def test_more_than_there_are_is_an_error_at_the_entry() -> None:
    module = compiled("x: [B, E]", "v, i = topk(x, E -> K=4)\n    return v", "[B, K]")
    assert module(torch.zeros(2, 4)).shape == (2, 4)
    with pytest.raises(attn.AttnError, match="`topk` takes 4 entries of `E`"):
        module(torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("v, i = topk(x, E -> K=9)", "E0218"),
        ("v, i = topk(x, E -> K)", "E0206"),
        ("v, i = topk(x, E -> K=3, k=2)", "E0303"),
        ("v, i = topk(x, E B -> K=3 J=1)", "E0209"),
        ("v, i = topk(x, E -> B=3)", "E0204"),
        ("v, i = sort(x, E B)", "E0209"),
        ("v, i = sort(x)", "E0212"),
    ],
)
def test_mistakes_have_their_codes(body: str, expected: str) -> None:
    with pytest.raises(attn.AttnError) as found:
        compiled("x: [B, E=6]", f"{body}\n    return v", "[B, K]")
    assert [one.code for one in found.value.diagnostics] == [expected]
