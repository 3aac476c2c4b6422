"""MiniLM without its least important heads: the files run by themselves, and stay near the whole."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

import attn
from attn.compiler.lower.lowering import lower
from attn.compiler.prune.plan import prunable
from attn.compiler.prune.shrink import GATE, gated

from .conftest import ROOT, imported


@pytest.fixture(scope="module")
def example(demo: ModuleType) -> ModuleType:
    sys.modules.setdefault("minilm", demo)
    return imported(ROOT / "examples" / "prune_minilm.py")


def test_half_the_heads_in_files_that_run_by_themselves(example: Any, demo: Any, folder: Path, tmp_path: Path) -> None:
    ids, keep = demo.tokenize(folder, demo.read_sentences(demo.HERE / "sentences.txt"))
    data = {"ids": ids, "keep": keep}
    numbers = example.measured(folder / "model.safetensors", "gradient", data)
    assert [len(row) for row in numbers.values()] == [12] * 6
    pruned = attn.prune(
        demo.PROGRAM, axis="h", weights=folder / "model.safetensors", keep=36, importance=numbers, normalise=None, names=demo.NAMES,
        ignore=demo.IGNORE,
    )  # fmt: skip
    pruned.save(tmp_path / "small.attn", tmp_path / "small.safetensors")
    small = attn.compile(tmp_path / "small.attn")
    attn.load_weights(small, tmp_path / "small.safetensors")
    found, whole = example.embed(small.eval(), data), example.embed(demo.load(folder), data)
    assert sum(map(len, pruned.kept.values())) == 36
    assert float((found * whole).sum(1).mean()) > 0.9
    torch.testing.assert_close(found, original_with_gates(demo, folder, pruned, data), rtol=0, atol=2e-5)


def original_with_gates(demo: Any, folder: Path, pruned: Any, data: dict[str, Tensor]) -> Tensor:
    """The whole encoder with the missing heads multiplied by zero."""
    plan = prunable(attn.load(demo.PROGRAM), "h", {})
    module = lower(gated(plan.graph, plan.groups)).eval()
    gates = {
        f"{GATE}{number}": torch.tensor([float(at in positions) for at in range(12)])
        for number, positions in enumerate(pruned.kept.values())
    }
    module.load_state_dict({**demo.load(folder).state_dict(), **gates})
    with torch.inference_mode():
        found: Tensor = module(**data)
    return found


def test_a_call_that_is_wrong_is_told(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert example.main(["--model", str(tmp_path)]) == 2
    assert "has no model.safetensors" in capsys.readouterr().err
