"""A small pretty printer: documents of text with places where a line may break.

A `Group` stands on one line where it fits, else all of its own `Line`s break. Lines of a group inside decide for themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

WIDTH = 120
INDENT = 4


@dataclass(frozen=True)
class Line:
    """A newline in a broken group, `flat` elsewhere."""

    flat: str = " "


@dataclass(frozen=True)
class Hard:
    """A newline always; `blank` puts an empty line before what follows."""

    blank: bool = False


@dataclass(frozen=True)
class Note:
    """A comment: it ends its line. `gap` is the space before it; an `alone` one begins a line too."""

    text: str
    gap: str = "  "
    alone: bool = False


@dataclass(frozen=True)
class Indent:
    """Four spaces more, in a broken group; `always` even in one that is not broken."""

    parts: tuple[Doc, ...]
    always: bool = False


@dataclass(frozen=True)
class Group:
    parts: tuple[Doc, ...]
    broken: bool = False


Doc = str | Line | Hard | Note | Indent | Group
_Command = tuple[int, bool, Doc]


class _Printer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.line = ""
        # An indent to begin the next line with, once there is something to put on it.
        self.pending: int | None = 0

    def text(self, text: str, indent: int) -> None:
        if not text:
            return
        if self.pending is not None:
            self.line = " " * self.pending + text.lstrip(" ")
            self.pending = None
        else:
            self.line += text

    def newline(self, indent: int, blank: bool = False) -> None:
        if self.pending is None:
            self.lines.append(self.line.rstrip())
        if blank and self.lines:
            self.lines.append("")
        self.line, self.pending = "", indent

    def note(self, note: Note, indent: int) -> None:
        if note.alone and self.pending is None:
            self.newline(indent)
        self.text(note.text if self.pending is not None else note.gap + note.text, indent)
        self.newline(indent)

    def column(self) -> int:
        return len(self.line) if self.pending is None else self.pending


def pretty(parts: Iterable[Doc]) -> str:
    """The text of a document, with a newline at its end."""
    printer = _Printer()
    stack: list[_Command] = [(0, True, part) for part in reversed(list(parts))]
    while stack:
        indent, broken, doc = stack.pop()
        if isinstance(doc, str):
            printer.text(doc, indent)
        elif isinstance(doc, Line):
            if broken:
                printer.newline(indent)
            else:
                printer.text(doc.flat, indent)
        elif isinstance(doc, Hard):
            printer.newline(indent, doc.blank)
        elif isinstance(doc, Note):
            printer.note(doc, indent)
        elif isinstance(doc, Indent):
            deeper = indent + INDENT if broken or doc.always else indent
            stack += [(deeper, broken or doc.always, part) for part in reversed(doc.parts)]
        else:
            wide = doc.broken or not _fits(doc, stack, WIDTH - printer.column())
            stack += [(indent, wide, part) for part in reversed(doc.parts)]
    printer.newline(0)
    return "\n".join(printer.lines) + "\n"


def _fits(group: Group, after: list[_Command], room: int) -> bool:
    """Whether the group on one line, with what follows it up to the next newline, takes no more than `room`."""
    stack: list[tuple[bool, Doc]] = [(False, group)]
    rest = len(after)
    while room >= 0:
        if not stack:
            if rest == 0:
                return True
            rest -= 1
            stack.append(after[rest][1:])
            continue
        broken, doc = stack.pop()
        if isinstance(doc, str):
            room -= len(doc)
        elif isinstance(doc, (Hard, Note)) or (isinstance(doc, Line) and broken):
            return True
        elif isinstance(doc, Line):
            room -= len(doc.flat)
        elif isinstance(doc, Indent):
            stack += [(broken or doc.always, part) for part in reversed(doc.parts)]
        else:
            # A group that comes later may still break; one inside stays on the line.
            stack += [(broken or doc.broken, part) for part in reversed(doc.parts)]
    return False
