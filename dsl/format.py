"""One style for all programs: what `attn fmt` writes.

Four spaces, 120 columns, one blank line between blocks, at most one between statements; a pipe or a bracket that is too long takes a
line for each of its parts. Every comment stays at its word. Formatting twice changes nothing, and never what a program means.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from .diagnostics import AttnError
from .parser import VERSION, parse
from .pieces import Body, Bracket, Piece, Row, rows
from .pretty import Doc, Group, Hard, Indent, Line, Note, pretty
from .source import Source
from .spacing import Spacing, kind_of
from .tree import Comment

# Where a line may break, loosest first.
_BREAKS = (
    frozenset(["PIPE"]), frozenset(["IF", "ELSE"]), frozenset(["OR"]), frozenset(["AND"]), frozenset(["COMPARE"]),
    frozenset(["PLUS", "MINUS"]), frozenset(["STAR", "DIVIDE"]),
)  # fmt: skip


def format_text(source: Source) -> str:
    """The text in the one style. Raises `AttnError` where it does not parse."""
    _, diagnostics = parse(source)
    if diagnostics:
        raise AttnError(diagnostics)
    top = rows(source)
    if not any(_starts_with(row, "ATTN") for row in top):
        top.insert(0, _version_row(source))
    parts: list[Doc] = []
    for position, row in enumerate(top):
        if position:
            parts.append(Hard(_parted(top[position - 1], row)))
        parts += _row(row)
    return pretty(parts)


def _version_row(source: Source) -> Row:
    words = rows(Source(source.name, f"attn {VERSION}"))
    return words[0]


def _starts_with(row: Row, kind: str) -> bool:
    return bool(row.pieces) and kind_of(row.pieces[0]) == kind


def _parted(before: Row, row: Row) -> bool:
    """Whether a blank line stands between two rows outside of blocks."""
    if _starts_with(before, "BLOCK") or _starts_with(before, "ATTN"):
        return True
    # A comment stays with the block below it, or away from it, as the author had it: that makes it documentation or not.
    return (bool(before.pieces) and _starts_with(row, "BLOCK")) or row.blank


def _row(row: Row) -> list[Doc]:
    """A statement with what trails it."""
    parts: list[Doc] = [_statement(row.pieces)] if row.pieces else []
    return [*parts, *(Note(_comment_text(comment), _gap(comment), alone=not row.pieces) for comment in row.trailing)]


def _comment_text(comment: Comment) -> str:
    text = comment.text
    return f"# {text}" if text[:1].isalnum() else f"#{text}"


def _gap(comment: Comment) -> str:
    """The author's space before a comment behind a statement, two at least: such comments are often lined up."""
    text, end = comment.span.source.text, comment.span.start
    start = end
    while start > 0 and text[start - 1] == " ":
        start -= 1
    return " " * max(end - start, 2)


def _statement(pieces: list[Piece]) -> Group:
    """A statement: its parts before, between and behind its bodies."""
    spacing = Spacing(pieces, "statement")
    bodied = kind_of(pieces[0]) in ("BLOCK", "IF", "FOR")
    if not bodied:
        return _listed(pieces, spacing)
    parts: list[Doc] = []
    part: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Body):
            parts += [_head(part, spacing), " ", *_body(piece)]
            part = []
        else:
            if not part and parts:
                parts.append(" ")
            part.append(piece)
    return Group(tuple(parts), any(isinstance(piece, Body) and not _may_join(piece) for piece in pieces))


def _head(pieces: list[Piece], spacing: Spacing) -> Doc:
    """`for i in 0..n`, `if a and b`, `block f(...) -> ...`: the first word is no operator, even where it is `if`."""
    lead = 0
    while lead < len(pieces) and kind_of(pieces[lead]) in ("IF", "ELSE"):
        lead += 1
    words = " ".join(str(piece) for piece in pieces[:lead])
    if lead == len(pieces):
        return words
    return Group((words, " " if words else "", _expression(pieces[lead:], spacing)), _holds_comment(pieces))


def _listed(pieces: list[Piece], spacing: Spacing) -> Group:
    """Values parted by commas outside of brackets: `return a, b`."""
    items: list[list[Piece]] = [[]]
    for piece in pieces:
        items[-1].append(piece)
        if kind_of(piece) == "COMMA":
            items.append([])
    docs = [_expression(item, spacing, first=position == 0) for position, item in enumerate(items)]
    if len(docs) == 1:
        return docs[0]
    rest: list[Doc] = [part for doc in docs[1:] for part in (Line(), doc)]
    return Group((docs[0], Indent(tuple(rest))), _holds_comment(pieces))


def _expression(pieces: list[Piece], spacing: Spacing, first: bool = True) -> Group:
    """Pieces that may break at their loosest operators. The first piece has its space before it only when not `first`."""
    for kinds in _BREAKS:
        places = [i for i, piece in enumerate(pieces) if i and kind_of(piece) in kinds and not _tight(piece, spacing)]
        if places:
            bounds = [0, *places, len(pieces)]
            head = _expression(pieces[: bounds[1]], spacing, first)
            rest: list[Doc] = []
            for low, high in pairwise(bounds[1:]):
                rest += [Line(), _run_after(pieces[low:high], spacing)]
            return Group((head, Indent(tuple(rest))), _holds_comment(pieces))
    return Group(tuple(_run(pieces, spacing, strip=True)), False)


def _tight(piece: Piece, spacing: Spacing) -> bool:
    return spacing.is_unary(piece) or spacing.is_close(piece)


def _run_after(pieces: list[Piece], spacing: Spacing) -> Doc:
    """An operator and its right side."""
    operator, *rest = pieces
    if not rest:
        return str(operator)
    return Group((str(operator), " ", _expression(rest, spacing)))


def _run(pieces: list[Piece], spacing: Spacing, strip: bool) -> Iterator[Doc]:
    """Pieces side by side. `strip` leaves out the space before the first one."""
    for piece in pieces:
        if isinstance(piece, Comment):
            yield Note(_comment_text(piece), _gap(piece), alone=piece.alone)
            continue
        if not strip:
            yield spacing.before(piece)
        strip = strip and kind_of(piece).endswith("_MARK")
        if isinstance(piece, Bracket):
            yield _bracket(piece)
        elif isinstance(piece, Body):
            yield Group(_body(piece), not _may_join(piece))
        else:
            yield str(piece)


def _bracket(bracket: Bracket) -> Doc:
    opener, closer = ("(", ")") if bracket.opener.type == "LPAR" else ("[", "]")
    if not bracket.items:
        return opener + closer
    inner: list[Doc] = [Line("")]
    for position, item in enumerate(bracket.items):
        # The comma stands before a comment that ends the item.
        words = [piece for piece in item if not isinstance(piece, Comment)]
        tail = item[len(item) - _comments_at_end(item) :]
        comma: list[Doc] = [","] if position + 1 < len(bracket.items) and words else []
        inner += [_expression(item[: len(item) - len(tail)], Spacing(item, bracket.context)), *comma]
        inner += [Note(_comment_text(piece), _gap(piece), alone=piece.alone) for piece in tail if isinstance(piece, Comment)]
        inner += [Line()] if position + 1 < len(bracket.items) else []
    return Group((opener, Indent(tuple(inner)), Line(""), closer), any(_holds_comment(item) for item in bracket.items))


def _comments_at_end(item: list[Piece]) -> int:
    count = 0
    while count < len(item) and isinstance(item[-1 - count], Comment):
        count += 1
    return count


def _may_join(body: Body) -> bool:
    return body.one_line and len(body.lines) <= 1 and all(row.pieces and not row.trailing for row in body.lines)


def _body(body: Body) -> tuple[Doc, ...]:
    """The parts of a body, for the group that decides whether it stands on one line."""
    if not body.lines:
        return ("{ }",)
    if _may_join(body):
        return ("{", Indent((Line(), _statement(body.lines[0].pieces))), Line(), "}")
    parts: list[Doc] = []
    for position, row in enumerate(body.lines):
        behind = position == 0 and not row.pieces and not row.trailing[0].alone
        if behind:
            parts.append(Note(_comment_text(row.trailing[0]), _gap(row.trailing[0])))
        else:
            parts += [Hard(row.blank and position > 0), *_row(row)]
    return ("{", Indent(tuple(parts), always=True), Hard(), "}")


def _holds_comment(pieces: list[Piece]) -> bool:
    """Whether a comment stands among the pieces or in their brackets; those in bodies are the bodies' own matter."""
    return any(
        isinstance(piece, Comment) or (isinstance(piece, Bracket) and any(_holds_comment(item) for item in piece.items)) for piece in pieces
    )
