"""The formatter has one answer: it never changes meaning, keeps every comment, and leaves its own output alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from golden_programs import EVERYTHING, PROGRAMS
from golden_support import GOLDEN, Golden, golden_files
from golden_tree import tree_text

from attn.dsl.diagnostics import AttnError
from attn.dsl.format import format_text
from attn.dsl.parser import parse
from attn.dsl.pretty import WIDTH
from attn.dsl.source import Source

Check = Callable[[Path, Callable[[Golden], str]], None]


def formatted(text: str) -> str:
    """The formatted text, after checking all that a formatter promises."""
    once = format_text(Source("text", text))
    before, after = parse(Source("text", text))[0], parse(Source("text", once))[0]
    assert format_text(Source("text", once)) == once
    assert [tree_text(each) for each in (*after.uses, *after.blocks)] == [tree_text(each) for each in (*before.uses, *before.blocks)]
    assert Counter(c.text.strip() for c in after.comments) == Counter(c.text.strip() for c in before.comments)
    assert after.version == 1
    assert once.endswith("\n")
    assert not once.endswith("\n\n")
    assert all(line == line.rstrip() for line in once.splitlines())
    return once


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_well_written_programs_stay_as_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert formatted(text) == text


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_only_the_version_is_added(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert formatted(text.removeprefix("attn 1\n\n")) == text


@pytest.mark.parametrize("path", golden_files(GOLDEN / "format"), ids=lambda path: path.stem)
def test_text_is_formatted_as_expected(path: Path, golden: Check) -> None:
    golden(path, lambda case: formatted(case.source))


def test_every_construct_survives() -> None:
    assert max(len(line) for line in formatted(EVERYTHING).splitlines()) <= WIDTH


@pytest.mark.parametrize("width", range(60, 130, 7))
def test_lines_break_at_the_width(width: int) -> None:
    """Around the limit: what fits stays on its line, what does not is broken."""
    name = "a" * (width - 44)
    text = f"attn 1\n\nblock f(x: [*]) -> [*] {{\n    y = attend({name}, b, c, d, over=N, dot=d)\n    return y\n}}\n"
    line = text.splitlines()[3]
    assert (formatted(text) == text) == (len(line) <= WIDTH)


def test_a_text_that_does_not_parse_is_refused() -> None:
    with pytest.raises(AttnError) as error:
        format_text(Source("text", "block f() -> [] { y = x x }"))
    assert [d.code for d in error.value.diagnostics] == ["E0021"]
    assert "error[E0021]" in str(error.value)


@pytest.mark.parametrize("text", ["", "\n\n", "attn 1"])
def test_an_empty_file_gets_its_version(text: str) -> None:
    assert formatted(text) == "attn 1\n"


@pytest.mark.parametrize("comment", ["# a", "#a", "#", "#!a", "# é"])
@pytest.mark.parametrize("place", range(40))
def test_a_comment_may_stand_behind_any_word(place: int, comment: str) -> None:
    """Wherever a line may end, a comment may stand, and stays."""
    text = "block f(x: [*, C], y: int = 3) -> (a: [N]) {\n if a and b { x = f(x, H W -> U, k=[1, 2]) |> g(y) as p } else { x = y }\n"
    text += " return x, y\n}\n"
    words = text.split(" ")
    text = " ".join(words[: place + 1]) + f" {comment}\n" + " ".join(words[place + 1 :])
    if parse(Source("text", text))[1]:
        return
    assert comment.lstrip("# ") in formatted(text)
