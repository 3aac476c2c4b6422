"""Diagnostics as text for a terminal, and as JSON.

The frame shows the lines that matter with their numbers, `^^^^` under the place of the mistake and `----` under further places.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .diagnostics import Diagnostic, Label
from .frame import Mark, frame, printable
from .source import NOWHERE, Source, Span

_RESET = "\x1b[0m"
_COLORS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "frame": "\x1b[1;34m", "bold": "\x1b[1m", "help": "\x1b[1;36m"}


def render(d: Diagnostic, color: bool) -> str:
    """One diagnostic, without a newline at its end. `color` adds ANSI colours."""
    head = _paint(f"{d.severity}[{d.code}]", d.severity, color) + _paint(f": {printable(d.title)}", "bold", color)
    groups = _by_source(d)
    numbers = [number for source, marks in groups for mark in marks for number in mark.lines(source)]
    width = len(str(max(numbers, default=1)))
    parts = [head]
    for position, (source, marks) in enumerate(groups):
        arrow = "-->" if position == 0 else ":::"
        place = next((mark.span for mark in marks if mark.primary), marks[0].span)
        parts.append(f"{' ' * width}{_paint(arrow, 'frame', color)} {printable(str(place))}")
        parts += frame(source, marks, width, lambda text, style: _paint(text, d.severity if style == "primary" else style, color))
    remarks = [line for note in d.notes for line in _remark("note", note, width, color)]
    remarks += _remark("help", d.help, width, color) if d.help else []
    # The bar that closes the frame leads over to the remarks.
    return "\n".join(parts[:-1] if groups and not remarks else [*parts, *remarks])


def render_all(ds: Iterable[Diagnostic], color: bool) -> str:
    """All diagnostics once each, by file (in the order the files come) and place, and a line that counts them."""
    unique = list(dict.fromkeys(ds))
    files: dict[Source, int] = {}
    for d in unique:
        files.setdefault(d.span.source, len(files))
    unique.sort(key=lambda d: (files[d.span.source], d.span.start, d.span.end))
    return "\n\n".join([*(render(d, color) for d in unique), summary(unique)]) + "\n"


def summary(ds: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    severities = [d.severity for d in ds]
    counts = [(severities.count("error"), "error"), (severities.count("warning"), "warning")]
    return ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count) or "no errors"


def as_json(d: Diagnostic) -> dict[str, Any]:
    """Plain data for editors: lines and columns are counted from 1, the end is excluded."""
    return {
        "code": d.code,
        "severity": d.severity,
        "title": d.title,
        **_place(d.span),
        "label": d.label,
        "labels": [{**_place(label.span), "text": label.text} for label in d.labels],
        "notes": list(d.notes),
        "help": d.help,
    }


def _place(span: Span) -> dict[str, Any]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {"file": span.source.name, "line": line, "column": column, "end_line": end_line, "end_column": end_column}


def _by_source(d: Diagnostic) -> list[tuple[Source, list[Mark]]]:
    """The marks of each source, the source of the mistake first; none for a mistake that stands in no text."""
    groups: dict[Source, list[Mark]] = {}
    if d.span != NOWHERE:
        groups[d.span.source] = [Mark(d.span, printable(d.label), primary=True)]
    for label in d.labels:
        groups.setdefault(label.span.source, []).append(_secondary(label))
    return list(groups.items())


def _secondary(label: Label) -> Mark:
    return Mark(label.span, printable(label.text), primary=False)


def _remark(kind: str, text: str, width: int, color: bool) -> list[str]:
    """`= help: ...`; further lines of the text stand under its first."""
    first, *rest = printable(text).split("\n")
    start = f"{' ' * (width + 1)}{_paint('=', 'frame', color)} "
    under = " " * (width + 3 + len(kind) + 2)
    return [f"{start}{_paint(kind + ':', 'help' if kind == 'help' else 'bold', color)} {first}", *(under + line for line in rest)]


def _paint(text: str, style: str, color: bool) -> str:
    return f"{_COLORS[style]}{text}{_RESET}" if color and text else text
