"""What the record of Fastmax asks for, as far as it takes no training."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn

from .cases.fastmax import fastmax, weights
from .support import CLOSE, Case, Weights, compare, counted

Q, V = (2, 7, 4), (2, 7, 5)
SERIES = """attn 1
block series(q: [*, N, d], k: [*, N, d], v: [*, N, e], order: int) -> [*, N, e] {
    s = scores(q, k, over=N, dot=d, scale=1.0)
    term = s * 0 + 1
    f = term
    for i in 0..order {
        term = term * s / (i + 1)
        f = f + term
    }
    return read(f / sum(f, N'), v, over=N)
}
"""
TERMS = list(product((1, 2), (False, True)))


@pytest.mark.system(
    "fastmax", "The factorised form equals the quadratic form for one term and two, masked and unmasked, to 1e-10 in float64."
)
@pytest.mark.parametrize(("order", "causal"), TERMS)
def test_both_forms_are_equal(order: int, causal: bool) -> None:
    q, k, v = torch.randn(3, 2, 3, 9, 6, dtype=torch.float64)
    one, two = (
        attn.compile("std.linear", "fastmax", order=order, causal=causal, form=form, dtype=torch.float64)
        for form in ("factorised", "quadratic")
    )
    assert_close(one(q, k, v), two(q, k, v), **CLOSE)


@pytest.mark.system("fastmax", "The weights of a query add up to 1: values that are all 1 come back as 1, in every form.")
@pytest.mark.parametrize(("order", "causal"), TERMS)
def test_rows_add_up_to_one(order: int, causal: bool) -> None:
    q, k = torch.randn(2, 2, 3, 9, 6, dtype=torch.float64)
    one = torch.ones(2, 3, 9, 5, dtype=torch.float64)
    for form in ("factorised", "quadratic"):
        made = attn.compile("std.linear", "fastmax", order=order, causal=causal, form=form, dtype=torch.float64)
        assert_close(made(q, k, one), one, **CLOSE)
    assert bool((weights(q, k) > 0).all())


@pytest.mark.system(
    "fastmax", "More terms of the series come to the softmax of the scores: the error at 1, 2, 4 and 16 terms falls to below 1e-10."
)
def test_more_terms_tend_to_softmax() -> None:
    q, k, v = torch.randn(3, 2, 9, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) / 3
    wanted = (q @ k.mT).softmax(-1) @ v
    found = [attn.compile(attn.text(SERIES), order=order, dtype=torch.float64)(q, k, v) for order in (1, 2, 4, 16)]
    two = attn.compile("std.linear", "fastmax", centre="raw", dtype=torch.float64)(q, k, v)
    assert_close(found[1], two, **CLOSE)
    errors = [float((each - wanted).abs().max()) for each in found]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-10 < errors[1]


@pytest.mark.system("fastmax", "It equals the equations with the coefficients 0.7, 1.3 and 0.2, too, in values and gradients.")
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("form", ["factorised", "quadratic"])
def test_other_coefficients(form: str, causal: bool) -> None:
    def reference(w: Weights, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        s = q @ k.mT
        f = 0.7 + 1.3 * s + 0.2 * s**2
        f = f.tril() if causal else f
        return f / f.sum(-1, keepdim=True) @ v

    bind = {"centre": "raw", "a0": 0.7, "a1": 1.3, "a2": 0.2, "form": form, "causal": causal}
    small = tuple(
        torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(i)) / 4 for i, shape in enumerate((Q, Q, V))
    )
    case = Case("std.linear", "fastmax", reference, tuple(x.requires_grad_() for x in small), bind)
    compare(case, case.module())


@pytest.mark.system(
    "fastmax", "Twice the tokens cost twice the operations factorised (four times quadratic), masked and unmasked, for one term and two."
)
@pytest.mark.parametrize(("order", "causal"), TERMS)
def test_the_cost_is_linear_in_the_tokens(order: int, causal: bool) -> None:
    def operations(form: str, tokens: int) -> int:
        bind = {"N": tokens, "d": 16, "e": 16, "order": order, "causal": causal, "form": form}
        flops = counted("std.linear", "fastmax", **bind).flops.evaluate({"*": 1})
        return int(flops)

    assert math.isclose(operations("factorised", 8000) / operations("factorised", 4000), 2, rel_tol=1e-3)
    assert math.isclose(operations("quadratic", 8000) / operations("quadratic", 4000), 4, rel_tol=1e-2)


@pytest.mark.system("fastmax", "Dropout acts on the factors in training only: the rows still add up to 1, and inference is as without.")
def test_dropout_leaves_the_rows_at_one() -> None:
    q, k = torch.randn(2, 2, 9, 6, dtype=torch.float64)
    one = torch.ones(2, 9, 5, dtype=torch.float64)
    made = attn.compile("std.linear", "fastmax", dropout=0.5, dtype=torch.float64)
    assert_close(made(q, k, one), one, **CLOSE)
    v = torch.randn(2, 9, 5, dtype=torch.float64)
    assert not torch.allclose(made(q, k, v), made(q, k, v))
    assert_close(made.eval()(q, k, v), fastmax({}, q, k, v), **CLOSE)
