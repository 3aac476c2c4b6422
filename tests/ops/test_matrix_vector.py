"""A product of many matrices with a vector each: the same numbers in every size, kind of number and transform."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.testing import assert_close

import attn

TEXT = attn.text("block t(x: [*, h, N, d], w: [h, d]) -> [*, h, N] {\n    return dot(x, w, over=d)\n}")


def module(dtype: torch.dtype) -> Any:
    made = attn.compile(TEXT, bind={"h": 3, "d": 40}, dtype=dtype, backend="eager")
    assert "matrix_vector" in made.code
    return made


def numbers(rows: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    source = torch.Generator().manual_seed(rows)
    return [torch.randn(shape, generator=source, dtype=torch.float64).to(dtype) for shape in ((3, 3, rows, 40), (3, 40))]


@pytest.mark.parametrize("rows", [1, 5, 4000])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 2**-7)])
def test_small_and_large_ones_agree(dtype: torch.dtype, close: float, rows: int) -> None:
    """Written down and added up where they are small; a half precision is rounded once, as in a product."""
    made, (x, w) = module(dtype), numbers(rows, dtype)
    assert_close(made(x, w).double(), (x.double() * w.double()[:, None]).sum(-1), rtol=close, atol=close * 10)
    x.requires_grad_()
    assert_close(torch.autograd.grad(made(x, w).double().sum(), x)[0], w[:, None].expand_as(x))


def test_transforms_and_autocast_find_a_product() -> None:
    made, (x, w) = module(torch.float64), numbers(5)
    assert_close(torch.func.vmap(made, in_dims=(0, None))(x, w), made(x, w))
    assert_close(torch.func.jvp(lambda one: made(one, w), (x,), (x,))[1], made(x, w))
    with torch.autocast("cpu", torch.bfloat16):
        assert module(torch.float32)(*numbers(5, torch.float32)).dtype == torch.bfloat16
