"""The decoder layer with a dynamic gate between text and image, in plain PyTorch."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import attention, causal, dense, heads, joined, norm
from ..support import Case, Weights, part


def mha(w: Weights, x: Tensor, memory: Tensor, count: int, mask: Tensor | None = None) -> Tensor:
    q, k, v = (heads(dense(w, name, y), count) for name, y in (("q", x), ("k", memory), ("v", memory)))
    return dense(w, "out", joined(attention(q, k, v, mask)))


def weight(w: Weights, z: Tensor, per: str, hard: bool) -> Tensor:
    """How much of the text; of two logits without noise the larger wins, with the gradients of their softmax."""
    if not hard:
        return dense(w, "gate", z).sigmoid()
    logits = dense(w, "gate.fc", z).unflatten(-1, (2, -1)) / 0.5
    soft = logits.softmax(-2)
    chosen = fn.one_hot(soft.argmax(-2), 2).movedim(-1, -2).to(z.dtype)
    return (chosen + soft - soft.detach())[..., 0, :]


def dynamic_gate(w: Weights, n: Tensor, c: Tensor, per: str = "token", hard: bool = False) -> Tensor:
    if per == "off":
        return norm(w, "norm", n + c)
    g = weight(w, torch.cat((n, c), -1), per, hard)
    return norm(w, "norm", g * n + (1 - g) * c)


def gated_decoder(
    w: Weights, h: Tensor, image: Tensor | None = None, keep: Tensor | None = None, per: str = "token", hard: bool = False
) -> Tensor:
    mask = causal(h.shape[-2])
    n = norm(w, "norm1", h)
    h = h + mha(part(w, "attention"), n, n, 2, mask if keep is None else mask & keep[:, None, None])
    if image is not None:
        n = norm(w, "norm2", h)
        h = h + dynamic_gate(part(w, "mix"), n, mha(part(w, "cross"), n, image, 2), per, hard)
    return h + dense(w, "mlp.fc2", fn.gelu(dense(w, "mlp.fc1", norm(w, "norm3", h))))


def kept(w: Weights, h: Tensor, image: Tensor, keep: Tensor) -> Tensor:
    return gated_decoder(w, h, image, keep)


def logits(w: Weights, z: Tensor, shared: bool) -> Tensor:
    return weight({f"gate.{name}": value for name, value in w.items()}, z, "token", True).expand(*z.shape[:-1], 6)


def film(w: Weights, x: Tensor, z: Tensor) -> Tensor:
    return x * dense(w, "scale", z) + dense(w, "shift", z)


def intra(w: Weights, x: Tensor, z: Tensor) -> Tensor:
    return x * (1 + dense(w, "gate", z).sigmoid())


X: Any = (2, 7, 6)
IMAGE: Any = (2, 3, 6)
KEEP = torch.tensor([[True, True, False, True, True, True, False], [True] * 7])
HARD = {"hard": True, "noise": False, "temperature": 0.5}
GATES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *[({"per": per}, {"per": per}) for per in ("token", "feature", "off")],
    *[({"per": per, **HARD}, {"per": per, "hard": True}) for per in ("token", "feature")],
]
SIZES = {"N": 7, "M": 3}

CASES = [
    *[
        Case("std.multimodal", "gated_decoder", partial(gated_decoder, **known), (X, IMAGE),
             {"D": 6, "heads": 2, **bind}, SIZES, given=("image",))
        for bind, known in GATES
    ],
    Case("std.multimodal", "gated_decoder", gated_decoder, (X,), {"D": 6, "heads": 2}, {"N": 7}),
    Case("std.multimodal", "gated_decoder", kept, (X, IMAGE, KEEP), {"D": 6, "heads": 2}, SIZES, given=("image", "keep"), lead=False),
    *[Case("std.multimodal", "dynamic_gate", partial(dynamic_gate, **known), (X, X), {"D": 6, **bind}, {"N": 7}) for bind, known in GATES],
    *[
        Case("std.multimodal", "hard_gate", partial(logits, shared=shared), ((2, 7, 12),),
             {"F": 12, "D": 6, "shared": shared, "noise": False, "temperature": 0.5}, {"N": 7}, half=False)
        for shared in (True, False)
    ],
    Case("std.multimodal", "film", film, ((2, 6), (2, 4)), {"D": 6, "E": 4}),
    Case("std.multimodal", "dynamic_intra", intra, ((2, 6), (2, 4)), {"D": 6, "E": 4}),
]  # fmt: skip
