"""The fenced pieces of a page, and what the scripts that write pages share."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^(`{3,})([^\n`]*)\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Fence:
    """A fenced piece: the words after the ticks, its text, the line it begins on, and where the text stands in the page.

    `follows` is whether only blank lines stand between it and the piece before it.
    """

    words: tuple[str, ...]
    body: str
    line: int
    place: tuple[int, int]
    follows: bool

    @property
    def kind(self) -> str:
        return self.words[0] if self.words else ""

    @property
    def file(self) -> str | None:
        """The file name that its words give, such as `se.attn`."""
        return next((word for word in self.words if "." in word), None)


def fences(text: str) -> list[Fence]:
    """The fenced pieces of a Markdown text, in order."""
    found: list[Fence] = []
    end = 0
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        follows = bool(found) and not text[end : match.start()].strip()
        found.append(Fence(tuple(match[2].split()), match[3], line, match.span(3), follows))
        end = match.end()
    return found


def prose(text: str) -> str:
    """Plain text as Markdown: what stands between backticks is left alone, and nothing else becomes emphasis or a tag."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\\])", r"\\\1", part) for part in parts)


def cell(text: str) -> str:
    """Plain text as a cell of a table."""
    return " ".join(prose(text).replace("|", "\\|").split())


def fenced(kind: str, text: str) -> str:
    return f"```{kind}\n{text.strip(chr(10))}\n```"


def write(path: Path, text: str) -> None:
    """Write a page if it differs, and say so."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path.relative_to(ROOT)}", file=sys.stderr)
