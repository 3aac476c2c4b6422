"""Which values are prepared: those of weights, positions and numbers alone, that take some work, and that no run changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from prepared_support import LOW_RANK, bodies, count, low_rank, lowered

import attn
from attn.compiler.lower.standalone import standalone
from attn.compiler.prepared import prepared_values, weight_only


def ops(body: str, inputs: str = "x: [*, N, D]", result: str = "[*, N, D]", **bind: int) -> list[str]:
    """The operators of the prepared values of a block over `x` with D=6."""
    graph = attn.load(attn.text(f"block t({inputs}) -> {result} {{\n{body}\n}}")).graph({"D": 6, **bind})
    return [node.op for node in prepared_values(graph)]


PREPARED = {
    "a sum": ("    param a: [D] = 1\n    return x * (a + a * a)", ["add"]),
    "a part": ("    param a: [E=8, D] = 1\n    return x * sum(a[E=0..2], E)", ["sum"]),
    "a cut alone": ("    param a: [E=12] = 1\n    return x * rename(a[E=0..6], E -> D)", ["rename"]),
    "with positions": ("    param a: [D] = 1\n    return x * (a * pos(D))", ["mul"]),
    "with numbers of a list": ("    param a: [D] = 1\n    const c: [D] = [1, 2, 3, 4, 5, 6]\n    return x * (a * c)", ["mul"]),
    "a state that nothing writes": ("    state s: [D] = 2\n    return x * exp(s)", ["exp"]),
    "one of several results": ("    param a: [D] = 1\n    v, i = topk(a, D -> K=2)\n    return x * sum(v, K)", ["sum"]),
    "positions alone": ("    param a: [D] = 1\n    return x * a * exp(pos(D))", ["exp"]),
    "a mask of positions": (
        "    param a: [D] = 1\n    axis M = 4\n    return x * a * sum(where(pos(M) < pos(D), exp(pos(M)), 0), M)",
        ["sum"],
    ),
    "what a large value is made of": (
        "    param a: [D] = 1\n    return x * a * sum(x * (exp(pos(D)) + log(pos(L=4000000))), L)",
        ["exp", "log"],
    ),
    "two values": ("    param a: [D] = 1\n    return x * exp(a) + log(a)", ["exp", "log"]),
}
LEFT = {
    "a weight as it is": "    param a: [D] = 1\n    return x * a",
    "a view of a weight": "    param a: [E=12] = 1\n    return x * sum(x, D) + sum(split(a, E -> p=2 D) * x, p)",
    "a draw": "    param a: [D] = 1\n    return x * (a * rand(D=6))",
    "a size of the run": "    param a: [D] = 1\n    return x * (a * size(x, N))",
    "positions of the run": "    param a: [D] = 1\n    return x * (a * pos(N))",
    "a state that the run writes": "    state s: [D] = 2\n    y = x * exp(s)\n    next s = s + 1\n    return y",
    "positions as they are": "    return x * pos(D)",
    "numbers without axes": "    return x * sqrt(size(x, D) + 1.0)",
    "the flag of causal attention": "    param a: [D] = 1\n    return attend(x, x, x * a, over=N, dot=D, where=pos(N') <= pos(N))",
    "a mask in chunks": "    param a: [D] = 1\n    return attend(x, x, a * x, over=N, dot=D, chunk=2, where=pos(N') > 1 or pos(N) > 0)",
    "inputs alone": "    return x * exp(x)",
}


@pytest.mark.parametrize("name", PREPARED)
def test_it_is_prepared(name: str) -> None:
    body, wanted = PREPARED[name]
    assert ops(body) == wanted


@pytest.mark.parametrize("name", LEFT)
def test_it_is_left_in_the_forward(name: str) -> None:
    assert ops(LEFT[name]) == []


def test_what_is_below_a_draw_is_prepared() -> None:
    assert ops("    param a: [D] = 1\n    return x * dropout(exp(a), p=0.5)") == ["exp"]


SCAN = """block t(x: [*, N, D]) -> [*, N, E] {
    param a: [P=2, D] = normal(1)
    param b: [Q=1, D] = normal(1)
    return scan N (s: [*, E=3] = 0) {
        s = s + linear(x, D -> E, weight=concat(a, b, P + Q -> E), bias=false)
        yield s
    }
}
"""


def test_weights_put_together_for_a_loop_are_put_together_once() -> None:
    m, plain = lowered(SCAN, D=4), lowered(SCAN, D=4, level=0)
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    calls = count(m)
    assert torch.equal(m(x), plain(x))
    m(x)
    assert len(calls) == 1


def test_the_text_shows_what_is_prepared() -> None:
    assert (
        low_rank().code
        == """\
def forward(self, x):
    runtime.check_inputs((x,), self.a)
    leading = runtime.leading_shape((x, 0, 2))
    x_1 = runtime.merge_leading(x, leading, 0, 2)  # [*, N, D]
    prepared = runtime.prepared(self.prepared_1, self.a, self.b)
    w = prepared[0]  # [F, D]
    linear = F.linear(x_1, w)  # [*, N, F]
    split_leading = runtime.split_leading(linear, leading, 0)  # [*, N, F]
    return split_leading  # [*, N, F]


def prepared_1(self, a, b):
    w = torch.matmul(a, b)  # [D, F]
    transpose = w.transpose(0, 1)  # [F, D]
    return (transpose,)
"""
    )


def test_one_flat_matrix_is_kept_for_a_linear_of_several_axes() -> None:
    text = """block t(x: [*, N, D]) -> [*, N, h, d] {
    param a: [h=2, d=3, D] = normal(1)
    param b: [D] = normal(1)
    return linear(x, D -> h d, weight=a * b)
}
"""
    m, plain = lowered(text, D=4), lowered(text, D=4, level=0)
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    assert torch.equal(m(x), plain(x))
    assert "# [h*d, D]" in m.code
    assert ".flatten" not in m.code.split("def prepared_1")[0]


# ------------------------------------------------ standalone files


def standing(m: Any, name: str) -> Any:
    space: dict[str, Any] = {"__name__": "standalone"}
    exec(compile(standalone(m), "<standalone>", "exec"), space)
    made = space[name](dtype=torch.float64)
    made.load_state_dict(m.state_dict())
    return made


def test_a_standalone_file_prepares_too() -> None:
    m = low_rank()
    made, x = standing(m, "LowRank"), torch.randn(2, 7, 5, dtype=torch.float64)
    assert list(made.state_dict()) == list(m.state_dict())
    assert torch.equal(made(x), m(x))
    assert not made.train().training
    assert not any(p.requires_grad for p in made.parameters())
    before = made(x)
    made.a.data.mul_(2)
    assert torch.equal(made(x), before)
    made.refresh()
    torch.testing.assert_close(made(x), before * 2)
    with torch.no_grad():
        made.a.mul_(2)
    torch.testing.assert_close(made(x), before * 4)


def test_a_copy_and_a_pickle_of_a_standalone_module_prepare_their_own() -> None:
    import copy

    m = low_rank()
    made, x = standing(m, "LowRank"), torch.randn(2, 7, 5, dtype=torch.float64)
    before = made(x)
    other = copy.deepcopy(made)
    with torch.no_grad():
        other.a.zero_()
    assert not other(x).any()
    assert torch.equal(made(x), before)


def test_a_standalone_file_for_training_has_none() -> None:
    text = standalone(low_rank(mode="train"))
    assert "prepared" not in text
    assert "refresh" not in text


# ------------------------------------------------ facts for passes


def test_weight_only_tells_weights_from_inputs() -> None:
    graph = attn.load(attn.text(LOW_RANK)).graph({"D": 5})
    found = weight_only(graph.nodes)
    assert [node.op for node in graph.nodes if node in found] == ["weight", "weight", "dot"]
    assert bodies(low_rank()) == ["prepared_1"]
