"""The syntax tree: what a program says, each piece with its span. Nothing here knows what an operator means.

Expressions keep parentheses (`Paren`) because the formatter and the naming rule need them.
"""

from __future__ import annotations

from .record import Record
from .source import Source, Span


class Tree(Record):
    span: Span

    def __repr__(self) -> str:
        text = " ".join(self.span.text.split())
        return f"<{type(self).__name__} {text if len(text) <= 60 else text[:59] + '…'}>"


# ---------------------------------------------------------------- axes


class AxisItem(Tree):
    """`H`, `N'`, `u=7`, `*` (name `*`) or a number (name is its digits, `1 + N -> M`, `C -> 1`) in a list of axes."""

    name: str
    size: Expr | None = None

    @property
    def is_number(self) -> bool:
        return self.name.isdigit()


class AxisList(Tree):
    """`H W`: a product of axes, the left one outer."""

    items: tuple[AxisItem, ...]


class Arrow(Tree):
    """`C -> E`, `H -> Y u=7`, `L + P -> A`, `A -> L + P`: each side is a sum (usually of one term) of axis lists.

    A size followed by `+` is read as arithmetic (`A -> L=3 + P` has the one item `L` with size `3 + P`), except before
    `name =`, where `+` parts the axes. Operators that take sums (split, concat) undo this.
    """

    left: tuple[AxisList, ...]
    right: tuple[AxisList, ...]


# ---------------------------------------------------------------- expressions


class Name(Tree):
    """A value, an axis, a static, an operator or a block; trailing primes belong to the name."""

    text: str


class Int(Tree):
    value: int


class Float(Tree):
    """`text` keeps the digits; its value is the exact decimal."""

    text: str


class Bool(Tree):
    value: bool


class Nothing(Tree):
    """`none`."""


class ListOf(Tree):
    """`[5, 0]`."""

    items: tuple[Expr, ...]


class TupleOf(Tree):
    """`(qn, qr)`, `(d e, r)` as an argument; the values of `a, b = b, a`, there without parentheses."""

    items: tuple[Expr | AxisList, ...]


class Paren(Tree):
    """`(a + b)`; around an `AxisList` it is a group of axes, `N=(H W)`."""

    value: Expr | AxisList


class Unary(Tree):
    """`-a`, `not a`. `op` is `-` or `not`."""

    op: str
    operand: Expr


class Binary(Tree):
    """`+ - * / // % ** == != < <= > >= and or`. `op_span` is the operator's own place."""

    op: str
    left: Expr
    right: Expr
    op_span: Span


class Conditional(Tree):
    """`then if condition else other`."""

    then: Expr
    condition: Expr
    other: Expr


class Arg(Tree):
    """One argument; `name` is None where it stands by position."""

    name: str | None
    value: Expr | AxisList | Arrow


class Call(Tree):
    """`callee(args)`; the callee is a `Name`, an indexed name or a `Paren`."""

    callee: Expr
    args: tuple[Arg, ...]


class Range(Tree):
    """`0..n`, `1..`, `..-1`; the end is excluded."""

    start: Expr | None
    stop: Expr | None


class IndexItem(Tree):
    """`s=0`, `C=0..w`, `T=at`; without an axis (`skip[2]`, `depths[i]`) a static index."""

    axis: str | None
    value: Expr | Range


class Index(Tree):
    base: Expr
    items: tuple[IndexItem, ...]


class Pipe(Tree):
    """`value |> stage |> stage`; a stage is a Name, a Call, an Index, or one of them Labelled."""

    value: Expr
    stages: tuple[Expr, ...]


class PathSegment(Tree):
    """`layers[i]`: a free name with static indices."""

    name: str
    indices: tuple[Expr, ...] = ()


class Path(Tree):
    segments: tuple[PathSegment, ...]


class Labelled(Tree):
    """`value as path`."""

    value: Expr
    path: Path


class Carry(Tree):
    """`s: [*, D] = 0` in the head of a scan."""

    name: str
    type: TensorSpec
    init: Expr


class Scan(Tree):
    """`scan N (s: [*, D] = 0) { ... yield a }`; `reverse` runs from the last step to the first (`scan N reverse (...)`)."""

    axis: str
    axis_span: Span
    reverse: bool
    carries: tuple[Carry, ...]
    body: tuple[Statement, ...]


Expr = (
    Name | Int | Float | Bool | Nothing | ListOf | TupleOf | Paren | Unary | Binary | Conditional
    | Call | Index | Pipe | Labelled | Scan
)  # fmt: skip

# ---------------------------------------------------------------- types in signatures


class AxisSpec(Tree):
    """`*` (name `*`), `C`, `N = H*W`, or a bare size `H/2` (name None) whose axis is read off it."""

    name: str | None
    size: Expr | None = None


class TensorSpec(Tree):
    """`[*, C, H, W]`, `int [B, N]`. `dtype` is `float`, `int` or `bool`, or whatever name the user wrote there."""

    dtype: str
    axes: tuple[AxisSpec, ...]


class LayerSpec(Tree):
    """`[*, C] -> [*, C]`."""

    input: TensorSpec
    output: TensorSpec


class StaticSpec(Tree):
    """`int`, `float`, `bool` (or an unknown word, reported later); `many` for `int*`."""

    kind: str
    many: bool = False


class EnumSpec(Tree):
    """`paper | code`."""

    values: tuple[str, ...]


class AxisKind(Tree):
    """`axis`."""


ParamSpec = TensorSpec | LayerSpec | StaticSpec | EnumSpec | AxisKind


class Param(Tree):
    """A parameter of a block: tensor, layer, static, enumeration or axis."""

    name: str
    name_span: Span
    spec: ParamSpec
    default: Expr | None = None


class Result(Tree):
    """One declared result; `name` is None for a single bare type."""

    name: str | None
    type: TensorSpec


# ---------------------------------------------------------------- statements


class Target(Tree):
    """`x`, or `skip[i]` with a static index."""

    name: str
    index: Expr | None = None


class Assign(Tree):
    targets: tuple[Target, ...]
    value: Expr


class Return(Tree):
    values: tuple[Expr, ...]


class Yield(Tree):
    values: tuple[Expr, ...]


class AxisDecl(Tree):
    """`axis h = heads, d = D / heads`; every item has a size."""

    items: tuple[AxisItem, ...]


class StaticDecl(Tree):
    target: Target
    value: Expr


class Storage(Tree):
    """`param a: [D] = 0.5`, `const k: [K=3] = [1, 2, 1]`, `state s: [D] = 0`. `kind` is the keyword; a param may lack `init`."""

    kind: str
    target: Target
    type: TensorSpec
    init: Expr | None


class Next(Tree):
    target: Target
    value: Expr


class If(Tree):
    """`other` is empty without `else`; `else if` is an `If` alone in `other`."""

    condition: Expr
    then: tuple[Statement, ...]
    other: tuple[Statement, ...]


class For(Tree):
    """`for i in 0..n { }`, or over a static list (`values` is then any expression)."""

    variable: str
    variable_span: Span
    values: Expr | Range
    body: tuple[Statement, ...]


Statement = Assign | Return | Yield | AxisDecl | StaticDecl | Storage | Next | If | For

# ---------------------------------------------------------------- the file


class Use(Tree):
    """`use std.heads (mha, mqa)`: names, never paths."""

    module: tuple[str, ...]
    names: tuple[Name, ...]


class Block(Tree):
    """`span` covers the whole block; `head` only `block name(...) -> ...`. `doc` is the comment directly above."""

    name: str
    name_span: Span
    params: tuple[Param, ...]
    results: tuple[Result, ...]
    body: tuple[Statement, ...]
    doc: str
    head: Span


class Comment(Tree):
    """`# text`; `alone` where nothing but space stands before it on its line. `text` has no `#`."""

    text: str
    alone: bool


class Program(Tree):
    source: Source
    version: int | None
    uses: tuple[Use, ...]
    blocks: tuple[Block, ...]
    comments: tuple[Comment, ...]
