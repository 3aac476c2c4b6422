"""The programs that introduce the language: they are well formed, and compute what they say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from language_support import compiled, randn, shapes, weights, well_formed
from torch import Tensor
from torch.testing import assert_close

SE = """attn 1

# Squeeze-and-Excitation (Hu et al., 2018).
block se(x: [*, C, H, W], reduction: int = 16) -> [*, C, H, W] {
    s = x |> mean(H W) |> linear(C -> r=C/reduction) as fc1 |> relu |> linear(r -> C) as fc2 |> sigmoid
    return x * s
}
"""
CBAM = """block cbam(x: [*, C, H, W], reduction: int = 16, kernel: int = 7) -> [*, C, H, W] {
    mlp = linear(C -> r=C/reduction, bias=false) as fc1 |> relu |> linear(r -> C, bias=false) as fc2   # one layer, applied twice
    x = x * sigmoid(mlp(mean(x, H W)) + mlp(max(x, H W)))
    z = stack(max(x, C), mean(x, C), Z)
    return x * sigmoid(z |> conv(Z -> 1, over=H W, kernel=kernel, bias=false) as spatial |> batchnorm() as norm)
}
"""
TRIPLET = """block zgate(x: [*, P, U, V], kernel: int = 7) -> [*, P, U, V] {
    z = stack(max(x, P), mean(x, P), Z)
    return x * sigmoid(z |> conv(Z -> 1, over=U V, kernel=kernel, bias=false) as conv |> batchnorm() as norm)
}

block triplet(x: [*, C, H, W]) -> [*, C, H, W] {
    return (zgate(x, P=C, U=H, V=W) as hw + zgate(x, P=H, U=C, V=W) as cw + zgate(x, P=W, U=H, V=C) as hc) / 3
}
"""
ENCODER = """use std.heads (mha)

block encoder(x: [*, N, D], heads: int, ratio: int = 4) -> [*, N, D] {
    x = x + mha(layernorm(x, D) as norm1, heads=heads) as attention
    h = layernorm(x, D) as norm2 |> linear(D -> E=ratio*D) as fc1 |> gelu |> linear(E -> D) as fc2
    return x + h
}

block vit(x: [B, N, D], depth: int = 12, heads: int = 12) -> [B, N, D] {
    for i in 0..depth { x = encoder(x, heads=heads) as layers[i] }
    return layernorm(x, D) as norm
}
"""
EMA = """block ema(x: [*, N, D]) -> [*, N, D] {
    param alpha: [D] = 0.5
    return scan N (s: [*, D] = 0) {
        s = alpha * x + (1 - alpha) * s
        yield s
    }
}
"""
ROPE = """# Library code in the language, not an operator; style=half is the other common pairing.
block rope(x: [*, N, d], base: float = 10000.0) -> [*, N, d] {
    a, b = split(x, d -> f p=2) |> unstack(p)
    t = pos(N) * base ** (-2 * pos(f) / d)
    return stack(a * cos(t) - b * sin(t), a * sin(t) + b * cos(t), p) |> merge(f p -> d)
}
"""
EFFICIENT = """block efficient_attention(x: [*, N, D], heads: int = 8) -> [*, N, D] {
    axis h = heads, d = D / heads, e = D / heads
    q = linear(x, D -> h d) |> softmax(over=d)
    k' = linear(x, D -> h d) as k |> softmax(over=N) |> rename(N -> M)
    v' = linear(x, D -> h e) as v |> rename(N -> M)
    return dot(q, k', v', over=d M) |> linear(h e -> D) as out
}
"""


@pytest.mark.parametrize("text", [SE, CBAM, TRIPLET, ENCODER, EMA, ROPE, EFFICIENT])
def test_the_programs_are_well_formed(text: str) -> None:
    well_formed(text)


def test_squeeze_and_excitation() -> None:
    m = compiled(SE, C=12, reduction=4)
    assert shapes(m) == {"fc1.weight": (3, 12), "fc1.bias": (3,), "fc2.weight": (12, 3), "fc2.bias": (12,)}
    w = weights(m)
    for x in (randn(2, 12, 5, 7), randn(12, 3, 1), randn(2, 3, 12, 4, 4)):
        s = F.linear(F.relu(F.linear(x.mean((-2, -1)), w["fc1.weight"], w["fc1.bias"])), w["fc2.weight"], w["fc2.bias"]).sigmoid()
        assert_close(m(x), x * s[..., None, None])


def gate(x: Tensor, w: dict[str, Tensor], conv: str, norm: str) -> Tensor:
    """x: [B, P, U, V] by the map of its maxima and means over P."""
    z = torch.stack([x.amax(1), x.mean(1)], 1)
    z = F.conv2d(z, w[f"{conv}.weight"], padding=w[f"{conv}.weight"].shape[-1] // 2)
    return x * F.batch_norm(z, w[f"{norm}.running_mean"], w[f"{norm}.running_var"], w[f"{norm}.weight"], w[f"{norm}.bias"]).sigmoid()


def trained(m: Any, *prefixes: str) -> Any:
    """The module with running statistics that are no longer where they began."""
    state = m.state_dict()
    for number, prefix in enumerate(prefixes):
        state[f"{prefix}.running_mean"].copy_(randn(1, seed=number)[0])
        state[f"{prefix}.running_var"].copy_(1 + randn(1, seed=number)[0] ** 2)
    return m.eval()


def test_channels_and_places_of_cbam() -> None:
    m = trained(compiled(CBAM, C=12, reduction=4, kernel=3), "norm")
    w, x = weights(m), randn(2, 12, 5, 7)
    assert shapes(m)["spatial.weight"] == (1, 2, 3, 3)

    def mlp(v: Tensor) -> Tensor:
        return F.linear(F.relu(F.linear(v, w["fc1.weight"])), w["fc2.weight"])

    y = x * (mlp(x.mean((2, 3))) + mlp(x.amax((2, 3)))).sigmoid()[..., None, None]
    wide = {name: value.reshape(1) if name.startswith("norm") and value.dim() == 0 else value for name, value in w.items()}
    assert_close(m(x), gate(y, wide, "spatial", "norm"))


def test_one_gate_with_its_axes_renamed_is_triplet_attention() -> None:
    m = trained(compiled(TRIPLET, "triplet"), "hw.norm", "cw.norm", "hc.norm")
    w, x = {name: value.reshape(1) if value.dim() == 0 else value for name, value in weights(m).items()}, randn(2, 6, 5, 7)
    plain = gate(x, w, "hw.conv", "hw.norm")
    turned = gate(x.transpose(1, 2), w, "cw.conv", "cw.norm").transpose(1, 2)
    across = gate(x.permute(0, 3, 2, 1), w, "hc.conv", "hc.norm").permute(0, 3, 2, 1)
    assert_close(m(x), (plain + turned + across) / 3)


def test_a_vision_transformer_is_a_loop_over_encoders() -> None:
    m = compiled(ENCODER, "vit", D=12, depth=2, heads=3)
    w, x = weights(m), randn(2, 5, 12)
    assert [name for name in w if name.startswith("layers.1.")][:2] == ["layers.1.norm1.weight", "layers.1.norm1.bias"]
    y = x
    for i in range(2):
        p = f"layers.{i}."
        n = F.layer_norm(y, (12,), w[p + "norm1.weight"], w[p + "norm1.bias"])
        q, k, v = (
            F.linear(n, w[f"{p}attention.{c}.weight"], w.get(f"{p}attention.{c}.bias")).unflatten(-1, (3, 4)).transpose(1, 2) for c in "qkv"
        )
        o = ((q @ k.mT / 2).softmax(-1) @ v).transpose(1, 2).flatten(2)
        y = y + F.linear(o, w[p + "attention.out.weight"], w.get(p + "attention.out.bias"))
        n = F.layer_norm(y, (12,), w[p + "norm2.weight"], w[p + "norm2.bias"])
        y = y + F.linear(F.gelu(F.linear(n, w[p + "fc1.weight"], w[p + "fc1.bias"])), w[p + "fc2.weight"], w[p + "fc2.bias"])
    assert_close(m(x), F.layer_norm(y, (12,), w["norm.weight"], w["norm.bias"]))


def test_a_moving_average_is_a_scan() -> None:
    m = compiled(EMA, D=4)
    x, alpha = randn(2, 6, 4), m.alpha.detach()
    s, steps = torch.zeros(2, 4, dtype=torch.float64), []
    for n in range(6):
        s = alpha * x[:, n] + (1 - alpha) * s
        steps.append(s)
    assert_close(m(x), torch.stack(steps, 1))


def test_rotary_positions_turn_pairs() -> None:
    m, x = compiled(ROPE), randn(2, 5, 6)
    angles = torch.arange(5.0, dtype=torch.float64)[:, None] * 10000.0 ** (-2 * torch.arange(3.0, dtype=torch.float64) / 6)
    turned = torch.view_as_complex(x.unflatten(-1, (3, 2)).contiguous()) * torch.polar(torch.ones_like(angles), angles)
    assert_close(m(x), torch.view_as_real(turned).flatten(-2))


def test_efficient_attention_and_its_cost_is_linear() -> None:
    m = compiled(EFFICIENT, D=12, heads=3)
    w, x = weights(m), randn(2, 5, 12)
    q, k, v = (F.linear(x, w[f"{c}.weight"], w[f"{c}.bias"]).unflatten(-1, (3, 4)).transpose(1, 2) for c in "qkv")
    q, k = q.softmax(-1), k.softmax(-2)
    wanted = F.linear((q @ (k.mT @ v)).transpose(1, 2).flatten(2), w["out.weight"], w["out.bias"])
    assert_close(m(x), wanted)
    assert_close(wanted, F.linear(((q @ k.mT) @ v).transpose(1, 2).flatten(2), w["out.weight"], w["out.bias"]))

    from attn.compiler.cost import graph_cost

    flops = graph_cost(m.attn_graph).flops
    at = [flops.evaluate({"*": 1, "N": n}) for n in (64, 128, 256)]
    assert at[2] - at[1] == 2 * (at[1] - at[0])
