"""What the record of dual attention asks for, as far as it takes no training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.testing import assert_close

import attn

from .plain import attention, causal, dense, heads, joined
from .support import CLOSE, built, counted, part

PACKAGE = Path(__file__).parents[1] / "fixtures" / "systems" / "dual_attention.safetensors"
"""Weights, inputs and results of `DualAttention(8, 2, 2, dropout=0)` of the package dual-attention 0.0.7 from PyPI, in five settings."""
NAMES = {
    "self_attention.wq": "sensory.q",
    "self_attention.wk": "sensory.k",
    "self_attention.wv": "sensory.v",
    "self_attention.wo": "sensory.out",
    "relational_attention.wq_attn": "relational.q",
    "relational_attention.wk_attn": "relational.k",
    "relational_attention.wq_rel": "relational.q_rel",
    "relational_attention.wk_rel": "relational.k_rel",
    "relational_attention.wv": "relational.v",
    "relational_attention.wr": "relational.relate",
    "relational_attention.wo": "relational.out",
}
SETTINGS = {
    "full": "",
    "causal": ", causal=true",
    "turned": ", causal=true, rotate=rope",
    "symmetric": ", symmetric=true",
    "grouped": ", groups=1, relations=4",
}
TEXT = """attn 1
use std.positions (rope)
use std.relational (dual_attention)

block setting(x: [*, N, D], symbols: [*, N, D]) -> [*, N, D] {{
    return dual_attention(x, symbols=symbols{options})
}}
"""


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their names as ours; the matrix of the relations is no layer of theirs, and has no `.weight`."""
    return {f"dual_attention.{NAMES[name.removesuffix('.weight')]}.weight": value.double() for name, value in weights.items()}


@pytest.mark.system(
    "dual-attention-relational",
    "It equals the DualAttention of the PyPI package with its weights: full, causal, rotary, symmetric and with grouped keys.",
)
@pytest.mark.parametrize("setting", SETTINGS)
def test_it_is_the_one_of_the_package(setting: str) -> None:
    known = part(load_file(PACKAGE), setting)
    made = attn.compile(attn.text(TEXT.format(options=SETTINGS[setting])), D=8, dtype=torch.float64)
    made.load_state_dict(renamed(part(known, "weights")))
    assert_close(made(known["x"].double(), known["symbols"].double()).float(), known["y"], rtol=1e-6, atol=1e-6)


@pytest.mark.system(
    "dual-attention-relational", "With 64 features and 2 + 2 heads it has 18,496 weights; five other settings have those of the package."
)
def test_the_number_of_weights() -> None:
    def weights(**bind: Any) -> int:
        return counted("std.relational", "dual_attention", ("symbols",), D=64, **bind).parameters.integer() or 0

    assert weights() == 18_496
    assert weights(symmetric=True) == 16_448
    assert weights(groups=1) == 14_400
    assert weights(relations=4) == 18_560
    assert weights(sensory=0, relational=4) == 24_832
    assert weights(sensory=4, relational=0) == 16_384


def made_of(**bind: Any) -> Any:
    return built("std.relational", "dual_attention", "symbols", D=16, **bind)


@pytest.mark.system("dual-attention-relational", "Without relational heads it is multi-head attention.")
@pytest.mark.parametrize("causally", [False, True])
def test_without_relational_heads_it_is_multi_head_attention(causally: bool) -> None:
    made, plain = (
        made_of(relational=0, sensory=4, causal=causally),
        built("std.heads", "mha", D=16, heads=4, bias=False, causal=causally),
    )
    plain.load_state_dict({name.removeprefix("sensory."): value for name, value in made.state_dict().items()})
    x = torch.randn(2, 7, 16, dtype=torch.float64)
    assert_close(made(x, torch.zeros_like(x)), plain(x), **CLOSE)


@pytest.mark.system("dual-attention-relational", "With the matrix of the relations 0 the relational heads are attention to the symbols.")
def test_without_relations_it_is_attention_to_symbols() -> None:
    made = made_of(sensory=0, relational=4, causal=True)
    made.get_parameter("relational.relate.weight").data.zero_()
    x, symbols = torch.randn(2, 2, 7, 16, dtype=torch.float64)
    w = part(made.state_dict(), "relational")
    q, k, v = (heads(dense(w, name, y), 4) for name, y in (("q", x), ("k", x), ("v", symbols)))
    assert_close(made(x, symbols), dense(w, "out", joined(attention(q, k, v, causal(7)))), **CLOSE)


@pytest.mark.system(
    "dual-attention-relational", "The relations are not masked, but causal attention to them is: no token changes what earlier ones give."
)
def test_causal_heads_see_nothing_later() -> None:
    made = made_of(causal=True)
    x, symbols = torch.randn(2, 2, 7, 16, dtype=torch.float64)
    changed = x.clone()
    changed[:, 4:] += 1
    assert_close(made(changed, symbols)[:, :4], made(x, symbols)[:, :4], **CLOSE)
