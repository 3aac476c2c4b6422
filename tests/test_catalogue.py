"""`attn systems` and `attn new`: a row for every published system, states that are computed, copies to start from."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from golden_support import GOLDEN, Golden, golden_files
from system_run import Recorder

import attn
from attn.catalogue import record
from attn.catalogue.copying import copy_of, origin_of
from attn.catalogue.entries import Entry, Row, System, entry_of, file_name, systems
from attn.catalogue.programs import digest, load_block, pieces
from attn.catalogue.record import Check, Record, Run, standing
from attn.catalogue.shown import drawn
from attn.cli import main

ROOT = Path(__file__).parents[1]
WORKED = [each for each in systems() if each.entry is not None]


def called(*args: str) -> Result:
    return CliRunner().invoke(main, list(args), prog_name="attn")


@pytest.mark.parametrize("path", golden_files(GOLDEN / "systems"), ids=lambda path: path.stem)
def test_what_is_called_gives_what_is_said(
    path: Path, golden: Callable[[Path, Callable[[Golden], str]], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def said(case: Golden) -> str:
        results = [called(*shlex.split(line)[1:]) for line in case.source.splitlines()]
        return "".join(f"{result.output.rstrip()}\n({result.exit_code})\n" for result in results)

    golden(path, said)


# ---------------------------------------------------------------- the data


def test_every_published_system_has_a_row() -> None:
    assert [each.row.n for each in systems()] == list(range(1, 120))
    assert len({each.id for each in systems()}) == 119


def test_every_entry_is_of_a_system() -> None:
    names = {file_name(each.id) for each in systems()}
    files = {path.stem for path in (ROOT / "catalogue" / "entries").glob("*.toml")}
    assert files <= names
    assert [each.entry.id for each in WORKED if each.entry] == [each.id for each in WORKED]


@pytest.mark.parametrize("system", WORKED, ids=lambda system: system.id)
def test_an_entry_speaks_of_what_there_is(system: System) -> None:
    entry = system.entry
    assert entry is not None
    ids = {each.id for each in systems()} - {system.id}
    assert set(entry.built_from + entry.resembles) <= ids
    assert len(pieces(entry)) >= len(entry.blocks)
    for sentence in (*entry.differs, *entry.reconstructed, *entry.missing):
        assert sentence.endswith(".")
    if system.row.confidence != "high":
        assert entry.reconstructed or entry.missing, "what is a reconstruction?"
    face = load_block(entry.blocks[0])
    assert face.block.doc.strip(), "no comment above the block"
    assert drawn(entry).outputs


def test_a_block_belongs_to_the_system_whose_face_it_is() -> None:
    found = entry_of("std.channel:eca")
    assert found is not None
    assert found.id == "eca"
    assert entry_of("std.channel:no_such_block") is None


# ---------------------------------------------------------------- states

ROW = Row(id="eca", n=1, title="T", year=2019, kind="block", priority=1, confidence="high")
ENTRY = Entry(id="eca", authors="A", blocks=["std.channel:eca"])


def state_after(monkeypatch: pytest.MonkeyPatch, run: Run | None, entry: Entry | None = ENTRY) -> record.Standing:
    monkeypatch.setattr(record, "recorded", lambda: Record(systems={} if run is None else {"eca": run}))
    return standing(System(row=ROW, entry=entry))


def run_of(*checks: Check, program: str = "") -> Run:
    return Run(program=program or digest(ENTRY), tests="", lines=5, checks=list(checks))


GOOD = Check(sentence="It holds.", passed=3)


def test_a_system_works_where_every_check_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = state_after(monkeypatch, run_of(GOOD, GOOD))
    assert (found.state, found.passed, found.checks, found.reasons) == ("works", 2, 2, [])


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (run_of(GOOD, Check(sentence="It fails.", passed=2, failed=1)), "Does not hold: It fails."),
        (run_of(GOOD, Check(sentence="It was left out.", passed=2, skipped=1)), "Does not hold: It was left out."),
        (run_of(GOOD, program="0123"), "Its program has changed"),
        (run_of(), "No recorded run"),
        (None, "No recorded run"),
    ],
    ids=["failed", "skipped", "changed", "unchecked", "unrecorded"],
)
def test_a_system_works_partly_where_something_stands_in_the_way(monkeypatch: pytest.MonkeyPatch, run: Run | None, reason: str) -> None:
    found = state_after(monkeypatch, run)
    assert found.state == "partly"
    assert found.reasons[0].startswith(reason)


def test_a_missing_part_outweighs_every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    found = state_after(monkeypatch, run_of(GOOD), ENTRY.model_copy(update={"missing": ["The decoder."]}))
    assert (found.state, found.reasons) == ("partly", ["The decoder."])


def test_a_system_without_an_entry_is_not_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_after(monkeypatch, run_of(GOOD), None).state == "not yet"


def test_the_digest_follows_the_program_and_not_its_comments(tmp_path: Path) -> None:
    text = (ROOT / "stdlib" / "channel.attn").read_text(encoding="utf-8")
    assert digest(ENTRY) == digest(ENTRY.model_copy(update={"authors": "B"}))
    assert digest(ENTRY) != digest(Entry(id="se", authors="A", blocks=["std.channel:se"]))
    assert text.count("block eca(") == 1


# ---------------------------------------------------------------- recording


def report(when: str, outcome: str, place: int, sentence: str = "It holds.") -> Any:
    told: Any = "why" if outcome == "failed" else ("file", 1, "Skipped: why") if outcome == "skipped" else None
    return pytest.TestReport(f"t{place}", ("t", 1, "t"), {}, outcome, told, when, user_properties=[("system", ["eca", sentence, place])])  # type: ignore[arg-type]


def test_each_test_of_a_sentence_counts_once() -> None:
    recorder = Recorder()
    for place in (7, 3):
        for when in ("setup", "call", "teardown"):
            recorder.pytest_runtest_logreport(report(when, "passed", place))
    recorder.pytest_runtest_logreport(report("call", "failed", 5, "It fails."))
    recorder.pytest_runtest_logreport(report("setup", "failed", 1, "It cannot begin."))
    recorder.pytest_runtest_logreport(report("setup", "skipped", 6, "It is left out."))
    found = [(check.sentence, check.passed, check.failed, check.skipped) for check in recorder.of("eca")]
    assert found == [("It cannot begin.", 0, 1, 0), ("It holds.", 2, 0, 0), ("It fails.", 0, 1, 0), ("It is left out.", 0, 0, 1)]
    assert [check.holds for check in recorder.of("eca")] == [False, True, False, False]
    assert [line.partition(":")[0] for line in recorder.failed["eca"]] == ["failed", "failed", "skipped"]
    assert recorder.of("se") == []


# ---------------------------------------------------------------- commands


def test_all_are_listed_and_piped_text_is_plain() -> None:
    lines = called("systems").output.splitlines()
    assert len(lines) == 120
    assert lines[0].split() == ["id", "state", "checks", "lines", "year", "kind", "program", "title"]
    assert "\x1b" not in "".join(lines)


def test_the_list_as_data_has_every_column_and_both_filters() -> None:
    rows = json.loads(called("systems", "--format", "json").output)
    assert len(rows) == 119
    assert {"id", "n", "title", "year", "kind", "state", "program", "file", "lines", "passed", "checks", "reasons"} <= set(rows[0])
    blocks = json.loads(called("systems", "--kind", "block", "--format", "json").output)
    assert blocks == [row for row in rows if row["kind"] == "block"]
    started = json.loads(called("systems", "--state", "not yet", "--format", "json").output)
    assert started == [row for row in rows if row["state"] == "not yet"]


def test_one_system_tells_its_paper_its_program_and_its_size() -> None:
    said = called("systems", "eca").output
    for part in ("ECA-Net", "Qilong Wang", "block eca(x: [*, C, H, W]", "parameters  3\n", "stdlib/channel.attn", "resembles   se"):
        assert part in said
    data = json.loads(called("systems", "eca", "--format", "json").output)
    assert data["size"]["parameters"]["value"] == 3
    assert called("systems", "aswl").exit_code == 0


def test_a_system_is_drawn(tmp_path: Path) -> None:
    assert called("systems", "eca", "-o", str(tmp_path / "eca.svg")).exit_code == 0
    assert (tmp_path / "eca.svg").read_text(encoding="utf-8").startswith("<svg")


def test_show_names_the_paper_and_its_relatives() -> None:
    said = called("show", "std.channel:eca").output
    assert "system      eca\npaper       ECA-Net" in said
    assert "resembles   se" in said
    assert "paper  " not in called("show", "std.pointwise:relu2").output
    (data,) = json.loads(called("show", "std.channel:eca", "--format", "json").output)
    assert data["system"]["id"] == "eca"


def test_listing_imports_no_torch() -> None:
    code = "import sys\nfrom attn.cli import main\nmain(['systems'], standalone_mode=False)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert {"torch", "numpy", "rich", "networkx"} & set(done.stdout.splitlines()[-1].split()) == set()


@pytest.mark.parametrize("source", ["se", "ela", "std.layers:encoder", *(each.id for each in WORKED)])
def test_a_copy_is_the_block_under_another_name(source: str, tmp_path: Path) -> None:
    origin = origin_of(source)
    copy = copy_of(origin, "my_own", tmp_path)
    path = tmp_path / "my_own.attn"
    path.write_text(copy.text, encoding="utf-8")
    made = attn.load(path)
    assert made.name == "my_own"
    first = origin.block.doc.splitlines()[0]
    assert f"# {first}" in copy.text
    assert copy.text.count("Begun as a copy of ") == 1


def test_nothing_is_copied_that_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.attn").write_text("block f(x: [*, N]) -> [*] {\n    return mean(x, M)\n}\n", encoding="utf-8")
    found = called("new", "mine", "--from", "wrong.attn")
    assert found.exit_code == 1
    assert "E0201" in found.output
    assert not Path("mine.attn").exists()


def test_a_copy_has_the_weights_of_what_it_was_made_from(tmp_path: Path) -> None:
    path = tmp_path / "net.attn"
    path.write_text(copy_of(origin_of("std.channel:ela"), "gates", tmp_path).text, encoding="utf-8")
    bind = {"C": 32, "version": "S", "shared": False}
    mine, theirs = (program.graph(bind, checking=True).weights for program in (attn.load(path), attn.load("std.channel", "ela")))
    assert [(weight.path, weight.shape) for weight in mine] == [(weight.path, weight.shape) for weight in theirs]
