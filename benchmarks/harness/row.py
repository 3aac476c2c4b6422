"""What a row of the benchmark is: a workload that can be made at any size, and the ratios that it should reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

import attn

Weights = dict[str, Tensor]
"""Tensors by the names of the attn program."""
Run = Callable[..., Any]
SEED = 7


@dataclass(frozen=True)
class Program:
    """An attn program and what is bound in it. `weights` with `names` are those of another project; `reset` are buffers and the number
    that each has before every call, so that a step of decoding is the same step again."""

    source: Any
    block: str | None = None
    bind: Mapping[str, Any] = field(default_factory=dict[str, Any])
    weights: Weights | None = None
    names: Any = None
    ignore: tuple[str, ...] = ()
    reset: Mapping[str, int] = field(default_factory=dict[str, int])

    def module(self, mode: Any, dtype: torch.dtype = torch.float32, **options: Any) -> nn.Module:
        """The compiled module, with weights that are the same in every dtype."""
        made = attn.compile(self.source, self.block, bind=dict(self.bind), mode=mode, dtype=dtype, **options)
        if self.weights is None:
            made.load_state_dict(redrawn(made))
        else:
            attn.load_weights(made, self.weights, self.names, self.ignore)
        return made.train(mode == "train")


def redrawn(module: nn.Module) -> Weights:
    """Weights for every parameter and buffer: matrices of the usual size, norms and biases away from the ones and zeros they start with."""
    source, found = torch.Generator().manual_seed(SEED), Weights()
    buffers = dict(module.named_buffers())
    for name, value in module.state_dict().items():
        if not value.is_floating_point():
            found[name] = value
            continue
        numbers = torch.randn(value.shape, generator=source).to(value.dtype)
        if name.endswith("running_var"):
            found[name] = 0.5 + numbers.abs()
        elif value.dim() < 2:
            found[name] = 0.1 * numbers + float((value == 1).all())
        else:
            found[name] = numbers if name in buffers else numbers * value[0].numel() ** -0.5
    return found


@dataclass(frozen=True)
class Work:
    """A workload at one size.

    `author` makes the usual published text, whose weights have the names of ours; `peers` make something more special from our weights.
    Each of these is called with `inputs`, float32 where they are floats. `exact` gives the result in float64 in little memory, where the
    author's text would need too much. `flops` is the least work (multiply-adds count two); without it the author's products are counted.
    `apart` are peers that compute something else, whose time is of interest and whose values are not. `backward` adds the gradients.
    """

    program: Program
    author: Callable[[], nn.Module]
    inputs: tuple[Tensor, ...]
    peers: Mapping[str, Callable[[Weights], Run]] = field(default_factory=dict[str, Callable[[Weights], Run]])
    exact: Callable[..., Tensor] | None = None
    flops: float | None = None
    apart: tuple[str, ...] = ()
    backward: bool = False


Ratios = Mapping[str, float]
"""How many times as long another way should take, by its name."""


@dataclass(frozen=True)
class Row:
    """A workload of the benchmark: how it is made from sizes, the sizes measured and those of the tests, and what it should reach with
    malloc as it is (`wanted`) and with a raised threshold (`raised`)."""

    name: str
    family: str
    title: str
    make: Callable[..., Work]
    full: Mapping[str, int]
    small: Mapping[str, int]
    wanted: Ratios = field(default_factory=dict[str, float])
    raised: Ratios = field(default_factory=dict[str, float])


def drawn(*shape: int, at: int = 1) -> Tensor:
    """Normal numbers, the same ones at each call; `at` chooses which."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(at))


def filled(module: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """The module with these weights, in their order of numbers whatever their shapes, and of their kind, ready for inference.

    Every parameter has to be given; buffers that are not given stay.
    """
    kind = next((one.dtype for one in weights.values() if one.is_floating_point()), torch.float32)
    module.to(kind)
    shapes = {name: value.shape for name, value in module.state_dict().items()}
    given = {name: value.reshape(shapes[name]) for name, value in weights.items() if name in shapes}
    missing = [name for name, _ in module.named_parameters() if name not in given]
    if missing:
        raise KeyError(f"no weights for {', '.join(missing)}")
    module.load_state_dict(given, strict=False)
    return module.eval()


def joined(weights: Weights, names: str = "q k v", target: str = "qkv", prefix: str = "") -> Weights:
    """Weights and biases of several projections as those of one, one after the other."""
    found = Weights()
    for kind in ("weight", "bias"):
        parts = [weights[f"{prefix}{name}.{kind}"] for name in names.split() if f"{prefix}{name}.{kind}" in weights]
        if parts:
            found[f"{target}.{kind}"] = torch.cat(parts)
    return found


def renamed(weights: Weights, names: Mapping[str, str]) -> Weights:
    """Weights under other names: the longest beginning that is listed is replaced."""
    found = Weights()
    for name, value in weights.items():
        for ours in sorted(names, key=len, reverse=True):
            if name == ours or name.startswith(f"{ours}."):
                found[names[ours] + name[len(ours) :]] = value
                break
    return found
