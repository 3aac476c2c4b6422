"""Guesses offer what was probably meant, and nothing when nothing is near."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn.dsl.closest import closest, distance

WORD = st.text("abc", max_size=6)


@pytest.mark.parametrize(
    ("word", "choices", "guess"),
    [
        ("linaer", ["linear", "line"], "linear"),
        ("Linear", ["linear", "linea"], "linear"),
        ("soft", ["softmax"], None),
        ("sofmax", ["softmax", "softplus"], "softmax"),
        ("relu", ["gelu", "silu"], "gelu"),
        ("x", ["y", "z"], None),
        ("x", ["X"], "X"),
        ("attend", [], None),
        ("attend", ["attend"], None),
        ("ab", ["ba", "abc"], "abc"),
        ("mean", ["max", "mena"], "mena"),
        ("a" * 1000, ["a" * 1001], None),
    ],
)
def test_guess(word: str, choices: list[str], guess: str | None) -> None:
    assert closest(word, choices) == guess


def test_guess_does_not_depend_on_the_order() -> None:
    assert closest("abcd", ["abce", "abcf"]) == closest("abcd", ["abcf", "abce"]) == "abce"


@pytest.mark.parametrize(
    ("a", "b", "d"), [("", "", 0), ("a", "", 1), ("ab", "ba", 1), ("abc", "adc", 1), ("abcd", "acbd", 1), ("kitten", "sitting", 3)]
)
def test_distance(a: str, b: str, d: int) -> None:
    assert distance(a, b) == d


@given(WORD, WORD)
def test_distance_is_symmetric_and_zero_for_equals(a: str, b: str) -> None:
    assert distance(a, b) == distance(b, a)
    assert (distance(a, b) == 0) == (a == b)
    assert abs(len(a) - len(b)) <= distance(a, b) <= max(len(a), len(b))
