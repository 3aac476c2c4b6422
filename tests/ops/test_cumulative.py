"""Running results against loops."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn


def compiled(result: str, kind: str = "") -> Callable[..., Tensor]:
    return attn.compile(attn.text(f"block t(x: {kind}[B, N, D]) -> {kind}[B, N, D] {{\n    return {result}\n}}"))


def numbers(*shape: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def running(name: str, x: Tensor, reverse: bool, exclusive: bool) -> Tensor:
    """Entry i of dimension 1 from the entries up to i (or from i on), without i where exclusive."""
    f = {"cumsum": torch.sum, "cumprod": torch.prod, "cummax": lambda part, dim: part.max(dim).values}[name]
    n = x.shape[1]
    parts = [x[:, i + exclusive :] if reverse else x[:, : i + 1 - exclusive] for i in range(n)]
    return torch.stack([f(part, dim=1) for part in parts], 1)


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("shape", [(2, 5, 3), (1, 1, 4)])
def test_running_results(name: str, reverse: bool, shape: tuple[int, ...]) -> None:
    x = numbers(*shape)
    options = ", reverse=true" if reverse else ""
    assert_close(compiled(f"{name}(x, N{options})")(x), running(name, x, reverse, False))
    swapped = x.mT.contiguous()
    assert_close(compiled(f"{name}(x, D{options})")(swapped), running(name, x, reverse, False).mT)


@pytest.mark.parametrize("reverse", ["", ", reverse=true"])
def test_an_exclusive_sum_sees_only_what_was_before(reverse: str) -> None:
    x = numbers(2, 5, 3)
    assert_close(compiled(f"cumsum(x, N, exclusive=true{reverse})")(x), running("cumsum", x, bool(reverse), True))
    assert compiled(f"cumsum(x, N, exclusive=true{reverse})")(torch.zeros(2, 0, 3)).shape == (2, 0, 3)


def test_an_exclusive_sum_does_not_cancel() -> None:
    x = torch.tensor([1.0, 1e30, 1.0]).reshape(1, 3, 1)
    assert compiled("cumsum(x, N, exclusive=true)")(x).flatten().tolist() == [0.0, 1.0, torch.tensor(1e30).item()]


@pytest.mark.parametrize(
    "result", ["cumsum(x, N)", "cumsum(x, D, reverse=true, exclusive=true)", "cumprod(x, N, reverse=true)", "cummax(x, N)"]
)
def test_gradients_of_running_results(result: str) -> None:
    assert torch.autograd.gradcheck(compiled(result), (numbers(2, 4, 3),))


def test_gradients_of_a_product_with_zeros() -> None:
    x = torch.tensor([2.0, 0.0, 3.0, 0.0], dtype=torch.float64).reshape(1, 4, 1).requires_grad_()
    compiled("cumprod(x, N)")(x).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [1.0, 8.0, 0.0, 0.0]


def test_kinds_of_number_are_kept() -> None:
    truth = torch.tensor([True, False, True]).reshape(1, 3, 1)
    counts = attn.compile(attn.text("block t(x: bool [B, N, D]) -> int [B, N, D] {\n    return cumsum(x, N)\n}"))(truth)
    assert counts.flatten().tolist() == [1, 1, 2]
    assert compiled("cummax(x, N)", "bool ")(truth).dtype == torch.bool
    half = torch.ones(1, 3000, 1, dtype=torch.bfloat16)
    sums = compiled("cumsum(x, N)")(half)
    assert sums.dtype == torch.bfloat16
    assert sums[0, -1, 0] == torch.tensor(3000.0).bfloat16()


@pytest.mark.parametrize(("written", "expected"), [("cumsum(x)", "E0212"), ("cumsum(x, N D)", "E0209"), ("cumsum(x, M)", "E0201")])
def test_mistakes_have_their_codes(written: str, expected: str) -> None:
    with pytest.raises(attn.AttnError) as found:
        compiled(written)
    assert [one.code for one in found.value.diagnostics] == [expected]
