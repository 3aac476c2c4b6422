"""What somebody is told who asks a probe for what it cannot give."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from golden_support import GOLDEN, Golden, golden_files, told

import attn

PROBES = golden_files(GOLDEN / "probes")


def _words(case: Golden, key: str) -> list[str]:
    found = re.search(rf"^# {key}: (.*)$", case.text, re.MULTILINE)
    return found[1].split() if found else []


def _look(case: Golden, path: Path) -> None:
    module = attn.compile(path)
    (given,) = (node for node in module.attn_graph.inputs)
    x = torch.zeros(1, *(given.tensor.size(name).integer() or 3 for name in given["order"] if name != "*"))
    names = _words(case, "probe")
    with module.probe(*names) as seen:
        for _ in range(int((_words(case, "calls") or ["1"])[0])):
            module(x)
    for pair in _words(case, "at"):
        axis, _, place = pair.partition("=")
        seen[names[0]].at({axis: int(place)})
    assert seen[names[0]].tensor is not None


@pytest.mark.parametrize("path", PROBES, ids=lambda path: path.stem)
def test_it_is_told(path: Path, golden: Callable[[Path, Callable[[Golden], str]], None]) -> None:
    golden(path, lambda case: told(case, _look))
    assert f"[{path.stem[:5]}]" in Golden.read(path).output
