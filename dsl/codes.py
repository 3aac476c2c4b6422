"""The catalogue of every code: `CODES["E0008"]` explains it.

A code has the letter of its severity (E error, W warning) and four digits; the first two say what it is about:

    00  spelling: what the parser and the loader of `use` report
    01  names           02  axes and sizes      03  calls and operators
    04  weights         05  structure           06  binding and running
    07  files of weights and graphs             08  doubts (only W)
    09  mistakes of the compiler itself, found by verifying
    10  the catalogue of systems

To add codes, write a module in `catalogue/` with `EXPLANATIONS`, a tuple of `Explanation`, and name it in `_PARTS`.
"""

from __future__ import annotations

from .catalogue import axes, calls, files, names, structure, syntax, systems
from .explanation import Explanation

_PARTS: tuple[tuple[Explanation, ...], ...] = (
    syntax.EXPLANATIONS,
    files.EXPLANATIONS,
    names.EXPLANATIONS,
    axes.EXPLANATIONS,
    calls.EXPLANATIONS,
    structure.EXPLANATIONS,
    systems.EXPLANATIONS,
)


def _collect() -> dict[str, Explanation]:
    found: dict[str, Explanation] = {}
    for explanation in (each for part in _PARTS for each in part):
        if explanation.code in found:
            raise ValueError(f"{explanation.code} is explained twice")
        found[explanation.code] = explanation
    return dict(sorted(found.items()))


CODES: dict[str, Explanation] = _collect()
