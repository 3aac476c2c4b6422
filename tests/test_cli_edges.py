"""The command line where things go wrong: files that cannot be written, odd sources, and answers in JSON whose keys stay."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from attn.cli import main

SE = """attn 1

# Squeeze and excitation.
block se(x: [*, C, H, W], reduction: int = 16) -> [*, C, H, W] {
    s = x |> mean(H W) |> linear(C -> r=C/reduction) as fc1 |> relu |> linear(r -> C) as fc2 |> sigmoid
    return x * s
}
"""
ROUGH = "# doc\nblock f( x:[*,C] )->[*,C]{ # why\n  return   x # this\n}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "se.attn").write_text(SE, encoding="utf-8")
    (tmp_path / "wrong.attn").write_text(SE.replace("relu", "rleu"), encoding="utf-8")
    (tmp_path / "rough.attn").write_text(ROUGH, encoding="utf-8")
    (tmp_path / "broken.attn").write_text("block f(", encoding="utf-8")
    (tmp_path / "binary.attn").write_bytes(bytes(range(256)))
    (tmp_path / "empty.attn").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    return tmp_path


def run(*args: str, given: str | None = None) -> Result:
    done = CliRunner().invoke(main, list(args), input=given)
    if done.exception is not None and not isinstance(done.exception, SystemExit | click.exceptions.Exit):
        raise done.exception
    assert "Traceback" not in done.output
    return done


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# ---------------------------------------------------------------- sources that are none


@pytest.mark.parametrize("command", ["check", "fmt", "compile", "graph", "show"])
@pytest.mark.parametrize(
    ("source", "code"), [("missing.attn", 2), ("folder", 2), ("binary.attn", 1), ("broken.attn", 1), ("wrong.attn", 1)]
)
def test_an_odd_source_is_told_by_every_command(folder: Path, command: str, source: str, code: int) -> None:
    if (command, source) == ("fmt", "wrong.attn"):
        pytest.skip("it only has a mistake in its meaning")
    before = files(folder)
    done = run(command, source)
    assert done.exit_code == code, done.output
    assert done.stderr.startswith("error[E")
    assert files(folder) == before


def test_an_empty_file_is_a_program_without_blocks(folder: Path) -> None:
    assert run("check", "empty.attn").exit_code == 0
    assert run("fmt", "empty.attn").exit_code == 0
    for command in ("compile", "graph", "show"):
        done = run(command, "empty.attn")
        assert done.exit_code == 2
        assert "E0514" in done.stderr


def test_no_arguments_and_unknown_ones_are_wrong_calls(folder: Path) -> None:
    for args in (
        [],
        ["check", "--nonsense", "se.attn"],
        ["compile"],
        ["graph"],
        ["show"],
        ["fmt"],
        ["check", "se.attn", "--format", "xml"],
    ):
        assert run(*args).exit_code == 2, args


@pytest.mark.parametrize(
    "value", ["C=", "=3", "C", "C=1.5", "C=-3", "C=big", "C=[1,2]", "C=2147483648", "C=none", "reduction=0", "C=1e400"]
)
def test_any_binding_is_answered(folder: Path, value: str) -> None:
    done = run("compile", "se.attn", "--bind", value)
    assert done.exit_code in (1, 2)
    assert done.stderr


# ---------------------------------------------------------------- whole or not at all


@pytest.mark.parametrize(
    "args",
    [["fmt", "rough.attn"], ["compile", "se.attn", "--bind", "C=16", "-o", "old.py"], ["graph", "se.attn", "-o", "old.svg"]],
    ids=str,
)
@pytest.mark.parametrize("failing", ["replace", "chmod"])
def test_a_write_that_fails_leaves_everything_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], failing: str
) -> None:
    (folder / "old.py").write_text("old", encoding="utf-8")
    (folder / "old.svg").write_text("old", encoding="utf-8")
    before = files(folder)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    done = run(*args)
    assert done.exit_code == 2
    assert "No space left on device" in done.stderr
    assert files(folder) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(folder: Path) -> None:
    folder.chmod(0o555)
    try:
        assert run("fmt", "rough.attn").exit_code == 2
        assert (folder / "rough.attn").read_text(encoding="utf-8") == ROUGH
    finally:
        folder.chmod(0o755)


def test_a_formatted_file_keeps_its_rights_and_is_not_touched_when_nothing_changes(folder: Path) -> None:
    rough = folder / "rough.attn"
    rough.chmod(0o640)
    assert run("fmt", "rough.attn").exit_code == 0
    assert rough.stat().st_mode & 0o777 == 0o640
    stamp = rough.stat().st_mtime_ns, rough.stat().st_ino
    assert run("fmt", "rough.attn", "se.attn").exit_code == 0
    assert (rough.stat().st_mtime_ns, rough.stat().st_ino) == stamp


def test_check_of_the_format_changes_nothing(folder: Path) -> None:
    before = files(folder)
    done = run("fmt", "--check", "rough.attn", "se.attn")
    assert done.exit_code == 1
    assert "rough.attn" in done.stderr
    assert "se.attn" not in done.stderr
    assert files(folder) == before


def test_fmt_of_standard_input_writes_standard_output(folder: Path) -> None:
    done = run("fmt", "-", given=ROUGH)
    assert done.exit_code == 0
    assert done.stdout.startswith("attn 1\n\n# doc\n")
    assert run("fmt", "-", given=done.stdout).stdout == done.stdout


# ---------------------------------------------------------------- JSON


def keys(*args: str, code: int = 0) -> list[list[str]]:
    done = run(*args, "--format", "json")
    assert done.exit_code == code
    records = json.loads(done.stdout)
    return [list(record) for record in (records if isinstance(records, list) else [records])]


def test_keys_of_the_answers_in_json(folder: Path) -> None:
    diagnostic = keys("check", "wrong.attn", code=1)
    assert keys("check", "se.attn") == []
    assert len(diagnostic) == 1
    assert {"code", "severity", "title", "file", "line", "column", "help"} <= set(diagnostic[0])
    assert keys("show", "wrong.attn", code=1) == diagnostic
    (block,) = keys("show", "se.attn")
    facts = ["name", "file", "signature", "doc", "axes", "bound", "parameters", "buffers", "flops", "bytes", "weights", "guards", "system"]
    assert block == facts
    assert {tuple(row) for row in keys("list")} == {("module", "name", "signature", "summary")}
    assert len({tuple(row) for row in keys("doc")}) == 1
    assert keys("doc", "attend") == keys("doc")[:1]
    (code,) = keys("doc", "E0203")
    assert "code" in code
