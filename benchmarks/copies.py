"""The copies that compiled blocks of the library make only to put numbers in another order, at small nominal sizes.

    python benchmarks/copies.py [LEVEL]

Each block is run once at the level (2 unless given) and at level 0. `left` is the bytes of such copies in a run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import attn
from attn.compiler.lower.copies import Copy, copies, total

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from reference.library_cases import CASES, Case

SIZES = {"H": 8, "W": 8, "N": 16, "M": 16, "T": 16}


def measured(case: Case, level: int) -> tuple[Copy, ...] | None:
    """The copies of a block; None where the nominal sizes do not fit it."""
    module, block, bind = case
    made: Any = attn.compile(f"std.{module}", block, bind=bind, level=level)
    try:
        return copies(made, SIZES)
    except (attn.AttnError, ValueError, IndexError, RuntimeError):
        return None


def main(arguments: list[str]) -> None:
    level = int(arguments[0]) if arguments else 2
    print(f"{'level 0':>12} {'level ' + str(level):>12}  block")
    sums = [0, 0]
    for case in CASES:
        found = [measured(case, one) for one in (0, level)]
        before, after = (total(one or ()) for one in found)
        if None in found or not (before or after):
            continue
        sums = [sums[0] + before, sums[1] + after]
        print(f"{before:>12,} {after:>12,}  {case[0]}:{case[1]} {case[2] or ''}", flush=True)
        for copy in found[1] or ():
            print(f"{'':>12} {copy.bytes:>12,}    [{' '.join(copy.axes)}] {copy.reason}")
    print(f"{sums[0]:>12,} {sums[1]:>12,}  together")


if __name__ == "__main__":
    main(sys.argv[1:])
