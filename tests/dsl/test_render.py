"""Diagnostics look as written here, in colour and without, and say the same as JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from golden_support import GOLDEN, Golden, golden_files

from attn.dsl.diagnostics import AttnError, Diagnostic, Label
from attn.dsl.render import as_json, render, render_all
from attn.dsl.source import NOWHERE, Source, Span

Check = Callable[[Path, Callable[[Golden], str]], None]
_PLACE = re.compile(r"<([0-9]):")


def marked(text: str) -> tuple[str, dict[int, tuple[int, int]]]:
    """Take the marks out of a text: `<0:place>` gives the offsets of `place` under 0."""
    places: dict[int, tuple[int, int]] = {}
    while (found := _PLACE.search(text)) is not None:
        end = text.index(">", found.end())
        text = text[: found.start()] + text[found.end() : end] + text[end + 1 :]
        places[int(found[1])] = (found.start(), end - len(found[0]))
    return text, places


def diagnostic(case: Golden) -> Diagnostic:
    """Mark 0 is the mistake, the others are labels; those above 4 stand in the file `other`."""
    text, places = marked(case.text)
    source = Source("main.attn", text)
    found = Diagnostic(
        "E0001", "the title", Span(source, *places.pop(0)), "label 0", notes=("a note\nwith two lines", "another"), help="a help"
    )
    for number, (start, end) in sorted(places.items()):
        found = found.also(Span(source, start, end), f"label {number}")
    for name, body in case.files.items():
        text, places = marked(body)
        other = Source(name, text)
        for number, (start, end) in sorted(places.items()):
            found = found.also(Span(other, start, end), f"label {number}")
    return found


@pytest.mark.parametrize("path", golden_files(GOLDEN / "render"), ids=lambda path: path.stem)
def test_frame_is_as_expected(path: Path, golden: Check) -> None:
    golden(path, lambda case: render(diagnostic(case), color=False) + "\n")


@pytest.mark.parametrize("path", golden_files(GOLDEN / "render"), ids=lambda path: path.stem)
def test_colour_adds_nothing_but_colour(path: Path) -> None:
    found = diagnostic(Golden.read(path))
    painted = render(found, color=True)
    assert "\x1b[1;31merror[E0001]\x1b[0m" in painted
    plain = re.sub(r"\x1b\[[0-9;]*m", "", painted)
    assert [line.rstrip() for line in plain.splitlines()] == render(found, color=False).splitlines()


SOURCE = Source("a.attn", "one\ntwo three\n")


def at(start: int, end: int, code: str = "E0001", source: Source = SOURCE) -> Diagnostic:
    return Diagnostic(code, "title", Span(source, start, end))


def test_diagnostics_come_once_each_by_file_and_place() -> None:
    other = Source("0.attn", "x\n")
    shown = render_all([at(4, 7), at(0, 3), at(4, 7), at(0, 1, "W0801", other), at(0, 1, "W0802")], color=False)
    heads = [line for line in shown.splitlines() if "-->" in line or "[" in line]
    assert heads == [
        "warning[W0802]: title", " --> a.attn:1:1", "error[E0001]: title", " --> a.attn:1:1", "error[E0001]: title", " --> a.attn:2:1",
        "warning[W0801]: title", " --> 0.attn:1:1",
    ]  # fmt: skip
    assert shown.endswith("\n2 errors, 2 warnings\n")


@pytest.mark.parametrize(
    ("codes", "summary"),
    [("", "no errors"), ("E", "1 error"), ("EE", "2 errors"), ("W", "1 warning"), ("EWW", "1 error, 2 warnings")],
)
def test_the_last_line_counts(codes: str, summary: str) -> None:
    found = [at(i, i + 1, f"{letter}0001") for i, letter in enumerate(codes)]
    assert render_all(found, color=False).splitlines()[-1] == summary


def test_json_says_the_same() -> None:
    found = Diagnostic(
        "W0801", "title", Span(SOURCE, 4, 7), "here", (Label(Span(SOURCE, 0, 3), "there"),), notes=("a", "b"), help="do this"
    )
    assert as_json(found) == {
        "code": "W0801", "severity": "warning", "title": "title", "file": "a.attn", "line": 2, "column": 1, "end_line": 2, "end_column": 4,
        "label": "here", "notes": ["a", "b"], "help": "do this",
        "labels": [{"file": "a.attn", "line": 1, "column": 1, "end_line": 1, "end_column": 4, "text": "there"}],
    }  # fmt: skip


def test_the_exception_reads_as_rendered() -> None:
    error = AttnError([at(4, 7)])
    assert str(error) == "\n" + render_all([at(4, 7)], color=False)


def test_a_mistake_that_stands_in_no_text_has_no_frame() -> None:
    assert render(Diagnostic("E0001", "the title", NOWHERE), color=False) == "error[E0001]: the title"
    assert render(Diagnostic("E0001", "the title", NOWHERE, help="a help"), color=False) == "error[E0001]: the title\n  = help: a help"
    labelled = Diagnostic("E0001", "the title", NOWHERE).also(Span(SOURCE, 4, 7), "here")
    assert render(labelled, color=False) == "error[E0001]: the title\n --> a.attn:2:1\n  |\n2 | two three\n  | --- here"


def test_control_characters_never_reach_the_terminal() -> None:
    bad = "a \x1b[31m\x07 b\u202e c"
    place = Span(Source(bad, bad), 0, 1)
    shown = render(Diagnostic("E0001", bad, place, bad, (Label(place, bad),), (bad,), bad), color=False)
    assert all(character.isprintable() or character == "\n" for character in shown)
