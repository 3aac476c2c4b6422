"""MiniLM's attention on real sentences: one command writes the report, whose maps are those of another library's model."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torchvision_shim
from click.testing import CliRunner
from safetensors.torch import load_file

from attn.cli import main as cli

from .conftest import ROOT

SENTENCE = "It was too tired."


def test_the_map_of_names_is_that_of_the_demo(demo: ModuleType) -> None:
    names = json.loads((ROOT / "examples" / "minilm.names.json").read_text(encoding="utf-8"))
    assert {name: target for name, target in names.items() if target is not None} == demo.NAMES
    assert [name for name, target in names.items() if target is None] == list(demo.IGNORE)


def readme_command() -> list[str]:
    """The words of the command that the README gives for MiniLM."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^\.venv/bin/attn (inspect examples/minilm\.attn .*)$", text, re.MULTILINE)
    return shlex.split(line)


def test_the_command_of_the_readme_gives_the_maps_of_transformers(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = readme_command()
    words[words.index("--weights") + 1] = str(folder)  # where this checkout has what the pattern finds
    words[words.index("--text") + 1] = SENTENCE
    words[words.index("-o") + 1] = str(tmp_path / "report.html")
    done = CliRunner().invoke(cli, [*words, "-o", str(tmp_path / "report.json")])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    (sample,) = report["samples"]
    assert sample["tokens"] == ["[CLS]", "it", "was", "too", "tired", ".", "[SEP]"]
    assert [len(site["importance"]) for site in report["sites"]] == [12] * 6
    for one, expected in zip(sample["maps"], attentions(folder), strict=True):
        torch.testing.assert_close(torch.tensor(one["maps"]), expected, atol=2e-5, rtol=1e-3)


def attentions(folder: Path) -> list[torch.Tensor]:
    """The weights [h, N, N'] of every layer, as transformers gives them where it does not fuse."""
    torchvision_shim.prepare()
    with torch.inference_mode():
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel

        options: dict[str, Any] = {**json.loads((folder / "config.json").read_text(encoding="utf-8")), "attn_implementation": "eager"}
        config = BertConfig(**options)
        model = BertModel(config).eval()
        checkpoint = load_file(folder / "model.safetensors")
        model.load_state_dict({name: tensor for name, tensor in checkpoint.items() if name != "embeddings.position_ids"})
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        ids = torch.tensor([tokenizer.encode(SENTENCE).ids])
        found = model(input_ids=ids, output_attentions=True).attentions
    return [one[0] for one in found]
