"""Windows, their sums, other sizes and coordinates between positions, against PyTorch's functions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import attn
from attn.dsl.diagnostics import AttnError


def module(text: str, head: str, result: str, **bind: Any) -> Any:
    lines = text if "return" in text else f"return {text}"
    return attn.compile(attn.text(f"block t({head}) -> {result} {{\n    {lines}\n}}"), bind=bind)


def fault(text: str, head: str, result: str = "[*]", **bind: Any) -> str:
    with pytest.raises(AttnError) as caught:
        module(text, head, result, **bind)
    return str(caught.value)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def grad_ok(m: Any, *inputs: Tensor) -> bool:
    return torch.autograd.gradcheck(m, tuple(x.clone().requires_grad_() for x in inputs))


def unfolded(x: Tensor, kernel: int, stride: int = 1, before: int = 0, after: int = 0, dilation: int = 1) -> Tensor:
    """Windows of the second dimension, written out: [B, H, D] to [B, Y, u, D]."""
    x = functional.pad(x, (0, 0, before, after))
    count = (x.shape[1] - dilation * (kernel - 1) - 1) // stride + 1
    return torch.stack([x[:, y * stride : y * stride + dilation * (kernel - 1) + 1 : dilation] for y in range(count)], 1)


CASES = [
    ("u=3", {"kernel": 3}),
    ("u=1", {"kernel": 1}),
    ("u=3, stride=2", {"kernel": 3, "stride": 2}),
    ("u=3, stride=2, padding=1", {"kernel": 3, "stride": 2, "before": 1, "after": 1}),
    ("u=2, dilation=3", {"kernel": 2, "dilation": 3}),
    ("u=4, stride=3, padding=[[2, 0]], dilation=2", {"kernel": 4, "stride": 3, "before": 2, "dilation": 2}),
    ("u=3, padding=causal", {"kernel": 3, "before": 2}),
    ("u=4, padding=same", {"kernel": 4, "before": 1, "after": 2}),
]


@pytest.mark.parametrize(("options", "settings"), CASES)
@pytest.mark.parametrize("size", [7, 8])
def test_unfold_makes_overlapping_windows(options: str, settings: dict[str, int], size: int) -> None:
    m = module(f"unfold(x, H -> Y {options})", "x: [*, H, D]", "[*, Y, u, D]")
    x = randn(2, size, 3)
    assert torch.equal(m(x), unfolded(x, **settings))
    assert grad_ok(m, x)


def test_two_axes_of_windows_with_their_own_numbers() -> None:
    m = module("unfold(x, H -> Y u=3, W -> X v=2, stride=[2, 1], padding=[1, [0, 1]])", "x: [*, C, H, W]", "[*, C, Y, X, u, v]")
    x = randn(2, 3, 5, 4)
    assert torch.equal(m(x), functional.pad(x, (0, 1, 1, 1)).unfold(2, 3, 2).unfold(3, 2, 1))


def test_the_padding_of_windows_is_filled() -> None:
    m = module("unfold(x, H -> Y u=2, padding=1, fill=-3)", "x: [*, H]", "[*, Y, u]")
    assert m(torch.tensor([1.0, 2.0])).tolist() == [[-3.0, 1.0], [1.0, 2.0], [2.0, -3.0]]


def test_unfold_is_a_view() -> None:
    x = randn(2, 9, 3)
    assert module("unfold(x, H -> Y u=3)", "x: [B, H, D]", "[B, Y, D, u]")(x).data_ptr() == x.data_ptr()


# ---------------------------------------------------------------- fold


@pytest.mark.parametrize(("options", "settings"), CASES)
@pytest.mark.parametrize("size", [7, 8])
def test_fold_is_the_adjoint_of_unfold(options: str, settings: dict[str, int], size: int) -> None:
    rest = options.partition(", ")[2]
    m = module(f"fold(y, Y u -> H={size}{', ' + rest if rest else ''})", "y: [*, Y, u, D]", "[*, H, D]")
    x = randn(2, size, 3)
    windows = unfolded(x, **settings)
    y = randn(*windows.shape, seed=1)
    torch.testing.assert_close((m(y) * x).sum(), (y * windows).sum())
    assert grad_ok(m, y)


def test_two_axes_are_folded() -> None:
    m = module("fold(y, Y u -> H, X v -> W, stride=2)", "y: [*, C, u, v, Y, X]", "[*, C, H, W]")
    y = randn(2, 3, 3, 2, 4, 5)
    torch.testing.assert_close(m(y), functional.fold(y.reshape(2, 18, 20), (9, 10), (3, 2), stride=2))


def test_what_windows_cover_is_the_size_without_another() -> None:
    assert module("fold(y, Y u -> H, stride=2)", "y: [*, Y, u]", "[*, H]")(randn(3, 4)).shape == (8,)
    m = module("unfold(x, H -> Y u=3, stride=2) |> fold(Y u -> H, stride=2)", "x: [*, H]", "[*, H]")
    assert m(randn(2, 8)).shape == (2, 8)


@pytest.mark.parametrize("shape", [(2, 0, 5, 2), (2, 2, 0, 2), (0, 2, 3, 2)])
def test_windows_that_hold_nothing_add_up_to_zero(shape: tuple[int, ...]) -> None:
    m = module("fold(y, Y u -> H, stride=4)", "y: [*, Y, u, D]", "[*, H, D]")
    y = randn(*shape).requires_grad_()
    given = m(y)
    assert torch.equal(given, torch.zeros(shape[0], (shape[1] - 1) * 4 + shape[2], 2, dtype=torch.float64))
    given.sum().backward()
    assert y.grad is not None
    assert y.grad.shape == y.shape


# ---------------------------------------------------------------- resize


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (1, 1, 1, 1), (2, 1, 3, 7)])
@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ("", {"mode": "bilinear"}),
        (", align_corners=true", {"mode": "bilinear", "align_corners": True}),
        (", antialias=true", {"mode": "bilinear", "antialias": True}),
        (", mode=bicubic", {"mode": "bicubic"}),
        (", mode=bicubic, align_corners=true, antialias=true", {"mode": "bicubic", "align_corners": True, "antialias": True}),
        (", mode=nearest", {"mode": "nearest"}),
        (", mode=area", {"mode": "area"}),
    ],
)
def test_resize_is_interpolate(shape: tuple[int, ...], options: str, settings: dict[str, Any]) -> None:
    m = module(f"resize(x, H W -> U=3 V=6{options})", "x: [*, C, H, W]", "[*, C, U, V]")
    x = randn(*shape)
    torch.testing.assert_close(m(x), functional.interpolate(x, size=(3, 6), **settings))
    assert grad_ok(m, x)


@pytest.mark.parametrize("options", ["", ", mode=nearest", ", mode=area", ", align_corners=true"])
def test_one_and_three_axes_are_resized(options: str) -> None:
    mode = options.removeprefix(", mode=") if "mode" in options else "linear"
    more = {"align_corners": True} if "align" in options else {}
    x = randn(2, 3, 4)
    line = module(f"resize(x, N -> M=7{options})", "x: [*, C, N]", "[*, C, M]")
    torch.testing.assert_close(line(x), functional.interpolate(x, size=7, mode=mode, **more))
    x = randn(2, 3, 2, 3, 4)
    box = module(f"resize(x, T H W -> S=3 U=2 V=6{options})", "x: [*, C, T, H, W]", "[*, C, S, U, V]")
    torch.testing.assert_close(box(x), functional.interpolate(x, size=(3, 2, 6), mode="trilinear" if mode == "linear" else mode, **more))


@pytest.mark.parametrize("options", ["mode=bicubic", "antialias=true", "mode=bicubic, antialias=true"])
def test_one_axis_is_resized_like_an_image_of_equal_columns(options: str) -> None:
    x = randn(2, 5, 3)
    settings = {"mode": "bicubic" if "bicubic" in options else "bilinear", "antialias": "antialias" in options}
    images = x.transpose(1, 2).unsqueeze(-1).expand(2, 3, 5, 4).contiguous()
    expected = functional.interpolate(images, size=(3, 4), **settings)[..., 0].transpose(1, 2)
    torch.testing.assert_close(module(f"resize(x, H -> U=3, {options})", "x: [*, H, D]", "[*, U, D]")(x), expected)


@pytest.mark.parametrize("options", ["mode=bicubic", "antialias=true", "mode=bicubic, antialias=true"])
@pytest.mark.parametrize("last", [1, 2])
def test_filters_work_axis_by_axis(options: str, last: int) -> None:
    x = randn(2, 5, 4, 3)
    at_once = module(f"resize(x, W D H -> V=6 E={last} U=3, {options})", "x: [*, H, W, D]", "[*, U, V, E]")
    steps = f"resize(x, D -> E={last}, {options}) |> resize(H -> U=3, {options}) |> resize(W -> V=6, {options})"
    torch.testing.assert_close(at_once(x), module(steps, "x: [*, H, W, D]", "[*, U, V, E]")(x))


def test_names_may_be_kept_and_sizes_be_a_factor() -> None:
    x = randn(2, 5, 7)
    twice = module("resize(x, H W, scale=2) |> rename(H -> U, W -> V)", "x: [B, H, W]", "[B, U, V]")
    torch.testing.assert_close(twice(x)[:, None], functional.interpolate(x[:, None], scale_factor=2, mode="bilinear"))
    half = module("resize(x, H W, scale=0.5) |> rename(H -> U, W -> V)", "x: [B, H, W]", "[B, U, V]")
    assert half(x).shape == (2, 2, 3)
    kept = module("resize(x, H -> H=2*H) |> rename(H -> U)", "x: [B, H, W]", "[B, U, W]")
    assert kept(x).shape == (2, 10, 7)
    like = module("resize(x, H W -> U V) + y", "x: [B, H, W], y: [B, U, V]", "[B, U, V]")
    assert like(x, randn(2, 3, 4)).shape == (2, 3, 4)


# ---------------------------------------------------------------- sample


def at(x: Tensor, places: list[float], padding: str) -> Tensor:
    """The value of x at real coordinates, by the formula, one axis after another."""
    for place in reversed(places):
        low = int(torch.tensor(place).floor())
        share = place - low
        ends = []
        for n in (low, low + 1):
            inside = 0 <= n < x.shape[-1]
            clamped = x[..., min(max(n, 0), x.shape[-1] - 1)]
            ends.append(clamped if inside or padding == "border" else torch.zeros_like(clamped))
        x = ends[0] * (1 - share) + ends[1] * share
    return x


@pytest.mark.parametrize("padding", ["zeros", "border"])
@pytest.mark.parametrize("sizes", [(5,), (4, 5), (3, 4, 5), (1, 1)])
def test_sample_reads_between_positions(padding: str, sizes: tuple[int, ...]) -> None:
    names = ("T", "H", "W")[-len(sizes) :]
    x, places = randn(2, *sizes), [randn(6, seed=i) * 2 + 1 for i in range(len(sizes))]
    head = f"x: [C, {', '.join(names)}], " + ", ".join(f"{name.lower()}: [P]" for name in names)
    m = module(f"sample(x, {', '.join(f'{name}={name.lower()}' for name in names)}, padding={padding})", head, "[C, P]")
    expected = torch.stack([at(x, [float(place[p]) for place in places], padding) for p in range(6)], -1)
    torch.testing.assert_close(m(x, *places), expected)
    assert grad_ok(m, x, *places)


def test_whole_coordinates_index() -> None:
    x = randn(2, 5, 3)
    m = module("sample(x, N=pos(P) * 2)", "x: [*, N, D], like: [P]", "[*, P, D]")
    torch.testing.assert_close(m(x, randn(3)), x[:, ::2])
    nearest = module("sample(x, N=pos(P) * 2 + 0.4, mode=nearest)", "x: [*, N, D], like: [P]", "[*, P, D]")
    torch.testing.assert_close(nearest(x, randn(2)), x[:, [0, 2]])


def test_axes_of_coordinates_line_up_or_are_new() -> None:
    x, h, w = randn(2, 3, 4, 5), randn(2, 6) + 1, randn(2, 7, seed=1) + 2
    m = module("sample(x, H=h, W=w)", "x: [B, C, H, W], h: [B, P], w: [B, Q]", "[B, C, P, Q]")
    expected = torch.stack(
        [
            torch.stack([torch.stack([at(x[b], [float(h[b, p]), float(w[b, q])], "zeros") for q in range(7)], -1) for p in range(6)], -2)
            for b in range(2)
        ]
    )
    torch.testing.assert_close(m(x, h, w), expected)
    warp = module("sample(x, H=h, W=w)", "x: [C, H, W], h: [H, W], w: [H, W]", "[C, H, W]")
    rows, columns = torch.meshgrid(torch.arange(4.0, dtype=torch.float64), torch.arange(5.0, dtype=torch.float64), indexing="ij")
    torch.testing.assert_close(warp(x[0], rows, columns + 1)[:, :, :-1], x[0][:, :, 1:])


# ---------------------------------------------------------------- kinds of numbers, mistakes


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    "text",
    ["unfold(x, H -> Y u=3) |> sum(u)", "unfold(x, H -> Z u=3) |> fold(Z u -> Y)", "resize(x, H -> Y=7)", "sample(x, H=pos(Y=3) * 1.5)"],
)
def test_numbers_keep_their_kind(dtype: torch.dtype, text: str) -> None:
    assert module(text, "x: [*, H, D]", "[*, Y, D]")(torch.ones(2, 6, 3, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("unfold(x, H -> Y u)", "E0206", "`u` has no size"),
        ("unfold(x, H -> Y u=9)", "E0208", "the kernel covers 9 places of `H`, which has 8"),
        ("unfold(x, H -> Y)", "E0209", "how many, and inside one"),
        ("unfold(x, H -> W u=3)", "E0204", "already has an axis `W`"),
        ("unfold(x, H -> Y=3 u=3)", "E0202", "the size given for `Y`"),
        ("unfold(x, H -> Y u=3, stride=0)", "E0303", "`stride` must be 1 or more"),
        ("fold(x, H W -> A=20)", "E0202", "windows over `A` of size 20"),
        ("fold(x, H -> A)", "E0209", "how many, and inside one"),
        ("fold(pos(H) + pos(W), H W -> A)", "E0310", "floating point numbers"),
        ("resize(x, H W)", "E0206", "needs the new sizes"),
        ("resize(x, H -> H)", "E0206", "the new size of `H` is not said"),
        ("resize(x, H W -> U=3)", "E0209", "2 axes before the arrow, 1 after"),
        ("resize(x, H -> U=3, scale=2)", "E0304", "exclude each other"),
        ("resize(x, H -> U=3, mode=nearest, antialias=true)", "E0304", "`antialias`"),
        ("resize(x, H -> U=3, mode=cubic)", "E0105", "`cubic` is none of the values of `mode=`"),
        ("sample(x, K=pos(H))", "E0201", "no axis `K`"),
        ("sample(pos(H), H=x)", "E0310", "floating point numbers"),
    ],
)
def test_mistakes(text: str, code: str, words: str) -> None:
    told = fault(text, "x: [*, H, W]", "[*]", H=8, W=5)
    assert code in told, told
    assert words in told, told


def test_a_dynamic_axis_shorter_than_a_window_is_told_at_the_entry() -> None:
    m = module("unfold(x, H -> Y u=5)", "x: [*, H]", "[*, Y, u]")
    with pytest.raises(AttnError, match="the kernel covers 5 places of `H`"):
        m(randn(4))
