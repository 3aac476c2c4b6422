"""Promises of `share`: a variance and a mean of one tensor are one kernel, and say what the reference says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden_support import GOLDEN, Golden

import attn
from attn.compiler.passes import optimise
from attn.compiler.passes.share import Share
from attn.compiler.verify import Setting, compare

from .bits import SHAPES, settled

SOURCES = sorted((GOLDEN / "passes" / "share").glob("*.txt"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_what_is_shared_says_what_the_reference_says(path: Path) -> None:
    torch.set_num_threads(1)
    source = attn.text(Golden.read(path).source)
    for lead, choices, loose in SHAPES:
        sizes = settled(attn.load(source).graph(), [size for size in choices if size > 1], lead)
        assert sizes is not None
        assert compare(source, Setting(lead=lead, loose=loose, gradients=True), sizes) == "same"


def test_the_library_shares_in_srm() -> None:
    graph = attn.std.channel.srm.graph({"C": 4})
    changes = optimise(graph, pipeline=(Share(),)).steps[0].changes
    assert [change.text.split(": ")[-1] for change in changes] == ["std and mean along H W look at their tensor once"]
    assert "torch.std_mean" in attn.std.channel.srm(C=4).code
