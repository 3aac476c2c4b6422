"""Where text comes from, and how to point into it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from .frozen import frozen


@dataclass(frozen=True, eq=False)
class Source:
    """One text with the name a user knows it by (a path, `<stdin>`, `std.heads`).

    `library` marks the files that ship with attn: a mistake made inside one is shown at the user's call instead.
    """

    name: str
    text: str
    library: bool = False

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for offset, character in enumerate(self.text):
            if character == "\n":
                starts.append(offset + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both counted from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (counted from 1), without its newline."""
        if not 1 <= number <= len(self._starts):
            return ""
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[self._starts[number - 1] : end].rstrip("\r")

    def __repr__(self) -> str:
        return f"Source({self.name!r})"


@frozen
class Span:
    """The characters `start` to `end` (excluded) of a source.

    `call`: of an operation inside a block that was called, where the text calls that block; that span may have a call of its own.
    Spans are equal whichever way they were reached.
    """

    source: Source = field(repr=False)
    start: int
    end: int
    call: Span | None = field(default=None, repr=False, compare=False)

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """From the beginning of this span to the end of another one in the same source."""
        start = self.start if self.start <= other.start else other.start
        return Span(self.source, start, other.end if other.end >= self.end else self.end, self.call)

    def called_from(self, call: Span | None) -> Span:
        """The same characters, reached by this call."""
        return self if call is self.call else Span(self.source, self.start, self.end, call)

    def outward(self) -> Iterator[Span]:
        """This span, the call that leads to it, the call that leads to that one, and so on."""
        span: Span | None = self
        while span is not None:
            yield span
            span = span.call

    def __str__(self) -> str:
        line, column = self.source.position(self.start)
        return f"{self.source.name}:{line}:{column}"


NOWHERE = Span(Source("<attn>", ""), 0, 0)
