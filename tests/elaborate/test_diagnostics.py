"""Every mistake in a program is told in the user's terms: one golden file a code, with its source and what is printed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from golden_support import GOLDEN, Golden, golden_files

import attn
from attn.dsl.codes import CODES
from attn.dsl.render import render_all

CHECKS = golden_files(GOLDEN / "checks")


def _check(case: Golden) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = case.unpack(Path(folder))
        found = attn.check(path)
        return render_all(found, color=False).replace(folder + "/", "") + "\n"


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_a_mistake_is_told_in_the_users_terms(path: Path, golden: Callable[[Path, Callable[[Golden], str]], None]) -> None:
    golden(path, _check)


@pytest.mark.parametrize("path", [path for path in CHECKS if path.stem[1:5].isdigit()], ids=lambda path: path.stem)
def test_a_golden_file_shows_the_code_it_is_named_after(path: Path) -> None:
    assert f"[{path.stem[:5]}]" in Golden.read(path).output


def test_every_code_has_a_golden_file() -> None:
    shown = "".join(path.read_text(encoding="utf-8") for path in GOLDEN.rglob("*.txt"))
    assert [code for code in CODES if f"[{code}]" not in shown] == []
