"""Arithmetic on sizes has a value where a tensor is empty, and whole division by zero is told of."""

from __future__ import annotations

import math

import pytest
import torch

import attn
from attn.compiler.lower.runtime_numbers import cut_off, floor_quotient, power, quotient, remainder, rounded_down, rounded_up, square_root

SCALES = [
    "size(x, H) ** -0.5", "1 / size(x, H)", "1 / sqrt(size(x, H))", "(size(x, H) - 3) ** 0.5", "sqrt(size(x, H) - 3)",
    "int(1.5 / sqrt(size(x, H)))", "floor(1 / sqrt(size(x, H)))", "ceil(2.5 / sqrt(size(x, H)))",
    "(2.5 // sqrt(size(x, H)))", "(2.5 % sqrt(size(x, H)))",
]  # fmt: skip


def made(scale: str, level: int = 2) -> torch.nn.Module:
    return attn.compile(attn.text(f"block scaled(x: [*, H, D]) -> [*, H, D] {{\n    return x * ({scale})\n}}\n"), level=level)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("level", [0, 2])
def test_an_empty_tensor_comes_through(scale: str, level: int) -> None:
    assert made(scale, level)(torch.ones(2, 0, 3)).shape == (2, 0, 3)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("rows", [1, 2, 4, 7])
def test_numbers_are_those_of_tensors(scale: str, rows: int) -> None:
    h = torch.tensor(float(rows), dtype=torch.float64)
    rules = {
        "size": lambda _x, _h: h,
        "sqrt": torch.sqrt,
        "int": torch.trunc,
        "float": lambda a: a,
        "floor": torch.floor,
        "ceil": torch.ceil,
    }
    wanted = eval(scale, {**rules, "x": None, "H": None})
    found = made(scale)(torch.ones(1, rows, 1, dtype=torch.float64))[0, 0, 0]
    torch.testing.assert_close(found, wanted, equal_nan=True)


WHOLE = {"size(x, D) // size(x, H)": "//", "size(x, D) % size(x, H)": "%", "floor(4 / size(x, H))": "floor", "int(4 / size(x, H))": "int"}


@pytest.mark.parametrize("scale", WHOLE)
def test_whole_division_by_zero_names_the_place(scale: str) -> None:
    with pytest.raises(attn.AttnError, match=f"`{WHOLE[scale]}` divides by zero: H is 0, at least 1 is needed"):
        made(scale)(torch.ones(2, 0, 3))


def test_whole_division_by_a_negative_size_is_kept() -> None:
    module = made("size(x, D) // (size(x, H) - 3)")
    assert module(torch.ones(2, 1, 3))[0, 0, 0] == -2
    with pytest.raises(attn.AttnError, match="divides by zero"):
        module(torch.ones(2, 3, 3))


@pytest.mark.parametrize("scale", SCALES[:3])
def test_a_scale_of_a_size_is_captured_whole(scale: str) -> None:
    module = made(scale)
    whole = torch.compile(module, fullgraph=True, backend="eager", dynamic=True)
    for rows in (4, 5):
        x = torch.ones(2, rows, 3)
        torch.testing.assert_close(whole(x), module(x))


def test_what_python_refuses_is_infinite_or_no_number() -> None:
    infinity = float("inf")
    assert [quotient(1, 0), quotient(-1, 0), power(0, -1), floor_quotient(1.5, 0)] == [infinity, -infinity, infinity, infinity]
    assert all(map(math.isnan, [quotient(0, 0), power(-2, 0.5), remainder(2.5, 0), square_root(-1), rounded_down(float("nan"))]))
    assert [rounded_down(-2.5), rounded_up(-2.5), rounded_up(infinity), cut_off(-2.5), cut_off(infinity)] == [
        -3,
        -2,
        infinity,
        -2,
        -(2**63),
    ]


@pytest.mark.parametrize("scale", SCALES)
def test_a_number_of_sizes_goes_into_a_loop(scale: str) -> None:
    text = f"""block summed(x: [*, N, H, D]) -> [*, H, D] {{
    y, last = scan N (s: [*, H, D] = 0) {{
        s = s + x * ({scale})
        yield s
    }}
    return last
}}
"""
    x = torch.rand(5, 7, 3, dtype=torch.float64)
    found = attn.compile(attn.text(text), dtype=torch.float64)(x)
    torch.testing.assert_close(found, made(scale)(x.sum(0)), rtol=1e-12, atol=1e-12)
