"""Any text gives a program and diagnostics that can be shown; a text without mistakes can be formatted."""

from __future__ import annotations

import json
from itertools import pairwise

from golden_programs import EVERYTHING, PROGRAMS
from golden_tree import tree_text
from hypothesis import given
from hypothesis import strategies as st

from attn.dsl.codes import CODES
from attn.dsl.format import format_text
from attn.dsl.lexer import Lexer
from attn.dsl.loader import load
from attn.dsl.parser import decode, parse
from attn.dsl.render import as_json, render_all
from attn.dsl.source import Source
from attn.dsl.tokens import KEYWORDS, OPERATORS

VALID = [EVERYTHING, *(path.read_text(encoding="utf-8") for path in PROGRAMS)]
VOCABULARY = sorted(
    {*KEYWORDS, *OPERATORS, "x", "N'", "C", "3", "0.5", "\n", "# c\n", "reverse", "int", "as p", "^", "&&", '"s"', ";", "é"}
)


def words_of(text: str) -> list[str]:
    """The words with the space behind them."""
    lexer = Lexer(Source("text", text))
    lexer.run()
    starts = [0, *(w.span.start for w in lexer.words), len(text)]
    return [text[a:b] for a, b in pairwise(starts)]


def answer(text: str) -> None:
    """All that has to hold for a text."""
    source = Source("text", text)
    program, diagnostics = parse(source)
    for d in diagnostics:
        assert d.code in CODES
        assert 0 <= d.span.start <= d.span.end <= len(text)
        json.dumps(as_json(d))
    shown = render_all(diagnostics, color=False)
    assert all(character.isprintable() or character == "\n" for character in shown)
    tree_text(program)
    load(source, ())
    if not diagnostics:
        once = format_text(source)
        again, none = parse(Source("text", once))
        assert none == []
        assert [tree_text(each) for each in again.blocks] == [tree_text(each) for each in program.blocks]
        assert format_text(Source("text", once)) == once


@given(st.text(max_size=200))
def test_any_text_is_answered(text: str) -> None:
    answer(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(data: bytes) -> None:
    source, diagnostics = decode(data, "text")
    assert all(d.code == "E0035" for d in diagnostics)
    answer(source.text)


@given(st.lists(st.sampled_from(VOCABULARY), max_size=60))
def test_any_words_are_answered(words: list[str]) -> None:
    answer(" ".join(words))


@given(st.lists(st.sampled_from(VOCABULARY), max_size=25))
def test_any_words_in_a_block_are_answered(words: list[str]) -> None:
    answer("block f(x: [*, C]) -> [*, C] {\n" + " ".join(words) + "\n}\n")


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid program with a few words left out, doubled, exchanged or replaced."""
    words = words_of(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 4))):
        i, j = draw(st.integers(0, len(words) - 1)), draw(st.integers(0, len(words) - 1))
        kind = draw(st.sampled_from(["delete", "double", "swap", "replace", "newline"]))
        if kind == "delete" and len(words) > 1:
            del words[i]
        elif kind == "double":
            words.insert(i, words[i])
        elif kind == "swap":
            words[i], words[j] = words[j], words[i]
        elif kind == "replace":
            words[i] = draw(st.sampled_from(VOCABULARY)) + " "
        else:
            words.insert(i, "\n")
    return "".join(words)


@given(mutated())
def test_mutated_programs_are_answered(text: str) -> None:
    answer(text)


@given(st.sampled_from(VALID), st.data())
def test_a_lost_word_is_one_mistake_or_two(text: str, data: st.DataObject) -> None:
    """Leaving out one word never brings an avalanche."""
    words = words_of(text)
    del words[data.draw(st.integers(0, len(words) - 1))]
    assert len(parse(Source("text", "".join(words)))[1]) <= 3
