"""Layers of transformers: PyTorch's own encoder and decoder layers, and a whole trunk."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from stdlib_support import Weights, block, coins, numbers, program, same, shapes
from torch import Tensor, nn
from torch.func import functional_call

B, N, M, D, HEADS = 2, 5, 7, 12, 4


def attention(w: Weights, ours: str, theirs: str) -> dict[str, Tensor]:
    """Our weights of an attention as torch stores them."""
    packed = {
        f"{theirs}.in_proj_{leaf}": torch.cat([w[f"{ours}.{name}.{leaf}"] for name in "qkv"])
        for leaf in ("weight", "bias")
        if f"{ours}.q.{leaf}" in w
    }
    return packed | {f"{theirs}.out_proj.{leaf}": w[f"{ours}.out.{leaf}"] for leaf in ("weight", "bias") if f"{ours}.out.{leaf}" in w}


def renamed(w: Weights, names: dict[str, str]) -> dict[str, Tensor]:
    parts = {name: name.rsplit(".", 1) for name in w}
    return {f"{names[head]}.{leaf}": w[name] for name, (head, leaf) in parts.items() if head in names}


def torch_encoder(w: Weights) -> dict[str, Tensor]:
    return attention(w, "attention", "self_attn") | renamed(w, {"fc1": "linear1", "fc2": "linear2", "norm1": "norm1", "norm2": "norm2"})


@pytest.mark.parametrize("post", [True, False])
@pytest.mark.parametrize("act", ["gelu", "relu"])
@pytest.mark.parametrize("causal", [True, False])
def test_the_encoder_is_torchs(post: bool, act: str, causal: bool) -> None:
    other = nn.TransformerEncoderLayer(D, HEADS, 20, 0.0, act, batch_first=True, norm_first=not post, dtype=torch.float64)
    text = f"""
use std.layers (encoder)

block t(x: [*, N, D], keep: bool [*, N]) -> [*, N, D] {{
    return encoder(x, heads={HEADS}, hidden=20, keep=keep, act={act}, post={str(post).lower()}, causal={str(causal).lower()}) as e
}}
"""
    keep = coins(B, N)
    mask = ~torch.ones(N, N, dtype=torch.bool).tril() if causal else None

    def reference(w: Weights, x: Tensor, keep: Tensor) -> Tensor:
        weights = torch_encoder({name.removeprefix("e."): value for name, value in w.items()})
        return functional_call(other, weights, x, {"src_mask": mask, "src_key_padding_mask": ~keep})

    same(program(text, D=D), reference, numbers(B, N, D), keep)


def test_the_names_of_the_encoder() -> None:
    square = {
        f"attention.{name}.{leaf}": (D,) if leaf == "bias" else (D, D) for name in ("q", "k", "v", "out") for leaf in ("weight", "bias")
    }
    norms = {f"{norm}.{leaf}": (D,) for norm in ("norm1", "norm2") for leaf in ("weight", "bias")}
    mlp = {"fc1.weight": (4 * D, D), "fc1.bias": (4 * D,), "fc2.weight": (D, 4 * D), "fc2.bias": (D,)}
    assert shapes(block("layers", "encoder", D=D, heads=HEADS)) == square | norms | mlp
    bare = shapes(block("layers", "encoder", D=D, heads=HEADS, bias=False))
    assert [name for name in bare if name.endswith("bias")] == ["norm1.bias", "norm2.bias"]


def torch_decoder(w: Weights) -> dict[str, Tensor]:
    names = {"fc1": "linear1", "fc2": "linear2", "norm1": "norm1", "norm2": "norm2", "norm3": "norm3"}
    return attention(w, "attention", "self_attn") | attention(w, "reading", "multihead_attn") | renamed(w, names)


@pytest.mark.parametrize("post", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_the_decoder_is_torchs(post: bool, causal: bool) -> None:
    other = nn.TransformerDecoderLayer(D, HEADS, 4 * D, 0.0, "gelu", batch_first=True, norm_first=not post, dtype=torch.float64)
    mask = ~torch.ones(N, N, dtype=torch.bool).tril() if causal else None

    def reference(w: Weights, x: Tensor, memory: Tensor, keep: Tensor, memory_keep: Tensor) -> Tensor:
        options = {"tgt_mask": mask, "tgt_key_padding_mask": ~keep, "memory_key_padding_mask": ~memory_keep}
        return functional_call(other, torch_decoder(w), (x, memory), options)

    made = block("layers", "decoder", D=D, E=D, heads=HEADS, post=post, causal=causal)
    same(made, reference, numbers(B, N, D), numbers(B, M, D, seed=2), keep=coins(B, N), memory_keep=coins(B, M, seed=2))


def test_the_trunk_is_torchs_encoder() -> None:
    layer = nn.TransformerEncoderLayer(D, HEADS, 4 * D, 0.0, "gelu", batch_first=True, norm_first=True, dtype=torch.float64)
    other = nn.TransformerEncoder(layer, 3, nn.LayerNorm(D, dtype=torch.float64), enable_nested_tensor=False)

    def reference(w: Weights, x: Tensor) -> Tensor:
        theirs = {f"norm.{leaf}": w[f"norm.{leaf}"] for leaf in ("weight", "bias")}
        for i in range(3):
            own = {name.removeprefix(f"layers.{i}."): value for name, value in w.items() if name.startswith(f"layers.{i}.")}
            theirs |= {f"layers.{i}.{name}": value for name, value in torch_encoder(own).items()}
        return functional_call(other, theirs, x)

    same(block("layers", "vit", D=D, depth=3, heads=HEADS), reference, numbers(B, N, D))


def test_a_trunk_with_the_sizes_of_vit_has_its_weights(timm: Any) -> None:
    with torch.device("meta"):
        other = timm.create_model("vit_tiny_patch16_224")
    wanted = sum(w.numel() for name, w in other.named_parameters() if name.startswith(("blocks.", "norm.")))
    import attn

    made = attn.std.layers.vit(D=192, heads=3, device="meta")
    assert sum(w.numel() for w in made.parameters()) == wanted


def test_dropout_works_in_training_only() -> None:
    made = block("layers", "encoder", D=D, heads=HEADS, dropout=0.5)
    x = numbers(B, N, D)
    still = made(x)
    torch.testing.assert_close(still, made(x), rtol=0, atol=0)
    assert not torch.allclose(made.train()(x), still)
