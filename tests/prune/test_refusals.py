"""What is said where pruning is refused: `tests/golden/pruning/*.txt`, whose first line tells the axis, the budget and the sizes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from golden_support import GOLDEN, Golden, golden_files

import attn


def message(case: Golden) -> str:
    settings = dict(re.findall(r"(\w+)=(\S+)", case.source.splitlines()[0]))
    axis, budget = settings.pop("axis"), settings.pop("keep")
    bind = {name: int(value) for name, value in settings.items()}
    source = attn.text(case.source, "main.attn")
    torch.manual_seed(0)
    weights = attn.compile(source, bind=bind).state_dict()
    with pytest.raises(attn.AttnError) as caught:
        attn.prune(source, axis=axis, weights=weights, keep=float(budget) if "." in budget else int(budget), bind=bind)
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {case.path.stem[:5]}
    return str(caught.value).strip() + "\n"


@pytest.mark.parametrize("path", golden_files(GOLDEN / "pruning", "E*.txt"), ids=lambda path: path.stem)
def test_a_refusal_is_as_expected(path: Path, golden: Callable[[Path, Callable[[Golden], str]], None]) -> None:
    golden(path, message)
