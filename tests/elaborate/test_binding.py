"""Mistakes made when a program is bound or called are told as well as those in its text."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from golden_support import GOLDEN, Golden, golden_files

import attn
from attn.commands.shared import bound_value, split_bindings
from attn.dsl.render import render_all

BINDING = golden_files(GOLDEN / "binding")
RUNNING = golden_files(GOLDEN / "running")
KINDS = {"float": torch.float32, "half": torch.float16, "bool": torch.bool, "int": torch.int64}


def _line(case: Golden, word: str) -> str:
    found = re.search(rf"^# {word}: ?(.*)$", case.text, re.MULTILINE)
    return found[1] if found else ""


def _bindings(case: Golden) -> dict[str, object]:
    pairs = (part.partition("=") for part in split_bindings(_line(case, "bind")))
    return {name: bound_value(value) for name, _, value in pairs}


def _inputs(case: Golden) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for name, kind, shape in re.findall(r"(\w+): (\w+) \[([\d, ]*)\]", _line(case, "call")):
        sizes = [int(size) for size in shape.split(",")]
        found[name] = torch.empty(sizes, device="meta") if kind == "meta" else torch.ones(sizes, dtype=KINDS[kind])
    return found


def _told(case: Golden, run: Callable[[Path], object]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = case.unpack(Path(folder))
        with pytest.raises(attn.AttnError) as caught:
            run(path)
        return render_all(caught.value.diagnostics, color=False).replace(folder + "/", "") + "\n"


@pytest.mark.parametrize("path", BINDING, ids=lambda path: path.stem)
def test_a_mistake_in_a_binding_is_told(path: Path, golden: Callable[[Path, Callable[[Golden], str]], None]) -> None:
    golden(path, lambda case: _told(case, lambda source: attn.compile(source, bind=_bindings(case))))


@pytest.mark.parametrize("path", RUNNING, ids=lambda path: path.stem)
def test_a_wrong_tensor_names_the_argument_the_axis_and_the_line(
    path: Path, golden: Callable[[Path, Callable[[Golden], str]], None]
) -> None:
    golden(path, lambda case: _told(case, lambda source: attn.compile(source, bind=_bindings(case))(**_inputs(case))))


@pytest.mark.parametrize("path", [*BINDING, *RUNNING], ids=lambda path: path.stem)
def test_the_file_shows_the_code_it_is_named_after(path: Path) -> None:
    assert f"[{path.stem[:5]}]" in Golden.read(path).output
