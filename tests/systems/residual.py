"""Residual networks in plain PyTorch, with an attention module in every block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from .plain import Weights, batch_norm, conv, dense
from .support import part

Gate = Callable[[Weights, Tensor, int], Tensor]
"""The attention module of a residual block: its weights, an image, and the number of the stage."""


def excite(w: Weights, z: Tensor) -> Tensor:
    """The two linear layers of squeeze-and-excitation."""
    return dense(w, "fc2", fn.relu(dense(w, "fc1", z)))


def unit(w: Weights, number: str, x: Tensor, **options: Any) -> Tensor:
    """A convolution and its norm."""
    return batch_norm(w, f"norm{number}", conv(w, f"conv{number}", x, **options))


def stem(w: Weights, x: Tensor) -> Tensor:
    """The beginning of a residual network, with one large or three small convolutions."""
    deep = "conv1.weight" in w
    if deep:
        x = fn.relu(unit(w, "2", fn.relu(unit(w, "1", x, stride=2))))
    return fn.max_pool2d(fn.relu(unit(w, "", x, stride=1 if deep else 2)), 3, 2, 1)


def shortcut(w: Weights, x: Tensor, stride: int, pooled: bool) -> Tensor:
    if "conv.weight" not in w:
        return x
    if pooled and stride > 1:
        x, stride = fn.avg_pool2d(x, stride, stride, ceil_mode=True, count_include_pad=False), 1
    return unit(w, "", x, stride=stride)


def residual(w: Weights, x: Tensor, stride: int, gate: Callable[[Tensor], Tensor], pooled: bool = False, early: bool = False) -> Tensor:
    """A residual block of three convolutions, or of two where there is no third."""
    if "conv3.weight" in w:
        y = fn.relu(unit(w, "1", x, stride=stride if early else 1))
        y = unit(w, "3", fn.relu(unit(w, "2", y, stride=1 if early else stride)))
    else:
        y = unit(w, "2", fn.relu(unit(w, "1", x, stride=stride)))
    return fn.relu(gate(y) + shortcut(part(w, "shortcut"), x, stride, pooled))


def blocks(w: Weights) -> Iterator[tuple[int, bool, dict[str, Tensor]]]:
    """The blocks of a network: the number of the stage, whether the stage is stepped into here, and the weights."""
    for s in count():
        for i in count():
            own = part(w, f"stages.{s}.blocks.{i}")
            if not own:
                break
            yield s, s > 0 and i == 0, own
        if i == 0:
            return


def resnet(name: str, gate: Gate, **options: bool) -> Callable[[Weights, Tensor], Tensor]:
    """A residual network whose blocks have an attention module of that name."""

    def run(w: Weights, x: Tensor) -> Tensor:
        x = stem(part(w, "stem"), x)
        for s, first, own in blocks(w):
            inner = part(own, name)
            x = residual(own, x, 2 if first else 1, lambda y, inner=inner, s=s: gate(inner, y, s), **options)
        return dense(w, "fc", x.mean((2, 3)))

    return run


def gated(x: Tensor, gate: Tensor) -> Tensor:
    """Every channel of [.., C, H, W] times its own number."""
    return x * torch.sigmoid(gate)[..., None, None]
