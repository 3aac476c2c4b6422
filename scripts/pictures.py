"""Draw the pictures of the pages into docs/pictures/: `python scripts/pictures.py`."""

from __future__ import annotations

from pathlib import Path

from pages import DOCS, ROOT, fences, write

from attn import load, text
from attn.compiler.program import BlockProgram
from attn.compiler.view import render_svg

FOLDER = DOCS / "pictures"


def pictures() -> dict[Path, str]:
    """The text of every picture by its path."""
    programs = {
        "attention": of_page(ROOT / "README.md", "attention.attn"),
        "cbam": load("std.channel", "cbam"),
        "encoder": load("std.layers", "encoder"),
    }
    return {FOLDER / f"{name}.svg": render_svg(program.graph(checking=True)) for name, program in programs.items()}


def of_page(path: Path, file: str) -> BlockProgram:
    """The program that a page shows under a file name."""
    body = next(fence.body for fence in fences(path.read_text(encoding="utf-8")) if fence.file == file and "wrong" not in fence.words)
    return load(text(body, file))


if __name__ == "__main__":
    for path, picture in pictures().items():
        write(path, picture)
