"""What the record of conditional pooling asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import attn

from .cases.attention_conditioning import KEEP, SIZES
from .support import CLOSE, Case, Weights, built, compare, parameters

WAYS = ["concat", "gate", "affine", "nonlinear"]
TOKENS = ((2, 5, 6), (2, 5, 4))


class Released(nn.Module):
    """The pooling as released: lengths, weights zeroed behind them and divided by their sum, the sum over u or over h."""

    def forward(self, w: Weights, how: str, h: Tensor, c: Tensor, lengths: Tensor) -> Tensor:
        if how == "concat":
            u = torch.cat((h, c), 2)
        elif how == "gate":
            u = torch.sigmoid(c @ w["gate.weight"].T + w["gate.bias"]) * h
        else:
            u = (c @ w["gamma.weight"].T + w["gamma.bias"]) * h + c @ w["beta.weight"].T + w["beta.bias"]
            u = torch.tanh(u) if how == "nonlinear" else u
        scores = torch.softmax((u @ w["score.weight"].T + w["score.bias"]).squeeze(-1), -1)
        scores = scores * (torch.arange(h.shape[1]) < lengths[:, None])
        scores = scores / scores.sum(-1, keepdim=True)
        summed = ((u if how == "concat" else h) * scores[..., None]).sum(1)
        return summed[:, : h.shape[2]]


@pytest.mark.system(
    "attention-conditioning",
    "It equals the released order of steps, with padding zeroed and the rest divided by its sum, for all four ways.",
)
@pytest.mark.parametrize("how", WAYS)
def test_it_is_the_released_order_of_steps(how: str) -> None:
    lengths = torch.tensor([3, 5])
    keep = torch.arange(5) < lengths[:, None]
    other = Released()

    def reference(w: Weights, h: Tensor, c: Tensor, _: Tensor) -> Any:
        return other(w, how, h, c, lengths)

    case = Case("std.pooling", "conditional_pool", reference, (*TOKENS, keep), {**SIZES, "how": how}, given=("keep",))
    compare(case, case.module())


def emptied(how: str) -> dict[str, float]:
    """The values of weights at which the second input has nothing to say."""
    return {
        "gate": {"gate.weight": 0.0, "gate.bias": 1e3},
        "affine": {"gamma.weight": 0.0, "gamma.bias": 1.0, "beta.weight": 0.0, "beta.bias": 0.0},
    }.get(how, {})


@pytest.mark.system(
    "attention-conditioning",
    "A gate with weights 0 and a large bias, gamma = 1 with beta = 0, and score weights 0 on c, are plain pooling by attention.",
)
@pytest.mark.parametrize("how", ["concat", "gate", "affine"])
def test_without_the_second_input_it_is_plain_pooling(how: str) -> None:
    made = built("std.pooling", "conditional_pool", how=how, **SIZES)
    for name, value in emptied(how).items():
        made.get_parameter(name).data.fill_(value)
    score = made.get_parameter("score.weight").data
    score[:, 6:] = 0
    h, c = torch.randn(2, 5, 6, dtype=torch.float64), torch.randn(2, 5, 4, dtype=torch.float64)
    a = (h @ score[0, :6]).softmax(-1)
    assert_close(made(h, c), (a[..., None] * h).sum(1), **CLOSE)


@pytest.mark.system(
    "attention-conditioning", "At the paper's sizes (150 and 73) the four ways have 224, 11,251, 22,351 and 22,351 weights."
)
def test_the_number_of_weights() -> None:
    found = [parameters("std.pooling", "conditional_pool", D=150, F=73, how=how) for how in WAYS]
    assert found == [150 + 73 + 1, 73 * 150 + 150 + 151, 2 * (73 * 150 + 150) + 151, 2 * (73 * 150 + 150) + 151]


@pytest.mark.system(
    "attention-conditioning", "Behind std.recurrence:lstm it equals torch's LSTM and the equations, for a classifier of five lines."
)
def test_it_pools_the_states_of_an_lstm() -> None:
    text = """attn 1
use std.pooling (conditional_pool)
use std.recurrence (lstm)

block reader(x: [*, N, E], c: [*, N, F], keep: bool [*, N], hidden: int = 6, classes: int = 3) -> [*, K] {
    h = lstm(x, D=E, E=hidden) as lstm |> rename(E -> D)
    return conditional_pool(h, c, keep=keep) as pool |> linear(D -> K=classes) as head
}
"""
    from .cases.attention_conditioning import conditional_pool
    from .support import part

    other = nn.LSTM(7, 6, batch_first=True, dtype=torch.float64)

    def reference(w: Weights, x: Tensor, c: Tensor, keep: Tensor) -> Any:
        short = {"input": "ih", "hidden": "hh"}
        theirs = {f"{kind}_{short[name]}_l0": w[f"lstm.{name}.{kind}"] for name in short for kind in ("weight", "bias")}
        h = torch.func.functional_call(other, theirs, x)[0]
        return conditional_pool(part(w, "pool"), h, c, keep) @ w["head.weight"].T + w["head.bias"]

    case = Case("", "reader", reference, ((2, 5, 7), (2, 5, 4), KEEP), {"E": 7, "F": 4}, program=text)
    compare(case, case.module())
    assert attn.check(case.source()) == []
