"""The frame of source lines in a rendered diagnostic, with marks under the places that matter."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from .source import Source, Span

_TAB = 4
# Of a longer line only the part around the first mark is shown.
_LINE = 160
Paint = Callable[[str, str], str]


def printable(text: str) -> str:
    """The text without what a terminal would obey or not show at all."""
    return "".join(character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}" for character in text)


@dataclass(frozen=True)
class Mark:
    """A place to underline: `^^^^` when primary, `----` when not."""

    span: Span
    text: str
    primary: bool

    def lines(self, source: Source) -> tuple[int, ...]:
        """The line it begins on, and the one it ends on where that is another."""
        first = source.position(self.span.start)[0]
        last = source.position(max(self.span.end - 1, self.span.start))[0]
        return (first,) if first == last else (first, last)


@dataclass(frozen=True)
class _Piece:
    """The part of a mark on one line, in columns of the terminal (from 0)."""

    start: int
    end: int
    text: str
    primary: bool

    @property
    def style(self) -> str:
        return "primary" if self.primary else "frame"


def frame(source: Source, marks: list[Mark], width: int, paint: Paint) -> list[str]:
    """The lines of the frame; `width` is that of the line numbers."""
    pieces: dict[int, list[tuple[int, int, Mark, bool]]] = {}
    for mark in marks:
        for number, start, end, labelled in _by_line(source, mark):
            pieces.setdefault(number, []).append((start, end, mark, labelled))
    bar = paint("|", "frame")
    empty = f"{' ' * width} {bar}"
    shown, previous = [empty], 0
    for number in sorted(pieces):
        if previous and number == previous + 2:
            shown.append(_numbered(number - 1, _display(source.line(number - 1))[0], width, paint))
        elif previous and number > previous + 2:
            shown.append(paint("." * max(width, 3), "frame"))
        text, here = _fit(source.line(number), pieces[number])
        shown.append(_numbered(number, text, width, paint))
        shown += [f"{empty} {line}".rstrip() for line in _underline(here, paint)]
        previous = number
    return [*shown, empty]


def _by_line(source: Source, mark: Mark) -> list[tuple[int, int, int, bool]]:
    """Line, first and last column (from 0, end excluded) and whether the label stands here."""
    first, start = source.position(mark.span.start)
    lines = mark.lines(source)
    if len(lines) == 1:
        return [(first, start - 1, max(start - 1 + mark.span.end - mark.span.start, start), True)]
    last, end = lines[1], source.position(mark.span.end - 1)[1]
    text = source.line(last)
    return [
        (first, start - 1, max(len(source.line(first)), start), False),
        (last, min(len(text) - len(text.lstrip()), end - 1), end, True),
    ]


def _numbered(number: int, text: str, width: int, paint: Paint) -> str:
    return f"{paint(f'{number:>{width}} |', 'frame')} {text}".rstrip()


def _display(text: str) -> tuple[str, list[int]]:
    """The line as the terminal shows it, and the column at which each character begins (one more for the end)."""
    shown: list[str] = []
    columns = [0]
    for character in text:
        if character == "\t":
            shown.append(" " * _TAB)
            columns.append(columns[-1] + _TAB)
            continue
        wide = unicodedata.east_asian_width(character) in "WF"
        narrow = bool(unicodedata.combining(character))
        shown.append(printable(character))
        columns.append(columns[-1] + (2 if wide else 0 if narrow else 1))
    return "".join(shown), columns


def _fit(text: str, pieces: list[tuple[int, int, Mark, bool]]) -> tuple[str, list[_Piece]]:
    """The text of a line cut to what matters, with the marks in its columns."""
    low, high = 0, len(text)
    if high > _LINE:
        low = max(min(start for start, _, _, _ in pieces) - _LINE // 4, 0)
        high = low + _LINE
    shown, columns = _display(text[low:high])
    lead = "\N{HORIZONTAL ELLIPSIS}" if low else ""

    def column(position: int) -> int:
        inside = min(max(position - low, 0), len(columns) - 1)
        return columns[inside] + len(lead)

    here: list[_Piece] = []
    for start, end, mark, labelled in pieces:
        begin = column(start)
        here.append(_Piece(begin, max(column(end), begin + 1), mark.text if labelled else "", mark.primary))
    return lead + shown + ("\N{HORIZONTAL ELLIPSIS}" if high < len(text) else ""), here


def _underline(pieces: list[_Piece], paint: Paint) -> list[str]:
    """The line of carets, and below it the labels that do not fit at its end, the rightmost first."""
    pieces = sorted(pieces, key=lambda piece: (piece.start, piece.end))
    cells: dict[int, tuple[str, str]] = {}
    for piece in sorted(pieces, key=lambda piece: piece.primary):
        for column in range(piece.start, piece.end):
            cells[column] = ("^" if piece.primary else "-", piece.style)
    labelled = [piece for piece in pieces if piece.text]
    last = labelled[-1] if labelled and labelled[-1].end == max(cells) + 1 else None
    line = _paint_cells(cells, paint)
    rows = [f"{line} {paint(last.text, last.style)}" if last else line]
    waiting = [piece for piece in labelled if piece is not last]
    if waiting:
        rows.append(_bars(waiting, paint))
    while waiting:
        piece = waiting.pop()
        lead = _bars([other for other in waiting if other.start < piece.start], paint, piece.start)
        rows.append(lead + paint(piece.text, piece.style))
    return rows


def _bars(pieces: list[_Piece], paint: Paint, until: int = 0) -> str:
    line = _paint_cells({piece.start: ("|", piece.style) for piece in pieces}, paint)
    reached = max((piece.start for piece in pieces), default=-1) + 1
    return line + " " * (until - reached)


def _paint_cells(cells: dict[int, tuple[str, str]], paint: Paint) -> str:
    """Cells in order with spaces between; neighbours of one style are painted together."""
    out: list[str] = []
    run, style = "", ""
    for column in range(max(cells, default=-1) + 1):
        character, wanted = cells.get(column, (" ", ""))
        if wanted != style:
            out.append(paint(run, style) if style else run)
            run, style = "", wanted
        run += character
    return "".join([*out, paint(run, style) if style else run])
