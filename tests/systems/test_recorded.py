"""The record of the catalogue is in step with its entries and tests: `make systems` was run after they changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from system_run import digest_of_tests

from attn.catalogue.entries import System, file_name, systems
from attn.catalogue.programs import digest
from attn.catalogue.record import RECORD, record_text, recorded

HERE = Path(__file__).parent
WORKED = [each for each in systems() if each.entry is not None]
AGAIN = "run: make systems"


@pytest.mark.parametrize("system", WORKED, ids=lambda system: system.id)
def test_every_system_has_cases_tests_and_a_record_of_them(system: System) -> None:
    assert (HERE / "cases" / f"{file_name(system.id)}.py").is_file()
    assert (HERE / f"test_{file_name(system.id)}.py").is_file()
    assert system.entry is not None
    run = recorded().systems.get(system.id)
    assert run is not None, AGAIN
    assert (run.program, run.tests) == (digest(system.entry), digest_of_tests(system.id)), AGAIN


def test_nothing_else_is_recorded() -> None:
    assert sorted(recorded().systems) == sorted(each.id for each in WORKED), AGAIN
    assert RECORD.read_text(encoding="utf-8") == record_text(recorded())


def test_the_sentences_recorded_are_those_of_the_tests(request: pytest.FixtureRequest) -> None:
    """Where every test of the folder was collected."""
    items = [item for item in request.session.items if item.path.is_relative_to(HERE)]
    if {item.path for item in items} != set(HERE.glob("test_*.py")) or request.config.getoption("keyword"):
        pytest.skip("only some tests of the folder are run")
    said = {(str(mark.args[0]), str(mark.args[1])) for item in items for mark in item.iter_markers("system")}
    known = {(id, check.sentence) for id, run in recorded().systems.items() for check in run.checks}
    assert said == known, AGAIN
