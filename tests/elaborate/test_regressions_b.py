"""Programs that the language allows and that once failed, and messages that once misled."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.testing import assert_close

import attn


def made(text: str, *inputs: str, **bind: Any) -> Any:
    return attn.compile(attn.text(text), bind=bind, inputs=inputs, dtype=torch.float64)


def found(text: str) -> list[tuple[str, str]]:
    return [(item.code, item.help) for item in attn.check(attn.text(text))]


def test_a_scan_without_yield_gives_its_final_carries_to_those_who_ask() -> None:
    text = """
block last(x: [*, N, D]) -> (sum: [*, D], top: [*, D]) {
    sum, top = scan N (s: [*, D] = 0, t: [*, D] = -1e30) {
        s = s + x
        t = maximum(t, x)
    }
    return sum, top
}
"""
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    assert found(text) == []
    total, top = made(text)(x)
    assert_close(total, x.sum(1))
    assert_close(top, x.amax(1))


def test_a_single_final_carry_may_be_named() -> None:
    text = """
block last(x: [*, N, D]) -> [*, D] {
    s = scan N (s: [*, D] = 0) { s = s / 2 + x }
    return s
}
"""
    x = torch.randn(4, 3, dtype=torch.float64)
    assert_close(made(text)(x), x[0] / 8 + x[1] / 4 + x[2] / 2 + x[3])


@pytest.mark.parametrize(
    "use", ["return scan N (s: [*, D] = 0) { s = s + x }", "y = 2 * (scan N (s: [*, D] = 0) { s = s + x })\n    return y"]
)
def test_a_forgotten_yield_is_told_where_the_steps_are_wanted(use: str) -> None:
    assert found(f"block f(x: [*, N, D]) -> [*, N, D] {{\n    {use}\n}}") == [("E0510", "end the body with `yield a`")]


OPTIONAL = """
block f(x: [*, N, D], memory: [*, M, D] = none) -> [*, N, D] {
    m = rename(x, N -> M) if memory == none else memory
    far = pos(N) - pos(M)
    return attend(x, m, m, over=M, dot=D, where=far >= 0)
}
"""


def test_an_axis_that_only_an_absent_input_has_may_be_made_by_the_block() -> None:
    assert found(OPTIONAL) == []
    x, memory = torch.randn(2, 5, 3, dtype=torch.float64), torch.randn(2, 4, 3, dtype=torch.float64)
    assert_close(made(OPTIONAL)(x), made(OPTIONAL)(x, x))
    assert made(OPTIONAL, "memory")(x, memory).shape == (2, 5, 3)


def test_an_axis_parameter_keeps_its_size_where_an_input_that_has_it_is_absent() -> None:
    text = """
block f(x: [*, N, D], E: axis, start: [*, E] = none) -> [*, N, E] {
    y = linear(x, D -> E)
    return y if start == none else y + start
}
"""
    assert found(text) == []
    assert made(text, D=3, E=4)(torch.randn(5, 3, dtype=torch.float64)).shape == (5, 4)


def test_a_layer_may_be_applied_with_an_axis_of_its_result_renamed() -> None:
    text = """
block up(x: [*, T, E], width: int) -> [*, T, D] {
    return linear(x, E -> D=width) as fc
}
block f(x: [*, T, D], y: [*, J, D]) -> (a: [*, T, M], b: [*, J, M]) {
    layer = up(width=4)
    return layer(x, E=D, D=M), layer(y, T=J, E=D, D=M)
}
"""
    assert found(text) == []
    module = made(text, D=3)
    x = torch.randn(5, 3, dtype=torch.float64)
    a, b = module(x, x)
    assert list(module.state_dict()) == ["layer.fc.weight", "layer.fc.bias"]
    assert_close(a, b)


def test_an_axis_parameter_is_given_where_the_layer_is_written() -> None:
    text = """
block up(x: [*, E], D: axis) -> [*, D] {
    return linear(x, E -> D) as fc
}
block f(x: [*, E]) -> [*, D] {
    axis D = 4
    layer = up()
    return layer(x, D=D)
}
"""
    assert ("E0302", "") in found(text)


def test_lists_of_numbers_have_every_digit_of_float64() -> None:
    text = """
block f(x: [*, I=3]) -> [*, I] {
    const c: [I] = [0.4488, 0.4371, 0.4040]
    return x * c
}
"""
    wanted = torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float64)
    assert torch.equal(made(text)(torch.ones(3, dtype=torch.float64)), wanted)


@pytest.mark.parametrize("bind", [{}, {"H": 6}])
def test_the_bound_size_of_an_input_is_not_asked_of_a_result_that_resizes_it(bind: dict[str, int]) -> None:
    text = "block half(x: [*, H]) -> [*, H=H/2] {\n    return split(x, H -> H p=2) |> sum(p)\n}"
    x = torch.randn(6, dtype=torch.float64)
    assert_close(made(text, **bind)(x), x[0::2] + x[1::2])


def test_an_axis_of_a_failed_split_is_not_a_second_mistake() -> None:
    text = """
block f(x: [*, d=3]) -> [*, d] {
    a, b = split(x, d -> f p=2) |> unstack(p)
    return stack(a * pos(f), b, p) |> merge(f p -> d)
}
"""
    assert [code for code, _ in found(text)] == ["E0203"]


def test_the_advice_on_outer_products_names_an_axis_that_can_be_written() -> None:
    text = """
block f(x: [*, N, D], t: [N]) -> [*, N, D, N'] {
    param w: [] = 1
    decay = exp(w * (t - rename(t, N -> N')))
    k = linear(x, D -> D) as k |> rename(N -> N')
    return decay * k
}
"""
    assert found(text) == [("W0802", "if it is meant, say so: expand(.., N) on the right one")]
    assert found(text.replace("decay * k\n", "decay * expand(k, N)\n")) == []
