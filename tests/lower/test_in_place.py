"""In inference, arithmetic is written over a tensor that nothing else reads afterwards; results are the same, and so are gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn

GATES = """block gates(x: [*, C, H, W]) -> [*, C, H, W] {
    param a: [C] = 0.5
    rows = sigmoid(mean(x, over=W))
    columns = sigmoid(mean(x, over=H) * a)
    return RESULT
}
"""
CASES = {
    "x * rows * columns": 1,
    "(x * rows - columns) / 3": 2,
    "x * rows + x * columns": 1,
    "(x * rows) * mean(x * rows, over=C)": 1,
    "(x * rows) + sigmoid(x * rows)": 0,
    "rows * columns * x": 1,
    "x + columns": 0,
    "elu(x) + 1": 1,
    "sigmoid(x * rows) * columns": 1,
    "elu(x) + 1 + mean(elu(x), over=H)": 1,
    "elu(x) * sigmoid(elu(x))": 0,
    "x * x": 0,
}


def made(result: str, **options: Any) -> Any:
    return attn.compile(attn.text(GATES.replace("RESULT", result)), bind={"C": 3}, dtype=torch.float64, backend="eager", **options)


def image(seed: int = 0) -> Tensor:
    return torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("result", CASES)
def test_the_last_reader_writes_over_its_operand(result: str) -> None:
    module, plain = made(result, mode="infer", level=1), made(result, mode="infer", level=0)
    assert (module.code.count("written_over"), plain.code.count("written_over")) == (CASES[result], 0)
    assert "written_over" not in made(result, mode="train").code
    x, kept = image(), image()
    for _ in range(2):
        assert torch.equal(module(x), plain(x))
        assert torch.equal(x, kept)


def test_gradients_of_inputs_and_transforms_find_what_they_need() -> None:
    module, plain = made("x * rows * columns", mode="infer"), made("x * rows * columns", mode="infer", level=0)
    ours, theirs = (torch.autograd.grad(one(x := image().requires_grad_()).square().sum(), x)[0] for one in (module, plain))
    assert_close(ours, theirs)
    many = torch.stack([torch.full((3,), 0.5), torch.full((3,), 2.0)]).double()
    x = image()
    found = torch.func.vmap(lambda a: torch.func.functional_call(module, {"a": a}, x))(many)
    assert_close(found, torch.stack([torch.func.functional_call(plain, {"a": a}, x) for a in many]))


def test_what_is_prepared_of_weights_is_not_written_over() -> None:
    text = "block t(x: [N]) -> [N] {\n    param a: [N] = 2\n    param b: [N] = 3\n    return (a * b + 1) - x\n}"
    module = attn.compile(attn.text(text), bind={"N": 2**16}, mode="infer", backend="eager")
    for _ in range(2):
        assert torch.equal(module(torch.ones(2**16)), torch.full((2**16,), 6.0))


def test_half_precision_of_autocast_stays_as_it_is() -> None:
    text = "block t(x: [*, N, D]) -> [*, N, D] {\n    g = linear(x, D -> D)\n    r = linear(x, D -> D) as r\n    return g * r * x\n}"
    module, plain = (attn.compile(attn.text(text), bind={"D": 4}, mode="infer", level=level, backend="eager") for level in (1, 0))
    plain.load_state_dict(module.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = module(torch.ones(2, 5, 4)), plain(torch.ones(2, 5, 4))
    assert ours.dtype == theirs.dtype
    assert torch.equal(ours, theirs)
