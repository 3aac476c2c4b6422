"""What the record of masked mixers asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import attn

from .cases.masked_mixer import CASES
from .support import CLOSE, parameters

BLOCK = ("std.mixers", "masked_mixer")


class MixerBlock(nn.Module):
    """The released class: a convolution whose channels are the tokens, its weight overwritten with its lower triangle."""

    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(length, length, 1)
        self.mixer_norm, self.seq_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        self.conv.weight.data = self.conv.weight.data[..., 0].tril()[..., None]
        x = self.conv(self.mixer_norm(x)) + x
        y: Tensor = self.mlp(self.seq_norm(x)) + x
        return y


NAMES = {"conv": "mix", "mixer_norm": "norm1", "seq_norm": "norm2", "mlp.0": "fc1", "mlp.2": "fc2"}


@pytest.mark.system("masked-mixer", "It equals the released MixerBlock with its weights loaded by a map of names, before they are masked.")
def test_it_is_the_released_block() -> None:
    other = MixerBlock(6, 7).double()
    made = attn.compile(*BLOCK, N=7, D=6, dtype=torch.float64)
    names = {f"{old}.{leaf}": f"{new}.{leaf}" for old, new in NAMES.items() for leaf in ("weight", "bias")}
    attn.load_weights(made, other.state_dict(), names)
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    assert_close(made(x), other(x), **CLOSE)


@pytest.mark.system("masked-mixer", "In every variant with a mask, what comes later changes nothing before it.")
@pytest.mark.parametrize("case", [case for case in CASES[:6] if case.bind.get("causal", True)], ids=lambda case: case.name)
def test_later_tokens_change_nothing(case: Any) -> None:
    made, x = case.module(), torch.randn(2, 7, 6, dtype=torch.float64)
    changed = x.clone()
    changed[:, 4:] = torch.randn(2, 3, 6, dtype=torch.float64)
    assert torch.equal(made(changed)[:, :4], made(x)[:, :4])
    assert not torch.allclose(made(changed)[:, 4:], made(x)[:, 4:])


@pytest.mark.system("masked-mixer", "A block has N N + N + 8 D D + 9 D parameters, for four pairs of N and D.")
def test_the_number_of_parameters() -> None:
    for n, d in ((512, 1024), (512, 256), (1024, 512), (7, 6)):
        assert parameters(*BLOCK, N=n, D=d) == n * n + n + 8 * d * d + 9 * d


@pytest.mark.system("masked-mixer", "Of the N N mixing weights exactly N (N - 1) / 2, those above the diagonal, have no gradient.")
def test_dead_weights() -> None:
    made = CASES[0].module()
    made(torch.randn(2, 7, 6, dtype=torch.float64)).square().sum().backward()
    grad = made.get_parameter("mix.weight").grad[..., 0]
    assert torch.equal(grad == 0, torch.ones(7, 7, dtype=torch.bool).triu(1))


@pytest.mark.system("masked-mixer", "With W = 1 and no bias the mixing adds the norm of x to x.")
def test_the_identity_as_a_mixing_matrix() -> None:
    made, x = CASES[0].module(), torch.randn(2, 7, 6, dtype=torch.float64)
    weights = {name: value.clone() for name, value in made.state_dict().items()}
    weights["mix.weight"] = torch.eye(7, dtype=torch.float64)[..., None]
    for name in ("mix.bias", "fc2.weight", "fc2.bias"):
        weights[name].zero_()
    made.load_state_dict(weights)
    assert_close(made(x), x + nn.functional.layer_norm(x, (6,), weights["norm1.weight"], weights["norm1.bias"]), **CLOSE)


ONE_LINE = """attn 1

block layer(x: [*, N, D]) -> [*, N, D] {
    n = layernorm(x, D) as norm1
    param w: [N, N'] = normal(0.02)
    a = where(pos(N') <= pos(N), w, 0.0)    # softmax(scores(q, k, over=N, dot=d), over=N', where=pos(N') <= pos(N))
    x = x + read(a, n, over=N)
    return x + (layernorm(x, D) as norm2 |> linear(D -> E=4*D) as fc1 |> gelu |> linear(E -> D) as fc2)
}
"""


@pytest.mark.system("masked-mixer", "One line in the place of a softmax of scores makes a layer of attention this block without its bias.")
def test_one_line_replaces_the_scores() -> None:
    made = CASES[0].module()
    made.get_parameter("mix.bias").data.zero_()
    other = attn.compile(attn.text(ONE_LINE), N=7, D=6, dtype=torch.float64)
    shared = {name: value for name, value in made.state_dict().items() if not name.startswith("mix")}
    other.load_state_dict({**shared, "w": made.get_parameter("mix.weight").detach()[..., 0]})
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    assert_close(other(x), made(x), **CLOSE)
