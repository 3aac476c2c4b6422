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
FEWER = ("columns", "windows")


def graph(path: Path) -> Graph:
    source = Golden.read(path).source
    return attn.load(attn.text(source)).graph(settings(source)[1])


def copied(one: Graph, *pipeline: Pass) -> int:
    """Bytes that a run copies to put numbers in order; what `lay` copies counts as well."""
    made = lower(one, optimiser=partial(optimise, pipeline=pipeline))
    return total(copies(made, {"H": 4, "W": 6}, (3,)))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_fewer_bytes_are_copied_or_as_many(path: Path) -> None:
    before, after = copied(graph(path)), copied(graph(path), AssignLayout())
    assert after < before if path.stem in FEWER else after == before


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_what_is_laid_out_says_what_the_reference_says(path: Path) -> None:
    torch.set_num_threads(1)
    source = Golden.read(path).source
    for lead, choices, loose in SHAPES:
        sizes = settled(graph(path), choices, lead)
        assert sizes is not None
        assert compare(attn.text(source), Setting(bind=settings(source)[1], lead=lead, loose=loose, gradients=True), sizes) == "same"
