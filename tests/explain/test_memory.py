"""Peak memory: the largest sum of values that are alive together, as a formula."""

from __future__ import annotations

import pytest

import attn
from attn.compiler.memory import NOMINAL, Peak, peak_memory
from attn.compiler.sizes import Size


def peak(body: str, head: str = "x: [N]", result: str = "[N]") -> Peak:
    lines = "\n".join(f"    {line}" for line in body.split("; "))
    return peak_memory(attn.load(attn.text(f"block t({head}) -> {result} {{\n{lines}\n}}")).graph(checking=True))


@pytest.mark.parametrize(
    ("body", "formula"),
    [
        ("return exp(x)", "8*N"),  # the input and the result
        ("return exp(exp(exp(exp(x))))", "12*N"),  # one is freed as the next but one is made
        ("a = exp(x); b = sin(x); return a + b + exp(b)", "16*N"),  # x, a, b and a + b; then x, b, a + b and exp(b)
        ("return sum(exp(x), N) * x", "8*N + 4"),  # exp(x) beside its sum; then the result beside both
        ("y = x * rename(x, N -> M); return sum(y, M)", "4*N**2 + 8*N"),
        ("return x", "4*N"),
    ],
)
def test_a_value_is_alive_until_its_last_use(body: str, formula: str) -> None:
    assert str(peak(body).bytes) == formula


def test_views_hold_what_they_look_at() -> None:
    found = peak("y = exp(x); a, b = split(y, N -> A=2 + B); return a, exp(b)", "x: [N]", "(a: [A], b: [B])")
    assert str(found.bytes) == "max(12*N - 8, 8*N)"


def test_weights_are_counted_apart() -> None:
    assert str(peak("return linear(x, D -> E=1000, bias=false)", "x: [N, D]", "[N, E]").bytes) == "4*D*N + 4000*N"


def test_the_peak_is_the_maximum_of_what_may_be_largest() -> None:
    found = peak("a = sum(dot(x, rename(x, N -> M), over=D), M); b = sum(dot(x, rename(x, D -> E), over=N), E); return a, b",
                 "x: [N, D]", "(a: [N], b: [D])")  # fmt: skip
    assert found.nominal == ()
    at = [found.bytes.evaluate({"N": n, "D": d}) for n, d in ((1000, 10), (10, 1000))]
    assert at == [4 * 10_000 + 4 * 1_000_000 + 4 * 1000, 4 * 10_000 + 4 * 1_000_000 + 4 * 1000 + 4 * 10]


def test_where_no_formula_holds_for_all_sizes_the_largest_at_some_is_told() -> None:
    names = "ABCDEFGH"
    head = ", ".join(f"{name.lower()}: [{name}]" for name in names)
    body = "; ".join(f"{name.lower()}y = sum(exp(exp({name.lower()})), {name})" for name in names)
    found = peak(f"{body}; return {' + '.join(f'{name.lower()}y' for name in names)}", head, "[]")
    assert dict(found.nominal) == dict.fromkeys(names, NOMINAL)
    assert found.bytes.evaluate(dict.fromkeys(names, NOMINAL)) >= 4 * NOMINAL * 10


@pytest.mark.parametrize(
    ("options", "held"),
    [("", "0"), (", softcap=1.0", "8*N**2"), (", chunk=16", "8*min(16*N, 65536)"), (", scale=s", "4*N*d"), (", by=sparsemax", "8*N**2")],
)
def test_attention_holds_its_scores_only_where_it_is_explicit(options: str, held: str) -> None:
    text = f"block t(q: [N, d], k: [N, d], v: [N, d], s: [N]) -> [N, d] {{\n    return attend(q, k, v, over=N, dot=d{options})\n}}"
    (one,) = attn.explain(attn.text(text)).attention
    assert one.scratch.formula == held


def test_a_loop_holds_one_step() -> None:
    found = peak("return scan N (s: [D] = 0) {; t = exp(s) * x; yield t; next s = t; }", "x: [N, D]", "[N, D]")
    assert (found.bytes - Size.symbol("N") * Size.symbol("D") * 8).free() == {"D"}
