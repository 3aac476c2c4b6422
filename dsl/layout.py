"""Between words and grammar: brackets are matched, statements end, and arguments that are lists of axes or arrows are marked.

One pass with a stack. What is wrong with brackets is reported here once and mended, so that the parser always sees them balanced.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from . import limits
from .diagnostics import Diagnostic, Fault
from .source import Source, Span
from .tokens import CLOSERS, ENDS_VALUE, OPENERS, STARTERS, STARTS_VALUE, Word, mark

_BETWEEN = frozenset([
    "PIPE", "ARROW", "RANGE", "POWER", "DIVIDE", "STAR", "PLUS", "JOIN", "MINUS", "COMPARE", "ASSIGN", "COLON", "COMMA", "DOT", "BAR",
    "AND", "OR", "AS", "ELSE", "LBRACE",
])  # fmt: skip
# A line that begins with one of these goes on with the statement before it, and so does one after a word of `_OPEN`.
_CONTINUES = _BETWEEN | {"ANY", "RPAR", "RSQB"}
_OPEN = _BETWEEN | {"NOT", "IN", "IF", "END"}
_CLOSING_TEXT = {"RPAR": ")", "RSQB": "]", "RBRACE": "}"}


@dataclass
class _Argument:
    """What has been seen of the argument that is being read: where it begins in the output, and which marks it needs."""

    start: int
    arrow: bool = False
    axes: bool = False
    events: list[int] = field(default_factory=list[int])


@dataclass
class _Frame:
    """An open bracket. `argument` is there only where arguments stand."""

    opener: Word
    argument: _Argument | None


class Layout:
    """`run` turns raw words into the parser's tokens (`output`); `diagnostics` holds what was wrong with the brackets."""

    def __init__(self, source: Source, words: list[Word]) -> None:
        self.source = source
        self.words = words
        self.output: list[Word] = []
        self.diagnostics: list[Diagnostic] = []
        self.mended: list[int] = []
        self._frames: list[_Frame] = []
        self._prefixes = 0
        # A stray bracket was left out: what stands on the next line is no continuation.
        self._gap = False
        # The `}` that closed the last block.
        self._last: Word | None = None

    def run(self) -> None:
        for index, current in enumerate(self.words):
            if current.fresh:
                self._close_forgotten(current)
                self._newline(current)
            if current.type in CLOSERS:
                self._close(current)
                continue
            self._limit_prefixes(current)
            self._observe(current, index)
            if current.type in OPENERS:
                self._open(current)
        while self._frames:
            self._unclosed(self._frames[-1].opener, None)
            self._close_all(len(self._frames), len(self.source.text))
        self._end(self.output[-1].span.end if self.output else 0)

    # ------------------------------------------------------------ where statements end

    def _newline(self, current: Word) -> None:
        inside = self._frames and self._frames[-1].opener.type != "LBRACE"
        if inside or not self.output:
            return
        if self._gap or current.type in STARTERS or (current.type not in _CONTINUES and self.output[-1].type not in _OPEN):
            self._end(self.output[-1].span.end)
        self._gap = False

    def _end(self, offset: int) -> None:
        if self.output and self.output[-1].type not in ("END", "LBRACE"):
            self.output.append(mark("END", self.source, offset))

    # ------------------------------------------------------------ brackets

    def _open(self, current: Word) -> None:
        argument = _Argument(len(self.output)) if current.type == "LPAR" and self._takes_arguments() else None
        self._frames.append(_Frame(current, argument))
        if len(self._frames) > limits.NESTING:
            raise Fault(
                Diagnostic("E0032", f"brackets are nested more than {limits.NESTING} deep", current.span, help="name the inner parts first")
            )

    def _takes_arguments(self) -> bool:
        """Whether the parenthesis just put out holds arguments, not the head of a block or scan, or names to use."""
        before = [w.type for w in self.output[-4:-1]]
        if before and before[-1] in ("ARROW", "REVERSE"):
            return False
        head = before[-2] if len(before) > 1 and before[-1] == "NAME" else ""
        return head not in ("BLOCK", "SCAN", "USE") and not self._in_use()

    def _in_use(self) -> bool:
        for earlier in reversed(self.output[:-1]):
            if earlier.type not in ("NAME", "DOT"):
                return earlier.type == "USE"
        return False

    def _close(self, current: Word) -> None:
        position = self._matching(current)
        if position is None:
            self._stray(current)
            return
        extra = len(self._frames) - position - 1
        if extra:
            self._unclosed(self._frames[-1].opener, current)
            self._close_all(extra, current.span.start)
        self._pop(current)

    def _matching(self, current: Word) -> int | None:
        """Which open bracket this one closes. Parentheses do not look past a `{`."""
        for position in range(len(self._frames) - 1, -1, -1):
            opener = self._frames[position].opener.type
            if opener == CLOSERS[current.type]:
                return position
            if opener == "LBRACE":
                return None
        return None

    def _close_forgotten(self, current: Word) -> None:
        """A word that begins a statement, first on its line, shows that brackets above it were never closed."""
        if not (current.type in STARTERS and self._frames):
            return
        keep = 0
        if current.type not in ("BLOCK", "USE"):
            keep = max((i + 1 for i, frame in enumerate(self._frames) if frame.opener.type == "LBRACE"), default=0)
        if keep < len(self._frames):
            self._unclosed(self._frames[-1].opener, current)
            self._close_all(len(self._frames) - keep, self.output[-1].span.end)

    def _close_all(self, count: int, offset: int) -> None:
        for _ in range(count):
            kind = OPENERS[self._frames[-1].opener.type]
            self._pop(mark(kind, self.source, offset))
            self.mended.append(offset)

    def _pop(self, closer: Word) -> None:
        frame = self._frames.pop()
        if not self._frames:
            self._last = closer
        if frame.opener.type == "LBRACE":
            self._end(closer.span.start)
        elif frame.argument is not None:
            self._finish(frame.argument)
        self.output.append(closer)
        self._prefixes = 0

    def _unclosed(self, opener: Word, noticed: Word | None) -> None:
        closing = _CLOSING_TEXT[OPENERS[opener.type]]
        found = Diagnostic("E0002", f"`{opener}` is never closed", opener.span, "opened here", help=f"add the missing `{closing}`")
        if noticed is None:
            end = len(self.source.text.rstrip())
            found = found.also(Span(self.source, end, end), "the file ends here")
        else:
            found = found.also(noticed.span, f"noticed here, where `{closing}` is still missing")
        self.diagnostics.append(found)

    def _stray(self, current: Word) -> None:
        found = Diagnostic("E0003", f"`{current}` closes nothing", current.span, "no bracket is open for it", help="remove it")
        if self._frames and self._frames[-1].opener.type != "LBRACE":
            opener = self._frames[-1].opener
            found = found.also(opener.span, f"this is open, and wants `{_CLOSING_TEXT[OPENERS[opener.type]]}`")
        elif not self._frames and self._last is not None and self._last.type == current.type == "RBRACE":
            found = found.also(self._last.span, "the block was closed here already")
        self.diagnostics.append(found)
        self.mended.append(current.span.start)
        self._gap = True

    # ------------------------------------------------------------ arguments

    def _observe(self, current: Word, index: int) -> None:
        """Put a word out, decide what a `*` is, and note what it says about the argument it stands in."""
        previous = self.output[-1].type if self.output else ""
        following = self.words[index + 1].type if index + 1 < len(self.words) else ""
        kind = current.type
        if kind == "STAR" and (previous not in ENDS_VALUE or following not in STARTS_VALUE):
            kind = "ANY"
        elif kind == "NAME" and current == "reverse" and self._after_scan():
            kind = "REVERSE"
        if kind != current.type:
            current = current.become(kind)
        argument = self._frames[-1].argument if self._frames else None
        if argument is not None:
            self._note(argument, current, previous, index)
        self.output.append(current)

    def _after_scan(self) -> bool:
        return len(self.output) > 1 and self.output[-1].type == "NAME" and self.output[-2].type == "SCAN"

    def _note(self, argument: _Argument, current: Word, previous: str, index: int) -> None:
        position, kind = len(self.output), current.type
        if kind == "COMMA":
            self._finish(argument)
            self._frames[-1].argument = _Argument(len(self.output) + 1)
        elif kind == "ASSIGN" and position == argument.start + 1 and previous == "NAME":
            argument.start = position + 1
        elif kind == "ARROW":
            argument.arrow = True
            argument.events.append(position)
        elif kind == "ANY" or (kind == "NAME" and previous in ("NAME", "INT", "ANY")):
            argument.axes = True
            argument.events.append(position)
        elif kind in ("PLUS", "ASSIGN"):
            argument.events.append(position)

    def _finish(self, argument: _Argument) -> None:
        """At the end of an argument: mark its beginning, and tell the `+` that parts axes from arithmetic."""
        if argument.start >= len(self.output) or not (argument.arrow or argument.axes):
            return
        if argument.arrow:
            self._part_axes(argument.events)
        kind = "ARROW_MARK" if argument.arrow else "AXES_MARK"
        self.output.insert(argument.start, mark(kind, self.source, self.output[argument.start].span.start))

    def _part_axes(self, events: list[int]) -> None:
        sized = False
        for position in events:
            current = self.output[position]
            if current.type == "ASSIGN":
                sized = True
            elif current.type != "PLUS":
                sized = False
            elif not sized or [w.type for w in self.output[position + 1 : position + 3]] == ["NAME", "ASSIGN"]:
                self.output[position] = current.become("JOIN")
                sized = False

    def _limit_prefixes(self, current: Word) -> None:
        self._prefixes = self._prefixes + 1 if current.type in ("MINUS", "NOT") else 0
        if self._prefixes > limits.NESTING:
            raise Fault(
                Diagnostic("E0032", f"more than {limits.NESTING} operators in a row", current.span, help="two `-` or `not` cancel out")
            )
