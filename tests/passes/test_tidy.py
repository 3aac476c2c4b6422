"""Promises of cleaning up: `tidy` changes no bit of any result or gradient, `views` changes no value."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden_support import GOLDEN, Golden

import attn
from attn.compiler.passes import optimise
from attn.compiler.passes.tidy import Tidy, Views
from attn.compiler.verify import Setting, compare

from .bits import SHAPES, differences, settled
from .test_golden import settings

SOURCES = sorted(path for name in ("tidy", "views") for path in (GOLDEN / "passes" / name).glob("*.txt"))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_tidy_keeps_every_bit(path: Path, dtype: torch.dtype) -> None:
    source = Golden.read(path).source
    mode, bind = settings(source)
    assert differences(attn.load(attn.text(source)).graph(bind), (Tidy(),), mode, dtype) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_is_left_says_what_the_reference_says(path: Path) -> None:
    source = Golden.read(path).source
    _, bind = settings(source)
    graph = attn.load(attn.text(source)).graph(bind)
    for lead, choices, loose in SHAPES:
        sizes = settled(graph, choices, lead)
        assert sizes is not None
        setting = Setting(bind=bind, lead=lead, loose=loose, gradients=True)
        assert compare(attn.text(source), setting, sizes) == "same"


def test_views_removes_the_copies_of_products_that_cancel() -> None:
    text = "block t(x: [*, h=2, N, d=3]) -> [*, h, N, d] {\n    return merge(x, h d -> D) |> exp |> split(D -> h d=3)\n}"
    graph = attn.load(attn.text(text)).graph()
    done = optimise(graph, pipeline=(Views(),)).graph
    assert [node.op for node in done.nodes] == ["input", "exp"]


def test_moves_that_gain_nothing_leave_the_graph_alone() -> None:
    text = "block t(x: [*, N, D]) -> [*, M, D] {\n    return exp(rename(x, N -> M))\n}"
    graph = attn.load(attn.text(text)).graph(checking=True)
    outcome = Tidy().run(graph, "train")
    assert outcome.graph is graph
    assert outcome.changes == ()
