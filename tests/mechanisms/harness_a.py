"""A mechanism as a program and as plain PyTorch, and what has to hold between the two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.testing import assert_close

import attn

HERE = Path(__file__).parent
CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Case:
    """One program file at one setting. `inputs` gives the shapes without leading dimensions (a Tensor stands for itself), `bind` the
    parameters and the sizes that weights need, `free` the other sizes."""

    file: str
    block: str
    reference: Callable[..., Any]
    inputs: tuple[Any, ...]
    bind: Mapping[str, Any] = field(default_factory=dict[str, Any])
    free: Mapping[str, Any] = field(default_factory=dict[str, Any])
    lead: bool = True
    half: bool = True
    given: tuple[str, ...] = ()
    scale: float = 0.5

    @property
    def name(self) -> str:
        shown = "-".join(f"{key}={value}" for key, value in self.bind.items() if isinstance(value, str | bool))
        return f"{self.file}:{self.block}" + (f":{shown}" if shown else "")

    def text(self) -> str:
        return (HERE / f"{self.file}.attn").read_text()

    def tensors(self, dtype: torch.dtype = torch.float64, seed: int = 1) -> list[Tensor]:
        source = torch.Generator().manual_seed(seed)
        return [
            given if isinstance(given, Tensor) else torch.randn(given, generator=source, dtype=torch.float64).to(dtype).requires_grad_()
            for given in self.inputs
        ]

    def module(self, text: str | None = None, dtype: torch.dtype = torch.float64, **sizes: int) -> Any:
        made = attn.compile(attn.text(text or self.text()), self.block, bind={**self.bind, **sizes}, inputs=self.given, dtype=dtype)
        return randomised(made, self.scale)


def randomised(made: nn.Module, scale: float) -> nn.Module:
    """Random weights, and running statistics away from their initial values; in inference mode."""
    source = torch.Generator().manual_seed(0)
    constants = constant_names(made)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(scale * torch.randn(weight.shape, generator=source, dtype=torch.float64).to(weight.dtype))
        for name, buffer in made.named_buffers():
            if buffer.is_floating_point() and name not in constants:
                drawn = torch.randn(buffer.shape, generator=source, dtype=torch.float64).to(buffer.dtype)
                buffer.copy_(drawn.abs() + 0.5 if name.endswith("var") else drawn)
    return made.eval()


def constant_names(made: Any) -> set[str]:
    return {weight.path for weight in made.attn_graph.weights if weight.kind == "const"}


def leaves(made: nn.Module) -> dict[str, Tensor]:
    """A copy of everything stored; the parameters take part in gradients."""
    weights = {name: value.detach().clone() for name, value in made.state_dict().items()}
    for name, value in made.named_parameters():
        weights[name] = value.detach().clone().requires_grad_()
    return weights


def several(value: Any) -> tuple[Tensor, ...]:
    return (value,) if isinstance(value, Tensor) else tuple(value)


def gradients(results: tuple[Tensor, ...], leaves: list[Tensor]) -> list[Tensor | None]:
    source = torch.Generator().manual_seed(5)
    total = sum(((item * torch.randn(item.shape, generator=source, dtype=item.dtype)).sum() for item in results), torch.zeros(()))
    return list(torch.autograd.grad(total, leaves, allow_unused=True)) if leaves else []


def compare(case: Case, made: Any) -> None:
    """Values and all gradients of the module are those of the reference."""
    weights, inputs = leaves(made), case.tensors()
    found, wanted = several(made(*inputs)), several(case.reference(weights, *inputs))
    assert_close(found, wanted, **CLOSE)
    taking = [value for value in inputs if value.requires_grad]
    own = dict(made.named_parameters())
    got = gradients(found, [*taking, *own.values()])
    expected = gradients(wanted, [*taking, *(weights[name] for name in own)])
    for place, (left, right) in enumerate(zip(got, expected, strict=True)):
        if left is None or right is None:
            assert left is None or not left.any(), f"gradient {place} should be nothing"
            assert right is None or not right.any(), f"gradient {place} is missing"
        else:
            assert_close(left, right, **CLOSE)


def stacked(case: Case, made: Any) -> None:
    """Two leading dimensions give what single calls give."""
    parts = [case.tensors(seed=seed) for seed in range(6)]
    wanted = [several(made(*part)) for part in parts]
    joined = [torch.stack(pieces).unflatten(0, (2, 3)) for pieces in zip(*parts, strict=True)]
    found = several(made(*joined))
    for place, item in enumerate(found):
        assert_close(item, torch.stack([each[place] for each in wanted]).unflatten(0, (2, 3)), **CLOSE)
