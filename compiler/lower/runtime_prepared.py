"""What a module for inference works out from its weights once, and keeps until one of them is another or has been written to."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.optim.optimizer as optimizers
from torch import Tensor, nn

PLACE = "prepared values"
"""Where a module keeps them: a name that no attribute and no weight can have."""


class Kept:
    """What was prepared, by the name of its body, and what the weights were then. A copy of it is empty: a copy has its own weights."""

    def __init__(self) -> None:
        self.records: dict[str, tuple[Any, ...]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Kept, ()


def prepared(body: Callable[..., tuple[Tensor, ...]], *weights: Tensor) -> tuple[Tensor, ...]:
    """What `body` makes of the weights: worked out when they are another tensor, other memory or written to since, and else kept.

    Kept are plain values without gradient. Where a weight takes part in gradients, while tracing, or inside a function transform,
    `body` is simply called.
    """
    if is_traced() or (torch.is_grad_enabled() and True in [x.requires_grad for x in weights]):
        return body(*weights)
    keeper, name = (body, "") if isinstance(body, nn.Module) else (body.__self__, body.__name__)  # type: ignore[attr-defined]
    kept: Kept = keeper.__dict__.get(PLACE) or keeper.__dict__.setdefault(PLACE, Kept())
    record = kept.records.get(name)
    if record is not None and still_holds(record, weights):
        values: tuple[Tensor, ...] = record[-1]
        return values
    count_fused_steps()
    return prepare(kept, name, body, weights)


def is_traced() -> bool:
    """Whether the operations are being recorded, by torch.compile, torch.export or torch.jit, to be run later."""
    return torch.compiler.is_compiling() or torch._C._is_tracing()  # pyright: ignore[reportPrivateUsage]


def marks(tensors: Sequence[Tensor]) -> list[int]:
    """What tells whether tensors with memory have changed: where each lies, and how often it was written to."""
    return [*map(Tensor.data_ptr, tensors), *[x._version for x in tensors]]


def mixed_precision(device: str) -> Any:
    """The dtype that automatic mixed precision takes on a kind of device, None where it is off."""
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None


def still_holds(record: tuple[Any, ...], weights: Sequence[Tensor]) -> bool:
    """Whether these are the same tensors as then, and neither they nor what was made of them has been written to."""
    known, seen, made, device, mixed, _, values = record
    return (
        all(map(operator.is_, known, weights))
        and marks(weights) == seen
        and [x._version for x in values] == made
        and bool(mixed_precision(device) == mixed)
    )


def prepare(kept: Kept, name: str, body: Callable[..., tuple[Tensor, ...]], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Work out the values, and keep them with what the weights are now, where all have memory whose writes PyTorch counts.

    The record holds on to the weights' memory, so that no other numbers can come to lie at the same address.
    """
    with torch.inference_mode(False), torch.no_grad():
        values = tuple(body(*weights))
        kept.records.pop(name, None)
        if all(can_be_kept(x) and x.data_ptr() for x in weights) and all(can_be_kept(x) for x in values):
            memory, made, device = [x.detach() for x in weights], [x._version for x in values], weights[0].device.type
            kept.records[name] = (tuple(weights), marks(weights), made, device, mixed_precision(device), memory, values)
    return values


def can_be_kept(x: Tensor) -> bool:
    """Whether a tensor is a plain one whose memory and writes can be told; inference tensors, and those of transforms, are not."""
    if type(x) not in (Tensor, nn.Parameter, nn.Buffer) or x.is_inference():
        return False
    try:
        return x.data_ptr() >= 0
    except RuntimeError:
        return False


def forget(module: nn.Module) -> None:
    """Drop everything that a module and those inside it keep."""
    for inner in module.modules():
        inner.__dict__.pop(PLACE, None)


def count_fused_steps() -> None:
    """From now on PyTorch counts the writes of optimizers with `fused=True`, as it does for all others."""
    if "on" not in vars(count_fused_steps):
        vars(count_fused_steps)["on"] = optimizers.register_optimizer_step_post_hook(count_fused_step)


def count_fused_step(optimizer: optimizers.Optimizer, args: Any, kwargs: Any) -> None:
    """Run after every step of every optimizer."""
    for group in () if torch.compiler.is_compiling() else optimizer.param_groups:
        if group.get("fused"):
            torch.autograd.graph.increment_version(group["params"])
