"""What the tests of the library share: a block with random weights, and its comparison with plain torch in values and gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.testing import assert_close

import attn

Weights = Mapping[str, Tensor]
Reference = Callable[..., Any]


def numbers(*shape: int, seed: int = 1) -> Tensor:
    """Random float64 numbers that take part in gradients."""
    source = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=source, dtype=torch.float64).requires_grad_()


def coins(*shape: int, seed: int = 1) -> Tensor:
    """Random truth values; the first along the last axis is always true."""
    source = torch.Generator().manual_seed(seed)
    drawn = torch.rand(*shape, generator=source) < 0.6
    drawn[..., 0] = True
    return drawn


def close(found: Tensor, wanted: Tensor) -> None:
    """The same numbers but for rounding in float64."""
    assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def block(module: str, name: str, **bind: Any) -> Any:
    """A library block in float64 with random weights, and running variances that are positive; in inference mode."""
    made = attn.compile(f"std.{module}", name, dtype=torch.float64, bind=bind)
    return randomised(made)


def program(text: str, **bind: Any) -> Any:
    """A program's last block, as `block` makes one."""
    return randomised(attn.compile(attn.text(text), dtype=torch.float64, bind=bind))


def randomised(made: nn.Module) -> nn.Module:
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=source, dtype=weight.dtype))
        for name, buffer in made.named_buffers():
            if buffer.is_floating_point():
                drawn = torch.randn(buffer.shape, generator=source, dtype=buffer.dtype)
                buffer.copy_(drawn.abs() + 0.5 if name.endswith("var") else drawn)
    return made.eval()


def shapes(made: nn.Module) -> dict[str, tuple[int, ...]]:
    """The names and shapes of everything that a module stores."""
    return {name: tuple(value.shape) for name, value in made.state_dict().items()}


def same(made: nn.Module, reference: Reference, *inputs: Any, **named: Tensor) -> None:
    """`made(*inputs)` is `reference(weights, *inputs)`, and so are the gradients of all inputs and weights."""
    weights = {name: value.clone() for name, value in made.state_dict().items()}
    for name, value in made.named_parameters():
        weights[name] = value.detach().clone().requires_grad_()
    leaves = [value for value in (*inputs, *named.values()) if isinstance(value, Tensor) and value.requires_grad]
    found, wanted = made(*inputs, **named), reference(weights, *inputs, **named)
    close(found, wanted)
    toward = torch.randn(found.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    own = dict(made.named_parameters())
    got = torch.autograd.grad(found, [*leaves, *own.values()], toward, allow_unused=True)
    expected = torch.autograd.grad(wanted, [*leaves, *(weights[name] for name in own)], toward, allow_unused=True)
    for place, (left, right) in enumerate(zip(got, expected, strict=True)):
        if right is None:
            assert left is None or bool((left == 0).all()), f"gradient {place} should be nothing"
        else:
            close(left, right)
