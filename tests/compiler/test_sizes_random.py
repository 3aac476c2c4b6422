"""Sizes on random expressions: the value never changes, the text computes it, and proofs never lie."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from attn.compiler.sizes import Size, SizeTooLarge, absolute, at_least, ceil, equal, floor, maximum, minimum

NAMES = ("C", "H", "N", "r")
H, N = Size.symbol("H"), Size.symbol("N")


@dataclass(frozen=True)
class Tree:
    """An expression before any simplification."""

    sign: str
    parts: tuple[Tree, ...] = ()
    leaf: str | int = 0

    def __str__(self) -> str:
        return f"{self.sign}({', '.join(map(str, self.parts))})" if self.parts else str(self.leaf)


BINARY: dict[str, tuple[Callable[[Size, Size], Size], Callable[[Fraction, Fraction], Fraction]]] = {
    "+": (lambda a, b: a + b, lambda a, b: a + b),
    "-": (lambda a, b: a - b, lambda a, b: a - b),
    "*": (lambda a, b: a * b, lambda a, b: a * b),
    "/": (lambda a, b: a / b, lambda a, b: a / b),
    "//": (lambda a, b: a // b, lambda a, b: Fraction(a // b)),
    "%": (lambda a, b: a % b, lambda a, b: a % b),
    "max": (maximum, max),
    "min": (minimum, min),
}
UNARY: dict[str, tuple[Callable[[Size], Size], Callable[[Fraction], Fraction]]] = {
    "neg": (lambda a: -a, lambda a: -a),
    "floor": (floor, lambda a: Fraction(math.floor(a))),
    "ceil": (ceil, lambda a: Fraction(math.ceil(a))),
    "abs": (absolute, abs),
    "square": (lambda a: a**2, lambda a: a**2),
}


def build(tree: Tree) -> Size:
    if tree.sign == "leaf":
        return Size.symbol(tree.leaf) if isinstance(tree.leaf, str) else Size.of(tree.leaf)
    parts = [build(part) for part in tree.parts]
    return BINARY[tree.sign][0](*parts) if len(parts) == 2 else UNARY[tree.sign][0](*parts)


def value(tree: Tree, values: Mapping[str, int]) -> Fraction:
    if tree.sign == "leaf":
        return Fraction(values[tree.leaf] if isinstance(tree.leaf, str) else tree.leaf)
    parts = [value(part, values) for part in tree.parts]
    return BINARY[tree.sign][1](*parts) if len(parts) == 2 else UNARY[tree.sign][1](*parts)


leaves = st.builds(Tree, st.just("leaf"), st.just(()), st.one_of(st.sampled_from(NAMES), st.integers(-3, 9)))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Tree, st.sampled_from(sorted(BINARY)), st.tuples(inner, inner)),
        st.builds(Tree, st.sampled_from(sorted(UNARY)), st.tuples(inner)),
    ),
    max_leaves=7,
)
assignments = st.fixed_dictionaries({name: st.integers(1, 40) for name in NAMES})


def built(tree: Tree) -> Size:
    """The size, skipping trees that divide by zero or grow too large."""
    try:
        return build(tree)
    except (ZeroDivisionError, SizeTooLarge):
        assume(False)
        raise


def valued(tree: Tree, values: Mapping[str, int]) -> Fraction:
    try:
        return value(tree, values)
    except ZeroDivisionError:
        assume(False)
        raise


@settings(max_examples=400, deadline=None)
@given(trees, assignments)
def test_normal_form_keeps_the_value(tree: Tree, values: dict[str, int]) -> None:
    size, expected = built(tree), valued(tree, values)
    assert size.evaluate(values) == expected
    assert size.substitute(values).constant() == expected
    if size.is_integer() is not None:
        assert (expected.denominator == 1) is size.is_integer()


@settings(max_examples=400, deadline=None)
@given(trees, assignments)
def test_python_text_computes_the_value(tree: Tree, values: dict[str, int]) -> None:
    size, expected = built(tree), valued(tree, values)
    assume(expected.denominator == 1)
    scope: dict[str, object] = {f"v_{name}": number for name, number in values.items()}
    assert eval(size.python(lambda name: f"v_{name}"), scope) == expected
    assert eval(f"-7*{size.python(lambda name: f'v_{name}', inner=True)}**2", scope) == -7 * expected**2


@settings(max_examples=300, deadline=None)
@given(trees)
def test_readable_text_reads_back_as_the_same_size(tree: Tree) -> None:
    size = built(tree)
    scope: dict[str, object] = {name: Size.symbol(name) for name in NAMES}
    scope |= {"floor": floor, "ceil": ceil, "max": maximum, "min": minimum, "abs": absolute, "I": Size.of}
    back = eval(_wrap_numbers(str(size)), scope)
    assert equal(back, size) is not False
    for values in ({"C": 5, "H": 12, "N": 7, "r": 3}, {"C": 16, "H": 9, "N": 10, "r": 2}):
        assert _try(back, values) == _try(size, values)


def _wrap_numbers(text: str) -> str:
    """Numbers as sizes, so that `1/2` stays exact; exponents stay plain."""
    return re.sub(r"(?<!\*\*)(?<!\w)(\d+)", r"I(\1)", text)


def _try(size: Size, values: Mapping[str, int]) -> Fraction | None:
    try:
        return size.evaluate(values)
    except ZeroDivisionError:
        return None


@settings(max_examples=400, deadline=None)
@given(trees, trees, st.lists(assignments, min_size=5, max_size=5))
def test_proofs_never_lie(left: Tree, right: Tree, samples: list[dict[str, int]]) -> None:
    a, b = built(left), built(right)
    same, above = equal(a, b), at_least(a, b)
    for values in samples:
        first, second = valued(left, values), valued(right, values)
        assert same is None or (first == second) is same
        assert above is None or (first >= second) is above


@settings(max_examples=200, deadline=None)
@given(trees, st.integers(1, 9), st.integers(0, 9))
def test_rounding_moves_past_integers(tree: Tree, k: int, added: int) -> None:
    size = built(tree)
    assert floor(size + added) == floor(size) + added
    assert equal(floor(size * k / k + N), floor(size) + N) is True
    assert equal(-floor(-size), ceil(size)) is not False


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 6), st.integers(1, 200))
def test_convolution_arithmetic(kernel: int, stride: int, padding: int, height: int) -> None:
    size = (H + 2 * padding - kernel) // stride + 1
    assert size.evaluate({"H": height}) == (height + 2 * padding - kernel) // stride + 1
    assert equal(size, ceil((H + 2 * padding - kernel + 1) / Size.of(stride))) is True


POLYNOMIALS = ["(a + b)**4", "(a**3 - b**3)/(a - b)", "(a + 2*b)*(a - c)/(3*b) + c**2", "(a**2 + 2*a*b + b**2)/(a + b)/c"]


@pytest.mark.parametrize("text", POLYNOMIALS)
def test_polynomials_agree_with_sympy(text: str) -> None:
    sympy: Any = pytest.importorskip("sympy")
    names = ("a", "b", "c")
    ours = eval(text, {name: Size.symbol(name) for name in names})
    theirs = sympy.expand(sympy.cancel(sympy.sympify(text)))
    printed = sympy.sympify(str(ours))
    assert sympy.expand(printed - theirs) == 0
    assert len(ours.terms) == len(sympy.Add.make_args(theirs))
