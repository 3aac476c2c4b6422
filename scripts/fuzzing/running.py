"""Many programs, one after another: what came of each, counted, so that counts of several runs can be added up."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attn.compiler.passes import Pass, passes

from .checking import Outcome, Setting, check, setting_of
from .program import Program, saved
from .programs import program
from .shrinking import shrunk

MOST_SHRUNK = 20
"""So many failures of one run are made smaller; the others are written as they are."""


@dataclass
class Tally:
    """`kinds`: programs by outcome. `made` and `refused`: lines by operator. `fired`: programs by pass. `checks`: programs by further
    check. `seconds`: of one process. `failures`: a line for each file that was written."""

    kinds: Counter[str] = field(default_factory=Counter[str])
    made: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])
    fired: Counter[str] = field(default_factory=Counter[str])
    checks: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list[str])

    @property
    def programs(self) -> int:
        return sum(self.kinds.values())

    def add(self, other: Tally) -> None:
        for mine, theirs in ((self.kinds, other.kinds), (self.made, other.made), (self.refused, other.refused)):
            mine.update(theirs)
        self.fired.update(other.fired)
        self.checks.update(other.checks)
        self.seconds += other.seconds
        self.failures += other.failures

    def note(self, outcome: Outcome) -> None:
        self.kinds[outcome.kind] += 1
        self.fired.update(outcome.fired)
        self.checks.update(outcome.checks)

    def text(self) -> str:
        """As JSON, which `tally` reads again."""
        return json.dumps({name: getattr(self, name) for name in self.__dataclass_fields__}, sort_keys=True)


def tally(text: str) -> Tally:
    found = json.loads(text)
    counters = {name: Counter(found[name]) for name in ("kinds", "made", "refused", "fired", "checks")}
    return Tally(**counters, seconds=found["seconds"], failures=found["failures"])


def never_fired(counts: Tally) -> list[str]:
    """The passes that did nothing in the whole run."""
    names = dict.fromkeys(one.name for mode in ("train", "infer") for one in passes(2, mode))
    return [name for name in names if not counts.fired[name]]


def run_range(first: int, count: int, into: Path | None = None, pipeline: Sequence[Pass] | None = None) -> Tally:
    """The programs of these numbers. Failures are written into a folder, as small as they get."""
    counts, start = Tally(), time.process_time()
    for seed in range(first, first + count):
        made = program(seed, counts)
        setting = setting_of(seed, pipeline)
        outcome = check(made, setting)
        counts.note(outcome)
        if outcome.kind == "wrong":
            counts.failures.append(_failed(made, setting, outcome, into, len(counts.failures)))
    counts.seconds = time.process_time() - start
    return counts


def _failed(made: Program, setting: Setting, outcome: Outcome, into: Path | None, before: int) -> str:
    """One line about a failure; its program is written where there is a folder."""
    small = smallest(made, setting, outcome) if before < MOST_SHRUNK else made
    why = check(small, setting)
    told = f"{why.where}: {why.why}"
    if into is None:
        return f"{made.seed}: {told}\n{small.text}"
    into.mkdir(parents=True, exist_ok=True)
    path = into / f"program_{made.seed}.attn"
    path.write_text(saved(small, told), encoding="utf-8")
    return f"{path}: {told.splitlines()[-1]}"


def smallest(made: Program, setting: Setting, outcome: Outcome) -> Program:
    """The program made smaller while the same check fails in the same way."""
    sign = _sign(outcome)

    def fails(candidate: Program) -> bool:
        found = check(candidate, setting)
        return found.kind == "wrong" and _sign(found) == sign

    return shrunk(made, fails)


def _sign(outcome: Outcome) -> tuple[str, str]:
    """What tells one failure from another: the check, and its message without numbers and names."""
    last = outcome.why.splitlines()[-1] if outcome.why else ""
    return outcome.where, re.sub(r"\(.*|[`'].*?[`']|\baxis \w+'*|[-+.\w]*\d[-+.\w]*|\b[^:]*: (?=off)", "", last)
