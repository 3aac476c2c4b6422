"""Steps in time: `scan`, its carries and results; and axes without entries."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from language_support import codes, compiled, module, randn
from torch.testing import assert_close

from attn.compiler.lower.errors import InputError
from attn.dsl.diagnostics import AttnError

X = randn(2, 5, 3)
HEAD = "x: [*, N, D]"


def test_inside_tensors_lose_the_axis_and_yields_are_stacked() -> None:
    m = module(HEAD, "return scan N (s: [*, D] = 0) { s = s + x; yield s * 2 }".replace("; ", "\n        "), "[*, N, D]")
    assert_close(m(X), 2 * X.cumsum(1))


def scanned(steps: str, result: str = "[*, N, D]", before: str = "return", after: str = "", **bind: Any) -> Any:
    lines = "\n".join(f"        {line}" for line in steps.split("; "))
    head, _, rest = before.partition("@")
    text = f"block t({HEAD}) -> {result} {{\n    {head} scan {rest or 'N (s: [*, D] = 0)'} {{\n{lines}\n    }}\n{after}}}\n"
    return compiled(text, **bind)


def test_the_position_is_the_step() -> None:
    m = scanned("yield x * pos(N)", before="return@N ()")
    assert_close(m(X), X * torch.arange(5)[:, None])


def test_the_primed_axis_is_whole() -> None:
    body = "all = rename(x, N -> N')\n    return scan N () {\n        yield x * sum(all, N')\n    }"
    lines = f"block t({HEAD}) -> [*, N, D] {{\n    {body}\n}}\n"
    assert_close(compiled(lines)(X), X * X.sum(1, keepdim=True))


def test_only_carries_pass_from_step_to_step() -> None:
    m = scanned("other = s; s = x; yield other")
    assert_close(m(X), torch.cat([torch.zeros_like(X[:, :1]), X[:, :-1]], 1))
    assert "E0101" in codes(HEAD, "y = scan N (s: [*, D] = 0) { yield last }; return y", "[*, N, D]")


def test_final_carries_are_given_when_asked_for() -> None:
    m = scanned("s = s + x; yield s", "(y: [*, N, D], last: [*, D])", "y, last =", "    return y, last\n")
    found = m(X)
    assert_close(found.y, X.cumsum(1))
    assert_close(found.last, X.sum(1))


def test_a_scan_may_run_in_reverse() -> None:
    m = scanned("s = s + x; yield s", before="return@N reverse (s: [*, D] = 0)")
    assert_close(m(X), X.flip(1).cumsum(1).flip(1))


def test_several_yields_and_carries() -> None:
    m = scanned(
        "s = s + x; c = maximum(c, x); yield s, c",
        "(a: [*, N, D], b: [*, N, D])",
        "a, b =@N (s: [*, D] = 0, c: [*, D] = -inf)",
        "    return a, b\n",
    )
    found = m(X)
    assert_close(found.a, X.cumsum(1))
    assert_close(found.b, X.cummax(1).values)


def test_a_carry_may_start_as_a_tensor_and_weights_are_shared_by_the_steps() -> None:
    text = (
        "block t(x: [*, N, D], s0: [*, D]) -> [*, N, D] {\n    return scan N (s: [*, D] = s0) {\n"
        "        s = tanh(linear(s, D -> D) as w + x)\n        yield s\n    }\n}\n"
    )
    m, s = compiled(text, D=3), randn(2, 3, seed=1)
    wanted, state = [], s
    for n in range(5):
        state = torch.tanh(torch.nn.functional.linear(state, m.w.weight, m.w.bias) + X[:, n])
        wanted.append(state)
    assert_close(m(X, s), torch.stack(wanted, 1))
    assert len(list(m.parameters())) == 2


def test_gradients_flow_through_the_steps() -> None:
    m = scanned("s = s * x + 1; yield s")
    x = X.clone().requires_grad_()
    assert torch.autograd.gradcheck(m, (x,), fast_mode=True)


def test_carries_are_wide_inside_for_half_inputs() -> None:
    m = scanned("s = s + x; yield s").to(torch.float16)
    x = torch.full((4000, 1), 0.001, dtype=torch.float16)
    found = m(x)
    assert found.dtype == torch.float16
    assert abs(found[-1].item() - 4.0) < 0.01  # float16 sums would stall at about 2


def test_a_scan_over_nothing_gives_nothing() -> None:
    m = scanned("s = s + x; yield s", "(y: [*, N, D], last: [*, D])", "y, last =", "    return y, last\n")
    found = m(X[:, :0])
    assert found.y.shape == (2, 0, 3)
    assert torch.equal(found.last, torch.zeros(2, 3, dtype=torch.float64))


def test_yield_and_return_have_their_places() -> None:
    assert "E0510" in codes(HEAD, "yield x; return x", "[*, N, D]")
    assert "E0510" in codes(HEAD, "y = scan N (s: [*, D] = 0) { return x }; return y", "[*, N, D]")


# ---------------------------------------------------------------- empty axes


@pytest.mark.parametrize(
    ("written", "wanted"), [("sum(x, N)", 0.0), ("prod(x, N)", 1.0), ("sum(softmax(x, N), N)", 0.0), ("logsumexp(x, N)", -torch.inf)]
)
def test_reductions_of_nothing_have_a_value(written: str, wanted: float) -> None:
    m = module("x: [*, N]", f"return {written}", "[*]")
    assert_close(m(torch.zeros(2, 0, dtype=torch.float64)), torch.full((2,), wanted, dtype=torch.float64))


@pytest.mark.parametrize("written", ["max(x, N)", "mean(x, N)", "argmax(x, N)", "min(x, N)"])
def test_what_has_no_value_of_nothing_is_told_at_the_entry(written: str) -> None:
    m = module("x: [*, N]", f"return {written}", "int [*]" if "arg" in written else "[*]")
    with pytest.raises(InputError, match="N"):
        m(torch.zeros(2, 0, dtype=torch.float64))


def test_any_and_all_of_nothing() -> None:
    for word, value in (("any", False), ("all", True)):
        m = module("x: bool [*, N]", f"return {word}(x, N)", "bool [*]")
        assert m(torch.zeros(2, 0, dtype=torch.bool)).tolist() == [value, value]


def test_a_bound_axis_of_size_zero_is_known_to_be_empty() -> None:
    with pytest.raises(AttnError):
        module("x: [*, N]", "return mean(x, N)", "[*]", N=0)
