"""Did you mean ...?"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

# Longer words are compared no further: nobody mistypes one into another, and the distance costs their product.
_LONGEST = 64


def closest(word: str, choices: Iterable[str]) -> str | None:
    """The choice most likely meant: the same but for upper and lower case, else at most a third of the letters away.

    Of several equally near the first in alphabetical order is taken.
    """
    ordered = sorted(set(choices) - {word})
    for choice in ordered:
        if choice.lower() == word.lower():
            return choice
    limit = max(len(word) // 3, 1)
    near = [choice for choice in ordered if abs(len(choice) - len(word)) <= limit and max(len(choice), len(word)) <= _LONGEST]
    ranked = sorted((distance(word.lower(), choice.lower()), choice) for choice in near)
    return ranked[0][1] if ranked and ranked[0][0] <= limit and ranked[0][0] < len(word) else None


@lru_cache(maxsize=16_384)
def distance(a: str, b: str) -> int:
    """How many letters must be put in, taken out, changed, or swapped with a neighbour (Damerau-Levenshtein)."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        older, before = before, row
        row = [i]
        for j, right in enumerate(b, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                best = min(best, older[j - 2] + 1)
            row.append(best)
    return row[-1]
