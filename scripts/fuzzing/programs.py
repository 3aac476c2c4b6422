"""The program of a number."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from .draft import Draft
from .policies import apply
from .policies.whole import HELPERS
from .program import Program
from .table import WRITTEN, write

LENGTH = 7
PATTERNS = 0.35
"""How often what comes next is a pattern of a pass and not any operator of the table."""


class Counts(Protocol):
    made: Counter[str]
    refused: Counter[str]


def program(seed: int, counts: Counts | None = None) -> Program:
    """The program of this number. `counts` are told how often each operator was taken and refused."""
    d = Draft(seed, HELPERS if seed % 5 == 0 else "")
    wanted = d.rng.randint(2, LENGTH)
    for _ in range(2 * wanted):
        if len(d.lines) >= wanted:
            break
        if d.chance(PATTERNS):
            apply(d)
        else:
            write(d, d.rng.choice(WRITTEN))
    made = d.finish()
    if counts is not None:
        counts.made.update(d.made)
        counts.refused.update(d.refused)
    return made
