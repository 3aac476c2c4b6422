"""Attention in windows and grids, along axes and criss-cross: Swin, DaViT and MaxViT of timm, and formulas written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from stdlib_support import Weights, block, numbers, same, shapes
from torch import Tensor
from torch.func import functional_call

D, HEADS = 6, 3


def packed(w: Weights) -> dict[str, Tensor]:
    """Our weights as Swin stores them: one `qkv` and one `proj`."""
    qkv = {f"qkv.{leaf}": torch.cat([w[f"{name}.{leaf}"] for name in "qkv"]) for leaf in ("weight", "bias") if f"q.{leaf}" in w}
    return qkv | {f"proj.{leaf}": w[f"out.{leaf}"] for leaf in ("weight", "bias") if f"out.{leaf}" in w}


@pytest.mark.parametrize("shift", [0, 1, 2])
@pytest.mark.parametrize("size", [(6, 9), (3, 6), (12, 3)])
def test_shifted_windows_are_those_of_swin(timm: Any, shift: int, size: tuple[int, int]) -> None:
    from timm.models.swin_transformer import SwinTransformerBlock

    other = SwinTransformerBlock(D, size, num_heads=HEADS, window_size=3, shift_size=shift, always_partition=True).double().eval()
    other.shift_size = (shift, shift)
    other.register_buffer("attn_mask", other.get_attn_mask(), persistent=False)
    names = {"relative_position_bias_table": "relative.table"}

    def reference(w: Weights, x: Tensor) -> Tensor:
        theirs = packed(w) | {name: w[ours].flatten(0, 1) for name, ours in names.items()}
        return functional_call(_Attention(other), {f"block.attn.{name}": value for name, value in theirs.items()}, x)

    made = block("windows", "window_mha", D=D, heads=HEADS, window=3, shift=shift)
    assert shapes(made)["relative.table"] == (5, 5, HEADS)
    same(made, reference, numbers(2, *size, D))


class _Attention(torch.nn.Module):
    """The part of Swin's block that shifts, cuts into windows and attends."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return self.block._attn(x)


def plain(w: Weights, x: Tensor, offset: Tensor | None = None) -> Tensor:
    """Multi-head attention of [..., n, D]."""
    q, k, v = (
        functional.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias")).unflatten(-1, (HEADS, -1)).transpose(-2, -3) for name in "qkv"
    )
    scores = q @ k.transpose(-1, -2) * (D // HEADS) ** -0.5
    a = (scores if offset is None else scores + offset).softmax(-1)
    return functional.linear((a @ v).transpose(-2, -3).flatten(-2), w["out.weight"], w.get("out.bias"))


def windowed(w: Weights, x: Tensor, window: int) -> Tensor:
    b, height, width, d = x.shape
    x = functional.pad(x, (0, 0, 0, -width % window, 0, -height % window))
    rows, columns = x.shape[1] // window, x.shape[2] // window
    cut = x.view(b, rows, window, columns, window, d).transpose(2, 3).reshape(b, rows, columns, window * window, d)
    y = plain(w, cut).view(b, rows, columns, window, window, d).transpose(2, 3).reshape(b, rows * window, columns * window, d)
    return y[:, :height, :width]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(7, 5), (4, 4), (1, 9)])
def test_windows_can_be_padded(size: tuple[int, int], bias: bool) -> None:
    made = block("windows", "window_mha", D=D, heads=HEADS, window=4, relative=False, fill=0.0, bias=bias)
    same(made, lambda w, x: windowed(w, x, 4), numbers(2, *size, D))


def test_padded_windows_are_those_of_davit(timm: Any) -> None:
    from timm.models.davit import WindowAttention, window_partition, window_reverse

    other = WindowAttention(D, (3, 3), HEADS).double()

    def reference(w: Weights, x: Tensor) -> Tensor:
        x = functional.pad(x, (0, 0, 0, 1, 0, 2))
        windows = window_partition(x, (3, 3)).view(-1, 9, D)
        y = functional_call(other, packed(w), windows).view(-1, 3, 3, D)
        return window_reverse(y, (3, 3), 6, 9)[:, :4, :8]

    same(block("windows", "window_mha", D=D, heads=HEADS, window=3, relative=False, fill=0.0), reference, numbers(2, 4, 8, D))


def test_grid_attention_reads_the_same_spot_of_every_cell(timm: Any) -> None:
    from timm.models.maxxvit import grid_partition, grid_reverse

    def reference(w: Weights, x: Tensor) -> Tensor:
        return grid_reverse(plain(w, grid_partition(x, [2, 2]).flatten(1, 2)).unflatten(1, (2, 2)), [2, 2], [6, 4])

    same(block("windows", "grid_mha", D=D, heads=HEADS, grid=2, relative=False), reference, numbers(3, 6, 4, D))


def test_grid_attention_has_a_table_of_displacements() -> None:
    made = block("windows", "grid_mha", D=D, heads=HEADS, grid=2)
    assert shapes(made)["relative.table"] == (3, 3, HEADS)
    place = torch.stack(torch.meshgrid(torch.arange(2), torch.arange(2), indexing="ij")).flatten(1)
    away = place[:, :, None] - place[:, None] + 1

    def reference(w: Weights, x: Tensor) -> Tensor:
        cut = x.view(2, 2, 3, 2, 2, D).permute(0, 2, 4, 1, 3, 5).flatten(3, 4)
        offset = w["relative.table"][away[0], away[1]].permute(2, 0, 1)
        return plain(w, cut, offset).unflatten(3, (2, 2)).permute(0, 3, 1, 4, 2, 5).reshape(2, 6, 4, D)

    same(made, reference, numbers(2, 6, 4, D))


def named(w: Weights, name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): value for key, value in w.items() if key.startswith(f"{name}.")}


@pytest.mark.parametrize("mode", ["sum", "chain"])
def test_axial_attention_is_attention_along_each_axis(mode: str) -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        columns = plain(named(w, "height"), x.transpose(1, 2)).transpose(1, 2)
        return columns + plain(named(w, "width"), x) if mode == "sum" else plain(named(w, "width"), columns)

    made = block("axial", "axial", D=D, heads=HEADS, mode=mode)
    assert shapes(made)["height.q.weight"] == (D, D)
    same(made, reference, numbers(2, 5, 4, D))


@pytest.mark.parametrize("size", [(3, 5), (1, 4), (4, 1)])
def test_criss_cross_attention_is_a_softmax_over_row_and_column(size: tuple[int, int]) -> None:
    height, width = size

    def reference(w: Weights, x: Tensor) -> Tensor:
        q, k, v = (functional.conv2d(x, w[f"{name}.weight"][..., None, None], w[f"{name}.bias"]) for name in "qkv")
        scores = torch.einsum("brij,brkl->bijkl", q, k)
        i, j, s, t = torch.meshgrid(*(torch.arange(n) for n in (height, width, height, width)), indexing="ij")
        a = scores.masked_fill((i != s) & (j != t), float("-inf")).flatten(3).softmax(-1).view_as(scores)
        return w["gamma"] * torch.einsum("bijkl,bckl->bcij", a, v) + x

    made = block("axial", "criss_cross", C=8, reduction=4)
    assert shapes(made)["q.weight"] == (2, 8)
    assert shapes(made)["gamma"] == ()
    same(made, reference, numbers(2, 8, *size))
