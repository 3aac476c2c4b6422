"""A bias or mask of distances read as a view of one row is the attention that was written: values, gradients, and what is told."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch.testing import assert_close

import attn
from attn.compiler.lower import runtime_parts, runtime_shifts
from attn.compiler.lower.lowering import lower
from attn.compiler.passes import optimise, passes
from attn.compiler.passes.distances import Distances

HEAD = """block t(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e], slope: [h], keep: bool [*, N], x: [N]) -> [*, h, N, e] {{
    param table: [K=7, h] = normal(0.5)
    return attend(q, k, v, over=N, dot=d, {0})
}}
"""
BACK = "where=pos(N') <= pos(N)"
APART = "pos(N') - pos(N)"
TABLE = f"table[K = clamp({APART}, lo=-3, hi=3) + 3]"
TAKEN = {
    "slopes": f"bias=-slope * abs({APART})",
    "causal slopes": f"bias=slope * ({APART}), {BACK}",
    "a table": f"bias={TABLE}",
    "a causal table": f"bias={TABLE}, {BACK}",
    "of whole numbers": f"bias=2 * ({APART})",
    "sums": f"bias=slope * ({APART}) + {TABLE} + 2, where=pos(N) - pos(N') >= 0",
    "a mask": "where=is_pow2(pos(N) - pos(N')) or pos(N) == pos(N')",
    "a scale of its own": f"bias=2 * ({APART}), scale=slope",
}
LEFT = {
    "rows may be empty": f"bias=slope * ({APART}), where=pos(N') < pos(N)",
    "padding": f"bias=slope * ({APART}), {BACK} and rename(keep, N -> N')",
    "of its own for pairs": "bias=x * rename(x, N -> N')",
    "a sink": f"bias=slope * ({APART}), sink_logit=0.5",
    "the product of both positions": "bias=0.1 * pos(N) * pos(N')",
    "a flag": BACK,
    "keys alone": "bias=-0.1 * pos(N')",
    "no softmax": f"bias={APART}, by=sigmoid",
}


def made(text: str, small: Distances | None, **bind: int) -> Any:
    """A module in float64 with this pass, or without."""
    chosen = [small if isinstance(one, Distances) else one for one in passes(2, "train")]
    pipeline = [one for one in chosen if one is not None]
    graph = attn.load(attn.text(text)).graph(bind)
    return lower(graph, dtype=torch.float64, optimiser=partial(optimise, level=2, mode="train", pipeline=pipeline))


def told(module: Any) -> str:
    return "; ".join(change.text for step in module.optimised.steps if step.done.name == "distances" for change in step.changes)


def given(n: int) -> list[torch.Tensor]:
    source = torch.Generator().manual_seed(n)
    q, k, v = (torch.randn(2, 3, n, width, generator=source, dtype=torch.float64) for width in (2, 2, 3))
    slope, x = (torch.rand(size, generator=source, dtype=torch.float64) for size in (3, n))
    return [q, k, v, slope, torch.rand(2, n, generator=source) < 0.7, x]


def agree(text: str, *inputs: list[torch.Tensor], **bind: int) -> Any:
    view, whole = made(text, Distances(least=1), h=3, **bind), made(text, None, h=3, **bind)
    whole.load_state_dict(view.state_dict())
    for each in inputs:
        floating = [x.requires_grad_() for x in each if x.is_floating_point()]
        found, wanted = view(*each), whole(*each)
        assert_close(found, wanted, rtol=1e-10, atol=1e-10)
        slope = torch.randn_like(wanted)
        first, second = (torch.autograd.grad(y, [*floating, *m.parameters()], slope, allow_unused=True, materialize_grads=True)
                         for y, m in ((found, view), (wanted, whole)))  # fmt: skip
        assert_close(first, second, rtol=1e-9, atol=1e-9)
    return view


@pytest.mark.parametrize("options", TAKEN)
def test_a_view_says_what_the_matrix_says(options: str) -> None:
    module = agree(HEAD.format(TAKEN[options]), given(1), given(2), given(9))
    assert "a view of one row" in told(module)
    assert module(*given(0)).shape == (2, 3, 0, 3)


@pytest.mark.parametrize("n", [257, 300])
def test_rows_of_a_causal_bias_are_taken_in_parts(n: int) -> None:
    module = agree(HEAD.format(TAKEN["causal slopes"]), given(n), N=n)
    assert "distance_attention" in module.code


FEW = {
    "powers of two": "where=is_pow2(pos(N) - pos(N')) or pos(N) == pos(N')",
    "with a bias": f"bias=0.3 * ({APART}), where=pos(N') <= pos(N) and (is_pow2(pos(N) - pos(N')) or pos(N) - pos(N') < 3)",
    "on both sides": "where=abs(pos(N) - pos(N')) % 5 == 0",
    "for each head": "bias=-(pos(h) + 1) * abs(pos(N) - pos(N')), where=pos(N) - pos(N') == 0 or pos(N') - pos(N) == 4",
}


@pytest.mark.parametrize("name", FEW)
def test_few_distances_are_met_one_by_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[int] = []
    shifted = runtime_shifts.shifted_attention
    monkeypatch.setattr(runtime_shifts, "shifted_attention", lambda *args: met.append(len(args[3])) or shifted(*args))
    monkeypatch.setattr(runtime_shifts, "KEYS", 0)
    monkeypatch.setattr(runtime_shifts, "STRIP", 5)
    monkeypatch.setattr(runtime_parts, "FEWEST", 1)
    module = agree(HEAD.format(FEW[name]), given(1), given(2), given(13))
    assert len(met) == 3
    inputs = given(13)
    with torch.no_grad():
        strips = module(*inputs)
    assert_close(strips, module(*inputs), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", ["auto", "inductor"])
def test_few_distances_are_a_kernel_where_inductor_may_be_asked(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[int] = []
    shifted = runtime_shifts.shifted_attention
    monkeypatch.setattr(runtime_shifts, "KEYS", 0)
    monkeypatch.setattr(runtime_parts, "FEWEST", 1)
    monkeypatch.setitem(vars(runtime_shifts.shifted_kernel), "run", lambda *args: met.append(len(args[3])) or shifted(*args))
    text = attn.text(HEAD.format(FEW["powers of two"]))
    fast, plain = (attn.compile(text, h=3, N=130, backend=one, dtype=torch.float64) for one in (backend, "eager"))
    assert fast.optimised.target.kernels
    fast.load_state_dict(plain.state_dict())
    inputs = given(130)
    assert_close(fast(*inputs), plain(*inputs), rtol=1e-12, atol=1e-12)
    assert len(met) == 1
    report = attn.explain(text, h=3, N=130, backend=backend)
    assert report.backend is not None
    assert report.backend.chosen == "eager"
    assert "by a kernel that inductor makes" in str(report)


def test_many_distances_and_gradients_of_a_bias_stay() -> None:
    q, row = torch.zeros(1, 1, 128, 4), torch.full((255,), float("-inf"))
    row[[127, 130]] = 0
    view = row.unfold(0, 128, 1)[None, None]
    found = runtime_shifts.live_distances(q, view)
    assert found is not None
    assert found[0] == [0, 3]
    assert runtime_shifts.live_distances(q, view.clone().requires_grad_()) is None
    assert runtime_shifts.live_distances(q, torch.zeros(1, 1, 128, 128)) is None
    assert runtime_shifts.live_distances(q.half(), view) is None


@pytest.mark.parametrize("options", LEFT)
def test_what_is_no_distance_alone_is_left(options: str) -> None:
    assert told(agree(HEAD.format(LEFT[options]), given(5))) == ""


@pytest.mark.parametrize(
    ("bias", "gone"),
    [
        ("slope * pos(N') - slope * pos(N)", True),
        ("slope * pos(N') - slope", True),
        ("slope * pos(N') + x", False),
        ("0.1 * pos(N') + where(pos(N) > 2, -inf, 0)", False),
        ("3 - (pos(N) - 0.5 * pos(N')) ", True),
    ],
)
def test_what_every_key_gets_alike_is_left_out(bias: str, gone: bool) -> None:
    said = told(agree(HEAD.format(f"bias={bias}"), given(6)))
    assert ("is left out" in said) is gone


def test_by_default_few_pairs_stay_as_they_are() -> None:
    text = HEAD.format(TAKEN["causal slopes"])
    assert told(attn.compile(attn.text(text), N=100, h=2)) == ""
    assert told(attn.compile(attn.text(text), N=200, h=2)) == (
        "bias and mask of this attention tell distances along N alone: a view of one row"
    )
    assert told(attn.compile(attn.text(text), h=2)).endswith("a view of one row, where N >= 128")
