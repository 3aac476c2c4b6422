"""Feed-forward layers against their formulas and models that have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from stdlib_support import Weights, block, numbers, program, same, shapes
from torch import Tensor
from torch.func import functional_call

D = 6


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bind", [{"ratio": 2}, {"hidden": 7}, {}])
def test_mlp_is_its_formula(bias: bool, bind: dict[str, int]) -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        return functional.linear(
            functional.gelu(functional.linear(x, w["fc1.weight"], w.get("fc1.bias"))), w["fc2.weight"], w.get("fc2.bias")
        )

    made = block("feedforward", "mlp", D=D, bias=bias, **bind)
    width = bind.get("hidden", bind.get("ratio", 4) * D)
    assert shapes(made)["fc1.weight"] == (width, D)
    assert shapes(made)["fc2.weight"] == (D, width)
    same(made, reference, numbers(2, 3, D))


def test_mlp_is_timms(timm: Any) -> None:
    other = timm.layers.Mlp(D, 4 * D).double()
    same(block("feedforward", "mlp", D=D), lambda w, x: functional_call(other, dict(w), x), numbers(2, 3, D))


def test_mlp_takes_another_function() -> None:
    text = "use std.feedforward (mlp)\nblock t(x: [*, D]) -> [*, D] {\n    return mlp(x, act=relu) as m\n}"
    made = program(text, D=D)

    def reference(w: Weights, x: Tensor) -> Tensor:
        hidden = functional.linear(x, w["m.fc1.weight"], w["m.fc1.bias"]).relu()
        return functional.linear(hidden, w["m.fc2.weight"], w["m.fc2.bias"])

    same(made, reference, numbers(2, 3, D))


GATES: dict[str, Callable[[Tensor], Tensor]] = {"glu": torch.sigmoid, "swiglu": functional.silu, "geglu": functional.gelu}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", GATES)
def test_gated_layers_are_their_formulas(kind: str, bias: bool) -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        gate, up = (functional.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias")) for name in ("gate", "up"))
        return functional.linear(GATES[kind](gate) * up, w["down.weight"], w.get("down.bias"))

    made = block("feedforward", kind, D=D, hidden=7, bias=bias)
    assert {name: shape for name, shape in shapes(made).items() if "weight" in name} == {
        "gate.weight": (7, D),
        "up.weight": (7, D),
        "down.weight": (D, 7),
    }
    same(made, reference, numbers(2, 3, D))


@pytest.mark.parametrize("kind", GATES)
def test_the_hidden_width_keeps_the_size_of_an_mlp(kind: str) -> None:
    assert shapes(block("feedforward", kind, D=96))["gate.weight"] == (256, 96)
    assert shapes(block("feedforward", kind, D=100))["gate.weight"] == (266, 100)


def test_glu_takes_another_gate() -> None:
    text = "use std.feedforward (glu)\nblock t(x: [*, D]) -> [*, D] {\n    return glu(x, hidden=7, act=relu) as g\n}"
    made = program(text, D=D)

    def reference(w: Weights, x: Tensor) -> Tensor:
        gate = functional.linear(x, w["g.gate.weight"]).relu()
        return functional.linear(gate * functional.linear(x, w["g.up.weight"]), w["g.down.weight"])

    same(made, reference, numbers(2, 3, D))


def test_swiglu_is_that_of_llama() -> None:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaMLP

    other = LlamaMLP(LlamaConfig(hidden_size=D, intermediate_size=9, num_attention_heads=2)).double()
    renamed = {"gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
    made = block("feedforward", "swiglu", D=D, hidden=9)
    same(made, lambda w, x: functional_call(other, {f"{renamed[k.split('.')[0]]}.weight": v for k, v in w.items()}, x), numbers(2, 3, D))


def test_glu_is_torchs_with_its_halves_exchanged() -> None:
    made = block("feedforward", "glu", D=D, hidden=7)
    same(
        made,
        lambda w, x: functional.linear(
            functional.glu(functional.linear(x, torch.cat([w["up.weight"], w["gate.weight"]]))), w["down.weight"]
        ),
        numbers(2, 3, D),
    )
