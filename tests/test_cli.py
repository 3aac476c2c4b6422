"""The command line: exit codes 0, 1 and 2, standard input, JSON, files written whole or not at all, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SE = """attn 1

# Squeeze and excitation.
block se(x: [*, C, H, W], reduction: int = 16) -> [*, C, H, W] {
    s = x |> mean(H W) |> linear(C -> r=C/reduction) as fc1 |> relu |> linear(r -> C) as fc2 |> sigmoid
    return x * s
}
"""
WRONG = SE.replace("relu", "rleu")
COMMANDS = ("check", "fmt", "compile", "graph", "show", "explain", "passes", "list", "doc", "prune", "systems", "new")
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `attn` in a folder with se.attn and wrong.attn."""
    (tmp_path / "se.attn").write_text(SE)
    (tmp_path / "wrong.attn").write_text(WRONG)

    def call(*args: str, given: str | bytes = b"") -> subprocess.CompletedProcess[bytes]:
        data = given.encode() if isinstance(given, str) else given
        done = subprocess.run([sys.executable, "-m", "attn", *args], cwd=tmp_path, input=data, capture_output=True, check=False)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done

    return call


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert b"Example: attn " + command.encode() in done.stdout


@pytest.mark.parametrize(
    ("code", "args"),
    [
        (0, ["check", "se.attn"]),
        (1, ["check", "wrong.attn"]),
        (1, ["check", "se.attn", "wrong.attn"]),
        (2, ["check", "missing.attn"]),
        (2, ["check", "."]),
        (2, ["check"]),
        (2, ["frobnicate"]),
        (0, ["show", "se.attn"]),
        (1, ["show", "wrong.attn"]),
        (2, ["show", "se.attn:sse"]),
        (0, ["show", "std.channel:se", "--bind", "C=64"]),
        (2, ["show", "std.chanel:se"]),
        (2, ["show", "se.attn", "--bind", "c=64"]),
        (2, ["show", "se.attn", "--bind", "C"]),
        (0, ["compile", "se.attn", "--bind", "C=64,reduction=8"]),
        (2, ["compile", "se.attn"]),
        (1, ["compile", "wrong.attn", "--bind", "C=64"]),
        (1, ["compile", "se.attn", "--bind", "C=60"]),
        (2, ["graph", "se.attn", "-o", "se.gif"]),
        (0, ["fmt", "--check", "se.attn"]),
        (0, ["list"]),
        (0, ["doc", "attend"]),
        (0, ["doc", "E0203"]),
        (2, ["doc", "atend"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_exit_codes_tell_a_wrong_program_from_a_wrong_call(run: Run, code: int, args: list[str]) -> None:
    done = run(*args)
    assert done.returncode == code, done.stderr.decode()
    assert bool(done.stderr) == (code != 0)


@pytest.mark.parametrize("command", ["check", "fmt", "show", "graph"])
def test_a_dash_is_standard_input(run: Run, command: str) -> None:
    assert run(command, "-", given=SE).returncode == 0
    assert run(command, "-", given="block f(").returncode == 1


def test_a_block_of_standard_input(run: Run) -> None:
    assert run("compile", "-:se", "--bind", "C=16", given=SE).returncode == 0


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe\x00", b"\x00" * 10, b"\xef\xbb\xbf" + SE.encode(), SE.replace("\n", "\r\n").encode()], ids=range(5)
)
def test_any_bytes_are_answered(run: Run, data: bytes) -> None:
    assert run("check", "-", given=data).returncode in (0, 1)
    assert run("fmt", "-", given=data).returncode in (0, 1)


@pytest.mark.parametrize(
    "args", [["check", "se.attn"], ["check", "wrong.attn"], ["show", "se.attn"], ["list"], ["doc"], ["doc", "conv"], ["doc", "E0203"]]
)
def test_data_is_json_on_request(run: Run, args: list[str]) -> None:
    assert json.loads(run(*args, "--format", "json").stdout) is not None


def test_a_diagnostic_as_json_says_where(run: Run) -> None:
    (found,) = json.loads(run("check", "wrong.attn", "--format", "json").stdout)
    assert (found["code"], found["file"], found["line"], found["help"]) == ("E0102", "wrong.attn", 5, "did you mean `relu`?")


def test_fmt_writes_in_place_and_keeps_comments(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "rough.attn"
    path.write_text("# doc\nblock f( x:[*,C] )->[*,C]{ # why\n  return   x # this\n}\n")
    assert run("fmt", "--check", "rough.attn").returncode == 1
    assert run("fmt", "rough.attn").returncode == 0
    text = path.read_text()
    assert text.startswith("attn 1\n")
    assert all(comment in text for comment in ("# doc", "# why", "# this"))
    assert run("fmt", "--check", "rough.attn").returncode == 0


def test_fmt_leaves_a_file_that_does_not_parse_as_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.attn").write_text("block f(")
    assert run("fmt", "broken.attn").returncode == 1
    assert (tmp_path / "broken.attn").read_text() == "block f("


@pytest.mark.parametrize("ending", ["svg", "dot", "mmd", "json"])
def test_graph_writes_what_the_ending_says(run: Run, tmp_path: Path, ending: str) -> None:
    assert run("graph", "se.attn", "-o", f"se.{ending}").returncode == 0
    begins = {"svg": "<svg", "dot": "digraph", "mmd": "flowchart", "json": "{"}
    assert (tmp_path / f"se.{ending}").read_text().lstrip().startswith(begins[ending])


def test_compile_writes_a_module_that_needs_only_torch(run: Run, tmp_path: Path) -> None:
    assert run("compile", "se.attn", "--bind", "C=16", "-o", "made.py").returncode == 0
    script = (
        "import sys; sys.modules['attn'] = None\nimport torch, made\nx = torch.ones(2, 16, 3, 3)\nm = made.Se()\nprint(tuple(m(x).shape))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=False, env={**os.environ, "PYTHONPATH": "."}
    )
    assert done.stdout == b"(2, 16, 3, 3)\n", done.stderr.decode()


def test_a_file_is_written_whole_or_not_at_all(run: Run, tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text("old")
    assert run("compile", "wrong.attn", "--bind", "C=16", "-o", "old.py").returncode == 1
    assert (tmp_path / "old.py").read_text() == "old"
    assert run("compile", "se.attn", "--bind", "C=16", "-o", "no/such/folder/x.py").returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.py", "se.attn", "wrong.attn"]


def test_a_closed_pipe_is_no_mistake(tmp_path: Path) -> None:
    done = subprocess.run(f"{sys.executable} -m attn list | head -1", shell=True, cwd=tmp_path, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
    assert done.stdout.startswith(b"std.")


def test_torch_is_only_imported_to_compile(tmp_path: Path) -> None:
    (tmp_path / "se.attn").write_text(SE)
    script = """
import sys
sys.argv = ["attn", "graph", "se.attn", "-o", "se.svg"]
from attn.cli import main
try:
    main()
except SystemExit:
    print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == b"False\n"
