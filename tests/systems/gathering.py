"""The cases of every system, from tests/systems/cases/."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from .support import Case

CASES = Path(__file__).parent / "cases"
INDEX = Path(__file__).parents[2] / "catalogue" / "index.toml"
IDS = [row["id"] for row in tomllib.loads(INDEX.read_text(encoding="utf-8"))["system"]]


def cases() -> dict[str, list[Case]]:
    """The cases of each system that has some, by its id. A file is named after its system, with `_` for `-`."""
    ids = {name.replace("-", "_"): name for name in IDS}
    files = sorted(path.stem for path in CASES.glob("*.py") if path.stem != "__init__")
    return {ids[name]: importlib.import_module(f"systems.cases.{name}").CASES for name in files}


def first_of_each(listed: list[Case]) -> list[Case]:
    """The first case of each block: the one that goes through every way. Texts of tests are no blocks of the system."""
    return list({(case.file, case.block): case for case in reversed(listed) if not case.program}.values())[::-1]


def marked(system: str, case: Case, sentence: str) -> Any:
    return pytest.param(case, id=f"{system}-{case.name}", marks=pytest.mark.system(system, sentence))


def every_case() -> list[Any]:
    sentence = "Values and all gradients are those of plain PyTorch, in float64 to 1e-10 ({count})."
    return [
        marked(system, case, sentence.format(count=f"{len(listed)} variants" if len(listed) > 1 else "1 variant"))
        for system, listed in cases().items()
        for case in listed
    ]


def one_of_each_block(sentence: str, wanted: str = "") -> list[Any]:
    """A parameter for one case of each block of each system; only those for whom the attribute `wanted` holds, if one is given.

    All but the first of a system run with `--every-block` alone, which `make systems` says.
    """
    found: list[Any] = []
    for system, listed in cases().items():
        for place, case in enumerate(first_of_each([case for case in listed if not wanted or getattr(case, wanted)])):
            more = [pytest.mark.every_block] if place else []
            marks = [pytest.mark.system(system, sentence), *more]
            found.append(pytest.param(case, id=f"{system}-{case.name}", marks=marks))
    return found
