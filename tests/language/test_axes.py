"""Axes and sizes: what a signature says, where sizes may differ, how axes come to be and how two tensors meet."""

from __future__ import annotations

import pytest
import torch
from language_support import codes, compiled, module, program, randn, said, shapes, told
from torch.testing import assert_close

from attn.compiler.lower.errors import InputError


@pytest.mark.parametrize(
    ("size", "value"),
    [
        ("C / 3", 4), ("C // 5", 2), ("C * 2", 24), ("ceil(C / 5)", 3), ("max(C // 16, 8)", 8), ("log2(C - 4)", 3), ("floor(C / 5)", 2),
        ("clamp(C, 2, 7)", 7), ("abs(C - 20)", 8), ("min(C, 5)", 5), ("C % 5", 2), ("2 ** 3", 8), ("7 / 2 * 2", 7), ("-(-C)", 12),
    ],
)  # fmt: skip
def test_a_size_is_an_exact_expression(size: str, value: int) -> None:
    m = module("x: [*, C]", f"return linear(x, C -> r={size}, bias=false) as w", "[*, r]", C=12)
    assert shapes(m) == {"w.weight": (value, 12)}


def test_a_size_that_does_not_divide_names_both_numbers() -> None:
    text = program("x: [*, C], k: int = 16", "return linear(x, C -> r=C/k)", "[*, r]")
    message = told(text, C=40)
    assert "E0203" in message
    assert "40" in message
    assert "16" in message


def test_an_operator_may_leave_an_axis_at_another_size() -> None:
    for body in ("y = conv(x, over=N, kernel=3, stride=2)", "y = pad(x, N=[1, 0])", "y = concat(x, x, over=N)"):
        assert codes("x: [*, N]", f"{body}; return rename(y, N -> M)", "[*, M]") == []


def test_two_sizes_that_provably_differ_are_a_mistake() -> None:
    assert "E0202" in codes("x: [*, N]", "y = pad(x, N=[1, 0]); return x + y", "[*, N]")


def test_two_sizes_that_may_differ_are_checked_at_the_entry() -> None:
    m = module("x: [*, N], y: [*, M]", "z = rename(y, M -> N); return x + z", "[*, N]")
    assert_close(m(torch.ones(2, 3), torch.ones(2, 3)), torch.full((2, 3), 2.0))
    with pytest.raises(InputError):
        m(torch.ones(2, 3), torch.ones(2, 4))


def test_a_bare_name_with_several_sizes_is_a_mistake_and_size_tells_which() -> None:
    several = "h = split(x, N -> H=2 W); g = pad(h, H=1)"
    assert "E0210" in codes("x: [*, N]", f"{several}; return sum(g, H W) * H", "[*]")
    m = module("x: [*, N]", f"{several}; return sum(g, H W) * size(g, H) + size(h, H)", "[*]")
    assert_close(m(torch.ones(3, 6)), torch.full((3,), 6.0 * 4 + 2))


def test_a_signature_may_divide_an_axis() -> None:
    m = module("x: [*, H, W]", "return mean(split(x, H -> Y u=2), u) |> rename(Y -> H)", "[*, H/2, W]")
    x = randn(3, 6, 5)
    assert_close(m(x), x.unflatten(1, (3, 2)).mean(2))
    with pytest.raises(InputError, match="H"):
        m(randn(3, 5, 5))


def test_a_signature_names_an_axis_that_has_no_name_of_its_own() -> None:
    m = module("x: [*, H, W]", "return merge(x, H W -> N)", "[*, N = H*W]")
    x = randn(2, 3, 4)
    assert_close(m(x), x.flatten(1))
    assert "E0506" in codes("x: [*, H*W]", "return x", "[*, H*W]")


def test_an_axis_and_a_value_may_share_a_name_and_the_place_decides() -> None:
    m = module("x: [*, N, M]", "N = x * 2; return sum(N, N)", "[*, M]")
    x = randn(2, 3, 4)
    assert_close(m(x), 2 * x.sum(1))


def test_a_bare_name_in_arithmetic_that_is_both_is_a_mistake() -> None:
    assert "E0106" in codes("x: [*, N], y: [*, N]", "N = x + y; return x * N", "[*, N]")


def test_axes_are_declared_by_axis_and_at_first_use() -> None:
    m = module("x: [*, D], heads: int = 2", "axis h = heads, d = D / heads; return split(x, D -> h d)", "[*, h, d]")
    assert m(randn(3, 6)).shape == (3, 2, 3)
    m = module("x: [*, D]", "y = split(x, D -> h=2 d); param w: [h, k=4]; return y * sum(w, k)", "[*, h, d]")
    assert shapes(m) == {"w": (2, 4)}


def test_axes_of_weights_must_be_bound_and_others_stay_dynamic() -> None:
    text = program("x: [*, N, C]", "return linear(x, C -> C)", "[*, N, C]")
    assert "E0501" in told(text)
    m = compiled(text, C=4)
    for n in (1, 5, 9):
        assert m(randn(2, n, 4)).shape == (2, n, 4)


def test_a_prime_is_a_second_copy_of_the_same_size() -> None:
    m = module("x: [*, N, d]", "return dot(x, rename(x, N -> N'), over=d)", "[*, N, N']")
    x = randn(2, 5, 3)
    assert_close(m(x), x @ x.mT)
    m = module("x: [*, N]", "x' = x * 2; return x + x'", "[*, N]")
    assert_close(m(x), 3 * x)


def test_pos_is_an_integer_tensor_and_a_bare_axis_is_its_size() -> None:
    m = module("x: [*, N]", "return pos(N)", "int [N]")
    assert torch.equal(m(randn(2, 4)), torch.arange(4))
    m = module("x: [*, N, d]", "return x * d ** -0.5", "[*, N, d]")
    x = randn(2, 3, 9)
    assert_close(m(x), x / 3)


# ---------------------------------------------------------------- the star


def test_the_star_is_any_number_of_leading_axes_none_included() -> None:
    m = module("x: [*, N]", "return cumsum(x, N)", "[*, N]")
    for shape in ((4,), (2, 4), (2, 1, 3, 4)):
        x = randn(*shape)
        assert_close(m(x), x.cumsum(-1))


def test_an_input_may_lack_some_axes_of_the_star_and_is_broadcast() -> None:
    m = module("x: [*, N], y: [*, N]", "return x + y", "[*, N]")
    x, y = randn(2, 3, 4), randn(3, 4, seed=1)
    assert_close(m(x, y), x + y)
    assert_close(m(y, x), x + y)
    assert_close(m(x, y[0]), x + y[0])


def test_a_result_has_all_axes_of_the_star() -> None:
    m = module("x: [*, N], y: [*, N]", "return 2 * y", "[*, N]")
    assert m(randn(2, 3, 4), randn(4)).shape == (2, 3, 4)


def test_the_star_may_be_reduced() -> None:
    m = module("x: [*, N]", "return x / sum(x, * N)", "[*, N]")
    x = randn(2, 3, 4).abs()
    assert_close(m(x), x / x.sum())


def test_hidden_axes_do_not_clash_with_a_callee() -> None:
    text = (
        "block inner(x: [*, D]) -> [*, D] {\n    axis N = 3\n    y = x * expand(x, M=2)\n    return sum(y, M) * N\n}\n\n"
        "block t(x: [N, M, D]) -> [N, M, D] {\n    return inner(x)\n}\n"
    )
    x = randn(4, 5, 6)
    assert_close(compiled(text)(x), 2 * x * x * 3)


# ---------------------------------------------------------------- meeting


def test_operators_line_up_by_name() -> None:
    m = module("x: [A, B], y: [B, A]", "return x + y", "[A, B]")
    x, y = randn(2, 3), randn(3, 2, seed=1)
    assert_close(m(x, y), x + y.T)


def test_an_outer_product_of_computed_tensors_is_a_doubt_and_expand_says_it_is_meant() -> None:
    head = "x: [*, N, M]"
    assert "W0802" in codes(head, "return sum(x, N) * sum(x, M)", "[*, N, M]")
    assert codes(head, "return expand(sum(x, N), N) * sum(x, M)", "[*, N, M]") == []


def test_inputs_positions_weights_and_constants_broadcast_freely() -> None:
    assert codes("x: [N], y: [M]", "return x * y", "[N, M]") == []
    assert codes("x: [N]", "param w: [M=3]; return x * w", "[N, M]") == []
    assert codes("x: [N, D]", "return sum(x, D) * pos(M=3)", "[N, M]") == []


def test_two_copies_of_an_axis_in_one_result_are_a_mistake() -> None:
    assert "E0204" in said("block t(x: [*, N, N]) -> [*, N] {\n    return sum(x, N)\n}\n")
