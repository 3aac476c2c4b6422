"""What the record of VAANet asks for, as far as it takes no training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from .cases.vaanet import SIZES, vaanet
from .support import CLOSE, Case, parameters

PROGRAM = Path(__file__).parents[2] / "examples" / "systems" / "vaanet.attn"


@pytest.mark.system(
    "vaanet", "With all square maps at zero the weights of places, channels and time are exactly 1, and the head sees plain means."
)
def test_without_square_maps_it_is_a_mean() -> None:
    made = Case("std.systems.vaanet", "vaanet", vaanet, (), SIZES).module()
    for name in ("space", "channel", "time", "hearing"):
        made.get_parameter(f"{name}.fc.weight").data.zero_()
    for name in ("time", "hearing"):
        made.get_parameter(f"{name}.fc.bias").data.fill_(1)  # its initial value
    video, audio = torch.randn(2, 4, 5, 2, 3, dtype=torch.float64), torch.randn(2, 3, 6, dtype=torch.float64)
    logits, space, channel, time = made(video, audio)
    for weights in (space, channel, time):
        assert_close(weights, torch.ones_like(weights), **CLOSE)
    f = torch.einsum("ke,bsehw->bskhw", made.get_parameter("reduce.weight"), video) + made.get_parameter("reduce.bias")[:, None, None]
    f = made_norm(made, "reduce_norm", f, 2).relu().mean((1, 3, 4))
    g = audio @ made.get_parameter("sound.weight").T + made.get_parameter("sound.bias")
    g = made_norm(made, "sound_norm", g, 2).tanh().mean(1)
    assert_close(logits, torch.cat((f, g), -1) @ made.get_parameter("head.weight").T + made.get_parameter("head.bias"), **CLOSE)


def made_norm(made: torch.nn.Module, name: str, x: torch.Tensor, dim: int) -> torch.Tensor:
    stored = made.state_dict()
    mean, var, weight, bias = (stored[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return ((x.movedim(dim, -1) - mean) * (var + 1e-5).rsqrt() * weight + bias).movedim(-1, dim)


@pytest.mark.system("vaanet", "At the start the weights of time have a bias of 1, and the maps of space and channels none.")
def test_biases_at_the_start() -> None:
    import attn

    made = attn.compile("std.systems.vaanet", "vaanet", bind=dict(SIZES))
    assert (made.get_parameter("time.fc.bias") == 1).all()
    assert [name for name, _ in made.named_parameters() if name.endswith("fc.bias")] == ["time.fc.bias", "hearing.fc.bias"]


@pytest.mark.system("vaanet", "The chain is three uses of one block, a line each, and the maps come out under their names.")
def test_three_lines_of_one_block() -> None:
    lines = [line for line in PROGRAM.read_text(encoding="utf-8").splitlines() if "= axis_attention(" in line]
    assert len(lines) == 4
    assert sum("_ =" in line for line in lines) == 1
    made = Case("std.systems.vaanet", "vaanet", vaanet, (), SIZES).module()
    found = made(torch.randn(2, 4, 5, 2, 3, dtype=torch.float64), torch.randn(2, 3, 6, dtype=torch.float64))
    assert found._fields == ("logits", "space", "channel", "time")
    shapes = {"space": (2, 4, 6), "channel": (2, 4, 6), "time": (2, 4)}
    assert all(getattr(found, name).shape == shape for name, shape in shapes.items())


@pytest.mark.system("vaanet", "At the published sizes the square maps have 16 x 16, 512 x 512 and 10 x 10 + 10 weights.")
def test_square_maps_at_the_published_sizes() -> None:
    for size, features, by, count in ((16, 512, "softmax", 256), (512, 16, "softmax", 512 * 512), (10, 512, "relu", 110)):
        assert parameters("std.axial", "axis_attention", N=size, D=features, by=by) == count + features + 2
