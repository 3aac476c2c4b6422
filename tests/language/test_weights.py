"""Weights are tensors with named axes: what layers compute, how their weights are called, stored, shared and loaded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from language_support import codes, module, program, randn, shapes, weights
from torch.testing import assert_close

X = randn(2, 3, 6)


# ---------------------------------------------------------------- linear and conv


def test_the_same_axis_on_both_sides_is_a_dense_square_map() -> None:
    m = module("x: [*, N, D]", "return linear(x, D -> D) as w", "[*, N, D]", D=6)
    assert_close(m(X), F.linear(X, m.w.weight, m.w.bias))


def test_two_axes_on_the_left_are_contracted_together() -> None:
    m = module("x: [*, h, d]", "return linear(x, h d -> D=4) as w", "[*, D]", h=3, d=6)
    assert shapes(m) == {"w.weight": (4, 18), "w.bias": (4,)}
    assert_close(m(X), F.linear(X.flatten(-2), m.w.weight, m.w.bias))


def test_a_one_on_the_right_leaves_no_axis() -> None:
    m = module("x: [*, N, C]", "return linear(x, C -> 1) as w", "[*, N]", C=6)
    assert shapes(m) == {"w.weight": (1, 6), "w.bias": (1,)}
    assert_close(m(X), F.linear(X, m.w.weight, m.w.bias)[..., 0])


def test_each_gives_every_member_its_own_weights() -> None:
    m = module("x: [*, g, C]", "return linear(x, C -> e=4, each=g) as w", "[*, g, e]", g=3, C=6)
    assert shapes(m) == {"w.weight": (12, 6), "w.bias": (12,)}
    assert_close(m(X), torch.einsum("bgc,gec->bge", X, m.w.weight.view(3, 4, 6)) + m.w.bias.view(3, 4))


def test_a_norm_takes_each_too() -> None:
    m = module("x: [*, g, C]", "return layernorm(x, C, each=g) as n", "[*, g, C]", g=3, C=6)
    assert_close(m(X), F.layer_norm(X, (6,)) * m.n.weight.view(3, 6) + m.n.bias.view(3, 6))


IMAGE = randn(2, 4, 7, 6)


@pytest.mark.parametrize(
    ("written", "result", "stored", "options"),
    [
        ("conv(x, C -> E=6, over=H W, kernel=3, stride=2)", "[*, E, U, V]", (6, 4, 3, 3), {"stride": 2, "padding": 1}),
        ("conv(x, C -> E=6, over=H W, kernel=3)", "[*, E, U, V]", (6, 4, 3, 3), {"padding": 1}),
        ("conv(x, C -> E=6, over=H W, kernel=[3, 5], padding=0)", "[*, E, U, V]", (6, 4, 3, 5), {}),
        ("conv(x, C -> E=6, over=H W, kernel=[3, 1], padding=[2, 0], stride=[1, 2])", "[*, E, U, V]", (6, 4, 3, 1),
         {"padding": (2, 0), "stride": (1, 2)}),
        ("conv(x, over=H W, each=C, kernel=5)", "[*, C, U, V]", (4, 1, 5, 5), {"padding": 2, "groups": 4}),
    ],
)  # fmt: skip
def test_a_convolution_mixes_and_slides(written: str, result: str, stored: tuple[int, ...], options: dict[str, int]) -> None:
    m = module("x: [*, C, H, W]", f"y = {written} as w; return rename(y, H -> U, W -> V)", result, C=4)
    assert shapes(m)["w.weight"] == stored
    assert_close(m(IMAGE), F.conv2d(IMAGE, m.w.weight, m.w.bias, **options))


def test_a_convolution_over_channels_mixes_nothing() -> None:
    m = module("x: [*, C]", "return conv(x, over=C, kernel=5) as w", "[*, C]")
    x = randn(3, 9)
    assert_close(m(x), F.conv1d(x[:, None], m.w.weight, m.w.bias, padding=2)[:, 0])


def test_each_with_an_arrow_is_a_grouped_convolution() -> None:
    m = module("x: [*, g, C, T]", "return conv(x, C -> E=5, over=T, each=g, kernel=3) as w", "[*, g, E, T]", g=2, C=3)
    x = randn(2, 2, 3, 8)
    assert shapes(m)["w.weight"] == (10, 3, 3)
    assert_close(m(x), F.conv1d(x.flatten(1, 2), m.w.weight, m.w.bias, padding=1, groups=2).unflatten(1, (2, 5)))


def test_causal_padding_looks_back_only() -> None:
    m = module("x: [*, C, T]", "return conv(x, C -> C, over=T, kernel=3, padding=causal) as w", "[*, C, T]", C=3)
    x = randn(2, 3, 6)
    assert_close(m(x), F.conv1d(F.pad(x, (2, 0)), m.w.weight, m.w.bias))


# ---------------------------------------------------------------- reductions and norms


def test_reductions_have_three_forms() -> None:
    head = "x: [*, C, H, W]"
    assert_close(module(head, "return mean(x, H W)", "[*, C]")(IMAGE), IMAGE.mean((2, 3)))
    assert_close(module(head, "return mean(x, H W -> Y=3 X=2)", "[*, C, Y, X]")(IMAGE), F.adaptive_avg_pool2d(IMAGE, (3, 2)))
    sliding = module(head, "return mean(x, over=H W, kernel=3, stride=2) |> rename(H -> Y, W -> X)", "[*, C, Y, X]")
    assert_close(sliding(IMAGE), F.avg_pool2d(IMAGE, 3, 2))


def test_a_reduction_must_name_its_axes() -> None:
    assert "E0212" in codes("x: [*, N]", "return mean(x)")


def test_max_reduces_and_maximum_is_elementwise() -> None:
    assert_close(module("x: [*, N, C]", "return max(x, C)", "[*, N]")(X), X.amax(-1))
    assert_close(module("x: [*, N, C]", "return maximum(x, 0.1)", "[*, N, C]")(X), X.clamp(min=0.1))


@pytest.mark.parametrize(
    ("norm", "wanted"),
    [
        ("layernorm(x, C)", F.layer_norm(X, (6,))),
        ("rmsnorm(x, C)", F.rms_norm(X, (6,), eps=1e-6)),
        ("l2norm(x, C)", F.normalize(X, dim=-1)),
        ("groupnorm(x, C, over=N, groups=3)", F.group_norm(X.mT, 3).mT),
    ],
)
def test_norms_name_their_axes(norm: str, wanted: torch.Tensor) -> None:
    import attn

    m: Any = attn.compile(attn.text(program("x: [*, N, C]", f"return {norm}", "[*, N, C]")), C=6, dtype=torch.float64)
    assert_close(m(X), wanted)


def test_batchnorm_pools_every_axis_but_the_channels_and_without_them_is_one_number() -> None:
    m = module("x: [*, C, H, W]", "return batchnorm(x, C) as n", "[*, C, H, W]", C=4)
    assert shapes(m)["n.running_mean"] == (4,)
    w = {name: value.clone() for name, value in weights(m).items()}
    assert_close(m(IMAGE), F.batch_norm(IMAGE, None, None, w["n.weight"], w["n.bias"], training=True))
    assert_close(m.n.running_mean, 0.1 * IMAGE.mean((0, 2, 3)))
    one = module("x: [*, H, W]", "return batchnorm(x) as n", "[*, H, W]")
    assert one.n.running_mean.numel() == 1


# ---------------------------------------------------------------- declared weights


def test_params_start_as_they_say() -> None:
    text = program(
        "x: [*, D]", "param a: [D] = 0.5; param b: [D] = normal(0.02); const k: [D] = pos(D) * 2; return x * a + b + k", "[*, D]"
    )
    import attn

    torch.manual_seed(0)
    m: Any = attn.compile(attn.text(text), D=400, dtype=torch.float64)
    assert_close(m.a.detach(), torch.full((400,), 0.5, dtype=torch.float64))
    assert abs(m.b.std().item() - 0.02) < 0.003
    assert_close(m.k, 2 * torch.arange(400, dtype=torch.float64))
    assert list(m.state_dict()) == ["a", "b"]


def test_a_state_is_read_as_of_entry_and_written_once() -> None:
    m = module("x: [*, N]", "state seen: [] = 0; next seen = seen + sum(x, * N); return x + seen", "[*, N]")
    x = torch.ones(2, 3, dtype=torch.float64)
    assert_close(m(x), x)
    assert m.seen.item() == 6
    assert_close(m(x), x + 6)
    assert "seen" in m.state_dict()
    assert "E0505" in codes("x: [*, N]", "state s: [] = 0; next s = s + 1; next s = s + 2; return x", "[*, N]")


def test_initial_values_are_those_of_pytorch() -> None:
    import attn

    torch.manual_seed(0)
    m: Any = attn.compile(attn.text(program("x: [*, D]", "return linear(x, D -> E=300) as w |> layernorm(E) as n", "[*, E]")), D=64)
    assert m.w.weight.abs().max() <= 64**-0.5
    assert abs(m.w.weight.std().item() - 64**-0.5 / 3**0.5) < 2e-3
    assert m.w.bias.abs().max() <= 64**-0.5
    assert torch.equal(m.n.weight, torch.ones(300))
    assert torch.equal(m.n.bias, torch.zeros(300))


def test_any_owner_takes_another_start() -> None:
    m = module("x: [*, D]", "return linear(x, D -> E=50, init=zeros, bias=false) as w", "[*, E]", D=4)
    assert_close(m.w.weight - 0.3 * randn(50, 4, seed=100), torch.zeros(50, 4, dtype=torch.float64))


def test_a_weight_may_be_given_and_is_then_not_owned() -> None:
    head = "x: [*, N, D], w: [E, D]"
    m = module(head, "return linear(x, D -> E, weight=w, bias=false)", "[*, N, E]")
    w = randn(4, 6, seed=3)
    assert m.state_dict() == {}
    assert_close(m(X, w), F.linear(X, w))


def test_weights_may_be_tied() -> None:
    m = module("x: [*, D]", "param e: [V=7, D]; h = linear(x, D -> D) as w; return dot(h, e, over=D)", "[*, V]", D=6)
    assert_close(m(X), F.linear(X, m.w.weight, m.w.bias) @ m.e.T)
