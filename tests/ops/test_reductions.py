"""Reductions and pooling against plain torch, in float64, on odd sizes and axes of size 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor
from torch.testing import assert_close

import attn

SHAPES = [(2, 5, 7), (3, 1, 4), (1, 1, 1)]


def run(signature: str, result: str, *inputs: Tensor, axes: str = "") -> Tensor:
    """The value of `result` in a block with these parameters; `axes` are those of what it returns."""
    return attn.compile(attn.text(f"block t({signature}) -> {axes} {{\n    return {result}\n}}"))(*inputs)


def code(signature: str, result: str, axes: str = "[*]", **bind: int) -> str:
    with pytest.raises(attn.AttnError) as found:
        attn.compile(attn.text(f"block t({signature}) -> {axes} {{\n    return {result}\n}}"), bind=bind)
    return " ".join(one.code for one in found.value.diagnostics)


def numbers(*shape: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def gradients_hold(module: Callable[..., Tensor], *inputs: Tensor) -> bool:
    return bool(torch.autograd.gradcheck(module, inputs))


BHW = "x: [B, H, W]"
PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "sum(x, H W)": lambda x: x.sum((1, 2)),
    "mean(x, H W)": lambda x: x.mean((1, 2)),
    "max(x, H W)": lambda x: x.flatten(1).max(1).values,
    "min(x, H W)": lambda x: x.flatten(1).min(1).values,
    "prod(x, H W)": lambda x: x.flatten(1).prod(1),
    "logsumexp(x, H W)": lambda x: x.flatten(1).exp().sum(1).log(),
    "norm(x, H W)": lambda x: x.square().sum((1, 2)).sqrt(),
    "norm(x, H W, p=3)": lambda x: x.abs().pow(3).sum((1, 2)).pow(1 / 3),
    "norm(x, H W, p=1)": lambda x: x.abs().sum((1, 2)),
    "norm(x, W H, p=inf)": lambda x: x.abs().flatten(1).max(1).values,
    "var(x, H W)": lambda x: (x - x.mean((1, 2), keepdim=True)).square().mean((1, 2)),
    "std(x, H W)": lambda x: (x - x.mean((1, 2), keepdim=True)).square().mean((1, 2)).sqrt(),
    "mean(x, H W -> 1)": lambda x: x.mean((1, 2)),
    "sum(x, over=W H)": lambda x: x.sum((1, 2)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("written", PLAIN)
def test_a_reduction_is_its_formula(written: str, shape: tuple[int, ...]) -> None:
    x = numbers(*shape)
    assert_close(run(BHW, written, x, axes="[B]"), PLAIN[written](x))


@pytest.mark.parametrize("written", PLAIN)
def test_gradients_of_reductions(written: str) -> None:
    assert gradients_hold(attn.compile(attn.text(f"block t({BHW}) -> [B] {{\n    return {written}\n}}")), numbers(2, 3, 4))


def test_unbiased_spread_divides_by_one_less() -> None:
    x = numbers(4, 5)
    assert_close(run("x: [B, N]", "var(x, N, unbiased=true)", x, axes="[B]"), ((x - x.mean(1, keepdim=True)) ** 2).sum(1) / 4)


def test_std_of_one_entry_is_zero_with_a_zero_gradient() -> None:
    x = numbers(3, 1)
    y = run("x: [B, N]", "std(x, N)", x, axes="[B]")
    y.sum().backward()
    assert_close(y, torch.zeros(3, dtype=torch.float64))
    assert_close(x.grad, torch.zeros(3, 1, dtype=torch.float64))


def test_hidden_axes_may_be_reduced() -> None:
    x = numbers(2, 3, 4, 5)
    assert_close(run("x: [*, N, D]", "mean(x, * N)", x, axes="[D]"), x.mean((0, 1, 2)))


@pytest.mark.parametrize(
    ("name", "there"), [("any", torch.Tensor.any), ("all", torch.Tensor.all), ("max", torch.Tensor.any), ("min", torch.Tensor.all)]
)
def test_truth_values_reduce_to_truth_values(name: str, there: Callable[..., Tensor]) -> None:
    x = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    y = run("x: bool [B, N]", f"{name}(x, N)", x, axes="bool [B]")
    assert y.dtype == torch.bool
    assert torch.equal(y, there(x, 1))


def test_a_sum_of_truth_values_counts_and_a_mean_is_their_share() -> None:
    x = torch.tensor([[True, False, True, True]])
    assert run("x: bool [B, N]", "sum(x, N)", x, axes="int [B]").tolist() == [3]
    assert run("x: bool [B, N]", "mean(x, N)", x, axes="[B]").tolist() == [0.75]
    assert run("x: int [B, N]", "mean(x, N)", torch.tensor([[1, 2]]), axes="[B]").tolist() == [1.5]


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_the_place_of_an_extreme(name: str) -> None:
    x = numbers(3, 5, 7)
    there = getattr(torch, name)
    assert torch.equal(run(BHW, f"{name}(x, H)", x, axes="int [B, W]"), there(x, dim=1))
    assert torch.equal(run(BHW, f"{name}(x, H W)", x, axes="int [B]"), there(x.flatten(1), dim=1))
    assert torch.equal(run(BHW, f"{name}(x, W H)", x, axes="int [B]"), there(x.transpose(1, 2).flatten(1), dim=1))
    assert torch.equal(run("x: bool [B, N]", f"{name}(x, N)", x[0] > 0, axes="int [B]"), there((x[0] > 0).int(), dim=1))


# ------------------------------------------------------------------ windows


def windows(n: int, m: int) -> list[slice]:
    return [slice(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]


REDUCE: dict[str, Callable[[Tensor], Tensor]] = {"sum": torch.sum, "mean": torch.mean, "max": torch.max, "min": torch.min}


@pytest.mark.parametrize("name", REDUCE)
@pytest.mark.parametrize(("h", "w", "u", "v"), [(5, 7, 3, 2), (4, 6, 2, 3), (1, 5, 1, 5), (3, 2, 5, 4)])
def test_adaptive_windows_are_those_of_pytorch(name: str, h: int, w: int, u: int, v: int) -> None:
    x = numbers(2, 3, h, w)
    expected = torch.stack(
        [torch.stack([torch.stack([REDUCE[name](p[i, j]) for j in windows(w, v)]) for i in windows(h, u)]) for p in x.flatten(0, 1)]
    )
    y = run("x: [B, C, H, W]", f"{name}(x, H W -> U={u} V={v})", x, axes=f"[B, C, U={u}, V={v}]")
    assert_close(y, expected.reshape(2, 3, u, v))


@pytest.mark.parametrize("name", REDUCE)
def test_adaptive_windows_along_any_number_of_axes(name: str) -> None:
    x = numbers(2, 5, 4, 3, 4)
    y = run("x: [A, B, C, D, E]", f"{name}(x, B C D E -> B=2 C=2 D=2 E=3)", x, axes="[A, B=2, C=2, D=2, E=3]")
    corner = x[:, :3, :2, :2, :2].flatten(1)
    assert_close(y[:, 0, 0, 0, 0], torch.stack([REDUCE[name](row) for row in corner]))
    one = run("x: [A, B, C, D, E]", f"{name}(x, B -> B=2)", x, axes="[A, B=2, C, D, E]")
    assert one.shape == (2, 2, 4, 3, 4)


def test_an_adaptive_axis_may_keep_its_name() -> None:
    x = numbers(2, 9, 8)
    assert_close(run(BHW, "mean(x, H W -> H=3 W=4)", x, axes="[B, H=3, W=4]"), functional.adaptive_avg_pool2d(x, (3, 4)))


SLIDING = ["kernel=3", "kernel=2, stride=1", "kernel=3, stride=2, padding=1", "kernel=[3, 2], stride=[1, 2], padding=[1, 0]",
           "kernel=3, stride=2, ceil=true", "kernel=3, stride=2, padding=1, ceil=true", "kernel=2, dilation=2, stride=1"]  # fmt: skip


def pooled(x: Tensor, name: str, kernel: Any = 3, stride: Any = None, padding: Any = 0, dilation: int = 1, ceil: bool = False) -> Tensor:
    """The same through torch's own pooling of two axes; a dilated mean through unfold."""
    if name in ("max", "min"):
        sign = 1 if name == "max" else -1
        return sign * functional.max_pool2d(sign * x, kernel, stride, padding, dilation, ceil)
    if dilation != 1:
        columns = functional.unfold(x.flatten(0, 1).unsqueeze(1), kernel, dilation, padding, stride or kernel)
        size = (x.shape[-1] + 2 * padding - dilation * (kernel - 1) - 1) // (stride or kernel) + 1
        return (columns.mean(1) if name == "mean" else columns.sum(1)).unflatten(-1, (-1, size)).reshape(*x.shape[:2], -1, size)
    return functional.avg_pool2d(x, kernel, stride, padding, ceil, divisor_override=1 if name == "sum" else None)


@pytest.mark.parametrize("name", REDUCE)
@pytest.mark.parametrize("options", SLIDING)
def test_sliding_windows_are_those_of_pytorch(name: str, options: str) -> None:
    x = numbers(2, 3, 6, 7)
    y = run("x: [B, C, H, W]", f"{name}(x, over=H W -> U V, {options})", x, axes="[B, C, U, V]")
    given = eval(f"dict({options.replace('true', 'True')})")
    assert_close(y, pooled(x, name, **given))


@pytest.mark.parametrize("name", REDUCE)
@pytest.mark.parametrize(("shape", "axes"), [((7,), "W"), ((5, 7), "H W"), ((3, 5, 7), "T H W"), ((3, 3, 5, 7), "S T H W")])
def test_windows_slide_along_any_number_of_axes(name: str, shape: tuple[int, ...], axes: str) -> None:
    x = numbers(2, 2, *shape)
    inside = f"x: [B, C, {axes.replace(' ', ', ')}]"
    result = f"[B, C, {axes.replace(' ', ', ')}]"
    y = run(inside, f"{name}(x, over={axes}, kernel=3, stride=1, padding=same)", x, axes=result)
    fill = {"max": float("-inf"), "min": float("inf")}.get(name, 0.0)
    picked = functional.pad(x, (1, 1) * len(shape), value=fill)
    for dim in range(2, 2 + len(shape)):
        picked = picked.unfold(dim, 3, 1)
    assert_close(y, torch.stack([REDUCE[name](part) for part in picked.flatten(2 + len(shape)).reshape(x.numel(), -1)]).reshape(x.shape))


def test_a_mean_may_leave_padding_out_of_the_count() -> None:
    x = numbers(2, 3, 5, 7)
    for options in ("", ", dilation=1, stride=2"):
        y = run("x: [B, C, H, W]", f"mean(x, over=H W -> U V, kernel=3, padding=1, count_padding=false{options})", x, axes="[B, C, U, V]")
        assert_close(y, functional.avg_pool2d(x, 3, 2 if options else None, 1, count_include_pad=False))
    four = run(
        "x: [A, B, H, W]",
        "mean(x, over=A B H W -> R S U V, kernel=[1, 1, 3, 3], padding=[0, 0, 1, 1], count_padding=false)",
        x,
        axes="[R, S, U, V]",
    )
    assert_close(four, functional.avg_pool2d(x, 3, padding=1, count_include_pad=False))


def test_integers_are_pooled_exactly() -> None:
    x = torch.arange(2 * 5 * 7).reshape(2, 5, 7) * 2**54 // 70
    y = run("x: int [B, H, W]", "max(x, over=H W -> U V, kernel=3, stride=2, padding=1)", x, axes="int [B, U, V]")
    assert y.dtype == torch.int64
    assert torch.equal(y, run("x: int [B, H, W]", "-min(-x, over=H W -> U V, kernel=3, stride=2, padding=1)", x, axes="int [B, U, V]"))
    assert y[0, 0, 0] == x[0, 1, 1]
    assert y[1, 2, 3] == x[1, 4, 6]


@pytest.mark.parametrize("written", [f"{name}(x, {form})" for name in REDUCE for form in (
    "H W -> U=2 V=3", "over=H W -> U V, kernel=3, stride=2, padding=1, ceil=true", "over=H W -> U V, kernel=2, dilation=2")])  # fmt: skip
def test_gradients_of_windows(written: str) -> None:
    axes = "[B, U=2, V=3]" if "U=2" in written else "[B, U, V]"
    assert gradients_hold(attn.compile(attn.text(f"block t({BHW}) -> {axes} {{\n    return {written}\n}}")), numbers(2, 5, 4))


# ------------------------------------------------------------------ kinds of number, empty axes, mistakes


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("written", [*PLAIN, "mean(x, H W -> 1)"])
def test_half_precision_stays_and_is_as_good_as_its_digits(written: str, dtype: torch.dtype) -> None:
    x = numbers(3, 4, 5).detach().to(dtype)
    y = run(BHW, written, x, axes="[B]")
    assert y.dtype == dtype
    assert_close(y.double(), PLAIN[written](x.double()), rtol=2 * torch.finfo(dtype).eps, atol=4 * torch.finfo(dtype).eps)


WINDOWS = ["T H W -> T=2 H=2 W=2", "over=T H W, kernel=3, stride=1, padding=1", "over=T, kernel=3, stride=1, padding=1", "T H -> T=2 H=3"]


@pytest.mark.parametrize("written", [f"{name}(x, {form})" for name in REDUCE for form in WINDOWS])
def test_half_precision_stays_in_windows(written: str) -> None:
    x = numbers(2, 3, 4, 5).detach().bfloat16()
    axes = {"T=2 H=2 W=2": "[B, T=2, H=2, W=2]", "T=2 H=3": "[B, T=2, H=3, W]"}
    result = next((shape for part, shape in axes.items() if f"{part})" in written), "[B, T, H, W]")
    y = run("x: [B, T, H, W]", written, x, axes=result)
    assert y.dtype == torch.bfloat16
    assert_close(y.double(), run("x: [B, T, H, W]", written, x.double(), axes=result), rtol=2**-7, atol=2**-7)


def test_a_long_half_sum_is_added_in_float32() -> None:
    x = torch.ones(1, 4096, dtype=torch.float16)
    assert run("x: [B, N]", "sum(x, N)", x, axes="[B]").tolist() == [4096.0]
    assert run("x: [B, N]", "mean(x * 60, N)", x, axes="[B]").tolist() == [60.0]


def test_reductions_of_nothing() -> None:
    x = torch.zeros(2, 0)
    assert run("x: [B, N]", "sum(x, N)", x, axes="[B]").tolist() == [0, 0]
    assert run("x: [B, N]", "prod(x, N)", x, axes="[B]").tolist() == [1, 1]
    assert run("x: [B, N]", "sum(x, N -> A=3)", x, axes="[B, A=3]").tolist() == [[0, 0, 0]] * 2
    assert run("x: bool [B, N]", "any(x, N)", x.bool(), axes="bool [B]").tolist() == [False, False]
    assert run("x: bool [B, N]", "all(x, N)", x.bool(), axes="bool [B]").tolist() == [True, True]
    assert run("x: [B, N]", "norm(x, N)", x, axes="[B]").tolist() == [0, 0]


@pytest.mark.parametrize("name", ["max", "min", "mean", "argmax", "argmin", "var"])
def test_the_extremes_and_means_of_nothing_are_an_error_at_the_entry(name: str) -> None:
    kind = "int " if name.startswith("arg") else ""
    module = attn.compile(attn.text(f"block t(x: [B, N]) -> {kind}[B] {{\n    return {name}(x, N)\n}}"))
    with pytest.raises(attn.AttnError, match=rf"`{name}` along `N` needs an entry"):
        module(torch.zeros(2, 0))


@pytest.mark.parametrize("written", ["max(x, N -> A=3)", "max(x, over=N -> A, kernel=3, padding=1)"])
def test_windows_of_nothing_are_an_error_at_the_entry(written: str) -> None:
    with pytest.raises(attn.AttnError, match="`max` along `N` needs an entry"):
        run("x: [B, N]", written, torch.zeros(2, 0), axes="[B, A]")


def test_a_window_longer_than_the_axis_is_an_error_at_the_entry() -> None:
    with pytest.raises(attn.AttnError, match="`N` with its padding is shorter than the kernel of `max`"):
        run("x: [B, N]", "max(x, over=N -> A, kernel=3)", torch.zeros(2, 2), axes="[B, A]")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("mean(x)", "E0212"),
        ("mean(x, M)", "E0201"),
        ("mean(x, N N)", "E0204"),
        ("mean(x, N -> A B)", "E0209"),
        ("mean(x, N -> A + B)", "E0209"),
        ("mean(x, N -> D=2)", "E0204"),
        ("mean(x, N -> A)", "E0206"),
        ("mean(x, N, stride=2)", "E0305"),
        ("sum(x, N, at=pos(N))", "E0305"),
        ("sum(x, N -> T=3, at=pos(N), kernel=3)", "E0304"),
        ("max(x, N, kernel=3, padding=2)", "E0303"),
        ("max(x, N, kernel=0)", "E0303"),
        ("max(x, N D, kernel=[2, 2, 2])", "E0303"),
        ("max(x, D, kernel=9)", "E0208"),
        ("max(x, N, kernel=2, stride=1, padding=same)", "E0203"),
        ("max(x, N -> U=4, kernel=2, stride=1)", "E0202"),
        ("max(fft(x, N), N)", "E0310"),
        ("prod(x, N -> A=2)", "E0209"),
    ],
)
def test_mistakes_have_their_codes(written: str, expected: str) -> None:
    assert code("x: [*, N=6, D=5]", written, "[*, D]") == expected


def test_complex_numbers_have_sums_products_and_norms() -> None:
    z = torch.complex(numbers(3, 4).detach(), numbers(4, 3).detach().T)
    for name, expected in (("sum", z.sum(1)), ("mean", z.mean(1)), ("prod", z.prod(1))):
        assert_close(run("z: complex [B, N]", f"{name}(z, N)", z, axes="complex [B]"), expected)
    assert_close(run("z: complex [B, N]", "norm(z, N)", z, axes="[B]"), z.abs().square().sum(1).sqrt())
    assert run("x: [B, N]", "norm(fft(x, N), N)", torch.ones(2, 4).half(), axes="[B]").dtype == torch.float16
