"""Count the lines of the project's files and functions.

Run as a program it prints one line per kind; `tests/test_house.py` holds the limits.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Size:
    """A file or function and its number of lines, documentation and blank lines included."""

    place: str
    lines: int


def sources() -> list[Path]:
    """The Python files of the package, each once: the links in src/attn/ are not followed."""
    rooms = [path for room in ("dsl", "compiler", "stdlib", "catalogue") for path in (ROOT / room).rglob("*.py")]
    return sorted([*rooms, *(ROOT / "src" / "attn").glob("*.py")])


def file_sizes() -> list[Size]:
    """One size for each file of the package."""
    return [Size(_name(path), len(path.read_text(encoding="utf-8").splitlines())) for path in sources()]


def function_sizes() -> list[Size]:
    """One size for each function and method of the package; decorators do not count."""
    return [size for path in sources() for size in _functions(path)]


def nine_in_ten(sizes: Sequence[Size]) -> int:
    """The number of lines that nine in ten of `sizes` do not exceed; 0 for none."""
    ordered = sorted(size.lines for size in sizes)
    return ordered[-(-9 * len(ordered) // 10) - 1] if ordered else 0


def _functions(path: Path) -> Iterator[Size]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Size(f"{_name(path)}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _line(kind: str, sizes: Sequence[Size]) -> str:
    if not sizes:
        return f"{kind}: none"
    largest = max(sizes, key=lambda size: size.lines)
    middle = int(median(size.lines for size in sizes))
    return f"{kind}: {len(sizes)}; lines: median {middle}, nine in ten within {nine_in_ten(sizes)}, most {largest.lines} ({largest.place})"


if __name__ == "__main__":
    print(_line("files", file_sizes()))
    print(_line("functions", function_sizes()))
