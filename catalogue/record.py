"""What `make systems` recorded, and the state of a system that follows from it."""

from __future__ import annotations

from functools import cache
from typing import Literal

from pydantic import Field

from .entries import HERE, Model, System, systems
from .programs import digest, library_digest, line_count

RECORD = HERE / "recorded.json"
State = Literal["works", "partly", "not yet"]


class Check(Model):
    """One sentence, and how many tests that carry it passed, failed, or were left out."""

    sentence: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def holds(self) -> bool:
        return self.passed > 0 and not self.failed and not self.skipped


class Run(Model):
    """What the tests said of one system. `program` and `tests` are digests of what they ran on, `lines` is how long the program was."""

    program: str
    tests: str
    lines: int = 0
    checks: list[Check]


class Record(Model):
    """The last run of `make systems`, by the ids of the systems. `library` is the digest of all programs if each is as it was recorded."""

    library: str = ""
    systems: dict[str, Run] = Field(default_factory=dict[str, Run])


class Standing(Model):
    """The state of a system, how many of its checks passed, and what stands in the way of `works`."""

    state: State
    passed: int = 0
    checks: int = 0
    reasons: list[str] = Field(default_factory=list[str])


@cache
def recorded() -> Record:
    return Record.model_validate_json(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else Record()


@cache
def unchanged() -> bool:
    """Whether every program is as it was recorded, so that none needs to be read to say so."""
    return recorded().library == library_digest()


def lines_of(system: System) -> int | None:
    """How long a system's program is; None without an entry."""
    if system.entry is None:
        return None
    run = recorded().systems.get(system.id)
    return run.lines if run is not None and run.lines and unchanged() else line_count(system.entry)


def standing(system: System) -> Standing:
    """`works`: every recorded check passed on the program as it is now, and no part is missing. `not yet`: there is no entry."""
    if system.entry is None:
        return Standing(state="not yet")
    run = recorded().systems.get(system.id)
    checks = run.checks if run is not None else []
    reasons = [*system.entry.missing, *_obstacles(system, run)]
    passed = sum(check.holds for check in checks)
    return Standing(state="partly" if reasons else "works", passed=passed, checks=len(checks), reasons=reasons)


def _obstacles(system: System, run: Run | None) -> list[str]:
    if run is None or not run.checks:
        return ["No recorded run has checked it."]
    assert system.entry is not None
    failed = [f"Does not hold: {check.sentence}" for check in run.checks if not check.holds]
    changed = not unchanged() and run.program != digest(system.entry)
    return [*failed, *(["Its program has changed since its checks were recorded; `make systems` runs them again."] if changed else [])]


def standings() -> list[tuple[System, Standing]]:
    return [(each, standing(each)) for each in systems()]


def record_text(record: Record) -> str:
    """The text of a record: systems by id, checks in the order of the tests."""
    ordered = record.model_copy(update={"systems": dict(sorted(record.systems.items()))})
    text = ordered.model_dump_json(indent=1, exclude_defaults=True)
    return text + "\n"
