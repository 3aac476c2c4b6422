"""What the record of TransforMatcher asks for, as far as it takes no training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import attn

from .cases.transformatcher import UNTURNED, additive_attention
from .plain import dense, heads
from .support import Case, Weights, compare, counted, parameters, part

ONE = """attn 1
use std.linear (additive_attention)

block one(x: [N, D]) -> [N, D] {
    return additive_attention(x)
}
"""


@pytest.mark.system(
    "transformatcher", "The attention equals the reference with its rotary table at N = 6 ** 4 = 1,296, a merged set of four axes."
)
def test_four_axes_are_one_set_of_tokens() -> None:
    text = """attn 1
use std.linear (additive_attention)

block merged(x: [*, P, Q, U, V, D]) -> [*, N, D] {
    return merge(x, P Q U V -> N) |> additive_attention()
}
"""

    def reference(w: Weights, x: Tensor) -> Tensor:
        return additive_attention(part(w, "additive_attention"), x.flatten(1, 4))

    case = Case("", "merged", reference, ((1, 6, 6, 6, 6, 16),), {"D": 16}, program=text)
    compare(case, case.module())


@pytest.mark.system("transformatcher", "Twice the matches cost twice the operations, and twice the memory.")
def test_the_cost_is_linear_in_the_matches() -> None:
    def operations(tokens: int) -> float:
        return float(counted("std.linear", "additive_attention", D=16, N=tokens).flops.evaluate({"*": 1}))

    def memory(tokens: int) -> int:
        peak = attn.explain(attn.text(ONE), D=16, N=tokens).cost.peak_memory.after.value
        assert peak is not None
        return peak

    assert operations(101_250) / operations(50_625) == pytest.approx(2, rel=1e-4)
    assert memory(12_000) / memory(6_000) == pytest.approx(2, rel=1e-2)


@pytest.mark.system("transformatcher", "Without rotary positions it is Fastformer's additive attention, with neighbouring features added.")
def test_without_positions_it_is_fastformer() -> None:
    def fastformer(w: Weights, x: Tensor) -> Tensor:
        """One head after the other: a global query, keys times it, a global key, values times it."""
        w = part(w, "additive_attention")
        found: list[Tensor] = []
        for q, k, v in zip(*(heads(z, 2).unbind(1) for z in dense(w, "qkv", x).chunk(3, -1)), strict=True):
            whole = (torch.softmax(q @ w["to_query"] / 2, -1)[..., None] * q).sum(1, keepdim=True)
            p = k * whole
            key = (torch.softmax((p[..., ::2] + p[..., 1::2]) @ w["to_key"] / 2, -1)[..., None] * k).sum(1, keepdim=True)
            u = v * key
            found.append(dense(w, "r", u[..., ::2] + u[..., 1::2]) + q)
        return dense(w, "out", torch.cat(found, -1))

    case = Case("", "unturned", fastformer, ((2, 7, 6),), {"D": 6}, program=UNTURNED)
    compare(case, case.module())


@pytest.mark.system(
    "transformatcher",
    "The network has 42,526,253 weights: those of ResNet-101 without its last layer (42,500,160), and 26,093 for the matches.",
)
def test_the_number_of_weights() -> None:
    matcher = parameters("std.systems.transformatcher", "match_to_match", L=26)
    attention = 16 * 96 + 4 + 2 + (2 * 4 + 4) + 32 * 16 + 16
    assert matcher == 26 * 16 + 16 + 6 * (4 * 16 + attention + 16 * 64 + 64 + 64 * 16 + 16) + 17 == 26_093
    assert parameters("std.systems.transformatcher", "transformatcher", H=240, W=240) == 42_500_160 + matcher == 42_526_253


@pytest.mark.system("transformatcher", "At 240 x 240 the ResNet gives 26 maps, and the result is 900 x 900, as in the paper.")
def test_the_shapes_are_those_of_the_paper() -> None:
    graph = attn.load("std.systems.transformatcher", "transformatcher").graph({"H": 240, "W": 240}, checking=True)
    sizes = {axis.name: str(axis.size) for axis in graph.outputs[0].node.tensor.axes}
    assert (sizes["M"], sizes["T"]) == ("900", "900")
    assert {weight.path: [str(size) for size in weight.shape] for weight in graph.weights}["match_to_match.embed.weight"] == ["16", "26"]
