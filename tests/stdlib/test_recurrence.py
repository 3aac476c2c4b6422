"""Recurrences against loops, closed forms and torch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional
from stdlib_support import Weights, block, numbers, same, shapes
from torch import Tensor, nn
from torch.func import functional_call

B, N, D = 2, 5, 3


def steps(x: Tensor) -> list[Tensor]:
    return list(x.unbind(-2))


@pytest.mark.parametrize("n", [N, 1])
def test_ema_is_a_loop(n: int) -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        s, out = torch.zeros(B, D, dtype=torch.float64), []
        for row in steps(x):
            s = w["alpha"] * row + (1 - w["alpha"]) * s
            out.append(s)
        return torch.stack(out, -2)

    made = block("recurrence", "ema", D=D)
    assert shapes(made) == {"alpha": (D,)}
    same(made, reference, numbers(B, n, D))


@pytest.mark.parametrize("n", [N, 1])
def test_damped_ema_is_the_convolution_of_mega(n: int) -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        p = w["delta"].sigmoid()
        q = 1 - p * w["alpha"].sigmoid()
        powers = q[..., None] ** torch.arange(n)
        kernel = (w["gamma"] * p * w["beta"])[..., None].mul(powers).sum(1) / 4**0.5
        return functional.conv1d(functional.pad(x.transpose(1, 2), (n - 1, 0)), kernel.flip(-1)[:, None], groups=D).transpose(1, 2)

    made = block("recurrence", "damped_ema", D=D, order=4)
    assert shapes(made) == dict.fromkeys(("delta", "alpha", "beta", "gamma"), (D, 4))
    same(made, reference, numbers(B, n, D))


def test_linear_recurrence_is_a_sum_of_products() -> None:
    def reference(w: Weights, x: Tensor, decay: Tensor) -> Tensor:
        rows = []
        for i in range(N):
            parts = [x[:, j] * decay[:, j + 1 : i + 1].prod(1) for j in range(i + 1)]
            rows.append(torch.stack(parts).sum(0))
        return torch.stack(rows, 1)

    same(block("recurrence", "linear_recurrence"), reference, numbers(B, N, D), numbers(B, N, D, seed=2))


@pytest.mark.parametrize("form", ["parallel", "recurrent"])
@pytest.mark.parametrize("n", [N, 1])
def test_both_forms_of_retention_are_the_loop(form: str, n: int) -> None:
    def reference(w: Weights, q: Tensor, k: Tensor, v: Tensor, gamma: Tensor) -> Tensor:
        s, out = torch.zeros(B, 2, 4, 3, dtype=torch.float64), []
        for i in range(n):
            s = gamma[:, None, None] * s + k[:, :, i, :, None] * v[:, :, i, None]
            out.append((q[:, :, i, None] @ s)[:, :, 0])
        return torch.stack(out, 2)

    gamma = (1 - 2.0 ** -torch.tensor([5.0, 6.0], dtype=torch.float64)).requires_grad_()
    inputs = numbers(B, 2, n, 4), numbers(B, 2, n, 4, seed=2), numbers(B, 2, n, 3, seed=3), gamma
    same(block("recurrence", "retain", form=form), reference, *inputs)


def test_the_delta_rule_is_the_loop_of_its_paper() -> None:
    def reference(w: Weights, q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> Tensor:
        s, out = torch.zeros(B, 3, 4, dtype=torch.float64), []
        for i in range(N):
            share = beta[:, i, None, None]
            s = (
                s @ (torch.eye(4, dtype=torch.float64) - share * k[:, i, :, None] * k[:, i, None])
                + share * v[:, i, :, None] * k[:, i, None]
            )
            out.append((s @ q[:, i, :, None])[..., 0])
        return torch.stack(out, 1)

    inputs = numbers(B, N, 4), numbers(B, N, 4, seed=2), numbers(B, N, 3, seed=3), numbers(B, N, seed=4)
    same(block("recurrence", "delta_rule"), reference, *inputs)


def test_the_selective_scan_is_the_loop_of_its_paper() -> None:
    def reference(w: Weights, x: Tensor, step: Tensor, decay: Tensor, write: Tensor, read: Tensor, skip: Tensor) -> Tensor:
        s, out = torch.zeros(B, D, 4, dtype=torch.float64), []
        for i in range(N):
            s = (step[:, i, :, None] * decay).exp() * s + (step[:, i] * x[:, i])[..., None] * write[:, i, None]
            out.append((s @ read[:, i, :, None])[..., 0] + skip * x[:, i])
        return torch.stack(out, 1)

    step = numbers(B, N, D, seed=2).detach().abs().requires_grad_()
    decay = numbers(D, 4, seed=3).detach().abs().neg().requires_grad_()
    inputs = numbers(B, N, D), step, decay, numbers(B, N, 4, seed=4), numbers(B, N, 4, seed=5), numbers(D, seed=6)
    same(block("recurrence", "selective_scan"), reference, *inputs)


CELLS = {"gru": (nn.GRU, 3), "lstm": (nn.LSTM, 4)}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("n", [N, 1])
def test_gru_and_lstm_are_torchs(kind: str, bias: bool, n: int) -> None:
    cell, gates = CELLS[kind]
    other = cell(D, 4, bias=bias, batch_first=True, dtype=torch.float64)

    def reference(w: Weights, x: Tensor) -> Tensor:
        short = {"input": "ih", "hidden": "hh"}
        theirs = {f"{name.split('.')[1]}_{short[name.split('.')[0]]}_l0": value for name, value in w.items()}
        return functional_call(other, theirs, x)[0]

    made = block("recurrence", kind, D=D, E=4, bias=bias)
    assert shapes(made)["input.weight"] == (gates * 4, D)
    assert shapes(made)["hidden.weight"] == (gates * 4, 4)
    same(made, reference, numbers(B, n, D))


@pytest.mark.parametrize("kind", CELLS)
def test_the_weights_of_gru_and_lstm_start_as_torchs(kind: str) -> None:
    made = block("recurrence", kind, D=16, E=25)
    made.reset_parameters()
    for name in ("input.weight", "hidden.weight"):
        weight = made.get_parameter(name).detach()
        assert 0.19 < weight.abs().max() <= 0.2
        assert abs(weight.std().item() - 0.2 / 3**0.5) < 0.01


def test_an_empty_sequence_gives_an_empty_result() -> None:
    assert block("recurrence", "ema", D=D)(torch.zeros(B, 0, D, dtype=torch.float64)).shape == (B, 0, D)
