"""The order of least cost, and when it is taken."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from attn.compiler.passes.cost_model import CALL, Work, pair_work
from attn.compiler.passes.plan_decide import KEEP, TAKE, decide, sides, threshold
from attn.compiler.passes.plan_order import Leaf, Tree, best_order
from attn.compiler.sizes import Size

N, M, B = Size.symbol("N"), Size.symbol("M"), Size.symbol("*")


# ---------------------------------------------------------------- orders


def splits(group: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Every way to part a group in two, each once."""
    first, *rest = group
    for bits in range(2 ** len(rest) - 1):
        left = [first, *(one for place, one in enumerate(rest) if bits >> place & 1)]
        yield left, [one for one in rest if one not in left]


def least(group: Sequence[int], factors: Sequence[frozenset[str]], over: frozenset[str], sizes: dict[str, int]) -> int:
    """The least cost of multiplying a group, by looking at every tree."""
    if len(group) == 1:
        return 0
    found: list[int] = []
    for left, right in splits(group):
        a, b = (axes(part, factors, over) for part in (left, right))
        gone = (a | b) - axes(group, factors, over)
        work = pair_work(a, b, frozenset(gone), sizes, 1)
        found.append(CALL + work + least(left, factors, over, sizes) + least(right, factors, over, sizes))
    return min(found)


def axes(group: Sequence[int], factors: Sequence[frozenset[str]], over: frozenset[str]) -> frozenset[str]:
    """What the product of a group still has."""
    outside = frozenset[str]().union(*(factor for place, factor in enumerate(factors) if place not in group))
    return frozenset(name for place in group for name in factors[place] if name not in over or name in outside)


def cost(tree: Tree, sizes: dict[str, int]) -> int:
    if isinstance(tree, Leaf):
        return 0
    work = pair_work(tree.left.axes, tree.right.axes, tree.over, sizes, 1)
    return CALL + work + cost(tree.left, sizes) + cost(tree.right, sizes)


def problem(seed: int, count: int) -> tuple[list[frozenset[str]], list[str], dict[str, int]]:
    """Random factors; every axis that is added up is in two of them or more."""
    source = random.Random(seed)
    names = "abcdefg"
    factors = [frozenset(source.sample(names, source.randint(1, 4))) for _ in range(count)]
    shared = [name for name in names if sum(name in factor for factor in factors) > 1]
    sizes = {name: source.choice([2, 30, 400, 5000]) for name in names}
    return factors, [name for name in shared if source.random() < 0.6], sizes


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("count", [3, 4, 5])
def test_no_order_is_cheaper_than_the_best_one(seed: int, count: int) -> None:
    factors, over, sizes = problem(seed, count)
    tree = best_order(factors, over, [False] * count, sizes)
    assert cost(tree, sizes) == least(range(count), factors, frozenset(over), sizes)


@pytest.mark.parametrize("seed", range(4))
def test_many_factors_are_taken_step_by_step(seed: int) -> None:
    """Every factor stands in the order once."""
    factors, over, sizes = problem(seed, 10)
    tree = best_order(factors, over, [False] * 10, sizes)
    stack: list[Tree] = [tree]
    places: list[int] = []
    while stack:
        top = stack.pop()
        if isinstance(top, Leaf):
            places.append(top.place)
        else:
            stack += [top.left, top.right]
    assert sorted(places) == list(range(10))


def test_weights_are_multiplied_first_where_that_is_free() -> None:
    factors = [frozenset("nd"), frozenset("dr"), frozenset("re")]
    sizes = {"n": 64, "d": 64, "r": 256, "e": 64}
    free = best_order(factors, ["d", "r"], [False, True, True], sizes)
    assert not isinstance(free, Leaf)
    assert free.right.prepared
    large = best_order(factors, ["d", "r"], [False, True, True], {**sizes, "r": 4})
    assert not isinstance(large, Leaf)
    assert not large.right.prepared or large.right.axes == frozenset("re")


# ---------------------------------------------------------------- decisions


def test_a_proof_needs_no_comparison() -> None:
    assert decide(Work(N * M * 10), Work(N * M * 4)) == TAKE
    assert decide(Work(N * M * 4), Work(N * M * 10)) == KEEP
    assert decide(Work(N * N * N), Work(N * N * 16)) == TAKE  # from a size on that is fast either way


def test_known_sizes_are_compared_as_numbers_with_their_calls() -> None:
    few = Work(Size.of(1000), 3)
    assert decide(few, Work(Size.of(10), 4)) == KEEP
    assert decide(few, Work(Size.of(10), 2)) == TAKE


def test_a_threshold_in_one_size_is_told_as_one() -> None:
    decision = decide(Work(N * N * 100), Work(N * 4000 + N * N))
    assert decision.take
    assert decision.condition == "N >= 41"


def test_leading_axes_drop_out_of_a_condition() -> None:
    assert decide(Work(B * N * N * 100), Work(B * N * 4000 + B * N * N)).condition == "N >= 41"


def test_what_depends_on_two_sizes_is_told_as_it_is() -> None:
    decision = decide(Work(N * M * 64), Work((N + M) * 1024))
    assert decision.condition == "M*N >= 16*M + 16*N"


def test_what_is_not_worth_it_is_left() -> None:
    assert decide(Work(N * 100), Work(N * 99)) == KEEP


def test_a_condition_has_no_common_factor() -> None:
    left, right = sides((N * N * 6 - N * 24) * B / 5)
    assert (left, right) == (Size.of(4), N)


@pytest.mark.parametrize(("gap", "first"), [(N - 7, 7), (N * N - 50, 8), (N + 1, 1), (7 - N, None), (N * N - N * 9 + 14, None)])
def test_a_threshold_is_where_the_sign_changes_for_good(gap: Size, first: int | None) -> None:
    assert threshold(gap, "N") == first
