"""The checker is checked: wrong passes on real programs are caught, named, and shown on small programs."""

from __future__ import annotations

import pytest
import torch

import attn
from attn.compiler.graph import Graph
from attn.compiler.lower import runtime_prepared
from attn.compiler.verify import Report, verify_graph

from .planted import PLANTED, Planted


def merged() -> Graph:
    """Attention whose q, k and v are one product of a weight that is prepared from theirs."""
    return attn.std.heads.mha.graph({"D": 6, "heads": 2})


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def found(planted: Planted) -> Report:
    return verify_graph(planted.program(), pipeline=[planted.wrong])


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.wrong.name)
def test_a_wrong_pass_is_caught_named_and_reduced(planted: Planted) -> None:
    report = found(planted)
    assert report.finding is not None
    assert report.finding.culprit == planted.wrong.name
    assert report.finding.reduced is not None
    text = report.finding.reduced.listing
    assert planted.rest in text
    assert len(text.splitlines()) <= 8


def test_a_stale_merged_weight_after_a_load_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is prepared from weights is kept although other weights were loaded: no pass is wrong, and none is blamed."""
    graph = merged()
    assert verify_graph(graph, mode="infer").ok
    monkeypatch.setattr(runtime_prepared, "still_holds", lambda record, weights: True)
    report = verify_graph(graph, mode="infer")
    assert report.finding is not None
    assert report.finding.culprit == "prepared weights"


def test_ten_of_ten_are_caught(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    caught = [planted.wrong.name for planted in PLANTED if not verify_graph(planted.program(), pipeline=[planted.wrong], reducing=False).ok]
    monkeypatch.setattr(runtime_prepared, "still_holds", lambda record, weights: True)
    caught += [] if verify_graph(merged(), mode="infer").ok else ["stale_merged_weight"]
    print(f"{len(caught)} of {len(PLANTED) + 1} caught: {', '.join(caught)}")
    assert capsys.readouterr().out.startswith("10 of 10 caught")
