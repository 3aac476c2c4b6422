"""`attn diff`: what differs between two programs or two stages, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from attn.cli import main

FIRST = """attn 1

block gate(x: [*, C, H, W], reduction: int = 16) -> [*, C, H, W] {
    s = x |> mean(H W) |> linear(C -> r=C/reduction) as fc1 |> relu |> linear(r -> C) as fc2 |> sigmoid
    return x * s
}
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["diff", *arguments])


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.attn").write_text(FIRST, encoding="utf-8")
    return tmp_path


def second(folder: Path, old: str, new: str) -> None:
    assert old in FIRST
    (folder / "b.attn").write_text(FIRST.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(("old", "new"), [("s", "gates"), ("block gate", "# A comment.\nblock other")])
@pytest.mark.usefixtures("pair")
def test_names_and_comments_are_no_difference(pair: Path, old: str, new: str) -> None:
    text = FIRST.replace(" s = ", f" {new} = ").replace("* s", f"* {new}") if old == "s" else FIRST.replace(old, new)
    (pair / "b.attn").write_text(text, encoding="utf-8")
    found = run("a.attn", "b.attn")
    assert (found.exit_code, found.output) == (0, "--- a.attn\n+++ b.attn\nthe same structure\n")


def test_another_operation_is_a_box_that_went_and_one_that_came(pair: Path) -> None:
    second(pair, "relu", "gelu")
    found = run("a.attn", "b.attn", "--bind", "C=64")
    assert found.exit_code == 1
    lines = found.output.splitlines()
    assert lines[2:4] == ["- relu  (a.attn:4)", "+ gelu  (b.attn:4)"]
    assert any(line.startswith("~ linear fc2") for line in lines)


def test_other_sizes_show_in_boxes_weights_and_costs(pair: Path) -> None:
    second(pair, "reduction: int = 16", "reduction: int = 8")
    found = run("a.attn", "b.attn", "--bind", "C=64", "--format", "json")
    record = json.loads(found.output)
    assert found.exit_code == 1
    assert record["same"] is False
    assert ["fc1.weight", "[r=4, C=64] → [r=8, C=64]"] in record["weights"]
    assert ["parameters", "580", "1096"] in record["costs"]
    assert [part["kind"] for part in record["parts"]] == ["~"] * 2  # fc1, and relu


def test_what_no_picture_shows_is_a_difference(pair: Path) -> None:
    (pair / "b.attn").write_text("attn 1\n\nblock gate(x: [*, C, H, W]) -> [*, W, C, H] { return x }\n", encoding="utf-8")
    (pair / "a.attn").write_text("attn 1\n\nblock gate(x: [*, C, H, W]) -> [*, C, H, W] { return x }\n", encoding="utf-8")
    found = run("a.attn", "b.attn")
    assert found.exit_code == 1
    assert "-gives result: float [*, C, H, W]\n+gives result: float [*, W, C, H]" in found.output


def test_two_stages_of_one_program(pair: Path) -> None:
    found = run("std.linear:linformer", "--stages", "written..plan", "-o", str(pair / "diff.html"))
    assert found.exit_code == 1
    assert "+ choose first if" in found.output
    assert '"compare":true' in (pair / "diff.html").read_text(encoding="utf-8")
    assert run("std.linear:linformer", "--stages", "tidy..attend").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("a.attn",), "give two blocks to compare"),
        (("a.attn", "a.attn", "--stages", "tidy..plan"), "give two blocks to compare"),
        (("a.attn", "--stages", "tidy..plam"), "there is no stage 'plam'"),
        (("a.attn", "--stages", "tidy"), "is not FIRST..SECOND"),
        (("a.attn", "none.attn"), "E0046"),
        (("a.attn", "wrong.attn"), "E0"),
        (("a.attn", "a.attn", "--bind", "Q=3"), "E0502"),
    ],
)
def test_trouble_is_status_2(pair: Path, arguments: tuple[str, ...], told: str) -> None:
    (pair / "wrong.attn").write_text("attn 1\n\nblock f(x: [N]) -> [N] { return y }\n", encoding="utf-8")
    found = run(*arguments)
    assert found.exit_code == 2
    assert told in found.output
