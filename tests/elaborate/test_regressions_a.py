"""Small programs that once failed to check, to compile or to say what was wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.testing import assert_close

import attn


def module(text: str, block: str | None = None, **bind: Any) -> Any:
    return attn.compile(attn.text(text), block, bind=bind, dtype=torch.float64)


def mistakes(text: str, **bind: Any) -> list[str]:
    with pytest.raises(attn.AttnError) as caught:
        module(text, **bind)
    return [item.title for item in caught.value.diagnostics]


def titles(text: str) -> list[str]:
    return [item.title for item in attn.check(attn.text(text))]


# ---------------------------------------------------------------- sizes that a result declares


def test_a_size_declared_for_a_result_holds_in_the_body() -> None:
    text = "block f(x: [*, C], count: int = 3) -> [*, J=count, E=2*C] { return linear(x, C -> J E) }"
    assert titles(text) == []
    assert module(text, C=4)(torch.ones(5, 4, dtype=torch.float64)).shape == (5, 3, 8)


def test_a_size_given_in_the_body_comes_before_the_declared_one() -> None:
    text = "block f(x: [*, H, W]) -> [*, N=H*W/2] { return merge(x, H W -> N)[N=0..N/2] }"
    assert titles(text) == []
    assert module(text)(torch.ones(4, 3)).shape == (6,)


def test_another_size_than_the_declared_one_is_an_error() -> None:
    text = "block f(x: [*, C], w: int) -> [*, E=w] {\n    axis E = 2*C\n    return linear(x, C -> E)\n}"
    assert mistakes(text, C=4, w=9) == ["the result does not match its declaration: axis `E`: expected 9, found 8"]


def test_a_size_bound_for_an_axis_of_the_result_must_be_its_size() -> None:
    text = "block f(x: [*, C]) -> [*, E] { return linear(x, C -> E=2*C) }"
    assert mistakes(text, C=4, E=9) == ["axis `E` is bound to another size: 9 and 8"]
    assert module(text, C=4, E=8)(torch.ones(4, dtype=torch.float64)).shape == (8,)


# ---------------------------------------------------------------- layers of blocks


GATE = "block g(x: [*, P]) -> [*, P] { return linear(x, P -> P) }\n"


def test_a_layer_of_a_block_is_applied_along_one_axis_and_along_another() -> None:
    made = module(GATE + "block f(x: [*, C, D]) -> [*, C, D] {\n    h = g()\n    return x |> h(P=C) |> h(P=D)\n}", C=4, D=4)
    assert list(made.state_dict()) == ["h.linear.weight", "h.linear.bias"]
    x, weight, bias = torch.randn(3, 4, 4, dtype=torch.float64), *made.parameters()
    along_c = torch.nn.functional.linear(x.transpose(1, 2), weight, bias).transpose(1, 2)
    assert_close(made(x), torch.nn.functional.linear(along_c, weight, bias))


def test_one_layer_along_axes_of_different_size_is_an_error_about_its_weights() -> None:
    text = GATE + "block f(x: [*, C, D]) -> [*, C, D] {\n    h = g()\n    return h(h(x, P=C), P=D)\n}"
    assert mistakes(text, C=4, D=5) == ["this layer already has weights for `P` of size 4"]


def test_options_and_axes_given_twice_are_refused_where_a_layer_is_applied() -> None:
    start = "block g(x: [*, P], n: int = 2) -> [*, P] { return x * n }\nblock f(x: [*, C]) -> [*, C] {\n    "
    assert titles(start + "h = g()\n    return h(x, P=C, n=3)\n}") == ["a layer that is already made takes only tensors"]
    assert titles(start + "h = g(P=C)\n    return h(x, P=C)\n}") == ["axis `P` is bound twice"]


# ---------------------------------------------------------------- `*`, lists, numbers


def test_expand_takes_the_axes_of_the_star_that_a_tensor_lacks() -> None:
    text = "block f(x: [*, D]) -> [*, S, D] {\n    param z: [S=2, D] = 1\n    return expand(z, *) + 0 * expand(expand(x, S), *)\n}"
    assert titles(text) == []
    assert module(text, D=3)(torch.ones(5, 4, 3, dtype=torch.float64)).shape == (5, 4, 2, 3)


def test_a_list_gives_a_constant_its_size() -> None:
    text = "block f(x: [*, C], ws: float*) -> [*, K, C] {\n    const w: [K] = ws\n    return expand(x, K) * w\n}"
    assert titles(text) == []
    assert_close(module(text, ws=[1.0, 2.0])(torch.ones(1, dtype=torch.float64)), torch.tensor([[1.0], [2.0]], dtype=torch.float64))


def test_log2_of_a_tensor_and_of_a_size() -> None:
    text = "block f(x: [*, C]) -> [*, C] { return log2(x) * log2(C) }"
    assert_close(module(text)(torch.tensor([2.0, 4.0, 8.0, 16.0])), torch.tensor([2.0, 4.0, 6.0, 8.0]))


def test_a_softmax_takes_a_mask_that_is_one_truth_value() -> None:
    text = "block f(x: [*, N], on: bool = true) -> [*, N] { return softmax(x, N, where=on) }"
    x = torch.randn(2, 3)
    assert_close(module(text)(x), x.softmax(-1))
    assert_close(module(text, on=False)(x), torch.zeros(2, 3))


# ---------------------------------------------------------------- messages


def test_an_optional_input_with_weights_of_its_own_says_how_to_compile_for_it() -> None:
    text = "block f(x: [*, K], s: [*, K] = none) -> [*, K] {\n    if s != none { x = x + linear(s, K -> K) as w }\n    return x\n}"
    x = torch.ones(4, dtype=torch.float64)
    with pytest.raises(attn.AttnError, match=r'needs the weight `w.weight`[\s\S]*inputs=\("s",\)'):
        module(text, K=4)(x, x)
    made = attn.compile(attn.text(text), bind={"K": 4}, inputs=("s",), dtype=torch.float64)
    assert_close(made(x), x)
    assert made(x, x).shape == (4,)


def test_a_taken_name_is_told_once_for_all_weights_under_it() -> None:
    text = "block f(x: [*, C]) -> [*, C] { return linear(x, C -> C) as forward }"
    assert len(mistakes(text, C=4)) == 1


# ---------------------------------------------------------------- words


def test_a_word_that_names_an_operator_chooses_it() -> None:
    text = """
block g(x: [*, C], act: [*, C] -> [*, C]) -> [*, C] { return act(x) }
block f(x: [*, C], kind: relu | gelu = gelu) -> [*, C] {
    a = relu if kind == relu else gelu
    return g(x, act=a) + a(x) + (x |> a) + kind(x)
}"""
    assert titles(text) == []
    x = torch.randn(5)
    assert_close(module(text)(x), 4 * torch.nn.functional.gelu(x))
    assert_close(module(text, kind="relu")(x), 4 * x.relu())


def test_a_word_may_be_called_like_an_axis() -> None:
    text = "block f(x: [*, N, T], kind: T | N = N) -> [*, N, T] { return x * (T if T == kind else N if kind == N else 0) }"
    x = torch.randn(2, 3)
    assert_close(module(text)(x), 2 * x)
    assert_close(module(text, kind="T")(x), 3 * x)


def test_a_mistake_in_a_condition_does_not_make_what_it_decides_unknown() -> None:
    text = "block f(x: [*, C]) -> [*, C] {\n    if C > 3 { y = x } else { for i in 0..2 { y = -x } }\n    return y\n}"
    assert mistakes(text) == ["this condition depends on a size that is only known when the module runs"]
    text = "block f(x: [*, C]) -> [*, C] {\n    for i in 0..C { y[i] = x }\n    return y[0]\n}"
    assert mistakes(text) == ["the number of turns depends on a size that is only known when the module runs"]


def test_an_axis_that_a_scan_steps_along_is_told_where_it_is_missed() -> None:
    text = """
block f(x: [*, N, D]) -> [*, N, D] {
    return scan N (s: [*, D] = 0) {
        s = s + mean(x, N)
        yield s
    }
}"""
    found = attn.check(attn.text(text))
    assert [item.help for item in found] == ["inside the scan a tensor has lost `N`; for the whole, rename(x, N -> N') before it"]
