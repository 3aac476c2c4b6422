"""Positions: rotations, sines, tables and biases, against formulas written out and against models that use them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from stdlib_support import Weights, block, close, numbers, program, same, shapes
from torch import Tensor
from torch.testing import assert_close

import attn


def angles(at: Tensor, d: int, base: float = 10000.0) -> Tensor:
    return at.double()[..., None] * base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)


def interleaved(x: Tensor, at: Tensor, base: float = 10000.0) -> Tensor:
    """Multiplication of complex numbers, the pairs side by side."""
    angle = angles(at, x.shape[-1], base)
    turned = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * torch.polar(torch.ones_like(angle), angle)
    return torch.view_as_real(turned).flatten(-2)


def half(x: Tensor, at: Tensor, base: float = 10000.0) -> Tensor:
    """x cos + rotate_half(x) sin, as the models of transformers have it."""
    angle = angles(at, x.shape[-1], base).repeat(*(1,) * at.dim(), 2)
    left, right = x.chunk(2, -1)
    return x * angle.cos() + torch.cat([-right, left], -1) * angle.sin()


STYLES = {"interleaved": interleaved, "half": half}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("base", [10000.0, 500.0])
@pytest.mark.parametrize("shape", [(2, 5, 6), (7, 2), (2, 3, 1, 8)])
def test_rope_is_its_formula(style: str, base: float, shape: tuple[int, ...]) -> None:
    made = block("positions", "rope", style=style, base=base)
    same(made, lambda w, x: STYLES[style](x, torch.arange(shape[-2]), base), numbers(*shape))


@pytest.mark.parametrize("style", STYLES)
def test_rope_takes_positions(style: str) -> None:
    at = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
    same(block("positions", "rope", style=style), lambda w, x, at: STYLES[style](x, at), numbers(2, 5, 6), at=at)


def test_rope_is_that_of_llama() -> None:
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    q, k = numbers(2, 3, 5, 8), numbers(2, 3, 5, 8, seed=2)
    angle = angles(torch.arange(5), 8).repeat(1, 2)[None]
    rope = block("positions", "rope", style="half")
    for found, wanted in zip((rope(q), rope(k)), apply_rotary_pos_emb(q, k, angle.cos(), angle.sin()), strict=True):
        close(found, wanted)


@pytest.mark.parametrize("style", STYLES)
def test_rope_makes_products_depend_on_distances_only(style: str) -> None:
    rope = block("positions", "rope", style=style)
    q, k = numbers(1, 6), numbers(1, 6, seed=2)

    def product(i: int, j: int) -> Tensor:
        return (rope(q, at=torch.tensor([i])) * rope(k, at=torch.tensor([j]))).sum()

    close(product(7, 3), product(104, 100))
    assert not torch.allclose(product(7, 3), product(7, 4))


def test_rope_needs_pairs() -> None:
    with pytest.raises(attn.AttnError):
        attn.compile("std.positions", "rope", d=7)


@pytest.mark.parametrize("style", STYLES)
def test_rope_in_a_plane_turns_one_half_with_each_axis(style: str) -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        left, right = x.chunk(2, -1)
        turn = STYLES[style]
        rows = turn(left.transpose(1, 2), torch.arange(3)).transpose(1, 2)
        return torch.cat([rows, turn(right, torch.arange(5))], -1)

    same(block("positions", "rope_2d", style=style), reference, numbers(2, 3, 5, 8))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", [(7, 6), (1, 2)])
def test_sinusoid_is_its_formula(style: str, size: tuple[int, int]) -> None:
    t = angles(torch.arange(size[0]), size[1])
    wanted = torch.stack([t.sin(), t.cos()], -1).flatten(-2) if style == "interleaved" else torch.cat([t.sin(), t.cos()], -1)
    close(block("positions", "sinusoid", N=size[0], D=size[1], style=style)(), wanted)


def test_learned_positions_are_rows_of_a_table() -> None:
    made = block("positions", "learned", length=9, D=6)
    assert shapes(made) == {"table": (9, 6)}
    same(made, lambda w, x: x + w["table"][: x.shape[-2]], numbers(2, 5, 6))
    same(made, lambda w, x: x + w["table"], numbers(2, 9, 6))


def test_a_sequence_longer_than_the_table_is_an_error() -> None:
    with pytest.raises(Exception, match=r"9|table|range|index"):
        block("positions", "learned", length=9, D=6)(numbers(2, 10, 6))


# The slopes that the published code gives for these numbers of heads.
SLOPES = {
    1: [1 / 256],
    2: [1 / 16, 1 / 256],
    8: [2.0**-i for i in range(1, 9)],
    12: [2.0**-i for i in range(1, 9)] + [2.0**-0.5, 2.0**-1.5, 2.0**-2.5, 2.0**-3.5],
    3: [1 / 16, 1 / 256, 1 / 4],
}


@pytest.mark.parametrize("heads", SLOPES)
def test_the_slopes_of_alibi(heads: int) -> None:
    close(block("positions", "alibi_slopes", h=heads)(), torch.tensor(SLOPES[heads], dtype=torch.float64))


def test_the_slopes_of_alibi_are_those_of_bloom() -> None:
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    for heads in (4, 6, 14, 16):
        theirs = build_alibi_tensor(torch.ones(1, 2), heads, torch.float64)[:, 0, 1]
        assert_close(block("positions", "alibi_slopes", h=heads)(), theirs, rtol=1e-6, atol=0)


def test_alibi_is_minus_the_distance_times_the_slope() -> None:
    away = (torch.arange(5)[:, None] - torch.arange(5)).abs()
    wanted = -torch.tensor(SLOPES[12], dtype=torch.float64)[:, None, None] * away
    close(block("positions", "alibi", h=12, N=5)(), wanted)


@pytest.mark.parametrize("n", [1, 3, 7])
def test_rel_bias_is_a_table_of_distances(n: int) -> None:
    made = block("positions", "rel_bias", h=2, N=n, reach=4)
    assert shapes(made) == {"table": (9, 2)}
    away = torch.arange(n) - torch.arange(n)[:, None]
    same(made, lambda w: w["table"][away.clamp(-4, 4) + 4].permute(2, 0, 1))


def test_rel_bias_2d_is_that_of_swin(timm: Any) -> None:
    from timm.models.swin_transformer import WindowAttention

    other = WindowAttention(dim=6, num_heads=3, window_size=(3, 5)).double()
    made = block("positions", "rel_bias_2d", h=3, u=3, v=5)
    assert shapes(made) == {"table": (5, 9, 3)}
    table = made.get_parameter("table").detach().flatten(0, 1)
    wanted = table[other.relative_position_index].permute(2, 0, 1)
    close(made().flatten(1, 2).flatten(2), wanted)
    made.load_state_dict({"table": table * 2})
    close(made().flatten(1, 2).flatten(2), wanted * 2)


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize(("buckets", "far"), [(32, 128), (8, 20), (16, 300)])
def test_the_buckets_are_those_of_t5(both: bool, buckets: int, far: int) -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    distance = torch.arange(-700, 701)
    wanted = T5Attention._relative_position_bucket(distance, both, buckets, far)
    made = attn.compile("std.positions", "t5_bucket", both=both, buckets=buckets, far=far)
    assert torch.equal(made(distance), wanted)


def test_the_bias_of_t5_is_that_of_its_encoder() -> None:
    from transformers import T5Config
    from transformers.models.t5.modeling_t5 import T5Attention

    other = T5Attention(T5Config(num_heads=3, d_model=12, d_kv=4), has_relative_attention_bias=True, layer_idx=0).double()
    made = block("positions", "t5_bias", h=3, N=9)
    assert shapes(made) == {"table": (32, 3)}
    made.load_state_dict({"table": other.relative_attention_bias.weight})
    close(made(), other.compute_bias(9, 9)[0])


def test_biases_are_offsets_of_attention() -> None:
    made = program("""
use std.heads (mha)
use std.positions (alibi)

block t(x: [*, N, D], heads: int) -> [*, N, D] {
    return mha(x, heads=heads, offset=alibi(h=heads, N), causal=true) as a
}
""", D=12, heads=4)  # fmt: skip
    plain = block("heads", "mha", D=12, heads=4, causal=True)
    plain.load_state_dict({name[2:]: value for name, value in made.state_dict().items()})
    x = numbers(2, 5, 12)
    close(made(x), plain(x, offset=block("positions", "alibi", h=4, N=5)()))
