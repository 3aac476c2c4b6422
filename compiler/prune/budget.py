"""Which slices stay: the most important ones, as many as a budget allows, and in every group one at least."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE

Scores = Sequence[Sequence[float]]
"""The importance of every slice, group by group."""
Kept = tuple[tuple[int, ...], ...]
"""The positions that stay, group by group, in order."""


def keep_count(scores: Scores, count: int, uniform: bool = False) -> Kept:
    """The `count` most important slices of all groups together; with `uniform`, as many of each group. Raises AttnError (E0802)."""
    total = sum(map(len, scores))
    if not len(scores) <= count <= total:
        help = f"at least one slice of each stays: from {len(scores)} to {total}"
        raise AttnError([refusal(f"{count} of {total} slices cannot be kept", help)])
    if uniform:
        return _uniform(scores, count)
    first = {(group, _order(one)[0]) for group, one in enumerate(scores)}
    rest = [(group, at) for group, one in enumerate(scores) for at in range(len(one)) if (group, at) not in first]
    rest.sort(key=lambda place: (-scores[place[0]][place[1]], place))
    chosen = first.union(rest[: count - len(first)])
    return tuple(tuple(at for at in range(len(one)) if (group, at) in chosen) for group, one in enumerate(scores))


def keep_fraction(scores: Scores, fraction: float, uniform: bool = False) -> Kept:
    """A fraction of all slices, rounded to the nearest number of them (to a multiple of the number of groups with `uniform`)."""
    if not 0 < fraction <= 1:
        raise AttnError([refusal(f"a fraction of {fraction:g} cannot be kept", "above 0, and 1 at most")])
    total = sum(map(len, scores))
    if uniform:
        groups = len(scores)
        return _uniform(scores, max(1, round(fraction * total / groups)) * groups)
    return keep_count(scores, max(len(scores), round(fraction * total)))


def keep_work(scores: Scores, fraction: float, work: Callable[[Sequence[int]], float]) -> Kept:
    """As many slices as leave at most this fraction of the work; `work` tells it for how many slices of each group are kept."""
    if not 0 < fraction <= 1:
        raise AttnError([refusal(f"{fraction:g} of the operations cannot be kept", "above 0, and 1 at most")])
    low, high = len(scores), sum(map(len, scores))
    most = fraction * work([len(one) for one in scores])
    least = work([1] * len(scores))
    if least > most:
        share = math.ceil(1000 * least / most * fraction) / 1000
        raise AttnError(
            [refusal(f"{fraction:g} of the operations cannot be reached", f"with one slice of each, {share:g} of them are left")]
        )
    while low < high:
        middle = (low + high + 1) // 2
        if work([len(one) for one in keep_count(scores, middle)]) <= most:
            low = middle
        else:
            high = middle - 1
    return keep_count(scores, low)


def _uniform(scores: Scores, count: int) -> Kept:
    each, rest = divmod(count, len(scores))
    if rest:
        near = f"{each * len(scores)} or {(each + 1) * len(scores)}"
        raise AttnError([refusal(f"{count} slices cannot be as many in each of {len(scores)} places", f"take {near}")])
    if any(len(one) < each for one in scores):
        raise AttnError([refusal(f"not every place has {each} slices", f"the smallest has {min(map(len, scores))}")])
    return tuple(tuple(sorted(_order(one)[:each])) for one in scores)


def _order(scores: Sequence[float]) -> list[int]:
    """The most important first; of equal ones the first."""
    return sorted(range(len(scores)), key=lambda at: (-scores[at], at))


def refusal(title: str, help: str = "", notes: tuple[str, ...] = ()) -> Diagnostic:
    return Diagnostic("E0802", title, NOWHERE, notes=notes, help=help)
