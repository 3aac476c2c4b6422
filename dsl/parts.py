"""What the parser hands from rule to rule before there is a node for it: lists with their place, the head of a block, the whole file."""

from __future__ import annotations

from typing import Any

from .record import Record
from .source import Span
from .tokens import Word
from .tree import Block, Param, Result, Use

Pieces = list[Any]
# Statements of a body, newest first: ((None, first), second). Never changed, so that a parser state can be kept and gone back to.
Chain = tuple[Any, Any] | None


class Many(Record):
    """Several nodes with the place they take together."""

    span: Span
    items: tuple[Any, ...]


class Head(Record):
    span: Span
    name: Word
    params: tuple[Param, ...]
    results: tuple[Result, ...]


class Version(Record):
    span: Span
    number: Word


class File(Record):
    """All that was read: the version line, and uses and blocks in order."""

    version: Version | None
    items: tuple[Use | Block, ...]


def span_of(pieces: Pieces) -> Span:
    first: Span = pieces[0].span
    return first if len(pieces) == 1 else first.to(pieces[-1].span)


def nodes_of(pieces: Pieces) -> tuple[Any, ...]:
    """The pieces that are not words."""
    return tuple([piece for piece in pieces if not isinstance(piece, Word)])


def names_of(pieces: Pieces) -> tuple[Word, ...]:
    return tuple(piece for piece in pieces if isinstance(piece, Word) and piece.type == "NAME")


def chain_of(pieces: Pieces) -> Chain:
    return (pieces[0], pieces[1]) if pieces else None


def unchained(chain: Chain) -> tuple[Any, ...]:
    found: list[Any] = []
    while chain is not None:
        chain, item = chain
        found.append(item)
    return tuple(reversed(found))
