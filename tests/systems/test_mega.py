"""What the record of Mega asks for, as far as it takes no training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.testing import assert_close

import attn

from .cases.mega import BIND
from .support import CLOSE, built, counted, parameters, part

RELEASED = Path(__file__).parents[1] / "fixtures" / "systems" / "mega.safetensors"
"""Weights, inputs and results of `MegaMovingAverageGatedAttention` of transformers 4.49, which went out of it later, in six settings of 12
features, 6 shared ones, 10 of the values and 4 averages each. Its Fourier transforms are in single precision."""
SETTINGS: dict[str, dict[str, Any]] = {
    "laplace": {},
    "softmax": {"kind": "softmax"},
    "squared": {"kind": "squared"},
    "rotary": {"bias": "rotary"},
    "chunked": {"chunk": 4, "reach": 4},
    "causal": {"kind": "softmax", "causal": True, "norm": "scale"},
}
AVERAGE = {"damping_factor": "delta", "decay_factor": "alpha", "ema_expansion_matrix": "beta", "kernel_projection_matrix": "gamma"}
LINEAR = {"v_proj": "value", "mx_proj": "gates.fc", "h_proj": "update.fc"}
NAMES = {
    "norm.norm.scalar": "norm.scalar",
    "norm.norm.weight": "norm.layer.weight",
    "norm.norm.bias": "norm.layer.bias",
    "ema_gate.residual_weight": "gates.omega",
    "qk_weight": "gates.scale",
    "qk_bias": "gates.shift",
    "rel_pos_bias.rel_pos_bias": "bias.table",
    "rel_pos_bias.alpha": "bias.a",
    "rel_pos_bias.b_param": "bias.b",
    **{f"{theirs}.{kind}": f"{ours}.{kind}" for theirs, ours in LINEAR.items() for kind in ("weight", "bias")},
}


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their weights under our names; the two directions of the average lie behind each other in one tensor."""
    found = {NAMES[name]: value.double() for name, value in weights.items() if name in NAMES}
    for theirs, ours in AVERAGE.items():
        value = weights[f"ema_gate.{theirs}"].double().flatten(1)
        found |= {f"{way}.{ours}": half for way, half in zip(("ahead", "behind"), value.split(12), strict=False)}
    return found


@pytest.mark.system(
    "mega", "It equals the released module with its weights: softmax, Laplace and squared weights, both biases, chunks, padding and causal."
)
@pytest.mark.parametrize("setting", SETTINGS)
def test_it_is_the_released_module(setting: str) -> None:
    known = load_file(RELEASED)
    masked = setting in ("laplace", "softmax")
    bind = {"D": 12, "shared": 6, "hidden": 10, "order": 4, "reach": 16, **SETTINGS[setting]}
    made = attn.compile("std.gated", "mega", bind=bind, inputs=("keep",) if masked else (), dtype=torch.float64)
    made.load_state_dict(renamed(part(known, f"{setting}.weights")))
    inputs = (known["x"].double(), known["keep"]) if masked else (known["x"].double(),)
    assert_close(made(*inputs).float(), known[f"{setting}.y"], rtol=1e-5, atol=1e-6)


def both(**options: Any) -> tuple[Any, Any]:
    """The block with and without the options, and the same weights."""
    one, two = built("std.gated", "mega", **BIND, **options), built("std.gated", "mega", **BIND)
    one.load_state_dict(two.state_dict())
    return one, two


@pytest.mark.system("mega", "The Fourier form of the moving average equals its steps, in the block and for 1, 2 and 33 positions.")
def test_the_fourier_form_is_the_recurrence() -> None:
    one, two = both(form="fourier")
    for length in (1, 2, 16):
        x = torch.randn(2, length, 6, dtype=torch.float64)
        assert_close(one(x), two(x), **CLOSE)
    ema, steps = (built("std.recurrence", "damped_ema", D=6, order=3, form=form) for form in ("fourier", "steps"))
    x = torch.randn(33, 6, dtype=torch.float64)
    assert_close(ema(x), steps(x), **CLOSE)


@pytest.mark.system("mega", "Steps of the moving average with its state are the average over all positions.")
def test_steps_of_the_average_are_the_whole() -> None:
    step, whole = built("std.recurrence", "damped_ema_step", D=6, B=2, order=3), built("std.recurrence", "damped_ema", D=6, order=3)
    step.get_buffer("average").zero_()
    step.load_state_dict({**step.state_dict(), **whole.state_dict()})
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    assert_close(torch.stack([step(x[:, n]) for n in range(7)], 1), whole(x), **CLOSE)


@pytest.mark.system("mega", "One chunk as long as the sequence, or longer, is attention over all of it; shorter ones are not.")
def test_one_chunk_is_the_whole() -> None:
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    for chunk in (7, 9):
        one, two = both(chunk=chunk)
        assert_close(one(x), two(x), **CLOSE)
    one, two = both(chunk=4)
    assert not torch.allclose(one(x), two(x))


@pytest.mark.system(
    "mega",
    "Eleven steps of decoding equal the causal pass, for three kinds of weights, two biases, in chunks and whole: largest error 1e-10.",
)
@pytest.mark.parametrize("kind", ["softmax", "laplace", "squared"])
@pytest.mark.parametrize(("bias", "chunk"), [("simple", None), ("simple", 4), ("rotary", 4)])
def test_decoding_step_by_step_is_the_whole_at_once(kind: str, bias: str, chunk: int | None) -> None:
    bind = {**BIND, "kind": kind, "bias": bias}
    whole, step = (
        built("std.gated", "mega", causal=True, chunk=chunk, **bind),
        built("std.gated", "mega_step", B=2, chunk=chunk or 16, **bind),
    )
    for state in ("keys", "values", "length", "ahead.average"):
        step.get_buffer(state).zero_()
    step.load_state_dict({**step.state_dict(), **whole.state_dict()})
    x = torch.randn(2, 11, 6, dtype=torch.float64)
    assert_close(torch.stack([step(x[:, n]) for n in range(11)], 1), whole(x), **CLOSE)


@pytest.mark.system("mega", "With the update gate shut it changes nothing.")
def test_a_shut_update_gate_changes_nothing() -> None:
    made = built("std.gated", "mega", **BIND)
    made.get_parameter("gates.fc.weight").data[:6] = 0
    made.get_parameter("gates.fc.bias").data[:6] = -1e4
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    assert torch.equal(made(x), x)


@pytest.mark.system("mega", "Causal, no token changes what the tokens before it give; both ways, every token does.")
def test_causal_attention_sees_nothing_later() -> None:
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    changed = torch.cat((x[:, :4], torch.randn(2, 3, 6, dtype=torch.float64)), 1)
    causal, whole = built("std.gated", "mega", **BIND, causal=True), built("std.gated", "mega", **BIND)
    assert_close(causal(changed)[:, :4], causal(x)[:, :4], **CLOSE)
    assert bool(((whole(changed) - whole(x)).abs().amax(-1) > 1e-6).all())


@pytest.mark.system("mega", "In chunks, twice the positions cost twice the operations; without, more than three times at 4,096.")
def test_chunks_make_the_cost_linear() -> None:
    def operations(length: int, chunk: int | None) -> float:
        bind = {**BIND, "D": 8, "shared": 64, "hidden": 64, "chunk": chunk, "N": length}
        return float(counted("std.gated", "mega", **bind).flops.evaluate({"*": 1}))

    assert operations(8192, 128) / operations(4096, 128) == pytest.approx(2, rel=1e-2)
    assert operations(8192, None) / operations(4096, None) > 3


@pytest.mark.system(
    "mega", "Its weights are those of the paper's equations: at 512 features, z = 128, v = 1024, 16 averages each way, 2,236,031."
)
def test_the_number_of_weights() -> None:
    d, z, v, n = 512, 128, 1024, 16
    maps = d * v + v + d * (2 * d + z + v) + 2 * d + z + v + v * d + d
    rest = 2 * 4 * d * n + d + 4 * z + 2 * d + 2 * 1024 - 1
    assert parameters("std.gated", "mega", D=d, shared=z, hidden=v, order=n) == maps + rest == 2_236_031
