"""What the record of DREAM asks for, as far as it takes no training."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from .cases.mambarec_dream import dream
from .support import CLOSE, Case, leaves, parameters, part


@pytest.mark.system("mambarec-dream", "It equals plain PyTorch on vectors [B, 64] and on sequences [3, 7, 64], at width 64.")
def test_vectors_and_sequences_of_the_published_width() -> None:
    for block, x in (("dream_vector", torch.randn(3, 64)), ("dream_sequence", torch.randn(3, 7, 64))):
        made = Case("std.multiscale", block, dream, (), {"D": 64}, scale=0.05).module()
        as_map = x.double()[..., None, None] if x.dim() == 2 else x.double().mT[:, :, None]
        y = dream(part(leaves(made), "dream"), as_map)
        assert_close(made(x.double()), y[..., 0, 0] if x.dim() == 2 else y[:, :, 0].mT, **CLOSE)


@pytest.mark.system(
    "mambarec-dream", "On a map of one place only the centres of the dilated kernels count: everything else may be any number."
)
def test_one_place_sees_only_centre_taps() -> None:
    case = Case("std.multiscale", "dream_vector", dream, (), {"D": 6})
    made, x = case.module(), torch.randn(3, 6, dtype=torch.float64)
    wanted = made(x)
    for i in (1, 2, 3):
        kernel = made.get_parameter(f"dream.dilated.{i}.conv.weight")
        centre = kernel.detach()[..., 1, 1].clone()
        kernel.data.normal_()
        kernel.data[..., 1, 1] = centre
    assert_close(made(x), wanted, rtol=0, atol=0)


@pytest.mark.system(
    "mambarec-dream", "The first weight is one number for each sample, and the second one for each place: 5 D weights each."
)
def test_the_two_weights() -> None:
    made = Case("std.multiscale", "dream", dream, (), {"C": 8}).module()
    assert made.get_parameter("channel.weight").shape == made.get_parameter("spatial.weight").shape == (1, 40)
    convolutions = 8 * 8 * (1 + 3 * 9 + 1 + 5) + 6 * 8
    assert parameters("std.multiscale", "dream", C=8) == convolutions + 6 * 2 * 8 + 2 * 40
