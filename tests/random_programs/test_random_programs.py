"""20,000 random programs, the same in every run: optimised they say what they said before, and every pass had its part in them.

`make fuzz` runs as many others as one likes.
"""

from __future__ import annotations

import gc

import pytest
import torch
from fuzzing.running import never_fired, run_range

PROGRAMS = 20_000
CHUNK = 500


@pytest.mark.parametrize("first", range(0, PROGRAMS, CHUNK))
def test_optimised_programs_mean_what_they_meant(first: int) -> None:
    torch.set_num_threads(1)
    gc.disable()  # a seventh faster
    counts = run_range(first, CHUNK)
    gc.enable()
    assert not counts.failures, "\n".join(counts.failures)
    assert counts.kinds["same"] + counts.kinds["shaken"] >= 0.96 * CHUNK  # the others have no answer, such as a maximum of nothing
    assert counts.kinds["shaken"] <= 0.1 * CHUNK
    assert never_fired(counts) == []
    assert set(counts.checks) >= {"text", "compiled", "axes renamed", "an axis of size 1", "another order of axes"}
