"""What a verification found, as data and as a short table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .settings import Setting

LOWERING = "lowering"
"""The name of the row that holds the program as written, compiled without any pass, against the reference."""
NARROWEST = 14
"""The least width of the column of names, so that tables of different passes look alike."""
PREPARED = "prepared weights"
"""What is blamed where a module is right when it is new, and wrong after other weights were loaded into it."""


@dataclass(frozen=True)
class Reduced:
    """A smaller program that still shows a disagreement: its graph as text, and as a program where it can be written as one."""

    listing: str
    program: str = ""
    text: str = ""
    """What differs in it."""


@dataclass(frozen=True)
class Finding:
    """The first disagreement. `culprit` names the pass; `text` says what differs, `sides` which two were compared."""

    culprit: str
    text: str
    sides: str
    setting: Setting = field(default_factory=Setting)
    reduced: Reduced | None = None

    def __str__(self) -> str:
        sizes = ", ".join(f"{name}={size}" for name, size in self.setting.free.items())
        lead = f"* = {list(self.setting.lead)}" + (f", {sizes}" if sizes else "")
        lines = [f"{self.culprit}: {self.text}", f"  compared: {self.sides}", f"  sizes: {lead}"]
        if self.reduced is not None:
            shown = self.reduced.program or self.reduced.listing
            lines += ["  a smaller program that still shows it:", *(f"    {line}".rstrip() for line in shown.splitlines())]
            lines += [f"  there {self.reduced.text}"] if self.reduced.text else []
        return "\n".join(lines)


@dataclass(frozen=True)
class Row:
    """One pass: how much it changed, in how many comparisons it was held against the reference, and the largest share of what its rule
    allows that an error took (0 where every bit is equal, above 1 where it is wrong)."""

    name: str
    exact: bool
    changes: int = 0
    compared: int = 0
    worst: float = 0.0

    def with_share(self, share: float) -> Row:
        return Row(self.name, self.exact, self.changes, self.compared + 1, max(self.worst, share))

    def joined(self, other: Row) -> Row:
        """The same pass on two graphs."""
        worst = max(self.worst, other.worst)
        return Row(self.name, self.exact, max(self.changes, other.changes), self.compared + other.compared, worst)


@dataclass(frozen=True)
class Report:
    """Every pass in order, the first disagreement if there is one, the number of settings tried, and what could not be compared."""

    rows: tuple[Row, ...]
    finding: Finding | None = None
    settings: int = 0
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.finding is None

    def joined(self, other: Report) -> Report:
        """Of two graphs of one program (with and without its optional inputs)."""
        theirs = {row.name: row for row in other.rows}
        mine = {row.name for row in self.rows}
        rows = [row.joined(theirs[row.name]) if row.name in theirs else row for row in self.rows]
        rows += [row for row in other.rows if row.name not in mine]
        notes = tuple(dict.fromkeys([*self.notes, *other.notes]))
        return Report(tuple(rows), self.finding or other.finding, self.settings + other.settings, notes)

    def __str__(self) -> str:
        return table(self)


def table(report: Report) -> str:
    """A line for each pass: what it did, how it was compared, and whether that went well."""
    lines: list[tuple[str, ...]] = [("pass", "changes", "compared", "worst error", "")]
    lines += [_line(row, report.finding) for row in report.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    widths[0] = max(widths[0], NARROWEST)
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    shown += [f"note: {note}" for note in report.notes]
    if report.finding is not None:
        shown += ["", str(report.finding)]
    return "\n".join(shown) + "\n"


def _line(row: Row, finding: Finding | None) -> tuple[str, ...]:
    wrong = finding is not None and finding.culprit == row.name
    if not row.compared:
        return row.name, str(row.changes or "-"), "-", "", "WRONG" if wrong else ""
    worst = "every bit equal" if row.exact and row.worst == 0 else f"{row.worst:.2g} of allowed"
    return row.name, str(row.changes or "-"), str(row.compared), worst, "WRONG" if wrong else "ok"


def join(reports: Sequence[Report]) -> Report:
    """One report of several graphs of a program."""
    whole = reports[0]
    for report in reports[1:]:
        whole = whole.joined(report)
    return whole
