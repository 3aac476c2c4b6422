"""What the library needs of the language, each in a program of its own."""

from __future__ import annotations

import pytest
import torch
from stdlib_support import close, numbers, program

import attn


def mistakes(text: str) -> list[str]:
    return [f"{found.code}: {found.title}" for found in attn.check(attn.text(text))]


def test_a_layer_that_is_none_may_stand_in_the_branch_that_asks_for_it() -> None:
    assert mistakes("""
block t(x: [*, D], f: [*, D] -> [*, D] = none) -> [*, D] {
    if f != none {
        x = f(x)
    }
    return x
}
""") == []  # fmt: skip


@pytest.mark.parametrize("post", [False, True])
def test_a_layer_made_before_an_if_is_the_same_in_both_branches(post: bool) -> None:
    text = """
block t(x: [*, D], post: bool = false) -> [*, D] {
    norm1 = layernorm(D)
    fc = linear(D -> D)
    if post {
        return norm1(x + fc(x))
    }
    return x + fc(norm1(x))
}
"""
    assert mistakes(text) == []
    assert sorted(program(text, D=4, post=post).state_dict()) == ["fc.bias", "fc.weight", "norm1.bias", "norm1.weight"]


def test_an_initial_value_may_follow_from_a_size_that_is_not_bound_yet() -> None:
    text = """
block t(x: [*, D]) -> [*, E] {
    return linear(x, D -> E=8, init=uniform(-1 / D ** 0.5, 1 / D ** 0.5)) as fc
}
"""
    assert mistakes(text) == []
    made = attn.compile(attn.text(text), D=16)
    assert 0.2 < made.get_parameter("fc.weight").abs().max() <= 0.25


ROTATED = """
use std.heads (mha)
use std.positions (rope)

block t(x: [*, H, W, D], heads: int) -> [*, H, W, D] {
    return mha(x, heads=heads, N=%s, rotate=rope) as a
}
"""


def test_a_block_given_as_a_layer_has_the_axes_that_the_parameter_declares() -> None:
    rows, columns = program(ROTATED % "H", D=12, heads=3), program(ROTATED % "W", D=12, heads=3)
    columns.load_state_dict(rows.state_dict())
    x = numbers(2, 5, 4, 12)
    close(rows(x), columns(x.transpose(1, 2)).transpose(1, 2))
    assert not torch.allclose(rows(x), columns(x))


def test_axes_that_a_layer_is_given_are_the_callers() -> None:
    made = program("""
use std.positions (rope)

block both(x: [*, N, d], f: [*, N, d] -> [*, N, d]) -> [*, N, d] {
    return f(x)
}

block t(x: [*, H, W, d]) -> [*, H, W, d] {
    return both(x, rope(N=W), N=H)
}
""")  # fmt: skip
    x = numbers(2, 5, 4, 6)
    close(made(x), attn.std.positions.rope(dtype=torch.float64)(x))


def test_pipes_of_blocks_can_be_given_as_layers() -> None:
    made = program("""
use std.positions (rope)

block both(x: [*, N, d], f: [*, N, d] -> [*, N, d]) -> [*, N, d] {
    return f(x)
}

block t(x: [*, H, e]) -> [*, H, e] {
    return both(x, rope |> rope, N=H, d=e)
}
""")  # fmt: skip
    x, rope = numbers(2, 5, 6), attn.std.positions.rope(dtype=torch.float64)
    close(made(x), rope(rope(x)))


def test_an_axis_that_only_a_result_has_can_be_named_in_the_call() -> None:
    made = program("""
use std.patches (class_token)

block t(x: [*, N, D]) -> [*, T = N+1, D] {
    y = class_token(x, M=T) as first
    return y * pos(T)
}
""", D=3)  # fmt: skip
    x = numbers(2, 4, 3)
    wanted = torch.cat([made.get_parameter("first.cls").expand(2, 1, 3), x], 1) * torch.arange(5)[:, None]
    close(made(x), wanted)


def test_a_module_without_inputs_works_in_the_dtype_it_is_compiled_for() -> None:
    for dtype in (torch.float32, torch.float64):
        assert attn.std.positions.alibi(h=2, N=3, dtype=dtype)().dtype == dtype


def test_a_condition_that_is_always_true_costs_nothing() -> None:
    plain, masked = attn.std.heads.mha(D=12, heads=3), attn.std.heads.mha(D=12, heads=3, causal=True)
    assert "is_causal" not in plain.code
    assert "is_causal=True" in masked.code
