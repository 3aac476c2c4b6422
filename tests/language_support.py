"""What the tests of the language share: programs as text, their modules in float64, their mistakes, and the numbers they are fed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import attn
from attn.dsl.diagnostics import AttnError
from attn.dsl.format import format_text
from attn.dsl.source import Source


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def program(head: str, body: str, result: str) -> str:
    """A block `t`; the lines of its body are parted by `; `."""
    lines = "\n".join(f"    {line}" for line in body.split("; "))
    return f"block t({head}) -> {result} {{\n{lines}\n}}\n"


def compiled(text: str, block: str | None = None, inputs: tuple[str, ...] = (), **bind: Any) -> Any:
    """The module of a text in float64, with every weight away from its initial value."""
    m = attn.compile(attn.text(text), block, bind=bind, inputs=inputs, dtype=torch.float64)
    for number, weight in enumerate(m.parameters()):
        weight.data.add_(0.3 * randn(*weight.shape, seed=100 + number))
    return m


def module(head: str, body: str, result: str, inputs: tuple[str, ...] = (), **bind: Any) -> Any:
    return compiled(program(head, body, result), inputs=inputs, **bind)


def codes(head: str, body: str, result: str = "[*]") -> list[str]:
    """The codes of all that a check has to say."""
    return said(program(head, body, result))


def said(text: str) -> list[str]:
    return [diagnostic.code for diagnostic in attn.check(attn.text(text))]


def told(text: str, **bind: Any) -> str:
    """What a compilation that must fail says."""
    try:
        attn.compile(attn.text(text), bind=bind)
    except AttnError as error:
        return str(error)
    raise AssertionError("this compiles")


def weights(m: Any) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in m.state_dict().items()}


def shapes(m: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in m.state_dict().items()}


def well_formed(text: str) -> None:
    """A program as one finds it in a book: no mistakes, and the formatter has nothing to change but the version line."""
    assert attn.check(attn.text(text)) == []
    assert format_text(Source("page", text)).removeprefix("attn 1\n\n") == text.removeprefix("attn 1\n\n")
