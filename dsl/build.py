"""What the parser does at each rule of the grammar: one method a rule, from the pieces to a node of the tree.

Every piece has a span, so a node's span is from its first piece to its last. Lists come as `Many`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, cast

from . import limits
from .diagnostics import Diagnostic, Fault
from .parts import Chain, File, Head, Many, Pieces, Version, chain_of, names_of, nodes_of, span_of, unchained
from .tokens import Word
from .tree import (
    Arg,
    Arrow,
    Assign,
    AxisDecl,
    AxisItem,
    AxisKind,
    AxisList,
    AxisSpec,
    Binary,
    Block,
    Bool,
    Call,
    Carry,
    Conditional,
    EnumSpec,
    Expr,
    Float,
    For,
    If,
    Index,
    IndexItem,
    Int,
    Labelled,
    LayerSpec,
    ListOf,
    Name,
    Next,
    Nothing,
    Param,
    Paren,
    Path,
    PathSegment,
    Pipe,
    Range,
    Result,
    Return,
    Scan,
    Statement,
    StaticDecl,
    StaticSpec,
    Storage,
    Target,
    TensorSpec,
    TupleOf,
    Unary,
    Use,
    Yield,
)  # fmt: skip

T = TypeVar("T")


def _path_checked(pieces: Pieces) -> Pieces:
    for stage in pieces[2::2]:
        if isinstance(stage, Paren) or (isinstance(stage, Labelled) and isinstance(stage.value, Paren)):
            raise Fault(
                Diagnostic(
                    "E0018",
                    "a stage of a pipe is a call or a name",
                    stage.span,
                    "the value before `|>` has nowhere to go",
                    help="name the layer and write `x |> layer`, or call it: `(layer)(x)`",
                )
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
        deepest, depths = 0, self._depths
        for piece in pieces:
            found = depths.get(id(piece))
            if found is not None and found[0] > deepest:
                deepest = found[0]
        return deepest

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
                    "E0032",
                    f"this is nested more than {limits.TREE_DEPTH} deep, or has as many operators in a row",
                    place,
                    help="name the inner parts first: `a = ...`, then use `a`",
                )
            )
        self._depths[id(node)] = (depth, node)
        return node

    # ------------------------------------------------------------ the file

    def start(self, c: Pieces) -> File:
        version = c[0] if isinstance(c[0], Version) else None
        return File(version, unchained(c[-1]))

    def items(self, c: Pieces) -> Chain:
        return chain_of(c)

    def version(self, c: Pieces) -> Version:
        return Version(c[0].span.to(c[1].span), c[1])

    def use(self, c: Pieces) -> Use:
        module, names = c[1], c[3]
        return Use(c[0].span.to(c[4].span), tuple(str(w) for w in module.items), tuple(Name(w.span, str(w)) for w in names.items))

    def module(self, c: Pieces) -> Many:
        return Many(span_of(c), names_of(c))

    names = module

    def block(self, c: Pieces) -> Block:
        head: Head = c[0]
        name = head.name
        return Block(head.span.to(c[1].span), str(name), name.span, head.params, head.results, c[1].items, "", head.span)

    def head(self, c: Pieces) -> Head:
        params = c[3].items if isinstance(c[3], Many) else ()
        return Head(span_of(c), c[1], params, c[-1].items)

    def params(self, c: Pieces) -> Many:
        return Many(span_of(c), nodes_of(c))

    def param(self, c: Pieces) -> Param:
        return Param(span_of(c), str(c[0]), c[0].span, c[2], c[4] if len(c) > 3 else None)

    def layer(self, c: Pieces) -> LayerSpec:
        return LayerSpec(span_of(c), c[0], c[2])

    def static(self, c: Pieces) -> StaticSpec:
        return StaticSpec(span_of(c), str(c[0]), many=len(c) > 1)

    def enum(self, c: Pieces) -> EnumSpec:
        return EnumSpec(span_of(c), tuple(str(w) for w in names_of(c)))

    def axis_kind(self, c: Pieces) -> AxisKind:
        return AxisKind(span_of(c))

    def tensor(self, c: Pieces) -> TensorSpec:
        dtype = str(c[0]) if c[0].type == "NAME" else "float"
        return self._flat(TensorSpec(span_of(c), dtype, nodes_of(c)), c)

    def axis_spec(self, c: Pieces) -> AxisSpec:
        first = c[0]
        if len(c) > 1:
            made = AxisSpec(span_of(c), str(first), c[2])
        elif isinstance(first, Word):
            made = AxisSpec(first.span, "*")
        else:
            made = AxisSpec(first.span, first.text) if isinstance(first, Name) else AxisSpec(first.span, None, first)
        return self._flat(made, c)

    def single_result(self, c: Pieces) -> Many:
        return Many(c[0].span, (Result(c[0].span, None, c[0]),))

    def several_results(self, c: Pieces) -> Many:
        return Many(span_of(c), nodes_of(c))

    def result(self, c: Pieces) -> Result:
        return Result(span_of(c), str(c[0]), c[2])

    # ------------------------------------------------------------ statements

    def body(self, c: Pieces) -> Many:
        statements = unchained(c[1])
        return self._flat(Many(span_of(c), statements), list(statements))

    def lines(self, c: Pieces) -> Chain:
        return chain_of(c)

    def assign(self, c: Pieces) -> Statement:
        given: Many = c[-1]
        value = given.items[0] if len(given.items) == 1 else TupleOf(given.span, given.items)
        return self._deep(Assign(span_of(c), nodes_of(c[:-1]), value), c)

    def values(self, c: Pieces) -> Many:
        return self._flat(Many(span_of(c), nodes_of(c)), c)

    def return_(self, c: Pieces) -> Statement:
        return self._deep(Return(span_of(c), c[1].items), c)

    def yield_(self, c: Pieces) -> Statement:
        return self._deep(Yield(span_of(c), c[1].items), c)

    def axis(self, c: Pieces) -> Statement:
        return self._deep(AxisDecl(span_of(c), nodes_of(c)), c)

    def static_decl(self, c: Pieces) -> Statement:
        return self._deep(StaticDecl(span_of(c), c[1], c[3]), c)

    def storage(self, c: Pieces) -> Statement:
        return self._deep(Storage(span_of(c), str(c[0]), c[1], c[3], c[5] if len(c) > 4 else None), c)

    def next_(self, c: Pieces) -> Statement:
        return self._deep(Next(span_of(c), c[1], c[3]), c)

    def if_(self, c: Pieces) -> Statement:
        other = c[4] if len(c) > 3 else None
        last = other.items if isinstance(other, Many) else (other,) if other is not None else ()
        return self._deep(If(span_of(c), c[1], c[2].items, last), c)

    def for_(self, c: Pieces) -> Statement:
        return self._deep(For(span_of(c), str(c[1]), c[1].span, c[3], c[4].items), c)

    def target(self, c: Pieces) -> Target:
        return self._flat(Target(span_of(c), str(c[0]), c[2] if len(c) > 1 else None), c)

    # ------------------------------------------------------------ expressions

    def pipe(self, c: Pieces) -> Expr:
        return self._deep(Pipe(span_of(c), c[0], nodes_of(_path_checked(c)[1:])), c)

    def conditional(self, c: Pieces) -> Expr:
        return self._deep(Conditional(span_of(c), c[0], c[2], c[4]), c)

    def binary(self, c: Pieces) -> Expr:
        return self._deep(Binary(span_of(c), str(c[1]), c[0], c[2], c[1].span), c)

    def unary(self, c: Pieces) -> Expr:
        return self._deep(Unary(span_of(c), str(c[0]), c[1]), c)

    def labelled(self, c: Pieces) -> Expr:
        return self._deep(Labelled(span_of(c), c[0], c[2]), c)

    def call(self, c: Pieces) -> Expr:
        return self._deep(Call(span_of(c), c[0], nodes_of(c[1:])), c)

    def index(self, c: Pieces) -> Expr:
        return self._deep(Index(span_of(c), c[0], nodes_of(c[1:])), c)

    def index_item(self, c: Pieces) -> IndexItem:
        return self._flat(IndexItem(span_of(c), str(c[0]) if len(c) > 1 else None, c[-1]), c)

    def range_(self, c: Pieces) -> Range:
        start = None if isinstance(c[0], Word) else c[0]
        stop = None if isinstance(c[-1], Word) else c[-1]
        return self._flat(Range(span_of(c), start, stop), c)

    def list_of(self, c: Pieces) -> Expr:
        return self._deep(ListOf(span_of(c), nodes_of(c)), c)

    def paren(self, c: Pieces) -> Expr:
        return self._deep(Paren(span_of(c), c[1]), c)

    def tuple_of(self, c: Pieces) -> Expr:
        return self._deep(TupleOf(span_of(c), nodes_of(c)), c)

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
        return self._deep(Scan(span_of(c), str(c[1]), c[1].span, reverse, carries, c[-1].items), c)

    def carry(self, c: Pieces) -> Carry:
        return self._flat(Carry(span_of(c), str(c[0]), c[2], c[4]), c)

    def path(self, c: Pieces) -> Path:
        return self._flat(Path(span_of(c), nodes_of(c)), c)

    def segment(self, c: Pieces) -> PathSegment:
        return self._flat(PathSegment(span_of(c), str(c[0]), nodes_of(c)), c)

    # ------------------------------------------------------------ arguments and axes

    def argument(self, c: Pieces) -> Arg:
        return self._flat(Arg(span_of(c), str(c[0]) if len(c) > 1 else None, c[-1]), c)

    def marked(self, c: Pieces) -> AxisList:
        return cast(AxisList, c[1])

    def arrow(self, c: Pieces) -> Arrow:
        return self._flat(Arrow(span_of(c), c[1].items, c[3].items), c)

    def axis_sum(self, c: Pieces) -> Many:
        return self._flat(Many(span_of(c), nodes_of(c)), c)

    def axis_list(self, c: Pieces) -> AxisList:
        return self._flat(AxisList(span_of(c), tuple(c)), c)

    def axis_item(self, c: Pieces) -> AxisItem:
        first: Word = c[0]
        name = str(int(first)) if first.type == "INT" else str(first)
        return self._flat(AxisItem(span_of(c), name, c[2] if len(c) > 1 else None), c)
