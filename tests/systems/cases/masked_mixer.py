"""Masked mixers in plain PyTorch: the tokens are the channels of a convolution along the features, as in the released code."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import dense, norm
from ..support import Case, Weights, part


def mix(w: Weights, x: Tensor, kernel: int = 1, causal: bool = True) -> Tensor:
    """Every tap of the kernel keeps its lower triangle."""
    weight = w["weight"]
    if causal:
        weight = weight.movedim(-1, 0).tril().movedim(0, -1)
    return fn.conv1d(x, weight, w["bias"], padding="same")


def mixer(w: Weights, x: Tensor, heads: int = 1, expanded: bool = False, **way: Any) -> Tensor:
    y = norm(w, "norm1", x)
    if heads > 1:
        parts = [mix(part(w, f"heads.{i}.mix"), dense(w, f"heads.{i}.inward", y), **way) for i in range(heads)]
        y = dense(w, "outward", torch.cat(parts, -1))
    else:
        y = mix(part(w, "mix"), y, **way)
    if expanded:
        y = mix(part(w, "mix2"), fn.gelu(y), **way)
    x = x + y
    return x + dense(w, "fc2", fn.gelu(dense(w, "fc1", norm(w, "norm2", x))))


def language_model(w: Weights, ids: Tensor, tied: bool = False, **way: Any) -> Tensor:
    x = w["tokens"][ids]
    for i in range(2):
        x = mixer(part(w, f"layers.{i}"), x, **way)
    return fn.linear(x, w["tokens"] if tied else w["head.weight"])


def retrieval(w: Weights, x: Tensor) -> Tensor:
    for i in range(2):
        x = mixer(part(w, f"layers.{i}"), x, causal=False)
    return dense(w, "head", x)[..., 0]


def layer(**way: Any) -> Case:
    return Case("std.mixers", "masked_mixer", partial(mixer, **way), ((2, 7, 6),), {"N": 7, "D": 6, **way})


IDS = torch.randint(0, 11, (3, 7), generator=torch.Generator().manual_seed(3))
FILE = "std.systems.masked_mixer"
SIZES = {"N": 7, "V": 11, "D": 6, "depth": 2}
WAYS: list[dict[str, Any]] = [
    {}, {"expanded": True}, {"heads": 3}, {"kernel": 3}, {"causal": False}, {"heads": 2, "expanded": True, "kernel": 3},
]  # fmt: skip


def model(reference: Callable[..., Tensor], **way: Any) -> Case:
    return Case(FILE, "language_model", partial(reference, **way), (IDS,), {**SIZES, **way}, {"B": 3}, lead=False)


CASES = [
    *[layer(**way) for way in WAYS],
    Case("std.mixers", "masked_mix", partial(mix, kernel=5), ((2, 7, 6),), {"N": 7, "kernel": 5}, {"D": 6}),
    model(language_model),
    model(language_model, tied=True, heads=2),
    Case(FILE, "retrieval", retrieval, ((3, 5, 6),), {"N": 5, "D": 6, "depth": 2}, {"B": 3}, lead=False),
]
