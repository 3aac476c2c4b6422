"""docs/weights.md says what happens: its code runs from top to bottom and prints what stands below it."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import Tensor

from .conftest import ROOT

PAGE = ROOT / "docs" / "weights.md"
_BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert [kind for kind, _ in blocks].count("text") == 5
    names: dict[str, Any] = {}
    printed = ""
    for kind, body in blocks:
        if kind == "text":
            assert printed.strip() == body.strip()
            printed = ""
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(body, str(PAGE), "exec"), names)
        printed += out.getvalue()
    assert printed == ""


def test_the_page_shows_the_map_of_the_demo(demo: ModuleType, checkpoint: dict[str, Tensor]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(_BLOCK.findall(text)[-1][1], names)
    assert names["NAMES"] == demo.NAMES
    assert f"{len(checkpoint)} tensors" in text
