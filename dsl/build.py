"""What the parser does at each rule of the grammar: one method a rule, from the pieces to a node of the tree.

Every piece has a span, so a node's span is from its first piece to its last. Lists come as `Many`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from . import limits
from .diagnostics import Diagnostic, Fault
from .source import Span
from .tokens import Word
from .tree import (
    Arg, Arrow, Assign, AxisDecl, AxisItem, AxisKind, AxisList, AxisSpec, Binary, Block, Bool, Call, Carry, Conditional, EnumSpec, Expr,
    Float, For, If, Index, IndexItem, Int, Labelled, LayerSpec, ListOf, Name, Next, Nothing, Param, Paren, Path, PathSegment, Pipe, Range,
    Result, Return, Scan, Statement, StaticDecl, StaticSpec, Storage, Target, TensorSpec, TupleOf, Unary, Use, Yield,
)  # fmt: skip

T = TypeVar("T")
Pieces = list[Any]
# Statements of a body, newest first: ((None, first), second). Never changed, so that a parser state can be kept and gone back to.
Chain = tuple[Any, Any] | None


@dataclass(frozen=True, slots=True)
class Many:
    """Several nodes with the place they take together."""

    span: Span
    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Head:
    span: Span
    name: Word
    params: tuple[Param, ...]
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Version:
    span: Span
    number: Word


@dataclass(frozen=True, slots=True)
class File:
    """All that was read: the version line, and uses and blocks in order."""

    version: Version | None
    items: tuple[Use | Block, ...]


def _span(pieces: Pieces) -> Span:
    return cast(Span, pieces[0].span).to(pieces[-1].span)


def _nodes(pieces: Pieces) -> tuple[Any, ...]:
    """The pieces that are not words."""
    return tuple(piece for piece in pieces if not isinstance(piece, Word))


def _names(pieces: Pieces) -> tuple[Word, ...]:
    return tuple(piece for piece in pieces if isinstance(piece, Word) and piece.type == "NAME")


def _chain(pieces: Pieces) -> Chain:
    return (pieces[0], pieces[1]) if pieces else None


def _unchain(chain: Chain) -> tuple[Any, ...]:
    found: list[Any] = []
    while chain is not None:
        chain, item = chain
        found.append(item)
    return tuple(reversed(found))


def _path_checked(pieces: Pieces) -> Pieces:
    for stage in pieces[2::2]:
        if isinstance(stage, Paren) or (isinstance(stage, Labelled) and isinstance(stage.value, Paren)):
            raise Fault(
                Diagnostic(
                    "E0018", "a stage of a pipe is a call or a name", stage.span, "the value before `|>` has nowhere to go",
                    help="name the layer and write `x |> layer`, or call it: `(layer)(x)`",
                )  # fmt: skip
            )
    return pieces


class Builder:
    """The callbacks of the parser. `reset` before each text."""

    def __init__(self) -> None:
        # Depth of each node by identity; the node is kept so that no other can take its identity.
        self._depths: dict[int, tuple[int, object]] = {}

    def reset(self) -> None:
        self._depths.clear()

    def _depth(self, pieces: Iterable[object]) -> int:
        depths = self._depths
        return max((depths[id(piece)][0] for piece in pieces if id(piece) in depths), default=0)

    def _flat(self, node: T, pieces: Pieces) -> T:
        """A helper node: as deep as its deepest piece."""
        self._depths[id(node)] = (self._depth(pieces), node)
        return node

    def _deep(self, node: T, pieces: Pieces) -> T:
        """An expression or statement: one deeper than its deepest piece."""
        depth = self._depth(pieces) + 1
        if depth > limits.TREE_DEPTH:
            place = next((piece.span for piece in pieces if isinstance(piece, Word)), pieces[0].span)
            raise Fault(
                Diagnostic(
                    "E0032", f"this is nested more than {limits.TREE_DEPTH} deep, or has as many operators in a row", place,
                    help="name the inner parts first: `a = ...`, then use `a`",
                )  # fmt: skip
            )
        self._depths[id(node)] = (depth, node)
        return node

    # ------------------------------------------------------------ the file

    def start(self, c: Pieces) -> File:
        version = c[0] if isinstance(c[0], Version) else None
        return File(version, _unchain(c[-1]))

    def items(self, c: Pieces) -> Chain:
        return _chain(c)

    def version(self, c: Pieces) -> Version:
        return Version(c[0].span.to(c[1].span), c[1])

    def use(self, c: Pieces) -> Use:
        module, names = c[1], c[3]
        return Use(c[0].span.to(c[4].span), tuple(str(w) for w in module.items), tuple(Name(w.span, str(w)) for w in names.items))

    def module(self, c: Pieces) -> Many:
        return Many(_span(c), _names(c))

    names = module

    def block(self, c: Pieces) -> Block:
        head: Head = c[0]
        name = head.name
        return Block(head.span.to(c[1].span), str(name), name.span, head.params, head.results, c[1].items, "", head.span)

    def head(self, c: Pieces) -> Head:
        params = c[3].items if isinstance(c[3], Many) else ()
        return Head(_span(c), c[1], params, c[-1].items)

    def params(self, c: Pieces) -> Many:
        return Many(_span(c), _nodes(c))

    def param(self, c: Pieces) -> Param:
        return Param(_span(c), str(c[0]), c[0].span, c[2], c[4] if len(c) > 3 else None)

    def layer(self, c: Pieces) -> LayerSpec:
        return LayerSpec(_span(c), c[0], c[2])

    def static(self, c: Pieces) -> StaticSpec:
        return StaticSpec(_span(c), str(c[0]), many=len(c) > 1)

    def enum(self, c: Pieces) -> EnumSpec:
        return EnumSpec(_span(c), tuple(str(w) for w in _names(c)))

    def axis_kind(self, c: Pieces) -> AxisKind:
        return AxisKind(_span(c))

    def tensor(self, c: Pieces) -> TensorSpec:
        dtype = str(c[0]) if c[0].type == "NAME" else "float"
        return self._flat(TensorSpec(_span(c), dtype, _nodes(c)), c)

    def axis_spec(self, c: Pieces) -> AxisSpec:
        first = c[0]
        if len(c) > 1:
            made = AxisSpec(_span(c), str(first), c[2])
        elif isinstance(first, Word):
            made = AxisSpec(first.span, "*")
        else:
            made = AxisSpec(first.span, first.text) if isinstance(first, Name) else AxisSpec(first.span, None, first)
        return self._flat(made, c)

    def single_result(self, c: Pieces) -> Many:
        return Many(c[0].span, (Result(c[0].span, None, c[0]),))

    def several_results(self, c: Pieces) -> Many:
        return Many(_span(c), _nodes(c))

    def result(self, c: Pieces) -> Result:
        return Result(_span(c), str(c[0]), c[2])

    # ------------------------------------------------------------ statements

    def body(self, c: Pieces) -> Many:
        statements = _unchain(c[1])
        return self._flat(Many(_span(c), statements), list(statements))

    def lines(self, c: Pieces) -> Chain:
        return _chain(c)

    def assign(self, c: Pieces) -> Statement:
        return self._deep(Assign(_span(c), _nodes(c[:-1]), c[-1]), c)

    def values(self, c: Pieces) -> Many:
        return self._flat(Many(_span(c), _nodes(c)), c)

    def return_(self, c: Pieces) -> Statement:
        return self._deep(Return(_span(c), c[1].items), c)

    def yield_(self, c: Pieces) -> Statement:
        return self._deep(Yield(_span(c), c[1].items), c)

    def axis(self, c: Pieces) -> Statement:
        return self._deep(AxisDecl(_span(c), _nodes(c)), c)

    def static_decl(self, c: Pieces) -> Statement:
        return self._deep(StaticDecl(_span(c), c[1], c[3]), c)

    def storage(self, c: Pieces) -> Statement:
        return self._deep(Storage(_span(c), str(c[0]), c[1], c[3], c[5] if len(c) > 4 else None), c)

    def next_(self, c: Pieces) -> Statement:
        return self._deep(Next(_span(c), c[1], c[3]), c)

    def if_(self, c: Pieces) -> Statement:
        other = c[4] if len(c) > 3 else None
        last = other.items if isinstance(other, Many) else (other,) if other is not None else ()
        return self._deep(If(_span(c), c[1], c[2].items, last), c)

    def for_(self, c: Pieces) -> Statement:
        return self._deep(For(_span(c), str(c[1]), c[1].span, c[3], c[4].items), c)

    def target(self, c: Pieces) -> Target:
        return self._flat(Target(_span(c), str(c[0]), c[2] if len(c) > 1 else None), c)

    # ------------------------------------------------------------ expressions

    def pipe(self, c: Pieces) -> Expr:
        return self._deep(Pipe(_span(c), c[0], _nodes(_path_checked(c)[1:])), c)

    def conditional(self, c: Pieces) -> Expr:
        return self._deep(Conditional(_span(c), c[0], c[2], c[4]), c)

    def binary(self, c: Pieces) -> Expr:
        return self._deep(Binary(_span(c), str(c[1]), c[0], c[2], c[1].span), c)

    def unary(self, c: Pieces) -> Expr:
        return self._deep(Unary(_span(c), str(c[0]), c[1]), c)

    def labelled(self, c: Pieces) -> Expr:
        return self._deep(Labelled(_span(c), c[0], c[2]), c)

    def call(self, c: Pieces) -> Expr:
        return self._deep(Call(_span(c), c[0], _nodes(c[1:])), c)

    def index(self, c: Pieces) -> Expr:
        return self._deep(Index(_span(c), c[0], _nodes(c[1:])), c)

    def index_item(self, c: Pieces) -> IndexItem:
        return self._flat(IndexItem(_span(c), str(c[0]) if len(c) > 1 else None, c[-1]), c)

    def range_(self, c: Pieces) -> Range:
        start = None if isinstance(c[0], Word) else c[0]
        stop = None if isinstance(c[-1], Word) else c[-1]
        return self._flat(Range(_span(c), start, stop), c)

    def list_of(self, c: Pieces) -> Expr:
        return self._deep(ListOf(_span(c), _nodes(c)), c)

    def paren(self, c: Pieces) -> Expr:
        return self._deep(Paren(_span(c), c[1]), c)

    def tuple_of(self, c: Pieces) -> Expr:
        return self._deep(TupleOf(_span(c), _nodes(c)), c)

    def name(self, c: Pieces) -> Expr:
        return Name(c[0].span, str(c[0]))

    def int_(self, c: Pieces) -> Expr:
        return Int(c[0].span, int(c[0]))

    def float_(self, c: Pieces) -> Expr:
        return Float(c[0].span, str(c[0]))

    def bool_(self, c: Pieces) -> Expr:
        return Bool(c[0].span, c[0].type == "TRUE")

    def none(self, c: Pieces) -> Expr:
        return Nothing(c[0].span)

    def scan(self, c: Pieces) -> Expr:
        reverse = any(isinstance(piece, Word) and piece.type == "REVERSE" for piece in c)
        carries = tuple(piece for piece in c if isinstance(piece, Carry))
        return self._deep(Scan(_span(c), str(c[1]), c[1].span, reverse, carries, c[-1].items), c)

    def carry(self, c: Pieces) -> Carry:
        return self._flat(Carry(_span(c), str(c[0]), c[2], c[4]), c)

    def path(self, c: Pieces) -> Path:
        return self._flat(Path(_span(c), _nodes(c)), c)

    def segment(self, c: Pieces) -> PathSegment:
        return self._flat(PathSegment(_span(c), str(c[0]), _nodes(c)), c)

    # ------------------------------------------------------------ arguments and axes

    def argument(self, c: Pieces) -> Arg:
        return self._flat(Arg(_span(c), str(c[0]) if len(c) > 1 else None, c[-1]), c)

    def marked(self, c: Pieces) -> AxisList:
        return cast(AxisList, c[1])

    def arrow(self, c: Pieces) -> Arrow:
        return self._flat(Arrow(_span(c), c[1].items, c[3].items), c)

    def axis_sum(self, c: Pieces) -> Many:
        return self._flat(Many(_span(c), _nodes(c)), c)

    def axis_list(self, c: Pieces) -> AxisList:
        return self._flat(AxisList(_span(c), tuple(c)), c)

    def axis_item(self, c: Pieces) -> AxisItem:
        first: Word = c[0]
        name = str(int(first)) if first.type == "INT" else str(first)
        return self._flat(AxisItem(_span(c), name, c[2] if len(c) > 1 else None), c)
