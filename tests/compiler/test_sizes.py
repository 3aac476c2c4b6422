"""What sizes promise: one normal form, exact values, and proofs that never lie."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction

import pytest

from attn.compiler.sizes import (
    Size,
    SizeTooLarge,
    absolute,
    at_least,
    ceil,
    ceil_log2,
    clamp,
    divides,
    divisors,
    equal,
    floor,
    floor_log2,
    log2,
    maximum,
    minimum,
    nearest_multiples,
)

NAMES = ("C", "H", "N", "r")
C, H, N, r = (Size.symbol(name) for name in NAMES)
D, M, heads, star = (Size.symbol(name) for name in ("D", "M", "heads", "*"))
HALF = Fraction(1, 2)


# ---- one normal form -------------------------------------------------------------------------------------------------------


SAME = {
    "a constant is its number": (Size.of(3) + 4, Size.of(7)),
    "sums commute": (N + H, H + N),
    "a product of sums is expanded": ((N + 1) * (N - 1), N**2 - 1),
    "division by a symbol is undone": (D / heads * heads, D),
    "division by a sum is undone": (N / (C + 1) * (C + 1), N),
    "a common monomial is divided out": ((N * C + N * H) / N, C + H),
    "a multiple of a sum is divided out": ((N * C + C) / (N + 1), C),
    "a power difference is divided out": ((N**5 - 1) / (N - 1), N**4 + N**3 + N**2 + N + 1),
    "terms over a common sum meet": (N / (N + C) + C / (N + C), Size.of(1)),
    "a fraction of fractions": (1 / (1 + 1 / (N + 1)), (N + 1) / (N + 2)),
    "a sign moves out of a divisor": (C / (1 - N), -C / (N - 1)),
    "floor of a multiple": ((4 * N) // 4, N),
    "floor by a symbol": ((r * N) // r, N),
    "floor of a multiple and a rest": ((4 * N + H) // 4, N + H // 4),
    "floor of a multiple of a symbol and a rest": ((r * N + H) // r, N + H // r),
    "floor by one": (N // 1, N),
    "floor of a constant": (Size.of(-7) // 2, Size.of(-4)),
    "remainder of a multiple": ((4 * N) % 4, Size.of(0)),
    "remainder of a constant beside a multiple": ((4 * N + 3) % 4, Size.of(3)),
    "remainder by one": (N % 1, Size.of(0)),
    "a floor ignores what cannot carry": ((4 * N + 2 * H + 1) // 4, N + H // 2),
    "floors nest": (N // 3 // 5, N // 15),
    "floors nest by symbols": (N // C // r, N // (C * r)),
    "ceils nest": (ceil(ceil(H / 2) / 2), ceil(H / 4)),
    "a triangular number is whole": (N * (N + 1) // 2, N * (N + 1) / 2),
    "rounding up by adding": ((N + 63) // 64, ceil(N / 64)),
    "rounding up by a symbol": ((N + C - 1) // C, ceil(N / C)),
    "rounding up by two signs": (-(-N // 64), ceil(N / 64)),
    "convolution of stride 1": (floor((H + 2 * 1 - 3) / 1) + 1, H),
    "convolution of stride 2": (floor((H + 2 * 1 - 3) / Size.of(2)) + 1, ceil(H / 2)),
    "patches": (floor((H - 16) / 16) + 1, H // 16),
    "max is flat": (maximum(maximum(N, H), C), maximum(C, N, H)),
    "max folds numbers": (maximum(3, N, 8, 5), maximum(8, N)),
    "max drops what always loses": (maximum(N, N + 1, N // 2), N + 1),
    "min drops what always loses": (minimum(N, N * C, 1), Size.of(1)),
    "clamp within its limits": (clamp(N % 4, 0, 3), N % 4),
    "abs of what cannot be negative": (absolute(N - 1), N - 1),
    "abs of what cannot be positive": (absolute(1 - N), N - 1),
    "abs ignores the sign": (absolute(N - H), absolute(H - N)),
    "floor enters max": (floor(maximum(C / 16, 8)), maximum(C // 16, 8)),
    "log2 of a power": (log2(1024), Size.of(10)),
    "log2 takes twos out": (log2(8 * N), log2(N) + 3),
    "floor of log2 takes twos out": (floor(log2(8 * N)), floor_log2(N) + 3),
    "ceil of log2": (ceil(log2(N)), floor_log2(2 * N - 1)),
}


@pytest.mark.parametrize("promise", SAME)
def test_equal_expressions_have_one_normal_form(promise: str) -> None:
    left, right = SAME[promise]
    assert left == right
    assert hash(left) == hash(right)
    assert equal(left, right) is True


def test_constants_equal_and_hash_like_their_numbers() -> None:
    assert Size.of(3) == 3
    assert Size.of(HALF) == HALF
    assert hash(Size.of(3)) == hash(3)
    assert hash(Size.of(HALF)) == hash(HALF)
    assert N != "N"


def test_sizes_survive_pickling() -> None:
    size = maximum(ceil(N / 64) * C, H / (r + 1))
    assert pickle.loads(pickle.dumps(size)) == size
    assert hash(pickle.loads(pickle.dumps(size))) == hash(size)


# ---- text ------------------------------------------------------------------------------------------------------------------

TEXTS = [
    (4 * D, "4*D", "4*D"),
    (H / 2, "H/2", "H//2"),
    (3 * H / 2, "3*H/2", "(3*H)//2"),
    (ceil(N / 64), "ceil(N/64)", "-(-N//64)"),
    (64 * ceil(N / 64), "64*ceil(N/64)", "64*(-(-N//64))"),
    ((N + C - 1) // C, "ceil(N/C)", "-(-N//C)"),
    ((H + 1) // 3, "(H + 1)//3", "(H + 1)//3"),
    ((H - 1) // 3 + 1, "ceil(H/3)", "-(-H//3)"),
    (H // 3 * (N // 2), "(H//3)*(N//2)", "(H//3)*(N//2)"),
    (-(C * (H // 3)), "-(C*(H//3))", "-C*(H//3)"),
    (C / r, "C/r", "C//r"),
    (D / (2 * heads), "D/(2*heads)", "D//(2*heads)"),
    (2 * N + 1, "2*N + 1", "2*N + 1"),
    (1 - N, "1 - N", "-N + 1"),
    (1 + H + C * N + N**2, "C*N + N**2 + H + 1", "C*N + N**2 + H + 1"),
    (H / 2 + C / r, "H/2 + C/r", "(H*r + 2*C)//(2*r)"),
    ((N + 2) / (C + 1), "(N + 2)/(C + 1)", "(N + 2)//(C + 1)"),
    (maximum(C // 16, 8), "max(C//16, 8)", "max(C//16, 8)"),
    (maximum(C / 16, 8), "max(C/16, 8)", "max(C, 128)//16"),
    (2 * minimum(maximum(C / 16, 8), 9), "2*min(max(C/16, 8), 9)", "min(max(C, 128), 144)//8"),
    (N % 64, "N % 64", "N % 64"),
    (64 - N % 64, "64 - N % 64", "-(N % 64) + 64"),
    (absolute(H - N), "abs(H - N)", "abs(H - N)"),
    (log2(N), "log2(N)", "(N).bit_length() - 1"),
    (floor(log2(N)) // 3 * C, "C*(floor(log2(N))//3)", "C*(((N).bit_length() - 1)//3)"),
    (star + 1, "* + 1", "* + 1"),
    (Size.of(0), "0", "0"),
    (Size.of(-3), "-3", "-3"),
]


@pytest.mark.parametrize(("size", "text", "source"), TEXTS, ids=[text for _, text, _ in TEXTS])
def test_text_reads_as_people_write_it(size: Size, text: str, source: str) -> None:
    assert str(size) == text
    assert size.python(lambda name: name) == source


def test_every_symbol_goes_through_the_namer() -> None:
    size = maximum(star * N, ceil(D / heads))
    known = {"*": "batch", "N": "x.shape[1]", "D": "self.D", "heads": "self.heads"}
    assert size.python(known.__getitem__) == "max(batch*x.shape[1], -(-self.D//self.heads))"


def test_inner_text_may_stand_inside_arithmetic() -> None:
    assert f"10*{(N + 1).python(str, inner=True)}" == "10*(N + 1)"
    assert f"10//{(H / 2).python(str, inner=True)}" == "10//(H//2)"
    assert N.python(str, inner=True) == "N"
    assert maximum(N, H).python(str, inner=True) == "max(H, N)"


# ---- values ----------------------------------------------------------------------------------------------------------------


def test_substitution_puts_numbers_and_sizes_in() -> None:
    size = ceil(N / C) * heads
    assert size.substitute({"N": 100, "C": 64}) == 2 * heads
    assert size.substitute({"N": C * M}) == M * heads
    assert size.substitute({"N": C, "C": N}) == ceil(C / N) * heads
    assert size.free() == {"N", "C", "heads"}
    assert size.substitute({"N": 100, "C": 64, "heads": 8}).integer() == 16


def test_constants_know_their_number() -> None:
    assert Size.of(HALF).constant() == HALF
    assert Size.of(HALF).integer() is None
    assert (N - N).integer() == 0
    assert N.constant() is None


def test_evaluation_is_exact_and_says_what_is_missing() -> None:
    assert (C / r).evaluate({"C": 7, "r": 2}) == Fraction(7, 2)
    with pytest.raises(KeyError):
        (C / r).evaluate({"C": 7})
    with pytest.raises(ZeroDivisionError):
        (C / (N - 1)).evaluate({"C": 7, "N": 1})


def test_log2_of_a_number_must_be_exact_unless_rounded() -> None:
    calls: list[Callable[[], object]] = [
        lambda: log2(6),
        lambda: log2(N).substitute({"N": 6}),
        lambda: log2(N).evaluate({"N": 6}),
        lambda: log2(0),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="log2 of"):
            call()
    assert [size.integer() for size in (floor_log2(6), ceil_log2(6), floor_log2(8), ceil_log2(8))] == [2, 3, 3, 3]
    assert floor(log2(N)).substitute({"N": 6}) == 2
    assert ceil(log2(N)).substitute({"N": 6}) == 3


def test_division_by_zero_is_refused() -> None:
    calls: tuple[Callable[[], Size], ...] = (lambda: N / 0, lambda: N // (C - C), lambda: N % 0, lambda: Size.of(0) ** -1)
    for call in calls:
        with pytest.raises(ZeroDivisionError):
            call()


def _nested(depth: int) -> Size:
    size = N
    for i in range(depth):
        size = maximum(size, Size.symbol(f"s{i}")) // Size.symbol(f"t{i}") * C
    return size


GROWING: list[Callable[[], Size]] = [
    lambda: (N + H + C + r) ** 20,
    lambda: N**65,
    lambda: N**40 * N**40,
    lambda: Size.of(2) ** 201,
    lambda: Size.of(3) ** 10**12,
    lambda: Size.of(1 << 150) * (1 << 150),
    lambda: sum((Size.symbol(f"a{i}") for i in range(201)), Size.of(0)),
    lambda: maximum(*(Size.symbol(f"a{i}") for i in range(40))),
    lambda: _nested(100),
]


@pytest.mark.parametrize("grow", GROWING)
def test_growth_is_refused(grow: Callable[[], Size]) -> None:
    with pytest.raises(SizeTooLarge):
        grow()


def test_large_sizes_still_have_a_text() -> None:
    size = sum((Size.symbol(f"a{i}") // 3 for i in range(100)), (N + 63) // 64)
    assert "ceil(N/64)" in str(size)


# ---- proofs ----------------------------------------------------------------------------------------------------------------

EQUAL = [
    (N, N + 1, False),
    (C, 2 * C, False),
    (Size.of(3), Size.of(4), False),
    (H, H / 2, False),
    (H, H / 2 + 3, None),
    (2 * N, 2 * H + 1, False),
    (N * C, N * C + C, False),
    (N, H, None),
    (N, Size.of(64), None),
    (N, Size.of(0), False),
    (C / r, C, None),
    (C / r, C * 2, False),
    (H - H // 2, ceil(H / 2), True),
    (H // 3 + (H + 1) // 3 + (H + 2) // 3, H, True),
    (maximum(N, H) + minimum(N, H), N + H, None),
    (maximum(N, H) + minimum(N, H), 2 * N + 2 * H, False),
    (absolute(N - H) ** 2, (N - H) ** 2, True),
    (N // 2 * 2, N, None),
    (N // 2 * 2, N + 1, False),
    (ceil(N / 64) * 64, N - 1, False),
    (N / (N + 1), 1 - 1 / (N + 1), True),
    (maximum(N, 8), Size.of(7), False),
    (N**2, 2 * N - 1, None),
    (N**2 + 2, 2 * N, False),
]


@pytest.mark.parametrize(("a", "b", "verdict"), EQUAL, ids=[f"{a} = {b}" for a, b, _ in EQUAL])
def test_equality_is_decided(a: Size, b: Size, verdict: bool | None) -> None:
    assert equal(a, b) is verdict
    assert equal(b, a) is verdict


AT_LEAST = [
    (N, Size.of(1), True),
    (N, Size.of(2), None),
    (Size.of(0), N, False),
    (N**2, N, True),
    (N * C, N, True),
    (C, C / r, True),
    (C - 1, C, False),
    (ceil(N / 64) * 64, N, True),
    (ceil(N / C) * C, N, True),
    (N, N // C, True),
    (Size.of(63), N % 64, True),
    (N % 64, Size.of(0), True),
    (N % r, r, False),
    (maximum(N, 8), Size.of(8), True),
    (minimum(N, 8), Size.of(9), False),
    (maximum(N, H), N, True),
    (N // 2, N, False),
    (N, H, None),
    (H + 2, ceil(H / 2) * 2, True),
]


@pytest.mark.parametrize(("a", "b", "verdict"), AT_LEAST, ids=[f"{a} >= {b}" for a, b, _ in AT_LEAST])
def test_order_is_decided(a: Size, b: Size, verdict: bool | None) -> None:
    assert at_least(a, b) is verdict


WHOLE = [
    (N, True),
    (H / 2, None),
    (Size.of(HALF), False),
    (N + HALF, False),
    (N * (N + 1) * (N + 2) / 6, True),
    (D / heads, None),
    (D / heads * heads, True),
    (maximum(C / 16, 8), None),
    (maximum(C // 16, 8) * N, True),
    (ceil(N / C), True),
    ((N + N % 2) / 2, True),
]


@pytest.mark.parametrize(("size", "verdict"), WHOLE, ids=[str(size) for size, _ in WHOLE])
def test_integers_are_known(size: Size, verdict: bool | None) -> None:
    assert size.is_integer() is verdict


def test_divisibility() -> None:
    assert divides(heads, heads * 64) is True
    assert divides(8, 512) is True
    assert divides(8, 510) is False
    assert divides(2, 2 * N + 1) is False
    assert divides(heads, D) is None
    assert divides(0, 8) is False


def test_advice_about_numbers() -> None:
    assert nearest_multiples(510, 8) == (504, 512)
    assert nearest_multiples(512, 8) == (512, 512)
    assert nearest_multiples(5, 8) == (0, 8)
    assert divisors(512) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert divisors(36) == [1, 2, 3, 4, 6, 9, 12, 18, 36]
    assert divisors(5040, limit=5) == [1, 2, 3, 4, 5]
    assert divisors(0) == []
