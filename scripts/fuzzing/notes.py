"""What earlier runs noted: a line for each range of programs, with the state of the repository in which they ran."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .running import Tally, tally


@dataclass(frozen=True)
class Ran:
    """The programs `first` to `first + count - 1`, at a commit, and what came of them."""

    first: int
    count: int
    commit: str
    tally: Tally

    @property
    def end(self) -> int:
        return self.first + self.count

    def line(self) -> str:
        found = {"first": self.first, "count": self.count, "commit": self.commit, "tally": json.loads(self.tally.text())}
        return json.dumps(found, sort_keys=True) + "\n"


def read(path: Path) -> list[Ran]:
    """By number; nothing where there is no such file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    known = [Ran(one["first"], one["count"], one["commit"], tally(json.dumps(one["tally"]))) for one in found]
    return sorted(known, key=lambda one: one.first)


def merged(known: Sequence[Ran]) -> list[Ran]:
    """Neighbours that ran at the same commit as one."""
    found: list[Ran] = []
    for one in known:
        if found and found[-1].end == one.first and found[-1].commit == one.commit:
            before = found.pop()
            total = Tally()
            total.add(before.tally)
            total.add(one.tally)
            one = Ran(before.first, before.count + one.count, one.commit, total)
        found.append(one)
    return found


def write(path: Path, known: Sequence[Ran]) -> None:
    """The notes anew, as few lines as it takes; whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text("".join(one.line() for one in merged(known)), encoding="utf-8")
    new.replace(path)


def left(known: Sequence[Ran], first: int, end: int, most: int) -> Iterator[tuple[int, int]]:
    """The ranges of at most so many programs that have not run yet: where each begins, and how many they are."""
    edges = [(one.first, one.end) for one in known if one.end > first and one.first < end]
    for start, until in [*edges, (end, end)]:
        while first < start:
            yield first, min(most, start - first)
            first += min(most, start - first)
        first = max(first, until)
