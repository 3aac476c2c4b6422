"""The tokens of a text folded into statements, brackets and bodies, with the comments where they stand. The formatter's view."""

from __future__ import annotations

from dataclasses import dataclass, field

from .layout import Layout
from .lexer import Lexer
from .source import Source
from .tokens import CLOSERS, Word
from .tree import Comment


@dataclass
class Bracket:
    """`( )` or `[ ]` with its items, parted by commas. `context` says what stands in it (see `_context`)."""

    opener: Word
    context: str
    items: list[list[Piece]] = field(default_factory=lambda: [[]])


@dataclass
class Body:
    """`{ }` with its lines; `one_line` where it was written so."""

    opener: Word
    lines: list[Row] = field(default_factory=list["Row"])
    one_line: bool = False


@dataclass
class Row:
    """A statement with the comments right behind it, or (without pieces) a comment of its own. `blank`: a blank line stood before."""

    pieces: list[Piece]
    trailing: list[Comment] = field(default_factory=list[Comment])
    blank: bool = False


Piece = Word | Bracket | Body | Comment


def rows(source: Source) -> list[Row]:
    """The statements of a text that parses."""
    lexer = Lexer(source)
    lexer.run()
    layout = Layout(source, lexer.words)
    layout.run()
    stream: list[Word | Comment] = [*layout.output, *lexer.comments]
    # The end of a statement comes before a comment behind it, and a mark before the word that it marks: sorting is stable.
    stream.sort(key=lambda each: each.span.start)
    return _Folder(source, stream).run()


class _Folder:
    def __init__(self, source: Source, stream: list[Word | Comment]) -> None:
        self.source = source
        self.stream = stream
        self.position = 0
        self.kinds: list[str] = []

    def run(self) -> list[Row]:
        return self._rows()

    def _rows(self) -> list[Row]:
        found: list[Row] = []
        last = 0
        while self.position < len(self.stream):
            current = self.stream[self.position]
            line = self._line(current.span.start)
            if isinstance(current, Comment):
                self.position += 1
                if not current.alone and found:
                    found[-1].trailing.append(current)
                else:
                    found.append(Row([], [current], bool(found) and line > last + 1))
            elif current.type == "RBRACE":
                return found
            else:
                found.append(Row(self._statement(), blank=bool(found) and line > last + 1))
            last = self._line(self.stream[self.position - 1].span.end)
        return found

    def _line(self, offset: int) -> int:
        return self.source.position(offset)[0]

    def _statement(self) -> list[Piece]:
        pieces: list[Piece] = []
        while self.position < len(self.stream):
            current = self.stream[self.position]
            if isinstance(current, Word) and current.type == "END":
                self.position += 1
                break
            pieces.append(self._piece(pieces))
        return pieces

    def _piece(self, before: list[Piece]) -> Piece:
        current = self.stream[self.position]
        self.position += 1
        if isinstance(current, Comment):
            return current
        if current.type == "LBRACE":
            return self._body(current)
        if current.type in ("LPAR", "LSQB"):
            return self._bracket(Bracket(current, _context(current, before)))
        return current

    def _bracket(self, bracket: Bracket) -> Bracket:
        while True:
            current = self.stream[self.position]
            if isinstance(current, Word) and current.type in CLOSERS:
                self.position += 1
                if not bracket.items[-1]:
                    bracket.items.pop()
                return bracket
            if isinstance(current, Word) and current.type == "COMMA":
                self.position += 1
                bracket.items.append([])
                self._comments_behind(bracket.items[-2])
            else:
                bracket.items[-1].append(self._piece(bracket.items[-1]))

    def _comments_behind(self, item: list[Piece]) -> None:
        """Comments behind a comma on its line belong to the item before it."""
        while self.position < len(self.stream):
            current = self.stream[self.position]
            if not isinstance(current, Comment) or current.alone:
                return
            item.append(current)
            self.position += 1

    def _body(self, opener: Word) -> Body:
        body = Body(opener, self._first_comments())
        body.lines += self._rows()
        closer = self.stream[self.position]
        self.position += 1
        body.one_line = self._line(opener.span.start) == self._line(closer.span.start)
        return body

    def _first_comments(self) -> list[Row]:
        """A comment right behind `{` has no statement to trail."""
        current = self.stream[self.position] if self.position < len(self.stream) else None
        if not isinstance(current, Comment) or current.alone:
            return []
        self.position += 1
        return [Row([], [current])]


def _context(opener: Word, before: list[Piece]) -> str:
    """What stands in a bracket: `args`, `typed` (heads, carries, results), `names`, `type`, `index` or `list`."""
    words = [piece for piece in before if not isinstance(piece, Comment) and not _is_mark(piece)]
    previous = words[-1] if words else None
    kind = previous.type if isinstance(previous, Word) else ""
    earlier = words[-2].type if len(words) > 1 and isinstance(words[-2], Word) else ""
    if opener.type == "LPAR":
        if isinstance(words[0], Word) and words[0].type == "USE" if words else False:
            return "names"
        return "typed" if kind in ("ARROW", "REVERSE") or (kind == "NAME" and earlier in ("BLOCK", "SCAN")) else "args"
    if kind in ("COLON", "ARROW") or (kind == "NAME" and earlier in ("COLON", "ARROW")):
        return "type"
    return "index" if kind == "NAME" or isinstance(previous, Bracket) else "list"


def _is_mark(piece: Piece) -> bool:
    return isinstance(piece, Word) and piece.type.endswith("_MARK")
