"""What holds for every file of the library, every whole network and every tutorial: sound, in the one style, documented, and tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import attn
from attn.dsl.format import format_text
from attn.dsl.parser import parse
from attn.dsl.source import Source
from attn.dsl.tree import Block

ROOT = Path(__file__).parents[2]
SHELF = sorted((ROOT / "stdlib").glob("*.attn"))
SYSTEMS = sorted((ROOT / "examples" / "systems").glob("*.attn"))
TUTORIALS = [ROOT / "examples" / f"{name}.attn" for name in ("first", "vit", "gpt")]
TESTS = "\n".join(
    path.read_text(encoding="utf-8")
    for path in [*sorted(Path(__file__).parent.glob("test_*.py")), *sorted((ROOT / "tests" / "systems").rglob("*.py"))]
)
files = pytest.mark.parametrize("path", [*SHELF, *SYSTEMS, *TUTORIALS], ids=lambda path: path.stem)


def blocks(path: Path) -> tuple[Block, ...]:
    return parse(Source(str(path), path.read_text(encoding="utf-8")))[0].blocks


@files
def test_nothing_is_wrong_with_it_in_any_variant(path: Path) -> None:
    assert [f"{found.code}: {found.title}" for found in attn.check(path)] == []


@files
def test_it_is_in_the_one_style(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format_text(Source(str(path), text)) == text


@files
def test_every_comment_fits_its_line(path: Path) -> None:
    assert [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#") and len(line) > 120] == []


@pytest.mark.parametrize("path", [*SHELF, *SYSTEMS], ids=lambda path: path.stem)
def test_every_block_is_documented_and_tested(path: Path) -> None:
    for block in blocks(path):
        assert block.doc.rstrip().endswith("."), f"{block.name}: {block.doc!r}"
        assert re.search(rf"\"{block.name}\"|\b{path.stem}\.{block.name}\b|\b{block.name}\(", TESTS), f"{block.name} is not tested"


def test_the_shelf_is_found_by_name() -> None:
    assert len(SHELF) >= 14
    for path in SHELF:
        module = getattr(attn.std, path.stem)
        for block in blocks(path):
            assert getattr(module, block.name).name == block.name
