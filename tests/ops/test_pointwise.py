"""Operators that work number by number: infix, functions, casts, choices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import attn
from attn.compiler.lower.module import AttnModule
from attn.dsl.diagnostics import AttnError

SHAPES = [(3, 5, 7), (1, 5, 1), (2, 1, 3)]


def module(body: str, head: str = "x: [*, N, D]", result: str = "[*, N, D]", **bind: Any) -> AttnModule:
    return attn.compile(attn.text(f"block t({head}) -> {result} {{\n    {body}\n}}"), bind=bind)


def expression(text: str, head: str = "x: [*, N, D]", result: str = "[*, N, D]") -> AttnModule:
    return module(f"return {text}", head, result)


def fault(text: str, head: str = "x: [*, N, D]", result: str = "[*, N, D]") -> str:
    with pytest.raises(AttnError) as caught:
        expression(text, head, result)
    return str(caught.value)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


TWO = "x: [*, N, D], y: [*, D]"

# ---------------------------------------------------------------- infix

INFIX: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "x + y": lambda x, y: x + y,
    "y - x": lambda x, y: y - x,
    "x * y": lambda x, y: x * y,
    "x / (y * y + 1)": lambda x, y: x / (y * y + 1),
    "x // (abs(y) + 1)": lambda x, y: torch.floor(x / (y.abs() + 1)),
    "x % (abs(y) + 1)": lambda x, y: x - (y.abs() + 1) * torch.floor(x / (y.abs() + 1)),
    "(x * x + 1) ** y": lambda x, y: torch.exp(y * torch.log(x * x + 1)),
    "2 ** x + y": lambda x, y: torch.exp(x * math.log(2)) + y,
    "x ** 3 + y": lambda x, y: x * x * x + y,
    "-x - y": lambda x, y: 0 - x - y,
    "1 - (x > y)": lambda x, y: torch.where(x > y, 0.0, 1.0).double(),
    "(x < y) + (x < 0)": lambda x, y: (x < y).double() + (x < 0).double(),
    "x - (x > y)": lambda x, y: torch.where(x > y, x - 1, x),
    "x * (x <= y)": lambda x, y: torch.where(x > y, torch.zeros_like(x), x),
    "float(x >= y and not (x > 1) or y < -1)": lambda x, y: (((x >= y) & (x <= 1)) | (y < -1)).double() + 0 * x,
    "float((x == x) != (x > y))": lambda x, y: (x <= y).double(),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("text", INFIX)
def test_infix_lines_up_by_name_and_computes(text: str, shape: tuple[int, ...]) -> None:
    x, y = randn(*shape), randn(shape[0], shape[2], seed=1)
    want = INFIX[text](x, y[:, None, :])
    got = expression(text + " + 0 * x" if text.startswith("float") else text, TWO)(x, y)
    torch.testing.assert_close(got.double(), want.expand(shape), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("text", [text for text in INFIX if "//" not in text and "%" not in text])
def test_infix_gradients(text: str) -> None:
    m = expression(text + " + 0 * x" if text.startswith("float") else text, TWO)
    assert torch.autograd.gradcheck(m, (randn(2, 3, 2).requires_grad_(), randn(2, 2, seed=1).requires_grad_()))


def test_the_emitted_code_is_plain_arithmetic() -> None:
    code = expression("x * y + 1", TWO).code
    assert "*" in code
    assert "+ 1" in code
    assert "torch.mul" not in code


def test_whole_numbers_divide_to_floating_point_and_keep_their_powers() -> None:
    i = torch.tensor([1, 2, 3])
    assert expression("i / 2", "i: int [N]", "[N]")(i).tolist() == [0.5, 1.0, 1.5]
    power = expression("i ** 2", "i: int [N]", "int [N]")(i)
    assert power.dtype == torch.int64
    assert power.tolist() == [1, 4, 9]
    assert expression("i ** -1.0", "i: int [N]", "[N]")(i).tolist() == pytest.approx([1, 1 / 2, 1 / 3])
    assert expression("i // 2 + i % 2", "i: int [N]", "int [N]")(-i).tolist() == [0, -1, -1]
    assert expression("(-2) ** i", "i: int [N]", "[N]")(i).tolist() == [-2, 4, -8]


def test_whole_numbers_are_wide_where_the_module_is() -> None:
    got = expression("x + pos(N) * 0.1", "x: [N]", "[N]")(torch.zeros(4, dtype=torch.float64))
    assert got.tolist() == [0.0, 0.1, 0.2, 0.1 * 3]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize(
    "text",
    [
        "x * 2 + pos(N) / 3",
        "x - pos(D) * 0.5",
        "x * (x > 0)",
        "where(x > 0, pos(N) / 2, x)",
        "maximum(x, pos(N) / 7, 0.5)",
        "clamp(x, lo=-1)",
    ],
)
def test_an_input_keeps_its_type(text: str, dtype: torch.dtype) -> None:
    assert expression(text)(randn(2, 3, 5).to(dtype)).dtype == dtype


def test_pairs_of_positions_come_as_rows_and_columns() -> None:
    m = expression("(pos(N') <= pos(N)) and x > 0", "x: [N]", "bool [N, N']")
    assert torch.equal(m(torch.ones(4)), torch.ones(4, 4).tril().bool())


def test_sizes_in_arithmetic_follow_the_input() -> None:
    m = expression("x * size(x, N) ** -0.5 + log(size(x, N)) + minimum(size(x, N), 4)", "x: [N]", "[N]")
    for n in (3, 9):
        x = randn(n)
        torch.testing.assert_close(m(x), x / math.sqrt(n) + math.log(n) + min(n, 4))


def test_functions_of_sizes_stay_symbolic_in_an_export() -> None:
    m = expression("x * size(x, N) ** -0.5 + log(size(x, N)) + sqrt(size(x, N)) - floor(size(x, N) / 4)", "x: [N]", "[N]")
    exported = torch.export.export(m, (randn(6),), dynamic_shapes=({0: torch.export.Dim("N", min=2, max=100)},)).module()
    x = randn(9)
    torch.testing.assert_close(exported(x), x / 3 + math.log(9) + 3 - 2)


def test_sizes_that_differ_are_named_with_both_numbers() -> None:
    text = fault("x + rename(y, M -> N)", "x: [N=3], y: [M=4]", "[N]")
    assert "E0202" in text
    assert "axis `N` has two sizes: 3 and 4" in text


@pytest.mark.parametrize("text", ["x and x > 0", "not x", "where(x, x, 0)"])
def test_logic_needs_true_or_false(text: str) -> None:
    told = fault(text, result="bool [*, N, D]")
    assert "E0310" in told
    assert "x != 0" in told


# ---------------------------------------------------------------- functions

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "exp(x)": lambda x: math.e**x,
    "expm1(x)": lambda x: math.e**x - 1,
    "log(x * x)": lambda x: 2 * x.abs().log2() * math.log(2),
    "log1p(x * x)": lambda x: (1 + x * x).log2() * math.log(2),
    "sqrt(x * x + 1)": lambda x: (x * x + 1) ** 0.5,
    "rsqrt(x * x + 1)": lambda x: (x * x + 1) ** -0.5,
    "square(x)": lambda x: x * x,
    "abs(x)": lambda x: torch.maximum(x, -x),
    "sign(x)": lambda x: (x > 0).double() - (x < 0).double(),
    "floor(x)": lambda x: x - torch.remainder(x, 1),
    "ceil(x)": lambda x: x + torch.remainder(-x, 1),
    "round(x)": lambda x: torch.floor(x + 0.5),
    "sin(x)": lambda x: torch.cos(x - math.pi / 2),
    "cos(x)": lambda x: torch.sin(x + math.pi / 2),
    "tanh(x)": lambda x: 1 - 2 / (torch.exp(2 * x) + 1),
    "erf(x)": lambda x: 1 - torch.special.erfc(x),
    "sigmoid(x)": lambda x: 1 / (1 + torch.exp(-x)),
    "relu(x)": lambda x: x * (x > 0),
    "gelu(x)": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
    "gelu(x, approximate=none)": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
    "gelu(x, approximate=tanh)": lambda x: x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "silu(x)": lambda x: x / (1 + torch.exp(-x)),
    "softplus(x)": lambda x: torch.log(1 + torch.exp(x)),
    "softplus(x, beta=3.0)": lambda x: torch.log(1 + torch.exp(3 * x)) / 3,
    "elu(x)": lambda x: torch.where(x > 0, x, torch.exp(x) - 1),
    "elu(x, alpha=0.5)": lambda x: torch.where(x > 0, x, 0.5 * (torch.exp(x) - 1)),
    "leaky_relu(x)": lambda x: torch.where(x > 0, x, 0.01 * x),
    "leaky_relu(x, slope=0.2)": lambda x: torch.where(x > 0, x, 0.2 * x),
    "hardswish(x)": lambda x: x * (x / 6 + 0.5).clamp(0, 1),
    "hardsigmoid(x)": lambda x: (x / 6 + 0.5).clamp(0, 1),
    "mish(x)": lambda x: x * torch.tanh(torch.log(1 + torch.exp(x))),
    "clamp(x, lo=-0.5)": lambda x: torch.where(x > -0.5, x, -0.5),
    "clamp(x, lo=-0.5, hi=1)": lambda x: torch.where(x > 1, 1.0, torch.where(x > -0.5, x, -0.5)),
    "clamp(x, hi=x * x)": lambda x: torch.where(x * x < x, x * x, x),
    "maximum(x, 0.1, -x)": lambda x: torch.where(x.abs() > 0.1, x.abs(), 0.1),
    "minimum(x, x * x)": lambda x: torch.where(x * x < x, x * x, x),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("text", FUNCTIONS)
def test_functions(text: str, shape: tuple[int, ...]) -> None:
    x = 2 * randn(*shape)
    torch.testing.assert_close(expression(text)(x), FUNCTIONS[text](x), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("text", FUNCTIONS)
def test_function_gradients(text: str) -> None:
    assert torch.autograd.gradcheck(expression(text), (randn(2, 3, 2).requires_grad_(),))


@pytest.mark.parametrize("text", FUNCTIONS)
def test_functions_keep_half_precision(text: str) -> None:
    assert expression(text)(randn(2, 3, 2).bfloat16()).dtype == torch.bfloat16


def test_functions_of_whole_numbers() -> None:
    i = torch.tensor([-3, 0, 4])
    for text in ("abs(i)", "sign(i)", "floor(i)", "relu(i)", "square(i)", "clamp(i, lo=-1, hi=2)", "maximum(i, 1)"):
        assert expression(text, "i: int [N]", "int [N]")(i).dtype == torch.int64
    assert expression("exp(i)", "i: int [N]", "[N]")(i).tolist() == pytest.approx([math.exp(value) for value in (-3, 0, 4)])
    assert expression("maximum(i, 0.5)", "i: int [N]", "[N]")(i).tolist() == [0.5, 0.5, 4.0]


def test_numbers_are_computed_while_building() -> None:
    code = expression("x * exp(1.5) + sqrt(4)", "x: [N]", "[N]").code
    assert "exp" not in code
    assert str(math.exp(1.5)) in code


def test_maximum_of_one_offers_the_reduction() -> None:
    assert "max(x, N)" in fault("maximum(x)")


def test_clamp_needs_a_limit() -> None:
    assert "E0305" in fault("clamp(x)")


def test_softplus_has_no_threshold_that_shows() -> None:
    x = torch.tensor([19.0, 21.0, 25.0, 45.0, 800.0], dtype=torch.float64)
    block = "block t(x: [N]) -> [N] {\n    return softplus(x, beta=0.5)\n}"
    found = attn.compile(attn.text(block), dtype=torch.float64)(2 * x)
    torch.testing.assert_close(found, 2 * (x + torch.log1p(torch.exp(-x))), rtol=1e-15, atol=0)


def test_softplus_is_not_divided_by_nothing() -> None:
    assert "`beta` must not be 0" in fault("softplus(x, beta=0)")


# ---------------------------------------------------------------- casts and detach


def test_casts() -> None:
    x = torch.tensor([-1.7, 0.0, 2.6])
    assert expression("int(x)", "x: [N]", "int [N]")(x).tolist() == [-1, 0, 2]
    assert expression("bool(x)", "x: [N]", "bool [N]")(x).tolist() == [True, False, True]
    assert expression("x + float(x > 0)", "x: [N]", "[N]")(x.half()).dtype == torch.float16
    assert expression("float32(x)", "x: [N]", "[N]")(x.half()).dtype == torch.float32
    assert expression("float32(x)", "x: [N]", "[N]")(x.double()).dtype == torch.float64


def test_nothing_flows_through_detach() -> None:
    x = randn(2, 3, 4).requires_grad_()
    (grad,) = torch.autograd.grad(expression("x * detach(x)")(x).sum(), x)
    assert torch.equal(grad, x.detach())


def test_rounding_with_a_straight_gradient() -> None:
    x = randn(2, 3, 4).requires_grad_()
    y = expression("x + detach(round(x) - x)")(x)
    torch.testing.assert_close(y, x.round())
    (grad,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(grad, torch.ones_like(x))


# ---------------------------------------------------------------- where

HAZARDS = {
    "where(x > 0, log(x), 0)": lambda x: 1 / x,
    "where(x > 0, sqrt(x) * 2, 0)": lambda x: x**-0.5,
    "where(x <= 0, 0, rsqrt(x))": lambda x: -0.5 * x**-1.5,
    "where(x > 0, 1 / x, 0)": lambda x: -1 / x**2,
    "where(x > 0, x ** 0.5, 0)": lambda x: 0.5 * x**-0.5,
    "where(x > 0, x ** x, 0)": lambda x: x**x * (x.log() + 1),
    "where(x > 0, log(x / (x + 1) ** 2), 0)": lambda x: 1 / x - 2 / (x + 1),
    "where(x > 0, where(x > -1, log(x), 0), 0)": lambda x: 1 / x,
    "where(x > 0, exp(log(x) * 2) * x, 0)": lambda x: 3 * x**2,
    "where(x > -1, where(x > 0, 3 * log(x) + sqrt(x), 0), x * 0)": lambda x: 3 / x + 0.5 * x**-0.5,
}


@pytest.mark.parametrize("text", HAZARDS)
def test_the_side_not_taken_sends_no_gradient(text: str) -> None:
    x = torch.tensor([[[-1.0, 0.0, 0.5, 2.0]]], dtype=torch.float64, requires_grad=True)
    y = expression(text)(x)
    (grad,) = torch.autograd.grad(y.sum(), x)
    want = torch.where(x > 0, HAZARDS[text](x.detach().clamp(min=1e-3)), 0.0)
    assert torch.equal(grad[..., :2], torch.zeros(1, 1, 2))
    torch.testing.assert_close(grad, want)


def test_overflow_on_the_side_not_taken_sends_no_gradient() -> None:
    x = torch.tensor([[[-1.0, 2000.0]]], dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(expression("where(x < 0, exp(x) * x, 0)")(x).sum(), x)
    torch.testing.assert_close(grad, torch.tensor([[[0.0, 0.0]]], dtype=torch.float64))


def test_where_is_safe_for_an_argument_it_broadcasts() -> None:
    m = expression("where(pos(N) < 0, x / y, 0)", "x: [*, N, D], y: [*, D]")
    x, y = randn(2, 3, 4).requires_grad_(), torch.zeros(2, 4, dtype=torch.float64, requires_grad=True)
    grads = torch.autograd.grad(m(x, y).sum(), (x, y))
    assert all(torch.equal(grad, torch.zeros_like(grad)) for grad in grads)


def test_a_plain_mask_costs_nothing_more() -> None:
    assert expression("where(x > 0, x * 2 / 3, -1)").code.count("torch.where") == 1


def test_many_choices_in_a_row_stay_small() -> None:
    lines = ["for i in 0..30 { x = where(x > i, sqrt(x - i), x / (i + x)) }", "return x"]
    m = module("\n    ".join(lines))
    assert len(list(m.graph.nodes)) < 20_000
    assert m(randn(1, 2, 3).abs()).shape == (1, 2, 3)


def test_where_of_two_numbers() -> None:
    assert expression("where(x > 0, 1.0, 0.0)")(randn(1, 2, 3)).dtype == torch.float64
    assert expression("where(x > 0, 1, 2)", result="int [*, N, D]")(randn(1, 2, 3)).dtype == torch.int64


@pytest.mark.parametrize("shape", SHAPES)
def test_where_lines_up_three_by_name(shape: tuple[int, ...]) -> None:
    x, y = randn(*shape), randn(shape[0], shape[2], seed=1)
    got = expression("where(y > 0, x, y)", TWO)(x, y)
    torch.testing.assert_close(got, torch.where(y[:, None] > 0, x, y[:, None]))


# ---------------------------------------------------------------- outer products


def warnings_of(text: str) -> list[str]:
    return [diagnostic.code for diagnostic in attn.check(attn.text(text))]


OUTER = """block t(x: [*, N, D]) -> [*, N, D] {
    a = mean(x, N)
    b = mean(x, D)
    return %s
}"""


@pytest.mark.parametrize(
    ("text", "warned"), [("a * b", True), ("a + x", False), ("a * x * b", False), ("a * pos(N)", False), ("a * expand(b, D)", False)]
)
def test_an_outer_product_of_computed_tensors_is_warned_about(text: str, warned: bool) -> None:
    assert ("W0802" in warnings_of(OUTER % text)) is warned


def test_facts_take_time_in_proportion_to_the_graph() -> None:
    lines = "\n".join("    x = x + x" for _ in range(2000))
    m = attn.compile(attn.text(f"block t(x: [N]) -> [N] {{\n    y = x\n{lines}\n    return where(x > 0, y, x)\n}}"))
    assert torch.equal(m(torch.tensor([-1.0, 0.0])), torch.tensor([-math.inf, 0.0]))


def test_numbers_without_a_value_are_told_while_building() -> None:
    assert "E0311" in fault("x * (1 / float32(0))")
    assert "E0311" in fault("x + log(-float32(1))")
