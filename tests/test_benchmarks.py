"""Every row of the benchmark computes the same in all its ways. No test here asserts a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from harness.row import Row
from harness.ways import COMPILING, OURS, error, exact, ways
from workloads import ROWS


def different() -> Iterator[Row]:
    """One of the rows that are the same at small sizes."""
    seen = set[tuple[Any, ...]]()
    for row in ROWS:
        make = row.make
        key = (make.func, *make.args) if isinstance(make, partial) else (make,)
        if (*key, *row.small.items()) not in seen:
            seen.add((*key, *row.small.items()))
            yield row


@pytest.mark.parametrize("row", list(different()), ids=lambda row: row.name)
def test_all_ways_of_a_row_agree(row: Row, torchvision: None) -> None:
    work = row.make(**row.small)
    wanted = exact(work)
    found = ways(work, torch.float64, COMPILING)
    assert len({OURS, "author"} & {way.name for way in found}) == 2
    for way in found:
        assert way.run is not None, f"{way.name}: {way.trouble}"
        if way.name not in work.apart:
            assert error(way.run(), wanted) < 1e-6, way.name
