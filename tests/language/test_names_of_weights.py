"""Layers are values; what their weights are called, how they are stored, and which checkpoints they take."""

from __future__ import annotations

import pytest
import torch.nn.functional as F  # noqa: N812
from language_support import codes, compiled, module, program, randn, said, shapes
from torch.testing import assert_close

import attn

X = randn(2, 3, 6)


def names(body: str) -> list[str]:
    return list(shapes(module("x: [*, N, D]", body, "[*, N, D]", D=6)))


# ---------------------------------------------------------------- layers


def test_a_layer_applied_twice_shares_its_weights_and_written_twice_does_not() -> None:
    assert names("f = linear(D -> D, bias=false); return f(f(x))") == ["f.weight"]
    assert names("y = linear(x, D -> D, bias=false) as a |> linear(D -> D, bias=false) as b; return y") == ["a.weight", "b.weight"]
    m = module("x: [*, N, D]", "f = linear(D -> D); return f(f(x))", "[*, N, D]", D=6)
    assert_close(m(X), F.linear(F.linear(X, m.f.weight, m.f.bias), m.f.weight, m.f.bias))


def test_a_layer_may_be_passed_to_a_block() -> None:
    text = (
        "block twice(x: [*, C], f: [*, C] -> [*, C]) -> [*, C] {\n    return f(f(x))\n}\n\n"
        "block t(x: [*, C]) -> [*, C] {\n    return twice(x, f=linear(C -> C) as g)\n}\n"
    )
    m = compiled(text, C=6)
    assert len(shapes(m)) == 2
    (weight, bias) = m.parameters()
    assert_close(m(X), F.linear(F.linear(X, weight, bias), weight, bias))


# ---------------------------------------------------------------- names


def test_as_is_the_name_on_a_call_and_on_a_parenthesis() -> None:
    assert names("return linear(x, D -> D, bias=false) as q") == ["q.weight"]
    assert names("return (linear(x, D -> D, bias=false) as a + linear(x, D -> D, bias=false) as b) as both") == [
        "both.a.weight",
        "both.b.weight",
    ]


def test_without_as_a_binding_names_its_only_owner() -> None:
    assert names("q = relu(linear(x, D -> D, bias=false)); return q") == ["q.weight"]


def test_with_several_owners_binding_and_operator_name_them() -> None:
    assert names("mlp = linear(x, D -> D, bias=false) |> layernorm(D, bias=false); return mlp") == [
        "mlp.linear.weight",
        "mlp.layernorm.weight",
    ]


def test_return_adds_nothing() -> None:
    assert names("return linear(x, D -> D, bias=false)") == ["linear.weight"]


def test_a_loop_must_mention_its_variable_in_the_path() -> None:
    assert names("for i in 0..2 { x = linear(x, D -> D, bias=false) as layers[i].q }; return x") == [
        "layers.0.q.weight",
        "layers.1.q.weight",
    ]
    assert "E0402" in codes("x: [*, D]", "for i in 0..2 { x = linear(x, D -> D) as q }; return x", "[*, D]")
    assert "E0402" in codes("x: [*, D]", "for i in 0..2 { param b: [D] = 0; x = x + b }; return x", "[*, D]")


def test_two_owners_with_one_path_are_a_mistake_whose_help_offers_as() -> None:
    for body in ("x = linear(x, D -> D); x = linear(x, D -> D); return x", "param b: [D] = 0; param b: [D] = 1; return x + b"):
        text = program("x: [*, D]", body, "[*, D]")
        assert "E0401" in said(text)
    text = program("x: [*, D]", "x = linear(x, D -> D); x = linear(x, D -> D); return x", "[*, D]")
    assert "as " in attn.check(attn.text(text))[0].help


@pytest.mark.parametrize(
    ("head", "body", "shown"),
    [
        ("x: [*, D]", "return inner(x) * inner(2 * x)", ("inner(x)", "inner(2 * x)")),
        ("x: [*, D], near: [*, D] -> [*, D] = inner, far: [*, D] -> [*, D] = inner", "return near(x) * far(x)", ("inner", "inner")),
    ],
)
def test_two_calls_with_one_path_are_both_shown(head: str, body: str, shown: tuple[str, str]) -> None:
    inner = "block inner(x: [*, D]) -> [*, D] {\n    return linear(x, D -> D) as w\n}\n\n"
    (found,) = attn.check(attn.text(inner + program(head, body, "[*, D]")))
    assert found.code == "E0401"
    assert (found.labels[0].span.text, found.span.text) == shown


def test_names_do_not_shift_when_something_is_added() -> None:
    before = names("q = linear(x, D -> D, bias=false); return q")
    after = names("p = linear(x, D -> D, bias=false); q = linear(p, D -> D, bias=false); return q")
    assert before[0] in after


def test_a_blocks_weights_are_under_the_name_of_its_call() -> None:
    text = (
        "block inner(x: [*, D]) -> [*, D] {\n    return linear(x, D -> D, bias=false) as w\n}\n\n"
        "block t(x: [*, D]) -> [*, D] {\n    a = inner(x)\n    return inner(a) as b\n}\n"
    )
    assert list(shapes(compiled(text, D=3))) == ["a.w.weight", "b.w.weight"]


# ---------------------------------------------------------------- stored shapes and checkpoints


def test_stored_shapes_are_those_of_pytorch() -> None:
    m = module("x: [*, N, D]", "return linear(x, D -> h=2 d=3) as w", "[*, N, h, d]", D=6)
    assert shapes(m) == {"w.weight": (6, 6), "w.bias": (6,)}
    m = module("x: [*, N, D]", "param w: [D, k=2]; return dot(x, w, over=D)", "[*, N, k]", D=6)
    assert shapes(m) == {"w": (6, 2)}


@pytest.mark.parametrize("shape", [(6, 6), (2, 3, 6), (6, 6, 1), (6, 1, 1, 6), (6, 2, 3), (36,)])
def test_a_checkpoint_loads_where_neighbours_are_merged_or_split(shape: tuple[int, ...]) -> None:
    m = module("x: [*, N, D]", "return linear(x, D -> h=2 d=3, bias=false) as w", "[*, N, h, d]", D=6)
    w = randn(6, 6, seed=9)
    m.load_state_dict({"w.weight": w.reshape(shape)})
    assert_close(m(X), F.linear(X, w).unflatten(-1, (2, 3)))


def test_a_checkpoint_of_another_shape_is_refused() -> None:
    m = module("x: [*, N, D]", "return linear(x, D -> E=4, bias=false) as w", "[*, N, E]", D=6)
    with pytest.raises(RuntimeError, match="size mismatch"):
        m.load_state_dict({"w.weight": randn(6, 4)})


# ---------------------------------------------------------------- blocks with other axes


def test_axes_are_renamed_all_at_once_and_may_be_groups() -> None:
    text = (
        "block first(x: [*, P, Q]) -> [*, P, Q] {\n    return cumsum(x, P)\n}\n\n"
        "block t(x: [*, A, B, C]) -> [*, A, B, C] {\n    return first(x, P=B, Q=A) + first(x, P=(A B), Q=C)\n}\n"
    )
    x = randn(2, 3, 4, 5)
    assert_close(compiled(text)(x), x.cumsum(2) + x.flatten(1, 2).cumsum(1).unflatten(1, (3, 4)))


def test_an_axis_that_a_result_would_carry_twice_comes_back_primed() -> None:
    text = (
        "block gram(x: [*, P, Q]) -> [*, P, P'] {\n    return dot(x, rename(x, P -> P'), over=Q)\n}\n\n"
        "block t(x: [*, A, B]) -> [*, A, A'] {\n    return gram(x, P=A, Q=B)\n}\n"
    )
    x = randn(2, 3, 4)
    assert_close(compiled(text)(x), x @ x.mT)
