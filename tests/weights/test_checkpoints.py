"""Checkpoints of released versions load and give what they gave, at every level and in both modes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_fixtures import BLOCKS, FOLDER
from safetensors.torch import load_file

import attn

FILES = sorted(FOLDER.rglob("*.safetensors"))


def parts(file: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The tensors of a fixture under `weights`, `inputs` and `outputs`."""
    found: dict[str, dict[str, torch.Tensor]] = {"weights": {}, "inputs": {}, "outputs": {}}
    for key, value in load_file(file).items():
        room, _, name = key.partition(".")
        found[room][name] = value
    return found


def test_every_version_has_every_block() -> None:
    assert {file.parent.name for file in FILES} >= {"0.1.0"}
    assert {file.stem for file in FILES if file.parent.name == "0.1.0"} == set(BLOCKS)
    assert sum(file.stat().st_size for file in FILES) < 1 << 20


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_it_loads_and_gives_what_it_gave(file: Path, mode: Any) -> None:
    module, block, bind, _ = BLOCKS[file.stem]
    known = parts(file)
    for level in (0, 1, 2):
        made = attn.compile(attn.load(module, block), bind=bind, level=level, mode=mode, dtype=torch.float64).eval()
        assert sorted(made.state_dict()) == sorted(known["weights"])  # files keep no order; tests/golden/names.txt does
        made.load_state_dict(known["weights"])
        result = made(**{name: x.double() for name, x in known["inputs"].items()})
        for index, x in enumerate(result if isinstance(result, tuple) else (result,)):
            wanted = known["outputs"][str(index)].double()
            torch.testing.assert_close(x, wanted, rtol=2.0**-22, atol=2.0**-22 * float(wanted.abs().max()))
