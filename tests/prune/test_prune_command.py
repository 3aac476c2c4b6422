"""`attn prune`: files whole or not at all, its exit codes, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

import attn
from attn.cli import main

TEXT = """attn 1

use std.layers (encoder)

block t(x: [B, N, D], depth: int = 2, heads: int = 4) -> [B, N, D] {
    for i in 0..depth { x = encoder(x, heads=heads) as layers[i] }
    return x
}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with t.attn, t.safetensors and data.safetensors."""
    from safetensors.torch import save_file

    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.attn").write_text(TEXT)
    torch.manual_seed(0)
    attn.save_weights(attn.compile("t.attn", D=8), "t.safetensors")
    save_file({"x": torch.randn(3, 5, 8)}, "data.safetensors")
    return tmp_path


def call(*options: str) -> Result:
    command = ["prune", "t.attn", "--bind", "D=8", "--axis", "h", "--weights", "t.safetensors", "-o", "small.attn"]
    return CliRunner().invoke(main, [*command, "--output-weights", "small.safetensors", *options])


def test_it_writes_a_program_and_weights_that_fit(folder: Path) -> None:
    done = call("--keep", "0.5", "--importance", "gradient", "--data", "data.safetensors", "--importances-to", "how.json")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("4 of 8 slices of `h` stay\n  layers.0.attention  ")
    smaller = attn.compile("small.attn", D=8)
    attn.load_weights(smaller, "small.safetensors")
    numbers = json.loads((folder / "how.json").read_text())
    assert [len(row) for row in numbers.values()] == [4, 4]
    again = call("--keep", "4", "--importance", "how.json", "--normalise", "none")
    assert again.output.splitlines()[1:3] == done.output.splitlines()[1:3]


@pytest.mark.parametrize(
    ("code", "options", "says"),
    [
        (2, [], "a budget is needed"),
        (2, ["--keep", "many"], "neither a fraction"),
        (2, ["--keep", "100"], "from 2 to 8"),
        (2, ["--keep", "4", "--importance", "nowhere.json"], "cannot read"),
        (2, ["--keep", "4", "--importance", "t.attn"], "is not JSON"),
        (2, ["--keep", "4", "--importance", "gradient"], "gradients need data"),
        (1, ["--keep", "4", "--axis", "hh"], "did you mean `h`?"),
        (1, ["--keep", "4", "--axis", "D"], "cannot be pruned"),
        (1, ["--keep", "4", "--weights", "missing.safetensors"], "cannot be read"),
        (1, ["--keep", "4", "--weights", "data.safetensors"], "the checkpoint does not fit"),
        (2, ["--keep", "4", "--output-weights", "no/such/folder.safetensors"], "cannot write"),
        (2, ["--keep", "4", "--importances-to", "folder"], "folder"),
    ],
    ids=str,
)
def test_a_mistake_writes_nothing(folder: Path, code: int, options: list[str], says: str) -> None:
    (folder / "folder").mkdir()
    done = call(*options)
    assert (done.exit_code, says in done.output) == (code, True), done.output
    assert sorted(path.name for path in folder.iterdir()) == ["data.safetensors", "folder", "t.attn", "t.safetensors"]
