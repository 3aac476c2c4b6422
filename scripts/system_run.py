"""Re-create the catalogue from nothing, which is what `make systems` does: run tests/systems, record in catalogue/recorded.json which
sentence holds for which system, and write the pages and pictures.

`python scripts/system_run.py eca se` runs only these and keeps what is recorded of the others; `--pages` runs nothing and only writes the
pages. Where a test fails, all is written nevertheless, the system's state says so, what failed is printed, and the exit code is 1. Where
the tests cannot be run at all, nothing is written, and the exit code is 2.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import system_pages

from attn.catalogue import record, shown
from attn.catalogue.entries import System, file_name, systems
from attn.catalogue.programs import digest, library_digest, line_count
from attn.catalogue.record import Check, Record, Run
from attn.dsl.diagnostics import AttnError

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests" / "systems"


@dataclass
class Recorder:
    """A plugin of pytest: counts what becomes of the tests of each sentence. `only` are the systems to run, all if it is empty."""

    only: tuple[str, ...] = ()
    checks: dict[tuple[str, str], Check] = field(default_factory=dict[tuple[str, str], Check])
    places: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    failed: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leaves out what is about other systems."""
        if self.only:
            gone = [item for item in items if not any(mark.args[0] in self.only for mark in item.iter_markers("system"))]
            items[:] = [item for item in items if item not in gone]
            config.hook.pytest_deselected(items=gone)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One test in one of its phases: a passing one counts by its call, others by the phase that went wrong."""
        outcome = "skipped" if report.skipped else "failed" if report.failed else "passed" if report.when == "call" else None
        if outcome is None:
            return
        values: list[Any] = [value for name, value in report.user_properties if name == "system"]
        for id, sentence, place in values:
            self._count(id, sentence, place, outcome, report)

    def _count(self, id: str, sentence: str, place: int, outcome: str, report: pytest.TestReport) -> None:
        key = (id, sentence)
        before = self.checks.get(key, Check(sentence=sentence))
        self.checks[key] = before.model_copy(update={outcome: getattr(before, outcome) + 1})
        self.places[key] = min(place, self.places.get(key, place))
        if outcome != "passed":
            self.failed.setdefault(id, []).append(f"{outcome}: {report.nodeid}: {_last_line(report)}")

    def of(self, id: str) -> list[Check]:
        """The checks of a system in the order of the tests."""
        keys = sorted((key for key in self.checks if key[0] == id), key=lambda key: (self.places[key], key))
        return [self.checks[key] for key in keys]


def _last_line(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    lines = [line for line in report.longreprtext.splitlines() if line.startswith("E ")] or report.longreprtext.splitlines()
    return lines[0].removeprefix("E").strip() if lines else ""


def digest_of_tests(id: str) -> str:
    """Of the cases and the tests that are about one system alone."""
    files = [TESTS / "cases" / f"{file_name(id)}.py", TESTS / f"test_{file_name(id)}.py"]
    data = b"\n".join(path.read_bytes() for path in files if path.is_file())
    return hashlib.sha256(data).hexdigest()[:16]


def run(recorder: Recorder, jobs: int) -> int:
    """Run the tests of the systems; the exit code of pytest. Whether the record is fresh is no question yet."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parallel = ["-n", str(jobs)] if jobs > 1 and not recorder.only else []
    fresh = f"--ignore={TESTS / 'test_recorded.py'}"
    with tempfile.TemporaryDirectory() as folder:
        options = [
            "-q",
            "--every-block",
            "--tb=short",
            "--durations=25",
            "-p",
            "no:cacheprovider",
            f"--basetemp={folder}/t",
            fresh,
            *parallel,
        ]
        return int(pytest.main([*options, str(TESTS)], [recorder]))


def untested(chosen: list[System]) -> dict[str, Run]:
    """The digests of what is about to be run: taken before, so that a program that changes meanwhile is not taken for the tested one."""
    return {
        each.id: Run(program=digest(each.entry), tests=digest_of_tests(each.id), lines=line_count(each.entry), checks=[])
        for each in chosen
        if each.entry is not None
    }


def made(recorder: Recorder, before: dict[str, Run], library: str) -> Record:
    """The new record: what was run just now, and what is kept of the others."""
    kept = {id: one for id, one in record.recorded().systems.items() if recorder.only and id not in recorder.only}
    fresh = {id: one.model_copy(update={"checks": recorder.of(id)}) for id, one in before.items()}
    return sealed(Record(systems={**kept, **fresh}), library)


def sealed(found: Record, library: str) -> Record:
    """The record with the digest that the library had, if every program is as it was recorded."""
    entries = {each.id: each.entry for each in systems()}
    same = all((entry := entries[id]) is not None and one.program == digest(entry) for id, one in found.systems.items() if id in entries)
    return found.model_copy(update={"library": library if same else ""})


def store(found: Record) -> None:
    write_whole(record.RECORD, record.record_text(found))
    record.recorded.cache_clear()
    record.unchanged.cache_clear()


def write_whole(path: Path, text: str) -> None:
    """Whole or not at all."""
    beside = path.with_suffix(".new")
    beside.write_text(text, encoding="utf-8", newline="\n")
    beside.replace(path)


def tell(recorder: Recorder) -> None:
    """What failed, by system, then how many systems stand where."""
    for id, lines in sorted(recorder.failed.items()):
        print(f"\n{id}")
        print("\n".join(f"  {line}" for line in lines))
    rows = shown.rows()
    partly = [row for row in rows if row["state"] == "partly"]
    for row in partly:
        print(f"\n{row['id']} works partly:", *(f"\n  {reason}" for reason in row["reasons"]))
    print(f"\n{shown.tally(rows)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", metavar="ID", help="run only these systems")
    parser.add_argument("--pages", action="store_true", help="run nothing, write the pages from what is recorded")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes run the tests")
    given = parser.parse_args()
    if given.pages:
        store(sealed(record.recorded(), library_digest()))
        system_pages.rewrite()
        return 0
    chosen = [each for each in systems() if each.entry is not None and (not given.only or each.id in given.only)]
    mistakes = [f"{id}: there is no entry of this name" for id in given.only if id not in [each.id for each in chosen]]
    mistakes += [f"{each.id}: {mistake}" for each in chosen for mistake in unsound(each)]
    if mistakes:
        print("\n".join([*mistakes, "nothing was run and nothing written"]), file=sys.stderr)
        return 2
    return recreate(Recorder(tuple(given.only)), chosen, given.jobs)


def unsound(system: System) -> list[str]:
    """What keeps the program of an entry from being counted or drawn."""
    assert system.entry is not None
    try:
        shown.size(system.entry)
        shown.drawn(system.entry)
    except AttnError as error:
        return [str(error)]
    return []


def recreate(recorder: Recorder, chosen: list[System], jobs: int) -> int:
    """Run, record, write; the exit code."""
    library, before = library_digest(), untested(chosen)
    code = run(recorder, jobs)
    if code not in (0, 1):
        print(f"the tests could not be run (pytest ended with {code}); nothing was written", file=sys.stderr)
        return 2
    store(made(recorder, before, library))
    system_pages.rewrite()
    tell(recorder)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
