"""Promises of the layout: fewer bytes are copied, no value changes, and nothing is done where nothing was copied."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from golden_support import GOLDEN, Golden

import attn
from attn.compiler.graph import Graph
from attn.compiler.lower.copies import copies, total
from attn.compiler.lower.lowering import lower
from attn.compiler.passes import Pass, optimise
from attn.compiler.passes.layout import AssignLayout
from attn.compiler.verify import Setting, compare

from .bits import SHAPES, settled
from .test_golden import settings

SOURCES = sorted((GOLDEN / "passes" / "layout").glob("*.txt"))
SIZES = {"H": 4, "W": 6, "N": 5, "M": 4, "d": 3}
LAID = {"gate": 4 * 3 * 4 * SIZES["W"]}
"""Bytes of a small operand that is put in the order of a large one: 3 images of 4 channels and so many columns."""
FEWER = ("bias", "causal", "columns", "gqa", "image", "mixed_tokens", "stack", "two_sources", "windows")


def graph(path: Path) -> Graph:
    source = Golden.read(path).source
    return attn.load(attn.text(source)).graph(settings(source)[1])


def copied(path: Path, *pipeline: Pass) -> int:
    """Bytes that a run copies to put numbers in order; what `lay` copies counts as well. Weights are put in order in a run before."""
    mode, _ = settings(Golden.read(path).source)
    made = lower(graph(path), optimiser=partial(optimise, mode=mode, pipeline=pipeline))
    copies(made, SIZES, (3,))
    return total(copies(made, SIZES, (3,)))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_fewer_bytes_are_copied_or_as_many_but_for_small_operands(path: Path) -> None:
    before, after = copied(path), copied(path, AssignLayout())
    assert after - before == LAID.get(path.stem, 0) if path.stem not in FEWER else after < before


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_what_is_laid_out_says_what_the_reference_says(path: Path) -> None:
    torch.set_num_threads(1)
    source = Golden.read(path).source
    for lead, choices, loose in SHAPES:
        sizes = settled(graph(path), choices, lead)
        assert sizes is not None
        assert compare(attn.text(source), Setting(bind=settings(source)[1], lead=lead, loose=loose, gradients=True), sizes) == "same"
