"""The checker is checked: wrong passes on real programs are caught, named, and shown on small programs."""

from __future__ import annotations

import pytest
import torch

from attn.compiler.verify import Report, verify_graph

from .planted import PLANTED, Planted


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
