"""The report of explain: its text, its JSON, what it says of costs, and calls that are wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from golden_support import GOLDEN, Golden, golden_files
from pydantic import BaseModel

import attn
from attn.cli import main
from attn.compiler.explain import report as records
from attn.compiler.explain.places import option_span
from attn.compiler.explain.text import short
from attn.compiler.passes import passes
from attn.dsl.source import Source, Span

CASES = golden_files(GOLDEN / "explain")
SOFTCAP = """block t(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e]) -> [*, h, N, e] {
    return attend(q, k, v, over=N, dot=d,
        softcap=30.0,  # as in Gemma 2
        where=pos(N') <= pos(N))
}
"""


def explained(case: Golden) -> str:
    """The first line of a case is `# bind: C=64, mode: infer, level: 1`, each part optional."""
    first = case.source.splitlines()[0]
    bind = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", first)}
    level = re.search(r"level: (\d)", first)
    mode = "infer" if "mode: infer" in first else "train"
    return f"{attn.explain(attn.text(case.source, 't.attn'), bind=bind, mode=mode, level=int(level[1]) if level else 2)}\n"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_program_is_explained(path: Path, golden: Callable[[Path, Callable[[Golden], str]], None]) -> None:
    golden(path, explained)


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["explain", *args])


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("cap.attn").write_text(SOFTCAP, encoding="utf-8")
    return "cap.attn"


def test_the_fields_of_the_report_are_these() -> None:
    """A promise to those who read the JSON: fields may come, but none may go or change its meaning."""
    found = {
        name: list(kind.model_fields)
        for name, kind in vars(records).items()
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind.__module__ == records.__name__ and kind.model_fields
    }
    assert found == {
        "Place": ["file", "line", "column", "end_line", "end_column", "text", "library"],
        "Amount": ["formula", "value"],
        "Compared": ["before", "after", "ratio"],
        "Costs": ["flops", "bytes", "peak_memory", "peak_at", "peak_sizes", "parameters", "buffers", "prepared", "kept"],
        "Rewrite": ["pass_name", "exact", "text", "places"],
        "Left": ["pass_name", "text", "places"],
        "Obstacle": ["reason", "text", "place", "edit"],
        "Dimensions": ["batch", "heads", "rows", "features"],
        "Attention": ["place", "name", "scopes", "way", "function", "scores", "layout", "scratch", "text", "obstacles", "remarks"],
        "Choice": ["condition", "text", "place", "times", "first", "second"],
        "Note": ["text", "place"],
        "CopyLeft": ["wanted", "lies", "bytes", "kernel", "within", "text", "place", "times"],
        "Copied": ["axes", "bytes", "elements", "text", "place"],
        "Listing": ["after", "text"],
        "Timing": ["pass_name", "milliseconds", "changes"],
        "BackendChoice": ["wanted", "chosen", "text", "eager", "inductor", "sizes"],
        "Numbers": ["half", "weights", "products", "sums", "others", "wide"],
        "Explanation": ["schema_version", "block", "file", "signature", "bound", "inputs", "level", "mode", "stop_after", "memory",
                        "cost", "rewrites", "left", "attention", "choices", "notes", "copies_left", "copies", "backend", "numbers",
                        "listings", "timings"],
    }  # fmt: skip


def test_the_json_is_the_report(file: str) -> None:
    done = run(file, "--format", "json", "--bind", "h=8,N=16,d=4,e=4")
    again = records.Explanation.model_validate_json(done.output)
    assert again == attn.explain(file, h=8, N=16, d=4, e=4)
    assert str(again) == run(file, "--bind", "h=8,N=16,d=4,e=4").output.rstrip("\n")


def test_an_obstacle_points_at_the_option(file: str) -> None:
    (one,) = attn.explain(file).attention
    (obstacle,) = one.obstacles
    assert obstacle.place is not None
    assert (obstacle.place.line, obstacle.place.column, obstacle.place.text) == (3, 9, "softcap=30.0")


@pytest.mark.parametrize(
    ("text", "option", "found"),
    [
        ("f(a, by=sigmoid)", "by", "by=sigmoid"),
        ("f(a,\n  where=g(x, by=2) == [1, 2], by=relu2)", "where", "where=g(x, by=2) == [1, 2]"),
        ("f(g(by=2), c)", "by", None),
        ("f(a, b # by=3\n)", "by", None),
        ("f(by == 2)", "by", None),
    ],
)
def test_where_an_option_is_written(text: str, option: str, found: str | None) -> None:
    span = option_span(Span(Source("t", text), 0, len(text)), option)
    assert (span.text if span is not None else None) == found


def test_numbers_are_short() -> None:
    shown = [short(number, "B") for number in (0, 7, 999, 1000, 12_845_056, 999_999)]
    assert shown == ["0 B", "7 B", "999 B", "1.00 KB", "12.8 MB", "1.00 MB"]


def test_a_pass_that_does_not_exist_is_told(file: str) -> None:
    done = run(file, "--stop-after", "nothing")
    assert done.exit_code == 2
    assert "there is no pass `nothing`" in done.output
    name = passes()[0].name if passes() else ""
    if name:
        assert f"did you mean `{name}`?" in run(file, "--stop-after", f"{name}x").output


def test_mistakes_of_a_program_are_told_as_everywhere(file: str) -> None:
    Path("wrong.attn").write_text(SOFTCAP.replace("softcap", "softcup"), encoding="utf-8")
    assert run("wrong.attn").exit_code == 1
    assert json.loads(run("wrong.attn", "--format", "json").output)[0]["code"] == "E0103"
    assert run("missing.attn").exit_code == 2
    assert run(file, "--bind", "C=3").exit_code == 2


def test_graphs_between_passes_and_times(file: str) -> None:
    text = run(file, "--print-between-passes", "--time-passes").output
    assert "-- as written --\n%1 = input(name=q" in text
    assert all(one.name in text.rpartition("\ntime\n")[2] for one in passes())
    report = attn.explain(file)
    assert report.listings == []
    assert report.timings == []


def test_copies_that_only_change_the_order_are_told_where_asked(file: str) -> None:
    Path("order.attn").write_text("block t(x: [h, N, d]) -> [N, D] {\n    return merge(x, h d -> D)\n}\n", encoding="utf-8")
    assert "in the run" not in run("order.attn").output
    text = run("order.attn", "--copies", "--bind", "h=2,N=3,d=5").output
    assert "[N h d], 120 B in the run (" in text
    assert "order.attn:2  return merge(x, h d -> D)" in text
    assert "copies that only change the order in memory, as measured\n  none" in run(file, "--copies").output


@pytest.mark.usefixtures("file")
def test_copies_left_name_the_two_sides_that_disagree() -> None:
    Path("order.attn").write_text("block t(x: [h, N, d]) -> [N, D] {\n    return merge(x, h d -> D)\n}\n", encoding="utf-8")
    (left,) = json.loads(run("order.attn", "--format", "json").output)["copies_left"]
    assert left["bytes"]["formula"] == "4*N*d*h"
    assert left["text"] == "`merge` takes [h d] as one, and [N] is between them in memory; `x` comes in as [h N d]"
    assert (left["wanted"], left["lies"], left["kernel"], left["times"]) == (["N", "h", "d"], ["h", "N", "d"], "", 1)
    assert "copies left\n  order.attn:2" in run("order.attn").output


def test_sizes_at_which_a_block_cannot_run_are_told(file: str) -> None:
    Path("twice.attn").write_text("block t(x: [N]) -> [M, k] {\n    return split(x, N -> M k=3)\n}\n", encoding="utf-8")
    done = run("twice.attn", "--copies")
    assert done.exit_code == 2
    assert "error[E0503]: cannot run at these sizes" in done.output


def test_passes_are_listed_in_their_order() -> None:
    names = [one["name"] for one in json.loads(CliRunner().invoke(main, ["passes", "--format", "json"]).output)]
    assert [one.name for one in passes(2, "train")] == [name for name in names if name in {one.name for one in passes(2, "train")}]
    assert [line.split()[0] for line in CliRunner().invoke(main, ["passes"]).output.splitlines()] == names


BLOCKS = [("channel_tokens", "xca"), ("axial", "criss_cross"), ("layers", "decoder"), ("linear", "linformer"), ("recurrence", "gru")]
SEEDED = f"""
import attn
for module, block in {BLOCKS}:
    for mode in ("train", "infer"):
        print(attn.explain("std." + module, block, mode=mode).model_dump_json())
"""


def test_the_seed_of_hashes_changes_nothing() -> None:
    found = [
        subprocess.run([sys.executable, "-c", SEEDED], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("0", "1")
    ]
    assert len(found[0]) > 1000
    assert found[0] == found[1]


def test_torch_is_not_imported(file: str) -> None:
    script = "import sys, attn; str(attn.explain('cap.attn')); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
