"""What the record of EdgeNeXt asks for, as far as it takes no training. The reference is timm's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.testing import assert_close

import attn
from attn.compiler.cost import graph_cost, node_flops
from attn.compiler.graph import Node

NETWORK = ("std.systems.edgenext", "edgenext")
SMALLEST = {"depths": [2, 2, 6, 2], "widths": [24, 48, 88, 168], "heads": 4}
# How to build a size, its weights as timm counts them, and its millions of multiply-adds at 256 x 256.
SIZES: dict[str, tuple[dict[str, Any], int, str]] = {
    "xx_small": (SMALLEST, 1_327_216, "260.58"),
    "x_small": ({"widths": [32, 64, 100, 192], "heads": 4}, 2_336_804, "538.0"),
    "small": ({}, 5_586_832, "1260.59"),
    "base": ({"widths": [80, 160, 288, 584]}, 18_511_292, "3840.93"),
}
# timm's names of an SDTA encoder, and ours.
ENCODER: dict[str, Any] = {
    "convs.{j}.{w}": "split.convs.{j}.{w}",
    "pos_embd.token_projection.{w}": "position.{w}",
    "norm_xca.{w}": "norm1.{w}",
    "gamma_xca": "gamma1",
    "xca.proj.{w}": "xca.out.{w}",
    "xca.qkv.{w}": ["xca.q.{w}", "xca.k.{w}", "xca.v.{w}"],
    "norm.{w}": "norm2.{w}",
    "mlp.{f}.{w}": "{f}.{w}",
    "gamma": "gamma2",
}
# Those of everything else.
NAMES: dict[str, Any] = {
    "stem.0.{w}": "stem.{w}",
    "stem.1.{w}": "stem_norm.{w}",
    "stages.{s}.downsample.0.{w}": "stages.{s}.norm.{w}",
    "stages.{s}.downsample.1.{w}": "stages.{s}.down.{w}",
    "stages.{s}.blocks.{i}.conv_dw.{w}": "stages.{s}.blocks.{i}.depthwise.{w}",
    "stages.{s}.blocks.{i}.mlp.{f}.{w}": "stages.{s}.blocks.{i}.{f}.{w}",
    "head.norm.{w}": "norm.{w}",
    "head.fc.{w}": "head.{w}",
}


def names(depths: list[int]) -> dict[str, Any]:
    """The map for a network: the last block of each stage but the first is an encoder."""
    found: dict[str, Any] = {}
    for s, depth in enumerate(depths[1:], 1):
        block = f"stages.{s}.blocks.{depth - 1}."
        for name, target in ENCODER.items():
            found[block + name] = [block + each for each in target] if isinstance(target, list) else block + target
    return {**found, **NAMES}


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    """Weights under which every part counts: the factors of layers start at a millionth."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "gamma" in name or "temperature" in name or name.endswith("bias"):
                weight.copy_(torch.rand(weight.shape) + 0.1)
    return model.eval()


def multiply_adds(node: Node) -> int:
    """As in the README of EdgeNeXt: products of convolutions, linear maps and attention, and five for each number that a layer norm with
    channels last sees, in the blocks and before the head. Norms between the stages, biases and functions of single numbers do not count."""

    def elements(of: Node) -> int:
        return int(of.tensor.elements().integer() or 0)

    if node.op in ("conv", "linear"):
        flops = int(node_flops(node).integer() or 0)
        return (flops - (elements(node) if node.op == "linear" and len(node.inputs) > 2 else 0)) // 2
    if node.op == "attend":
        return 2 * elements(node.inputs[0]) * int(node.inputs[0].tensor.size("d").integer() or 0)
    last = any("blocks" in part for part in node.scope) or not node.tensor.has("H")
    return 5 * elements(node) if node.op == "layernorm" and last else 0


@pytest.mark.system(
    "edgenext",
    "The sizes XXS, XS, S and base have 1,327,216, 2,336,804, 5,586,832 and 18,511,292 weights, and take 260.58, 538.0, 1260.59 and "
    "3840.93 million multiply-adds at 256 x 256, counted as their README does.",
)
@pytest.mark.parametrize("size", SIZES)
def test_the_numbers_of_parameters_and_multiply_adds(size: str) -> None:
    bind, weights, printed = SIZES[size]
    graph = attn.load(*NETWORK).graph({**bind, "B": 1, "H": 256, "W": 256}, checking=True)
    assert graph_cost(graph).parameters.integer() == weights
    millions = sum(multiply_adds(node) for node in graph.nodes) / 1e6
    assert f"{millions:.{len(printed.partition('.')[2])}f}" == printed


@pytest.mark.system(
    "edgenext",
    "It loads the weights of timm's edgenext_xx_small and edgenext_small through a map of names and gives the same logits to 1e-5.",
)
@pytest.mark.parametrize("size", ["xx_small", "small"])
def test_it_is_timms(timm: Any, size: str) -> None:
    other = shaken(timm.create_model(f"edgenext_{size}"))
    made = attn.compile(*NETWORK, bind=SIZES[size][0], mode="infer")
    attn.load_weights(made, other.state_dict(), names(SIZES[size][0].get("depths", [3, 3, 9, 3])))
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        wanted = other(x)
        assert (made(x) - wanted).abs().max() < 1e-5 * wanted.abs().max()


@pytest.mark.system("edgenext", "The SDTA encoder equals timm's SplitTransposeBlock at 88 channels in chunks of 30, 30 and 28, to 1e-5.")
@pytest.mark.parametrize("position", [False, True])
def test_the_encoder_is_timms(timm: Any, position: bool) -> None:
    from timm.models.edgenext import SplitTransposeBlock

    other = shaken(SplitTransposeBlock(88, num_scales=3, num_heads=4, use_pos_emb=position))
    made = attn.compile("std.channel_tokens", "sdta", C=88, scales=3, heads=4, position=position)
    attn.load_weights(made, other.state_dict(), ENCODER)
    x = torch.randn(2, 88, 9, 7)
    with torch.no_grad():
        wanted = other(x)
        assert (made(x) - wanted).abs().max() < 1e-5 * wanted.abs().max()


@pytest.mark.system("edgenext", "Its attention between channels is the one of XCiT: equal to timm's XCA in float64 to 1e-10.")
def test_the_attention_is_xcits(timm: Any) -> None:
    from timm.models.xcit import XCA

    other = shaken(XCA(24, num_heads=4, qkv_bias=True)).double()
    made = attn.compile("std.channel_tokens", "xca", D=24, heads=4, bias=True, dtype=torch.float64)
    attn.load_weights(made, other.state_dict(), {"qkv.{w}": ["q.{w}", "k.{w}", "v.{w}"], "proj.{w}": "out.{w}"})
    x = torch.randn(2, 11, 24, dtype=torch.float64)
    assert_close(made(x), other(x), rtol=1e-10, atol=1e-10)
