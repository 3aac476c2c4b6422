"""Multi-head, multi-query, grouped and cross attention: their formulas, and PyTorch's own modules."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from stdlib_support import Weights, block, close, coins, numbers, program, same, shapes
from torch import Tensor, nn
from torch.func import functional_call

B, N, M, D, E = 2, 5, 7, 12, 9


def heads_of(w: Weights, name: str, x: Tensor, heads: int) -> Tensor:
    """[B, N, D] to [B, h, N, d]."""
    return functional.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias")).unflatten(-1, (heads, -1)).transpose(-2, -3)


def attention(
    w: Weights, x: Tensor, memory: Tensor, heads: int, groups: int, scale: float, allowed: Tensor, offset: Tensor | None = None
) -> Tensor:
    q, k, v = heads_of(w, "q", x, heads), heads_of(w, "k", memory, groups), heads_of(w, "v", memory, groups)
    k, v = (y.repeat_interleave(heads // groups, -3) for y in (k, v))
    scores = q @ k.transpose(-1, -2) * scale
    if offset is not None:
        scores = scores + offset
    a = scores.masked_fill(~allowed, float("-inf")).softmax(-1).nan_to_num(0.0)
    return functional.linear((a @ v).transpose(-2, -3).flatten(-2), w["out.weight"], w.get("out.bias"))


def everything(n: int, m: int) -> Tensor:
    return torch.ones(n, m, dtype=torch.bool)


GROUPS = {"mha": 4, "mqa": 1, "gqa": 2}
EXTRA: dict[str, dict[str, Any]] = {"mha": {}, "mqa": {}, "gqa": {"groups": 2}}


def made_of(kind: str, **bind: Any) -> Any:
    return block("heads", kind, D=D, heads=4, **EXTRA[kind], **bind)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", GROUPS)
def test_self_attention_is_its_formula(kind: str, bias: bool) -> None:
    same(made_of(kind, bias=bias), lambda w, x: attention(w, x, x, 4, GROUPS[kind], 3**-0.5, everything(N, N)), numbers(B, N, D))


@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize("shape", [(N, D), (2, 1, 3, D)])
def test_any_leading_axes_are_carried(kind: str, shape: tuple[int, ...]) -> None:
    same(made_of(kind), lambda w, x: attention(w, x, x, 4, GROUPS[kind], 3**-0.5, everything(shape[-2], shape[-2])), numbers(*shape))


@pytest.mark.parametrize("kind", GROUPS)
def test_width_and_scale_can_be_chosen(kind: str) -> None:
    made = made_of(kind, width=5, scale=0.7)
    assert shapes(made)["q.weight"] == (20, D)
    same(made, lambda w, x: attention(w, x, x, 4, GROUPS[kind], 0.7, everything(N, N)), numbers(B, N, D))


@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [None, 1, 2])
def test_causal_and_window_choose_the_keys(kind: str, causal: bool, window: int | None) -> None:
    away = torch.arange(N)[:, None] - torch.arange(N)
    allowed = everything(N, N)
    if causal:
        allowed = allowed & (away >= 0)
    if window is not None:
        allowed = allowed & (away.abs() < window)
    bind = {} if window is None else {"window": window}
    same(made_of(kind, causal=causal, **bind), lambda w, x: attention(w, x, x, 4, GROUPS[kind], 3**-0.5, allowed), numbers(B, N, D))


@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize("causal", [False, True])
def test_the_masks_that_are_given_all_hold(kind: str, causal: bool) -> None:
    keep, mask = coins(B, N), coins(B, N, N, seed=2)
    offset = numbers(B, *((2, 2) if kind == "gqa" else (4,)), N, N, seed=3)
    order = everything(N, N).tril() if causal else everything(N, N)
    allowed = (keep[:, None] & mask & order)[:, None]

    def reference(w: Weights, x: Tensor, keep: Tensor, mask: Tensor, offset: Tensor) -> Tensor:
        return attention(w, x, x, 4, GROUPS[kind], 3**-0.5, allowed, offset.reshape(B, 4, N, N))

    same(made_of(kind, causal=causal), reference, numbers(B, N, D), keep=keep, mask=mask, offset=offset)


def test_a_query_without_keys_gets_the_bias_alone() -> None:
    made = made_of("mha")
    y = made(numbers(B, N, D), keep=torch.zeros(B, N, dtype=torch.bool))
    assert torch.equal(y, made.get_parameter("out.bias").expand_as(y))


def test_the_names_of_the_weights() -> None:
    square = {f"{name}.{leaf}": (12,) if leaf == "bias" else (12, 12) for name in ("q", "k", "v", "out") for leaf in ("weight", "bias")}
    assert shapes(made_of("mha")) == square
    assert shapes(made_of("mqa")) == {"q.weight": (12, 12), "k.weight": (3, 12), "v.weight": (3, 12), "out.weight": (12, 12)}
    assert shapes(made_of("gqa")) == {"q.weight": (12, 12), "k.weight": (6, 12), "v.weight": (6, 12), "out.weight": (12, 12)}
    cross = block("heads", "cross", D=D, E=E, heads=4, bias=False)
    assert shapes(cross) == {"q.weight": (12, 12), "k.weight": (12, 9), "v.weight": (12, 9), "out.weight": (12, 12)}


def packed(w: Weights) -> dict[str, Tensor]:
    """Our weights as torch.nn.MultiheadAttention stores them."""
    names = {"weight": "in_proj_weight", "bias": "in_proj_bias"}
    both = {names[leaf]: torch.cat([w[f"{name}.{leaf}"] for name in "qkv"]) for leaf in ("weight", "bias") if f"q.{leaf}" in w}
    return both | {f"out_proj.{leaf}": w[f"out.{leaf}"] for leaf in ("weight", "bias") if f"out.{leaf}" in w}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("causal", [False, True])
def test_mha_is_torchs(bias: bool, causal: bool) -> None:
    other = nn.MultiheadAttention(D, 4, bias=bias, batch_first=True, dtype=torch.float64)
    keep = coins(B, N)
    mask = ~everything(N, N).tril() if causal else None

    def reference(w: Weights, x: Tensor, keep: Tensor) -> Tensor:
        options = {"key_padding_mask": ~keep, "attn_mask": mask, "need_weights": False}
        return functional_call(other, packed(w), (x, x, x), options)[0]

    same(made_of("mha", bias=bias, causal=causal), reference, numbers(B, N, D), keep=keep)


def test_cross_attention_is_torchs() -> None:
    other = nn.MultiheadAttention(D, 4, batch_first=True, kdim=E, vdim=E, dtype=torch.float64)

    def reference(w: Weights, x: Tensor, memory: Tensor, keep: Tensor) -> Tensor:
        apart = {f"{name}_proj_weight": w[f"{name}.weight"] for name in "qkv"}
        rest = {
            "in_proj_bias": torch.cat([w[f"{name}.bias"] for name in "qkv"]),
            "out_proj.weight": w["out.weight"],
            "out_proj.bias": w["out.bias"],
        }
        return functional_call(other, {**apart, **rest}, (x, memory, memory), {"key_padding_mask": ~keep, "need_weights": False})[0]

    made = block("heads", "cross", D=D, E=E, heads=4)
    same(made, reference, numbers(B, N, D), numbers(B, M, E, seed=2), keep=coins(B, M))


def test_cross_attention_takes_masks_and_an_offset() -> None:
    keep, mask, offset = coins(B, M), coins(B, N, M, seed=2), numbers(B, 4, N, M, seed=3)

    def reference(w: Weights, x: Tensor, memory: Tensor, keep: Tensor, mask: Tensor, offset: Tensor) -> Tensor:
        return attention(w, x, memory, 4, 4, 0.3, (keep[:, None] & mask)[:, None], offset)

    made = block("heads", "cross", D=D, E=E, heads=4, width=2, scale=0.3)
    same(made, reference, numbers(B, N, D), numbers(B, M, E, seed=2), keep=keep, mask=mask, offset=offset)


def test_a_memory_with_the_axes_of_x_is_called_by_other_names() -> None:
    made = program("""
use std.heads (cross)

block t(x: [*, N, D], heads: int) -> [*, N, D] {
    return cross(x, flip(x, N), heads=heads, E=D, M=N) as a
}
""", D=D, heads=4)  # fmt: skip

    def reference(w: Weights, x: Tensor) -> Tensor:
        return attention({name[2:]: value for name, value in w.items()}, x, x, 4, 4, 3**-0.5, everything(N, N))

    same(made, reference, numbers(B, N, D))


def test_mqa_is_mha_with_tied_keys_and_values() -> None:
    one, many = made_of("mqa"), made_of("mha", bias=False)
    weights = {name: value.repeat(4, 1) if name[0] in "kv" else value for name, value in one.state_dict().items()}
    many.load_state_dict(weights)
    x = numbers(B, N, D)
    close(one(x), many(x))


def test_gqa_goes_from_mqa_to_mha() -> None:
    x = numbers(B, N, D)
    for groups, kind in ((1, "mqa"), (4, "mha")):
        grouped = block("heads", "gqa", D=D, heads=4, groups=groups)
        other = made_of(kind, bias=False)
        other.load_state_dict(grouped.state_dict())
        close(grouped(x), other(x))


def rotated(x: Tensor) -> Tensor:
    """Complex multiplication of the pairs (2i, 2i + 1)."""
    n, d = x.shape[-2:]
    angle = torch.outer(torch.arange(n, dtype=torch.float64), 10000.0 ** (-torch.arange(0, d, 2, dtype=torch.float64) / d))
    turned = torch.view_as_complex(x.unflatten(-1, (d // 2, 2)).contiguous()) * torch.polar(torch.ones_like(angle), angle)
    return torch.view_as_real(turned).flatten(-2)


@pytest.mark.parametrize("kind", GROUPS)
def test_queries_and_keys_can_be_rotated(kind: str) -> None:
    groups = ", groups=2" if kind == "gqa" else ""
    made = program(f"""
use std.heads ({kind})
use std.positions (rope)

block t(x: [*, N, D]) -> [*, N, D] {{
    return {kind}(x, heads=2{groups}, rotate=rope) as a
}}
""", D=D)  # fmt: skip
    group = {"mha": 2, "mqa": 1, "gqa": 2}[kind]

    def reference(w: Weights, x: Tensor) -> Tensor:
        w = {name[2:]: value for name, value in w.items()}
        q, k, v = rotated(heads_of(w, "q", x, 2)), rotated(heads_of(w, "k", x, group)), heads_of(w, "v", x, group)
        a = (q @ k.transpose(-1, -2) * 6**-0.5).softmax(-1)
        return functional.linear((a @ v).transpose(-2, -3).flatten(-2), w["out.weight"], w.get("out.bias"))

    same(made, reference, numbers(B, N, D))


def test_dropout_works_in_training_only() -> None:
    made = made_of("mha", dropout=0.5)
    x = numbers(B, N, D)
    still = made(x)
    torch.testing.assert_close(still, made(x), rtol=0, atol=0)
    assert not torch.allclose(made.train()(x), still)
