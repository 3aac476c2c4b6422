"""Spans as places of a report, and where an option of a call is written."""

from __future__ import annotations

import re

from ...dsl.source import NOWHERE, Span
from .report import Place

_WORDS = re.compile(r"""\#[^\n]*|"[^"\n]*"|[^\W\d]\w*'*|==|[=,()\[\]{}]|\s+|.""", re.DOTALL)


def place_of(span: Span) -> Place | None:
    """A span as a place; None for what stands in no text."""
    if span.source is NOWHERE.source:
        return None
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    text = span.source.line(line).strip()
    return Place(
        file=span.source.name, line=line, column=column, end_line=end_line, end_column=end_column, text=text, library=span.source.library
    )


def touches(a: Span, b: Span) -> bool:
    """Whether two spans have a character in common."""
    return a.source is b.source and a.start < b.end and b.start < a.end


def lines_of(spans: tuple[Span, ...]) -> list[Place]:
    """The places of spans, each line once, in the order of each text."""
    found = {(place.file, place.line): place for span in spans for place in (place_of(span),) if place is not None}
    files = list(dict.fromkeys(file for file, _ in found))
    return sorted(found.values(), key=lambda place: (files.index(place.file), place.line))


def option_span(call: Span, option: str) -> Span | None:
    """Where `option=...` stands among the arguments of a call; None where it is not written there."""
    depth, start, name = 0, -1, ("", 0)
    for word in _WORDS.finditer(call.text):
        text = word[0]
        if text.isspace() or text.startswith("#"):
            continue
        if start >= 0 and depth == 1 and text in (",", ")"):
            return Span(call.source, call.start + start, call.start + word.start()) if start >= 0 else None
        depth += 1 if text in ("(", "[", "{") else -1 if text in (")", "]", "}") else 0
        if text == "=" and depth == 1 and name[0] == option:
            start = name[1]
        name = (text, word.start())
    return None


def argument_place(call: Span, option: str) -> Place | None:
    """The place of an option of a call, and its text; the call where the option is not written there."""
    span = option_span(call, option) if option else None
    found = place_of(span or call)
    if found is None or span is None:
        return found
    return found.model_copy(update={"text": " ".join(span.text.split())})
