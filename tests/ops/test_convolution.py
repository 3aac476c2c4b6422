"""Convolutions of every form against PyTorch's modules and against sums written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import attn
from attn.dsl.diagnostics import AttnError


def module(text: str, head: str, result: str, **bind: Any) -> Any:
    """A compiled block in float64; `return` may be left out."""
    lines = text if "return" in text else f"return {text}"
    return attn.compile(attn.text(f"block t({head}) -> {result} {{\n    {lines}\n}}"), bind=bind).double()


def fault(text: str, head: str, result: str = "[*]", **bind: Any) -> str:
    with pytest.raises(AttnError) as caught:
        module(text, head, result, **bind)
    return str(caught.value)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def check(m: Any, reference: nn.Module, *inputs: Tensor, prefix: str = "conv.") -> None:
    """Same stored shapes, same numbers, right gradients."""
    reference = reference.double()
    ours = {name: tuple(value.shape) for name, value in m.state_dict().items()}
    assert ours == {prefix + name: tuple(value.shape) for name, value in reference.state_dict().items()}
    m.load_state_dict({prefix + name: value for name, value in reference.state_dict().items()})
    torch.testing.assert_close(m(*inputs), reference(*inputs), rtol=1e-10, atol=1e-12)
    assert torch.autograd.gradcheck(m, tuple(x.clone().requires_grad_() for x in inputs))


MAP = "x: [*, C, H, W]"

# ---------------------------------------------------------------- like PyTorch's modules


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ("kernel=3", {"kernel_size": 3, "padding": 1}),
        ("kernel=1", {"kernel_size": 1}),
        ("kernel=[3, 5]", {"kernel_size": (3, 5), "padding": (1, 2)}),
        ("kernel=2", {"kernel_size": 2}),
        ("kernel=3, stride=2", {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("kernel=3, dilation=2", {"kernel_size": 3, "dilation": 2, "padding": 2}),
        ("kernel=3, padding=0, bias=false", {"kernel_size": 3, "bias": False}),
        ("kernel=4, stride=4", {"kernel_size": 4, "stride": 4}),
        ("kernel=4, stride=[2, 1], padding=[1, 2]", {"kernel_size": 4, "stride": (2, 1), "padding": (1, 2)}),
        ("kernel=4, padding=same", {"kernel_size": 4, "padding": "same"}),
        ("kernel=3, padding=same, dilation=[1, 2]", {"kernel_size": 3, "padding": "same", "dilation": (1, 2)}),
    ],
)
@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
def test_conv_is_conv2d(options: str, settings: dict[str, Any]) -> None:
    m = module(f"conv(x, C -> E=2, over=H W -> U V, {options})", MAP, "[*, E, U, V]", C=3)
    check(m, nn.Conv2d(3, 2, **settings), randn(2, 3, 5, 7))


def test_one_three_and_no_batch_axes() -> None:
    check(module("conv(x, C -> E=2, over=T, kernel=3)", "x: [*, C, T]", "[*, E, T]", C=3), nn.Conv1d(3, 2, 3, padding=1), randn(2, 3, 5))
    check(module("conv(x, C -> E=2, over=T, kernel=3)", "x: [C, T]", "[E, T]", C=3), nn.Conv1d(3, 2, 3, padding=1), randn(3, 5))
    m = module("conv(x, C -> E=2, over=T H W, kernel=[1, 3, 3])", "x: [*, C, T, H, W]", "[*, E, T, H, W]", C=3)
    check(m, nn.Conv3d(3, 2, (1, 3, 3), padding=(0, 1, 1)), randn(2, 3, 2, 3, 4))


def test_a_square_map_keeps_its_name_and_size_one_axes_work() -> None:
    m = module("conv(x, C -> C, over=H W, kernel=3)", MAP, "[*, C, H, W]", C=3)
    check(m, nn.Conv2d(3, 3, 3, padding=1), randn(2, 3, 1, 4))
    one = module("conv(x, C -> C, over=H W, kernel=3)", MAP, "[*, C, H, W]", C=1)
    check(one, nn.Conv2d(1, 1, 3, padding=1), randn(1, 1, 1, 1))


def test_more_leading_axes_are_carried() -> None:
    m = module("conv(x, C -> E=2, over=W, kernel=3)", "x: [A, C, B, W]", "[A, B, E, W]", C=3)
    x = randn(2, 3, 4, 5)
    expected = functional.conv1d(x.transpose(1, 2).flatten(0, 1), m.conv.weight, m.conv.bias, padding=1)
    torch.testing.assert_close(m(x), expected.unflatten(0, (2, 4)))


def test_channels_first_or_last_is_the_callers_business() -> None:
    first = module("conv(x, C -> E=2, over=H W, kernel=3)", MAP, "[*, E, H, W]", C=3)
    last = module("conv(x, C -> E=2, over=H W, kernel=3)", "x: [*, H, W, C]", "[*, H, W, E]", C=3)
    last.load_state_dict(first.state_dict())
    x = randn(2, 3, 4, 5)
    torch.testing.assert_close(last(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), first(x))


# ---------------------------------------------------------------- what is mixed


def test_sliding_alone_mixes_nothing() -> None:
    m = module("conv(x, over=C, kernel=5, bias=false)", "x: [*, C]", "[*, C]")
    assert tuple(m.conv.weight.shape) == (1, 1, 5)
    x = randn(3, 7)
    torch.testing.assert_close(m(x), functional.conv1d(x.unsqueeze(1), m.conv.weight, padding=2).squeeze(1))
    both = module("conv(x, over=H W, kernel=3)", MAP, "[*, C, H, W]")
    x = randn(2, 3, 4, 5)
    torch.testing.assert_close(
        both(x), functional.conv2d(x.reshape(6, 1, 4, 5), both.conv.weight, both.conv.bias, padding=1).reshape(x.shape)
    )


def test_one_made_channel_leaves_no_axis() -> None:
    m = module("conv(x, Z -> 1, over=H W, kernel=7, bias=false)", "x: [*, Z, H, W]", "[*, H, W]", Z=2)
    assert tuple(m.conv.weight.shape) == (1, 2, 7, 7)
    x = randn(2, 2, 5, 4)
    torch.testing.assert_close(m(x), functional.conv2d(x, m.conv.weight, padding=3).squeeze(1))


def test_an_axis_is_made_of_none() -> None:
    m = module("conv(x, 1 -> E=3, over=T, kernel=3)", "x: [*, T]", "[*, E, T]")
    x = randn(2, 5)
    assert tuple(m.conv.weight.shape) == (3, 1, 3)
    torch.testing.assert_close(m(x), functional.conv1d(x.unsqueeze(1), m.conv.weight, m.conv.bias, padding=1))


def test_several_axes_on_each_side() -> None:
    m = module("conv(x, C z -> E=2 F=3, over=T, kernel=3)", "x: [*, z, C, T]", "[*, F, E, T]", C=3, z=2)
    assert tuple(m.conv.weight.shape) == (6, 6, 3)
    assert tuple(m.conv.bias.shape) == (6,)
    x = randn(2, 2, 3, 5)
    expected = functional.conv1d(x.transpose(1, 2).reshape(2, 6, 5), m.conv.weight, m.conv.bias, padding=1)
    torch.testing.assert_close(m(x), expected.reshape(2, 2, 3, 5).transpose(1, 2))


def test_each_channel_has_its_own_kernel() -> None:
    m = module("conv(x, over=H W, each=C, kernel=3)", MAP, "[*, C, H, W]", C=4)
    check(m, nn.Conv2d(4, 4, 3, padding=1, groups=4), randn(2, 4, 5, 3))


def test_each_group_mixes_its_own() -> None:
    text = "g = split(x, D -> g=2 C)\n    y = conv(g, C -> E=5, over=H W, each=g, kernel=3) as conv\n    return merge(y, g E -> F)"
    m = module(text, "x: [*, D, H, W]", "[*, F, H, W]", D=6)
    check(m, nn.Conv2d(6, 10, 3, padding=1, groups=2), randn(2, 6, 3, 4))


def test_each_new_axis_gets_a_convolution_of_the_same_tensor() -> None:
    m = module("axis g = 2\n    return conv(x, C -> E=3, over=T, each=g, kernel=3)", "x: [*, C, T]", "[*, g, E, T]", C=4)
    assert tuple(m.conv.weight.shape) == (6, 4, 3)
    x = randn(2, 4, 5)
    torch.testing.assert_close(m(x), functional.conv1d(x, m.conv.weight, m.conv.bias, padding=1).unflatten(1, (2, 3)))


def test_old_and_new_groups_together() -> None:
    m = module("axis n = 2\n    return conv(x, C -> E=5, over=T, each=n g, kernel=3)", "x: [*, g, C, T]", "[*, n, g, E, T]", g=3, C=4)
    x = randn(2, 3, 4, 6)
    weight, bias = m.conv.weight.reshape(2, 3, 5, 4, 3), m.conv.bias.reshape(2, 3, 5)
    expected = torch.stack(
        [torch.stack([functional.conv1d(x[:, g], weight[n, g], bias[n, g], padding=1) for g in range(3)], 1) for n in range(2)], 1
    )
    torch.testing.assert_close(m(x), expected)


# ---------------------------------------------------------------- padding and sizes


def test_causal_results_depend_on_nothing_later() -> None:
    m = module("conv(x, C -> E=2, over=T, kernel=3, dilation=2, padding=causal)", "x: [*, C, T]", "[*, E, T]", C=3)
    x = randn(2, 3, 9)
    expected = functional.conv1d(functional.pad(x, (4, 0)), m.conv.weight, m.conv.bias, dilation=2)
    torch.testing.assert_close(m(x), expected)
    later = x.clone()
    later[..., 5:] = 0
    assert torch.equal(m(later)[..., :5], m(x)[..., :5])


def test_padding_before_and_after_may_differ() -> None:
    m = module("conv(x, C -> E=2, over=H W -> U V, kernel=3, padding=[[2, 0], 1])", MAP, "[*, E, U, V]", C=3)
    x = randn(2, 3, 4, 5)
    torch.testing.assert_close(m(x), functional.conv2d(functional.pad(x, (1, 1, 2, 0)), m.conv.weight, m.conv.bias))


@pytest.mark.parametrize("size", [1, 2, 7, 8])
@pytest.mark.parametrize("options", ["kernel=3, stride=2", "kernel=1, stride=3", "kernel=3, stride=2, padding=same"])
def test_dynamic_sizes_are_exact(size: int, options: str) -> None:
    m = module(f"y = conv(x, over=T -> U, {options})\n    return y + pos(U)", "x: [*, T]", "[*, U]")
    x = randn(2, size)
    stride, padding = (2, 1) if "stride=2" in options else (3, 0)
    expected = functional.conv1d(x.unsqueeze(1), m.y.weight, m.y.bias, stride, padding).squeeze(1)
    torch.testing.assert_close(m(x), expected + torch.arange(expected.shape[1]))


def test_four_sliding_axes() -> None:
    text = "y = conv(x, C -> E=2, over=P Q R S -> A B D F, kernel=[3, 1, 2, 3], stride=[1, 2, 1, 2])\n    return y"
    m = module(text, "x: [C, P, Q, R, S]", "[E, A, B, D, F]", C=2)
    x = randn(2, 3, 3, 2, 4)
    padded = functional.pad(x, (1, 1, 0, 0, 0, 0, 1, 1))
    assert tuple(m.y.weight.shape) == (2, 2, 3, 1, 2, 3)
    windows = padded.unfold(1, 3, 1).unfold(2, 1, 2).unfold(3, 2, 1).unfold(4, 3, 2)
    expected = torch.einsum("cabdfijkl,ecijkl->eabdf", windows, m.y.weight) + m.y.bias.reshape(-1, 1, 1, 1, 1)
    torch.testing.assert_close(m(x), expected)


# ---------------------------------------------------------------- given kernels


def test_a_predicted_kernel_is_another_one_for_every_sample() -> None:
    m = module("conv(x, C -> E, over=T, weight=w, taps=k, bias=false)", "x: [B, C, T], w: [B, E, C, k]", "[B, E, T]", k=3)
    x, w = randn(2, 3, 7), randn(2, 4, 3, 3, seed=1)
    expected = torch.stack([functional.conv1d(x[b], w[b], padding=1) for b in range(2)])
    torch.testing.assert_close(m(x, w), expected)
    assert torch.autograd.gradcheck(m, (x.requires_grad_(), w.requires_grad_()))


def test_star_may_be_predicted_for_and_a_bias_is_still_owned() -> None:
    m = module("conv(x, C -> E, over=H W, weight=w, taps=i j)", "x: [*, C, H, W], w: [*, E, C, i, j]", "[*, E, H, W]", E=4, i=3, j=3)
    x, w = randn(2, 1, 3, 4, 5), randn(2, 1, 4, 3, 3, 3, seed=1)
    expected = torch.stack([functional.conv2d(x[b], w[b, 0], m.conv.bias, padding=1) for b in range(2)])
    torch.testing.assert_close(m(x, w), expected)


def test_a_kernel_of_dynamic_size_is_odd_or_says_its_padding() -> None:
    x = randn(2, 7)
    m = module("conv(x, over=T, weight=w, taps=k, bias=false)", "x: [*, T], w: [k]", "[*, T]")
    torch.testing.assert_close(m(x, torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)), x)
    with pytest.raises(AttnError, match="padding"):
        m(x, randn(4))
    same = module("conv(x, over=T, weight=w, taps=k, bias=false, padding=same)", "x: [*, T], w: [k]", "[*, T]")
    assert same(x, randn(4)).shape == x.shape


def test_a_fixed_kernel_slides_over_every_channel() -> None:
    m = module("const k: [i=3] = [1, 2, 1]\n    return conv(x, over=T, weight=k, taps=i, bias=false)", "x: [*, C, T]", "[*, C, T]")
    x = randn(2, 3, 5)
    blur = torch.tensor([[[1.0, 2.0, 1.0]]], dtype=torch.float64)
    torch.testing.assert_close(m(x), functional.conv1d(x.reshape(6, 1, 5), blur, padding=1).reshape(x.shape))


def test_a_layer_applied_twice_has_one_kernel() -> None:
    m = module("f = conv(C -> C, over=T, kernel=3) as f\n    return f(f(x))", "x: [*, C, T]", "[*, C, T]", C=3)
    assert list(m.state_dict()) == ["f.weight", "f.bias"]
    x = randn(2, 3, 5)
    once = functional.conv1d(x, m.f.weight, m.f.bias, padding=1)
    torch.testing.assert_close(m(x), functional.conv1d(once, m.f.weight, m.f.bias, padding=1))


# ---------------------------------------------------------------- transposed


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ("kernel=3", {"kernel_size": 3}),
        ("kernel=2, stride=2", {"kernel_size": 2, "stride": 2}),
        ("kernel=[3, 2], stride=[2, 1], padding=1", {"kernel_size": (3, 2), "stride": (2, 1), "padding": 1}),
        ("kernel=3, stride=2, padding=1, output_padding=1", {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}),
        ("kernel=3, dilation=2, bias=false", {"kernel_size": 3, "dilation": 2, "bias": False}),
    ],
)
def test_conv_transpose_is_conv_transpose2d(options: str, settings: dict[str, Any]) -> None:
    m = module(f"conv_transpose(x, C -> E=2, over=H W -> U V, {options})", MAP, "[*, E, U, V]", C=3)
    check(m, nn.ConvTranspose2d(3, 2, **settings), randn(2, 3, 3, 4), prefix="conv_transpose.")


def test_transposed_groups_are_stored_like_pytorch_stores_them() -> None:
    text = (
        "y = conv_transpose(split(x, D -> g=2 C), C -> E=5, over=T -> U, each=g, kernel=3, stride=2) as conv\n    return merge(y, g E -> F)"
    )
    check(module(text, "x: [*, D, T]", "[*, F, U]", D=6), nn.ConvTranspose1d(6, 10, 3, stride=2, groups=2), randn(2, 6, 4))
    deep = module("conv_transpose(x, over=T -> U, each=C, kernel=4, stride=2, padding=1) as conv", "x: [*, C, T]", "[*, C, U]", C=3)
    check(deep, nn.ConvTranspose1d(3, 3, 4, stride=2, padding=1, groups=3), randn(2, 3, 5))


# ---------------------------------------------------------------- first values and kinds of numbers


def test_first_values_have_the_bounds_of_pytorchs() -> None:
    m = module("conv(x, C -> E=64, over=H W, kernel=3)", MAP, "[*, E, H, W]", C=16)
    bound = (16 * 9) ** -0.5
    for weight in (m.conv.weight, m.conv.bias):
        assert weight.abs().max() <= bound
    assert m.conv.weight.abs().max() > 0.95 * bound
    zero = module("conv(x, C -> E=4, over=H W, kernel=3, init=zeros)", MAP, "[*, E, H, W]", C=3)
    assert not zero.conv.weight.any()
    one = module("conv(x, C -> E=4, over=H W, kernel=3, bias_init=ones)", MAP, "[*, E, H, W]", C=3)
    assert (one.conv.bias == 1).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_numbers_keep_their_kind(dtype: torch.dtype) -> None:
    m = module(
        "conv(x, C -> E=4, over=T, kernel=3) |> conv_transpose(E -> C, over=T, kernel=3, padding=1)", "x: [*, C, T]", "[*, C, T]", C=3
    ).to(dtype)
    assert m(torch.ones(2, 3, 5, dtype=dtype)).dtype == dtype
    places = module("conv(pos(T) + 0 * T, over=T, kernel=3) + x", "x: [*, T]", "[*, T]").to(dtype)
    assert places(torch.ones(2, 5, dtype=dtype)).dtype == dtype


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (
            "conv(x, C -> E=4, over=H W, kernel=7, padding=1)",
            "E0208",
            "the kernel covers 7 places of `W`, which has 4 (6 with its padding)",
        ),
        ("conv(x, C -> E, over=H W, kernel=3)", "E0206", "`E` has no size"),
        ("conv(x, K -> E=4, over=H W, kernel=3)", "E0201", "no axis `K`"),
        ("conv(x, C -> W=4, over=H, kernel=3)", "E0204", "already has an axis `W`"),
        ("conv(x, C -> E=4, over=C, kernel=3)", "E0204", "`C`"),
        ("conv(x, C -> E=4, over=H W)", "E0305", "needs `kernel=`"),
        ("conv(x, C -> E=4, over=H W, kernel=[3, 3, 3])", "E0303", "3 values for 2 axes"),
        ("conv(x, C -> E=4, over=H W, kernel=3, padding=[1, 2, 3])", "E0303", "3 values"),
        ("conv(x, C -> E=4, over=H W, kernel=3, padding=-1)", "E0207", "negative"),
        ("conv(x, C -> E=4, over=H W, kernel=3, stride=0)", "E0303", "`stride` must be 1 or more"),
        ("conv(x, C -> E=4, over=H W -> U, kernel=3)", "E0209", "2 axes before the arrow, 1 after"),
        ("conv(x, C -> E=4, over=H W, kernel=3, padding=valid)", "E0105", "`valid`"),
        ("conv(x, C -> E=4, over=H W, kernel=3, taps=H W)", "E0305", "`taps`"),
        ("conv(x, C -> C, over=H, weight=x, taps=W)", "E0204", "`C` on both sides"),
        ("conv(x, C -> E, over=H, weight=x)", "E0305", "needs `taps=`"),
        ("conv_transpose(x, C -> E=2, over=W, kernel=2, padding=4)", "E0207", "nothing of `W` is left"),
    ],
)
def test_mistakes(text: str, code: str, words: str) -> None:
    told = fault(text, MAP, "[*]", C=3, H=9, W=4)
    assert code in told, told
    assert words in told, told


def test_a_dynamic_axis_that_is_too_short_is_told_at_the_entry() -> None:
    m = module("conv(x, over=T -> U, kernel=4)", "x: [*, T]", "[*, U]")
    assert m(randn(2, 4)).shape == (2, 1)
    with pytest.raises(AttnError, match="the kernel covers 4 places of `T`"):
        m(randn(2, 3))
