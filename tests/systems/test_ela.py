"""What the record of efficient local attention asks for, as far as it takes no training."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from .cases.ela import VERSIONS
from .support import CLOSE, Case, parameters


@pytest.mark.system("ela", "Depthwise it has C k + 2 C parameters: 576 for C = 64 and k = 7, and what T, S and L say.")
def test_the_number_of_parameters() -> None:
    assert parameters("std.channel", "ela", C=64) == 64 * 7 + 128 == 576
    for version, (kernel, per, _) in VERSIONS.items():
        assert parameters("std.channel", "ela", C=64, version=version) == 64 * per * kernel + 128
        assert parameters("std.channel", "ela", C=64, version=version, shared=False) == 2 * (64 * per * kernel + 128)


@pytest.mark.system("ela", "With shared weights, exchanging height and width of the input exchanges those of the output; otherwise not.")
@pytest.mark.parametrize("version", VERSIONS)
def test_height_and_width_can_be_exchanged(version: str) -> None:
    x = torch.randn(2, 32, 5, 7, dtype=torch.float64)
    shared, apart = (
        Case("std.channel", "ela", lambda w, x: x, (), {"C": 32, "version": version, "shared": shared}).module() for shared in (True, False)
    )
    assert_close(shared(x.mT), shared(x).mT, **CLOSE)
    assert not torch.allclose(apart(x.mT), apart(x).mT)
