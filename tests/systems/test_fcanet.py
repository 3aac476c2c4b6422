"""What the record of frequency channel attention asks for, as far as it takes no training."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

import attn

from .cases.fcanet import US, VS
from .support import CLOSE, Case, parameters


@pytest.mark.system("fcanet", "FcaNet-50 has 28,071,976 parameters and FcaNet-34 has 21,954,856, as many as with squeeze-and-excitation.")
def test_the_number_of_parameters() -> None:
    assert parameters("std.systems.fcanet", "fca_resnet") == 28_071_976
    assert parameters("std.systems.fcanet", "fca_resnet", small=True) == 21_954_856
    assert parameters("std.frequency", "fca", C=256) == parameters("std.channel", "se", C=256, bias=False)


@pytest.mark.system("fcanet", "With the frequency 0, 0 alone it is squeeze-and-excitation with its first map times the side (7, 14).")
@pytest.mark.parametrize("side", [7, 14])
def test_the_lowest_frequency_alone_is_squeeze_and_excitation(side: int) -> None:
    made = attn.std.frequency.fca(C=16, reduction=4, side=side, us=[0], vs=[0], dtype=torch.float64)
    plain = attn.std.channel.se(C=16, reduction=4, bias=False, dtype=torch.float64)
    plain.load_state_dict({name: made.get_parameter(name) * by for name, by in (("fc1.weight", side), ("fc2.weight", 1))})
    x = torch.randn(2, 16, side, side, dtype=torch.float64)
    assert_close(made(x), plain(x), **CLOSE)


@pytest.mark.system("fcanet", "Its waves have length 1 and are orthogonal, and the 16 of the paper's list differ.")
def test_the_waves_are_an_orthonormal_basis() -> None:
    made = attn.std.frequency.dct_wave(T=7, dtype=torch.float64)
    waves = made(torch.arange(7.0, dtype=torch.float64))
    assert_close(waves @ waves.mT, torch.eye(7, dtype=torch.float64), **CLOSE)
    assert len(set(zip(US, VS, strict=True))) == 16


@pytest.mark.system("fcanet", "An image of one listed wave is seen by that wave's group of channels alone, which gets 1.")
def test_each_group_sees_its_own_frequency() -> None:
    made = attn.std.frequency.fca(C=16, reduction=1, dtype=torch.float64)
    made.load_state_dict({f"fc{n}.weight": torch.eye(16, dtype=torch.float64) for n in (1, 2)}, strict=False)
    wave = attn.std.frequency.dct_wave(T=7, dtype=torch.float64)
    for group, (u, v) in enumerate(zip(US, VS, strict=True)):
        image = torch.outer(wave(torch.tensor(u, dtype=torch.float64)), wave(torch.tensor(v, dtype=torch.float64)))
        gates = torch.sigmoid(torch.eye(16, dtype=torch.float64)[group])
        assert_close(made(image.expand(16, 7, 7)), image * gates[:, None, None], **CLOSE)


@pytest.mark.system("fcanet", "A number of channels that the number of waves does not divide is an error that says so.")
def test_a_number_of_channels_that_does_not_divide_is_an_error() -> None:
    with pytest.raises(attn.AttnError, match="E0203"):
        Case("std.frequency", "fca", lambda w, x: x, (), {"C": 24}).module()
