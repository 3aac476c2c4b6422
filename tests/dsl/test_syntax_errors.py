"""Every mistake in spelling and loading has its code, its explanation and its message, word for word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from golden_support import ERRORS, Golden, golden_files

from attn.dsl.codes import CODES
from attn.dsl.loader import Library
from attn.dsl.parser import decode, parse
from attn.dsl.render import render_all
from attn.dsl.source import Source

Check = Callable[[Path, Callable[[Golden], str]], None]
# The codes of the front room; later stages have their own goldens beside their own tests.
OURS = [code for code in CODES if code.startswith("E00")]
# A golden with very many mistakes shows the last few.
SHOWN = 3


def load_and_render(case: Golden) -> str:
    """What `attn check` would say of the file's spelling and of what it uses. The current folder is the root."""
    path = case.unpack(Path())
    source, diagnostics = decode(path.read_bytes(), str(path))
    diagnostics += Library([Path()], std=Path("std")).load(source)[1]
    return render_all(diagnostics if len(diagnostics) < 20 else diagnostics[-SHOWN:], color=False)


@pytest.mark.parametrize("path", golden_files(ERRORS, "E00*.txt"), ids=lambda path: path.stem)
def test_message_is_as_expected(path: Path, golden: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    golden(path, load_and_render)


@pytest.mark.parametrize("path", golden_files(ERRORS, "E00*.txt"), ids=lambda path: path.stem)
def test_message_is_of_its_code_alone(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One mistake, one message: a golden file of a code shows that code and no other."""
    monkeypatch.chdir(tmp_path)
    code = path.stem.partition("-")[0]
    text = load_and_render(Golden.read(path))
    heads = [line for line in text.splitlines() if line.startswith(("error[", "warning["))]
    assert heads
    if code != "E0036":
        assert all(f"[{code}]" in head for head in heads)
    assert f"[{code}]" in heads[-1]


@pytest.mark.parametrize("code", OURS)
def test_every_code_has_a_golden_file(code: str) -> None:
    assert golden_files(ERRORS, f"{code}-*.txt")


@pytest.mark.parametrize("path", golden_files(ERRORS), ids=lambda path: path.stem)
def test_every_golden_file_has_an_explained_code(path: Path) -> None:
    assert path.stem.partition("-")[0] in CODES


def in_block(piece: str) -> str:
    return piece if piece.startswith(("block ", "def ", "use ", "attn ")) else "block f(x: [*]) -> [*] {\n" + piece + "\n}\n"


@pytest.mark.parametrize("code", [code for code in OURS if code < "E0040" and CODES[code].wrong])
def test_explanation_shows_the_mistake_and_its_repair(code: str) -> None:
    explanation = CODES[code]
    wrong = [d.code for d in parse(Source("wrong", in_block(explanation.wrong)))[1]]
    right = parse(Source("right", in_block(explanation.right)))[1]
    assert wrong == [code]
    assert right == []


@pytest.mark.parametrize("code", OURS)
def test_explanation_reads_well(code: str) -> None:
    text = str(CODES[code])
    assert text.startswith(f"{code}: {CODES[code].title}\n\n")
    assert len(CODES[code].text) > 30
    assert CODES[code].text.endswith(".")
