"""Where spaces stand in formatted text."""

from __future__ import annotations

from .pieces import Body, Bracket, Piece
from .tokens import ENDS_VALUE, Word
from .tree import Comment

_ARITHMETIC = frozenset(["PLUS", "MINUS", "STAR", "DIVIDE", "POWER"])
_LOGIC = frozenset(["COMPARE", "AND", "OR", "NOT", "IF", "PIPE"])
_TIGHT_AFTER = frozenset(["DOT", "RANGE"])
_TIGHT_BEFORE = frozenset(["COMMA", "COLON", "DOT", "RANGE"])


def kind_of(piece: Piece | None) -> str:
    """The kind of the token that a piece begins with."""
    if isinstance(piece, Word):
        return piece.type
    return piece.opener.type if isinstance(piece, (Bracket, Body)) else ""


class Spacing:
    """The spaces between the pieces of one item or statement. `context` is that of the bracket around it, or `statement`."""

    def __init__(self, pieces: list[Piece], context: str) -> None:
        self.context = context
        self.pieces = [piece for piece in pieces if not isinstance(piece, Comment)]
        kinds = [kind_of(piece) for piece in self.pieces]
        self.arrow = "ARROW_MARK" in kinds
        self.marked = self.arrow or "AXES_MARK" in kinds
        self._place = {id(piece): position for position, piece in enumerate(self.pieces)}
        logic = bool(_LOGIC.intersection(kinds))
        # Sizes are written close, `r=C/reduction`, so that they do not look like several axes.
        self._close = not logic and (context == "type" or self.marked)
        self._wide_index = context == "index" and any(self._is_binary(position) for position in range(len(kinds)))

    def before(self, piece: Piece) -> str:
        """The space in front of a piece: nothing at the beginning, else one space or none."""
        position = self._place[id(piece)]
        previous = next((p for p in reversed(self.pieces[:position]) if not kind_of(p).endswith("_MARK")), None)
        if previous is None or kind_of(piece).endswith("_MARK"):
            return ""
        return "" if self._touch(previous, piece, position) else " "

    def is_unary(self, piece: Piece) -> bool:
        position = self._place[id(piece)]
        return kind_of(piece) == "NOT" or (kind_of(piece) == "MINUS" and not self._ends_value(position - 1))

    def is_close(self, piece: Piece) -> bool:
        return self._close and kind_of(piece) in _ARITHMETIC

    def _is_binary(self, position: int) -> bool:
        kind = self._kind(position)
        return (kind in _ARITHMETIC or kind in _LOGIC) and self._ends_value(position - 1)

    def _ends_value(self, position: int) -> bool:
        if position < 0:
            return False
        piece = self.pieces[position]
        return not isinstance(piece, Word) or piece.type in ENDS_VALUE

    def _touch(self, previous: Piece, piece: Piece, position: int) -> bool:
        left, kind = kind_of(previous), kind_of(piece)
        if kind in _TIGHT_BEFORE or (isinstance(previous, Word) and left in _TIGHT_AFTER):
            return True
        if left == "MINUS" and self.is_unary(previous):
            return True
        if kind == "MINUS" and self.is_unary(piece) and self._close and left != "JOIN":
            return True
        if self.is_close(piece) or self.is_close(previous):
            return True
        if kind == "ASSIGN" or left == "ASSIGN":
            return self.context == "args" or (self.context == "index" and not self._wide_index)
        if kind == "ANY":
            return left == "NAME" and self._kind(position - 2) == "COLON"
        return isinstance(piece, Bracket) and self._bracket_touches(previous, piece, position)

    def _kind(self, position: int) -> str:
        return kind_of(self.pieces[position]) if position >= 0 else ""

    def _bracket_touches(self, previous: Piece, piece: Bracket, position: int) -> bool:
        called = isinstance(previous, Bracket) or (isinstance(previous, Word) and previous.type == "NAME")
        if not called or piece.context in ("names", "type"):
            return False
        return piece.context != "typed" or self._kind(position - 2) == "BLOCK"
