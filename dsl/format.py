"""One style for all programs: what `attn fmt` writes.

Four spaces, 120 columns, one blank line between blocks, at most one between statements; a pipe or a bracket that is too long takes a
line for each of its parts. Every comment stays at its word. Formatting twice changes nothing, and never what a program means.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, takewhile

from .diagnostics import AttnError
from .parser import VERSION, parse
from .pieces import Body, Bracket, Piece, Row, rows
from .pretty import Doc, Group, Hard, Indent, Line, Note, pretty
from .source import Source
from .spacing import Spacing, kind_of
from .tree import Comment

# Where a line may break, loosest first. A line cannot begin with `if`: that is a statement.
_BREAKS = (
    frozenset(["PIPE"]), frozenset(["ELSE"]), frozenset(["OR"]), frozenset(["AND"]), frozenset(["COMPARE"]),
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
            parts.append(Hard(_parted(top[position - 1], top[position:])))
        parts += _row(row)
    return pretty(parts)


def _version_row(source: Source) -> Row:
    words = rows(Source(source.name, f"attn {VERSION}"))
    return words[0]


def _starts_with(row: Row, kind: str) -> bool:
    return bool(row.pieces) and kind_of(row.pieces[0]) == kind


def _parted(before: Row, rest: list[Row]) -> bool:
    """Whether a blank line stands between a row outside of blocks and the rest."""
    if _starts_with(before, "BLOCK") or _starts_with(before, "ATTN"):
        return True
    # A comment stays with the block below it, or away from it, as the author had it: that makes it documentation or not.
    return rest[0].blank or (bool(before.pieces) and _leads_to_block(rest))


def _leads_to_block(rest: list[Row]) -> bool:
    """Whether a block comes next, or comments that document it."""
    for position, row in enumerate(rest):
        if row.pieces or (position and row.blank):
            return _starts_with(row, "BLOCK") and not (position and row.blank)
    return False


def _row(row: Row) -> list[Doc]:
    """A statement with what trails it."""
    parts: list[Doc] = [_statement(row.pieces)] if row.pieces else []
    return [*parts, *(Note(_comment_text(comment), _gap(comment), alone=not row.pieces) for comment in row.trailing)]


def _comment_text(comment: Comment) -> str:
    text = comment.text
    return f"# {text}" if text[:1].isalnum() else f"#{text}"


def _note(comment: Comment) -> Note:
    """A comment inside a statement."""
    return Note(_comment_text(comment), alone=comment.alone)


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
            if not part and parts and not isinstance(piece, Comment):
                parts.append(" ")
            part.append(piece)
    if part:
        parts.append(_head(part, spacing))
    return Group(tuple(parts), any(isinstance(piece, Body) and not _may_join(piece) for piece in pieces))


def _head(pieces: list[Piece], spacing: Spacing) -> Doc:
    """`for i in 0..n`, `if a and b`, `block f(...) -> ...`: the first word is no operator, even where it is `if`."""
    if isinstance(pieces[0], Comment):
        rest = [_head(pieces[1:], spacing)] if pieces[1:] else []
        return Group((_note(pieces[0]), *rest), broken=True)
    lead = 0
    while lead < len(pieces) and kind_of(pieces[lead]) in ("IF", "ELSE"):
        lead += 1
    words = " ".join(str(piece) for piece in pieces[:lead])
    if kind_of(pieces[0]) == "BLOCK":
        return _block_head(_expression(pieces, spacing), _holds_comment(pieces))
    if lead == len(pieces):
        return words
    return Group((words, " " if words else "", _expression(pieces[lead:], spacing)), _holds_comment(pieces))


def _block_head(head: Group, broken: bool) -> Group:
    """The parameters take lines of their own before the results do: their lines are made those of the whole head."""
    parts: list[Doc] = []
    for part in head.parts:
        first = isinstance(part, Group) and not any(isinstance(each, Indent) for each in parts)
        parts += part.parts if first and isinstance(part, Group) else [part]
    return Group(tuple(parts), broken)


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
            bounds = [0, *(_before_comments(pieces, place) for place in places), len(pieces)]
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
    above = [_note(piece) for piece in takewhile(lambda piece: isinstance(piece, Comment), pieces) if isinstance(piece, Comment)]
    operator, *rest = pieces[len(above) :]
    right: list[Doc] = [" ", _expression(rest, spacing)] if rest else []
    return Group((*above, str(operator), *right), bool(above))


def _before_comments(pieces: list[Piece], place: int) -> int:
    """Comments on their own lines belong to what comes below them."""
    while isinstance(piece := pieces[place - 1], Comment) and piece.alone:
        place -= 1
    return place


def _run(pieces: list[Piece], spacing: Spacing, strip: bool) -> Iterator[Doc]:
    """Pieces side by side. `strip` leaves out the space before the first one."""
    for piece in pieces:
        if isinstance(piece, Comment):
            yield _note(piece)
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
        inner += [_note(piece) for piece in tail if isinstance(piece, Comment)]
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
