"""Softmax and its relatives against plain formulas; empty rows; groups."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn

NAMES = ["softmax", "softmax1", "sparsemax", "entmax15"]


def compiled(signature: str, result: str, axes: str) -> Callable[..., Tensor]:
    return attn.compile(attn.text(f"block t({signature}) -> {axes} {{\n    return {result}\n}}"))


def run(signature: str, result: str, axes: str, *inputs: Tensor) -> Tensor:
    return compiled(signature, result, axes)(*inputs)


def numbers(*shape: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def bisected(x: Tensor, scale: float, power: float) -> Tensor:
    """max(scale * x - t, 0)**power over the last dimension, with t found by halving an interval."""
    z = x.detach() * scale
    high = z.amax(-1, keepdim=True)
    low = high - 1
    for _ in range(100):
        middle = (low + high) / 2
        above = ((z - middle).clamp(min=0) ** power).sum(-1, keepdim=True) > 1
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return (z - low).clamp(min=0) ** power


FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda x: x.exp() / x.exp().sum(-1, keepdim=True),
    "log_softmax": lambda x: x - x.exp().sum(-1, keepdim=True).log(),
    "softmax1": lambda x: x.exp() / (1 + x.exp().sum(-1, keepdim=True)),
    "sparsemax": lambda x: bisected(x, 1.0, 1.0),
    "entmax15": lambda x: bisected(x, 0.5, 2.0),
}


@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 1, 3), (1, 1, 1)])
@pytest.mark.parametrize("name", FORMULAS)
def test_weights_are_their_formula(name: str, shape: tuple[int, ...]) -> None:
    x = numbers(*shape) * 2
    f = FORMULAS[name]
    assert_close(run("x: [B, H, W]", f"{name}(x, W)", "[B, H, W]", x), f(x))
    assert_close(run("x: [B, H, W]", f"{name}(x, over=H)", "[B, H, W]", x), f(x.mT).mT)
    assert_close(run("x: [B, H, W]", f"{name}(x, H W)", "[B, H, W]", x), f(x.flatten(1)).reshape(shape))
    assert_close(run("x: [B, H, W]", f"{name}(x, over=W H)", "[B, H, W]", x), f(x.flatten(1)).reshape(shape))


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("axes", ["W", "H", "H W"])
def test_gradients_of_weights(name: str, axes: str) -> None:
    assert torch.autograd.gradcheck(compiled("x: [B, H, W]", f"{name}(x, {axes})", "[B, H, W]"), (numbers(2, 3, 4) * 2,))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mask", ["[W]", "[H, W]", "[B, H, W]", "[G, W]", "[H]"])
@pytest.mark.parametrize("over", ["W", "H W"])
def test_a_mask_removes_entries(name: str, mask: str, over: str) -> None:
    """Masked entries are 0 and the others are what they would be alone."""
    sizes = {"B": 2, "H": 3, "W": 5, "G": 2}
    x = numbers(2, 3, 5) * 2
    keep = torch.rand([sizes[axis] for axis in mask.strip("[]").split(", ")], generator=torch.Generator().manual_seed(3)) > 0.4
    order = "[G, B, H, W]" if "G" in mask else "[B, H, W]"
    y = run(f"x: [B, H, W], keep: bool {mask}", f"{name}(x, {over}, where=keep)", order, x, keep)
    wide = keep[:, None, None, :] if "G" in mask else keep[:, None] if mask == "[H]" else keep
    mask_full, x_full = torch.broadcast_tensors(wide, x)
    rows = 1 if over == "W" else 2
    for row, kept, result in zip(
        x_full.flatten(-rows).flatten(0, -2), mask_full.flatten(-rows).flatten(0, -2), y.flatten(-rows).flatten(0, -2), strict=True
    ):
        expected = torch.zeros_like(row)
        if kept.any():
            expected[kept] = FORMULAS[name](row[kept].detach())
        assert_close(result, expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_without_entries_is_zero_and_so_is_its_gradient(name: str) -> None:
    x = numbers(3, 4)
    keep = torch.tensor([[True, False, True, True], [False] * 4, [True] * 4])
    for result in (f"{name}(x, N, where=keep)", f"{name}(where(keep, x, -inf), N)", f"{name}(where(keep, x * 2, -inf) * 0.5, N)"):
        x.grad = None
        y = run("x: [B, N], keep: bool [B, N]", result, "[B, N]", x, keep)
        (y * torch.arange(4)).sum().backward()
        assert torch.equal(y[1], torch.zeros(4, dtype=torch.float64))
        assert x.grad is not None
        assert torch.equal(x.grad[1], torch.zeros(4, dtype=torch.float64))
        assert bool(x.grad.isfinite().all())
        assert x.grad[0].abs().sum() > 0 or name == "sparsemax"
        assert y[0, 1] == 0


@pytest.mark.parametrize("name", NAMES)
def test_gradients_through_a_mask(name: str) -> None:
    keep = torch.tensor([[True, False, True, True], [False] * 4, [True] * 4])
    module = compiled("x: [B, N], keep: bool [B, N]", f"{name}(x, N, where=keep)", "[B, N]")
    assert torch.autograd.gradcheck(lambda x: module(x, keep), (numbers(3, 4),))


def test_what_is_masked_may_be_anything() -> None:
    x = torch.tensor([[1.0, float("nan"), 2.0, inf]], dtype=torch.float64, requires_grad=True)
    keep = torch.tensor([[True, False, True, False]])
    y = run("x: [B, N], keep: bool [B, N]", "softmax(x, N, where=keep)", "[B, N]", x, keep)
    assert_close(y[0, [0, 2]], torch.tensor([1.0, 2.0], dtype=torch.float64).softmax(0))
    y[0, 0].backward()
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())


def test_a_row_at_the_lowest_finite_number_is_shared_among_its_own() -> None:
    low = torch.finfo(torch.float16).min
    x = torch.full((1, 4), low, dtype=torch.float16)
    y = run("x: [B, N], keep: bool [N]", "softmax(x, N, where=keep)", "[B, N]", x, torch.tensor([True, True, False, False]))
    assert y.tolist() == [[0.5, 0.5, 0.0, 0.0]]


@pytest.mark.parametrize("name", NAMES)
def test_not_a_number_is_not_hidden(name: str) -> None:
    x = torch.tensor([[1.0, float("nan"), 2.0], [1.0, 2.0, 3.0]])
    y = run("x: [B, N]", f"{name}(x, N)", "[B, N]", x)
    assert bool(y[0].isnan().any())
    assert_close(y[1], run("x: [B, N]", f"{name}(x, N)", "[B, N]", x[1:])[0])


@pytest.mark.parametrize("name", FORMULAS)
def test_large_numbers_do_not_overflow(name: str) -> None:
    y = run("x: [B, N]", f"{name}(x, N)", "[B, N]", torch.tensor([[1e30, -1e30, 0.0], [-3e4, -3e4, -3e4]]))
    assert not y.isnan().any()
    if name in ("softmax", "sparsemax", "entmax15"):
        assert_close(y, torch.tensor([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]]))


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_and_is_as_good_as_its_digits(name: str, dtype: torch.dtype) -> None:
    x = (numbers(2, 257).detach() * 2).to(dtype)
    y = run("x: [B, N]", f"{name}(x, N)", "[B, N]", x)
    assert y.dtype == dtype
    assert_close(y.double(), FORMULAS[name](x.double()), rtol=2 * torch.finfo(dtype).eps, atol=1e-5)


def test_sparse_weights_have_exact_zeros() -> None:
    x = torch.tensor([[0.0, 0.5, 3.0]])
    assert run("x: [B, N]", "sparsemax(x, N)", "[B, N]", x).tolist() == [[0.0, 0.0, 1.0]]
    assert run("x: [B, N]", "entmax15(x, N)", "[B, N]", x)[0, 0] == 0


def test_whole_numbers_may_be_weighed() -> None:
    x = torch.tensor([[1, 2, 3]])
    assert_close(run("x: int [B, N]", "softmax(x, N)", "[B, N]", x), x.float().softmax(1))


@pytest.mark.parametrize("name", FORMULAS)
def test_an_empty_axis_gives_nothing(name: str) -> None:
    assert run("x: [B, N]", f"{name}(x, N)", "[B, N]", torch.zeros(2, 0)).shape == (2, 0)


# ------------------------------------------------------------------ groups


def grouped(x: Tensor, at: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    for group in at.unique():
        y[at == group] = x[at == group].softmax(0)
    return y


def test_groups_are_normalised_apart() -> None:
    x, to = numbers(6, 3), torch.tensor([7, 2, 7, -5, 2, 7])
    assert_close(run("x: [E, h], to: int [E]", "softmax(x, over=E, at=to)", "[E, h]", x, to), grouped(x, to))


def test_groups_may_differ_along_other_axes() -> None:
    x, to = numbers(2, 5, 3), torch.tensor([[0, 1, 0, 1, 1], [3, 3, 3, 3, 0]])
    y = run("x: [B, E, h], to: int [B, E]", "softmax(x, over=E, at=to)", "[B, E, h]", x, to)
    assert_close(y, torch.stack([grouped(x[b], to[b]) for b in range(2)]))
    joint = run("x: [B, E, h], to: int [B, E]", "softmax(x, over=B E, at=to)", "[B, E, h]", x, to)
    assert_close(joint, grouped(x.flatten(0, 1), to.flatten()).reshape(x.shape))


def test_a_group_without_entries_is_zero_with_finite_gradients() -> None:
    x, to = numbers(5, 2), torch.tensor([0, 0, 1, 1, 2])
    keep = torch.tensor([True, True, False, False, True])
    y = run("x: [E, h], to: int [E], keep: bool [E]", "softmax(x, over=E, at=to, where=keep)", "[E, h]", x, to, keep)
    assert torch.equal(y[2:4], torch.zeros(2, 2, dtype=torch.float64))
    assert_close(y[:2], x[:2].softmax(0))
    (y * torch.arange(5)[:, None]).sum().backward()
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())


def test_gradients_within_groups() -> None:
    to = torch.tensor([0, 1, 0, 1, 1])
    module = compiled("x: [E, h], to: int [E]", "softmax(x, over=E, at=to)", "[E, h]")
    assert torch.autograd.gradcheck(lambda x: module(x, to), (numbers(5, 2),))


def test_groups_in_half_precision_stay_half() -> None:
    x, to = numbers(600, 1).detach().half(), torch.zeros(600, dtype=torch.long)
    y = run("x: [E, h], to: int [E]", "softmax(x, over=E, at=to)", "[E, h]", x, to)
    assert y.dtype == torch.float16
    assert_close(y.double(), x.double().softmax(0), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("softmax(x)", "E0212"),
        ("softmax(x, M)", "E0201"),
        ("softmax(x, N, where=x)", "E0310"),
        ("softmax(x, N, at=x)", "E0310"),
        ("softmax(x, N, at=pos(D))", "E0201"),
        ("softmax(fft(x, N), N)", "E0310"),
        ("softmax(x, N, where=y > 0)", "E0202"),
    ],
)
def test_mistakes_have_their_codes(written: str, expected: str) -> None:
    with pytest.raises(attn.AttnError) as found:
        attn.compile(attn.text(f"block t(x: [N=6, D], z: [N=6]) -> [N, D] {{\n    y = z[N=0..4]\n    return {written}\n}}"), bind={"D": 3})
    assert [one.code for one in found.value.diagnostics] == [expected]
