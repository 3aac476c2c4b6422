"""What the record of generalized neighborhood attention asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn

from .cases.gna import gna, mask, together
from .plain import attention, heads
from .support import CLOSE, parameters

LINE = """attn 1
use std.neighborhood (neighborhood)

block seen(x: [N], w: int, s: int, r: int, causal: bool) -> bool [N, N'] {
    return neighborhood(N, kernel=w, stride=s, dilation=r, causal=causal)
}
"""
ROOM = """attn 1
use std.neighborhood (neighborhood)

block seen(x: [T, H, W], w: int*, s: int*, r: int*, causal: bool*) -> bool [T, H, W, T', H', W'] {
    return neighborhood(N=T, kernel=w[0], stride=s[0], dilation=r[0], causal=causal[0])
        and neighborhood(N=H, kernel=w[1], stride=s[1], dilation=r[1], causal=causal[1])
        and neighborhood(N=W, kernel=w[2], stride=s[2], dilation=r[2], causal=causal[2])
}
"""
SETTINGS = [(1, 1, 1, False), (2, 1, 3, False), (3, 3, 1, False), (4, 2, 2, False), (7, 5, 1, False), (5, 4, 2, True), (6, 6, 1, True),
            (3, 1, 1, True)]  # fmt: skip


@pytest.fixture(scope="module")
def lines() -> dict[tuple[int, int, int, bool], Any]:
    """The mask of one axis as a module for any length, by kernel, stride, dilation and causal."""
    return {way: attn.compile(attn.text(LINE), bind=dict(zip(("w", "s", "r", "causal"), way, strict=True))) for way in SETTINGS}


def whole(way: tuple[int, int, int, bool]) -> range:
    """The lengths up to 24 at which each group of a dilation has a whole window."""
    return range(way[0] * way[2], 25)


@pytest.mark.system("gna", "The mask of one axis is that of the definition up to length 24, for 8 kernels, strides and dilations.")
def test_the_mask_of_an_axis_is_that_of_the_definition(lines: dict[Any, Any]) -> None:
    for way, made in lines.items():
        for n in whole(way):
            assert torch.equal(made(torch.zeros(n)), mask(n, *way)), (way, n)


@pytest.mark.system("gna", "The mask of three axes is that of the definition, with another kernel, stride, dilation and causal on each.")
def test_the_mask_of_three_axes_is_that_of_the_definition() -> None:
    ways = ((3, 2, 1, True), (2, 1, 2, False), (4, 3, 1, False))
    w, s, r, c = ([way[i] for way in ways] for i in range(4))
    see = attn.compile(attn.text(ROOM), bind={"w": w, "s": s, "r": r, "causal": c})(torch.zeros(4, 5, 7))
    wanted = together(*[mask(n, *way) for n, way in zip((4, 5, 7), ways, strict=True)])
    assert torch.equal(see.reshape(140, 140), wanted)


@pytest.mark.system("gna", "A query that is not causal sees exactly as many keys as the kernel is long; a causal one sees 1 to that many.")
def test_the_number_of_keys(lines: dict[Any, Any]) -> None:
    for way, made in lines.items():
        for n in whole(way):
            seen = made(torch.zeros(n)).sum(-1)
            assert int(seen.max()) == way[0]
            assert int(seen.min()) == (1 if way[3] else way[0])


@pytest.mark.system("gna", "In one axis, causal and with stride 1, it is the causal sliding window.")
def test_causal_without_a_stride_is_the_sliding_window(lines: dict[Any, Any]) -> None:
    away = torch.arange(19)[:, None] - torch.arange(19)
    assert torch.equal(lines[3, 1, 1, True](torch.zeros(19)), (away >= 0) & (away < 3))


def random_weights(made: Any) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(2)
    return {name: torch.randn(value.shape, generator=source, dtype=value.dtype) / 2 for name, value in made.state_dict().items()}


@pytest.mark.system("gna", "With the stride of the kernel it is attention in windows, as that of the library with the same weights.")
def test_strides_of_a_kernel_are_windows() -> None:
    made = attn.compile("std.neighborhood", "gna_2d", bind={"D": 8, "heads": 2, "kernel": [4, 4], "stride": [4, 4]}, dtype=torch.float64)
    made.load_state_dict(random_weights(made))
    other = attn.compile("std.windows", "window_mha", D=8, heads=2, window=4, relative=False, dtype=torch.float64)
    w = made.state_dict()
    parts = {f"{n}.{leaf}": piece for leaf in ("weight", "bias") for n, piece in zip("qkv", w[f"qkv.{leaf}"].chunk(3), strict=True)}
    other.load_state_dict({**parts, "out.weight": w["out.weight"], "out.bias": w["out.bias"]})
    x = torch.randn(2, 8, 12, 8, dtype=torch.float64)
    assert_close(made(x), other(x), **CLOSE)


@pytest.mark.system("gna", "With kernels as large as the image it is full attention.")
def test_a_kernel_of_everything_is_full_attention() -> None:
    made = attn.compile("std.neighborhood", "gna_2d", bind={"D": 8, "heads": 2, "kernel": [5, 7]}, dtype=torch.float64)
    made.load_state_dict(random_weights(made))
    x, w = torch.randn(2, 5, 7, 8, dtype=torch.float64), made.state_dict()
    q, k, v = (heads(z, 2) for z in torch.nn.functional.linear(x.flatten(1, 2), w["qkv.weight"], w["qkv.bias"]).chunk(3, -1))
    wanted = torch.nn.functional.linear(attention(q, k, v).transpose(1, 2).flatten(2), w["out.weight"], w["out.bias"])
    assert_close(made(x), wanted.reshape(x.shape), **CLOSE)
    assert_close(made(x), gna(w, x, seen=torch.ones(35, 35, dtype=torch.bool)), **CLOSE)


def tiles(queries: int, keys: int) -> Any:
    return attn.compile("std.neighborhood", "tile_speedup", queries=queries, keys=keys, dtype=torch.float64)


@pytest.mark.system("gna", "A stride of one tile and a kernel of three give the whole speed-up, 16 / 3 of 16 tiles; stride 1 gives less.")
def test_a_stride_of_a_tile_wastes_nothing() -> None:
    estimate = tiles(16, 16)
    assert float(estimate(mask(256, 48, 16))) == 16 / 3
    assert float(estimate(mask(256, 48))) < 4


@pytest.mark.system("gna", "The speed-up by tiles over two axes is the product of those of the axes, counted tile by tile.")
def test_speed_ups_of_axes_multiply() -> None:
    rows, columns = mask(6, 3, 2), mask(9, 4, 4)
    both = rows[:, None, :, None] & columns[None, :, None, :]
    visited = both.unflatten(0, (3, 2)).unflatten(2, (3, 3)).unflatten(4, (2, 3)).unflatten(6, (3, 3)).float().amax((1, 3, 5, 7))
    assert_close(1 / visited.double().mean(), tiles(2, 3)(rows) * tiles(3, 3)(columns), **CLOSE)


@pytest.mark.system("gna", "It has the parameters of one packed map to queries, keys and values and one to the result, 4 D D + 4 D.")
def test_the_number_of_parameters() -> None:
    assert parameters("std.neighborhood", "gna_2d", D=64, heads=4, kernel=[7, 7]) == 4 * 64 * 64 + 4 * 64
