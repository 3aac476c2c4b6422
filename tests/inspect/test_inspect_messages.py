"""What somebody is told who asks `attn.inspect` for what it cannot show."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_support import GOLDEN, Golden, golden_files, told

import attn

CASES = golden_files(GOLDEN / "inspect")


def _look(case: Golden, path: Path) -> None:
    found = re.search(r"^# inspect: (.*)$", case.text, re.MULTILINE)
    assert found is not None
    pairs = [pair.partition("=")[::2] for pair in found[1].split()]
    inputs = {name: torch.zeros(*map(int, value.split("x"))) for name, value in pairs if re.fullmatch(r"\d+(x\d+)+", value)}
    others: dict[str, Any] = {name: int(value) if value.isdigit() else value for name, value in pairs if name not in inputs}
    attn.inspect(path, inputs if inputs else (), **others)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_it_is_told(path: Path, golden: Callable[[Path, Callable[[Golden], str]], None]) -> None:
    golden(path, lambda case: told(case, _look))
    assert f"[{path.stem[:5]}]" in Golden.read(path).output
