"""Kinds of numbers, and how a text is read."""

from __future__ import annotations

import pytest
import torch
from language_support import codes, compiled, module, program, randn, said
from torch.testing import assert_close

import attn
from attn.dsl.format import format_text
from attn.dsl.source import Source

X = randn(2, 5)
HEAD = "x: [*, N], i: int [*, N], b: bool [*, N]"


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("x > 0", "bool"), ("i == 1", "bool"), ("b and x > 0", "bool"), ("not b", "bool"), ("b + b", "int"), ("b * i", "int"),
        ("i + 1", "int"), ("i / 2", "float"), ("i // 2", "int"), ("i + 0.5", "float"), ("x + i", "float"), ("b * x", "float"),
        ("pos(N)", "int"), ("argmax(x, N)", "int"), ("sum(b, N)", "int"), ("int(x)", "int"), ("float(i)", "float"), ("bool(i)", "bool"),
        ("where(b, i, 0)", "int"), ("where(b, x, 0)", "float"), ("argsort(x, N)", "int"),
    ],
)  # fmt: skip
def test_kinds_of_numbers(written: str, kind: str) -> None:
    reduced = written.startswith(("argmax", "sum"))
    result = {"float": "", "int": "int ", "bool": "bool "}[kind] + ("[*]" if reduced else "[*, N]")
    m = attn.compile(attn.text(program(HEAD, f"return {written}", result)))
    dtype = m(X.float(), torch.ones(2, 5, dtype=torch.int64), X > 0).dtype
    assert dtype == {"float": torch.float32, "int": torch.int64, "bool": torch.bool}[kind]


def test_a_bool_in_arithmetic_is_zero_or_one() -> None:
    m = module("x: [*, N]", "return (x > 0) * 2 + (x > 1)", "int [*, N]")
    assert torch.equal(m(X), (X > 0).long() * 2 + (X > 1).long())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_half_input_stays_half_while_sums_are_wide_inside(dtype: torch.dtype) -> None:
    m = attn.compile(attn.text(program("x: [*, N]", "return sum(x, N)", "[*]")))
    x = torch.full((1, 4096), 0.01, dtype=dtype)
    assert m(x).dtype == dtype
    assert abs(m(x).item() - x.double().sum().item()) < 0.2
    soft = attn.compile(attn.text(program("x: [*, N]", "return softmax(x, N) + pos(N) * 0", "[*, N]")))
    assert soft(x).dtype == dtype


def test_positions_do_not_widen_a_half_tensor() -> None:
    m = attn.compile(attn.text(program("x: [*, N]", "return x + pos(N) * 0.5 + N", "[*, N]")))
    assert m(torch.zeros(2, 3, dtype=torch.float16)).dtype == torch.float16


def test_an_input_of_another_kind_is_told() -> None:
    m = attn.compile(attn.text(program("i: int [*, N]", "return i", "int [*, N]")))
    with pytest.raises(ValueError, match="E0603"):
        m(torch.zeros(2, 3))


# ---------------------------------------------------------------- reading the text


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("x + x |> relu", (2 * X).relu()),
        ("(x |> relu) + x", X.relu() + X),
        ("x |> relu |> exp", X.relu().exp()),
        ("-x ** 2", -(X**2)),
        ("2 ** -x", 2.0**-X),
        ("x - x - x", -X),
        ("x if true else -x", X),
        ("x * 2 + x / 2", X * 2.5),
    ],
)
def test_what_binds_how_tightly(written: str, wanted: torch.Tensor) -> None:
    assert_close(module("x: [*, N]", f"return {written}", "[*, N]")(X), wanted)


def test_an_operator_after_a_pipe_asks_for_parentheses() -> None:
    (found,) = attn.check(attn.text(program("x: [*, N]", "return x |> relu + x", "[*, N]")))
    assert found.code == "E0008"
    assert "parenthes" in found.help + found.title


def test_as_binds_tightest() -> None:
    m = module("x: [*, D]", "return x + linear(x, D -> D, bias=false) as w", "[*, D]", D=5)
    assert list(m.state_dict()) == ["w.weight"]


@pytest.mark.parametrize(
    "body",
    [
        "y = x\n        |> relu\n        |> exp\n    return y",
        "y = x +\n        x\n    return y",
        "y = exp(\n        x\n    )\n    return y",
        "y = x\n        + x\n    return y",
    ],
)
def test_a_newline_ends_a_statement_except_where_it_cannot(body: str) -> None:
    assert said(f"block t(x: [*, N]) -> [*, N] {{\n    {body}\n}}\n") == []


def test_two_statements_on_a_line_are_a_mistake() -> None:
    assert said("block t(x: [*, N]) -> [*, N] {\n    y = x z = y\n    return z\n}\n")[0] == "E0021"


@pytest.mark.parametrize("number", [".5", "5."])
def test_numbers_have_digits_on_both_sides_of_the_dot(number: str) -> None:
    assert "E0013" in codes("x: [*, N]", f"return x * {number}", "[*, N]")


def test_comparisons_do_not_chain() -> None:
    assert "E0009" in codes("x: [*, N]", "return 0 < x < 1", "bool [*, N]")


def test_an_axis_list_stands_bare_or_as_over() -> None:
    for written in ("sum(x, N D)", "sum(x, over=N D)", "sum(x, over=(N D))"):
        x = randn(2, 3, 4)
        assert_close(module("x: [*, N, D]", f"return {written}", "[*]")(x), x.sum((1, 2)))


def test_the_formatter_keeps_over_where_a_second_kind_of_axis_is_present() -> None:
    text = program("x: [*, N, D]", "return attend(x, x, x, over=N, dot=D)", "[*, N, D]")
    assert "over=N, dot=D" in format_text(Source("t", text))


def test_keywords_are_hard_but_names_of_weights_are_free() -> None:
    assert "E0011" in codes("x: [*, D]", "scan = x; return scan", "[*, D]")
    m = module("x: [*, D]", "return linear(x, D -> D, bias=false) as scan.for", "[*, D]", D=5)
    assert list(m.state_dict()) == ["scan.for.weight"]


def test_lists_use_brackets() -> None:
    assert codes("x: [*, C, H, W]", "return conv(x, over=H W, each=C, kernel=[3, 5])", "[*, C, H, W]") == []


def test_a_comment_above_a_block_is_its_documentation() -> None:
    text = "# Twice.\n# Of anything.\nblock t(x: [*, N]) -> [*, N] {\n    return 2 * x\n}\n"
    assert attn.load(attn.text(text)).block.doc.split("\n") == ["Twice.", "Of anything."]
    assert compiled(text).attn_graph.doc.startswith("Twice.")


def test_the_version_is_optional_and_the_formatter_adds_it() -> None:
    text = program("x: [*]", "return x", "[*]")
    assert said(text) == said("attn 1\n\n" + text) == []
    assert format_text(Source("t", text)).startswith("attn 1\n\n")
    assert said("attn 99\n\n" + text) == ["E0020"]
