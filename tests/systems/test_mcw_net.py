"""What the record of MCW-Net asks for, as far as it takes no training."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

import attn

from .cases.mcw_net import non_local
from .support import CLOSE, Case, leaves, parameters

NETWORK = ("std.systems.mcw_net", "mcw_net")


@pytest.mark.system("mcw-net", "The small network has 2,158,586 weights and the large one 129,539,018.")
def test_the_number_of_parameters() -> None:
    assert parameters(*NETWORK, width=16, reduction=4) == 2_158_586
    assert parameters(*NETWORK) == 129_539_018


@pytest.mark.system("mcw-net", "A grid of one region is the plain non-local block, and regions do not see each other.")
def test_regions_are_plain_blocks() -> None:
    grid = Case("std.non_local", "non_local", non_local, (), {"C": 8, "rows": 2, "columns": 3}).module()
    plain = attn.compile("std.non_local", "non_local", C=8, dtype=torch.float64)
    plain.load_state_dict(grid.state_dict())
    x = torch.randn(1, 8, 8, 12, dtype=torch.float64)
    assert_close(plain(x), non_local(leaves(grid), x), **CLOSE)
    assert_close(grid(x)[:, :, 4:, 4:8], plain(x[:, :, 4:, 4:8]), **CLOSE)


@pytest.mark.system("mcw-net", "At the start a regional block is the identity, to the last bit.")
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 2)])
def test_a_regional_block_starts_as_the_identity(rows: int, columns: int) -> None:
    x = torch.randn(2, 4, 8, 12, dtype=torch.float64)
    assert torch.equal(attn.compile("std.non_local", "non_local", C=4, rows=rows, columns=columns, dtype=torch.float64)(x), x)


@pytest.mark.system("mcw-net", "The wavelets come back, from either side, and keep the length of what they transform.")
def test_wavelets_come_back() -> None:
    down, up = (attn.compile("std.wavelets", block, dtype=torch.float64) for block in ("haar_down", "haar_up"))
    x, z = torch.randn(2, 3, 6, 10, dtype=torch.float64), torch.randn(2, 12, 3, 5, dtype=torch.float64)
    assert_close(up(down(x)), x, **CLOSE)
    assert_close(down(up(z)), z, **CLOSE)
    assert_close(down(x).norm(), x.norm(), **CLOSE)


@pytest.mark.system(
    "mcw-net", "The small network runs with its published grids on a map of 64 x 16, and gives the image plus what it adds."
)
def test_the_published_grids() -> None:
    made = attn.compile(*NETWORK, width=16, reduction=4)
    x = torch.rand(1, 3, 64, 16)
    y, added = made(x)
    assert_close(y, x + added)
    with pytest.raises(attn.AttnError, match="H is 48"):
        made(torch.rand(1, 3, 48, 16))
