"""The syntax tree: what a program says, each piece with its span. Nothing here knows what an operator means.

Expressions keep parentheses (`Paren`) because the formatter and the naming rule need them.
"""

from __future__ import annotations

from dataclasses import dataclass

from .source import Source, Span


@dataclass(frozen=True, slots=True)
class Tree:
    span: Span


# ---------------------------------------------------------------- axes


@dataclass(frozen=True, slots=True)
class AxisItem(Tree):
    """`H`, `N'`, `u=7`, `*` (name `*`) or a number (name is its digits, `1 + N -> M`, `C -> 1`) in a list of axes."""

    name: str
    size: Expr | None = None

    @property
    def is_number(self) -> bool:
        return self.name.isdigit()


@dataclass(frozen=True, slots=True)
class AxisList(Tree):
    """`H W`: a product of axes, the left one outer."""

    items: tuple[AxisItem, ...]


@dataclass(frozen=True, slots=True)
class Arrow(Tree):
    """`C -> E`, `H -> Y u=7`, `L + P -> A`, `A -> L + P`: each side is a sum (usually of one term) of axis lists.

    A size followed by `+` is read as arithmetic (`A -> L=3 + P` has the one item `L` with size `3 + P`), except before
    `name =`, where `+` parts the axes. Operators that take sums (split, concat) undo this.
    """

    left: tuple[AxisList, ...]
    right: tuple[AxisList, ...]


# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Name(Tree):
    """A value, an axis, a static, an operator or a block; trailing primes belong to the name."""

    text: str


@dataclass(frozen=True, slots=True)
class Int(Tree):
    value: int


@dataclass(frozen=True, slots=True)
class Float(Tree):
    """`text` keeps the digits; its value is the exact decimal."""

    text: str


@dataclass(frozen=True, slots=True)
class Bool(Tree):
    value: bool


@dataclass(frozen=True, slots=True)
class Nothing(Tree):
    """`none`."""


@dataclass(frozen=True, slots=True)
class ListOf(Tree):
    """`[5, 0]`."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class TupleOf(Tree):
    """`(qn, qr)`, `(d e, r)`: only as an argument."""

    items: tuple[Expr | AxisList, ...]


@dataclass(frozen=True, slots=True)
class Paren(Tree):
    """`(a + b)`; around an `AxisList` it is a group of axes, `N=(H W)`."""

    value: Expr | AxisList


@dataclass(frozen=True, slots=True)
class Unary(Tree):
    """`-a`, `not a`. `op` is `-` or `not`."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Tree):
    """`+ - * / // % ** == != < <= > >= and or`. `op_span` is the operator's own place."""

    op: str
    left: Expr
    right: Expr
    op_span: Span


@dataclass(frozen=True, slots=True)
class Conditional(Tree):
    """`then if condition else other`."""

    then: Expr
    condition: Expr
    other: Expr


@dataclass(frozen=True, slots=True)
class Arg(Tree):
    """One argument; `name` is None where it stands by position."""

    name: str | None
    value: Expr | AxisList | Arrow


@dataclass(frozen=True, slots=True)
class Call(Tree):
    """`callee(args)`; the callee is a `Name`, an indexed name or a `Paren`."""

    callee: Expr
    args: tuple[Arg, ...]


@dataclass(frozen=True, slots=True)
class Range(Tree):
    """`0..n`, `1..`, `..-1`; the end is excluded."""

    start: Expr | None
    stop: Expr | None


@dataclass(frozen=True, slots=True)
class IndexItem(Tree):
    """`s=0`, `C=0..w`, `T=at`; without an axis (`skip[2]`, `depths[i]`) a static index."""

    axis: str | None
    value: Expr | Range


@dataclass(frozen=True, slots=True)
class Index(Tree):
    base: Expr
    items: tuple[IndexItem, ...]


@dataclass(frozen=True, slots=True)
class Pipe(Tree):
    """`value |> stage |> stage`; a stage is a Name, a Call, an Index, or one of them Labelled."""

    value: Expr
    stages: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class PathSegment(Tree):
    """`layers[i]`: a free name with static indices."""

    name: str
    indices: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Path(Tree):
    segments: tuple[PathSegment, ...]


@dataclass(frozen=True, slots=True)
class Labelled(Tree):
    """`value as path`."""

    value: Expr
    path: Path


@dataclass(frozen=True, slots=True)
class Carry(Tree):
    """`s: [*, D] = 0` in the head of a scan."""

    name: str
    type: TensorSpec
    init: Expr


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class AxisSpec(Tree):
    """`*` (name `*`), `C`, `N = H*W`, or a bare size `H/2` (name None) whose axis is read off it."""

    name: str | None
    size: Expr | None = None


@dataclass(frozen=True, slots=True)
class TensorSpec(Tree):
    """`[*, C, H, W]`, `int [B, N]`. `dtype` is `float`, `int` or `bool`, or whatever name the user wrote there."""

    dtype: str
    axes: tuple[AxisSpec, ...]


@dataclass(frozen=True, slots=True)
class LayerSpec(Tree):
    """`[*, C] -> [*, C]`."""

    input: TensorSpec
    output: TensorSpec


@dataclass(frozen=True, slots=True)
class StaticSpec(Tree):
    """`int`, `float`, `bool` (or an unknown word, reported later); `many` for `int*`."""

    kind: str
    many: bool = False


@dataclass(frozen=True, slots=True)
class EnumSpec(Tree):
    """`paper | code`."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AxisKind(Tree):
    """`axis`."""


ParamSpec = TensorSpec | LayerSpec | StaticSpec | EnumSpec | AxisKind


@dataclass(frozen=True, slots=True)
class Param(Tree):
    """A parameter of a block: tensor, layer, static, enumeration or axis."""

    name: str
    name_span: Span
    spec: ParamSpec
    default: Expr | None = None


@dataclass(frozen=True, slots=True)
class Result(Tree):
    """One declared result; `name` is None for a single bare type."""

    name: str | None
    type: TensorSpec


# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Target(Tree):
    """`x`, or `skip[i]` with a static index."""

    name: str
    index: Expr | None = None


@dataclass(frozen=True, slots=True)
class Assign(Tree):
    targets: tuple[Target, ...]
    value: Expr


@dataclass(frozen=True, slots=True)
class Return(Tree):
    values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Yield(Tree):
    values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class AxisDecl(Tree):
    """`axis h = heads, d = D / heads`; every item has a size."""

    items: tuple[AxisItem, ...]


@dataclass(frozen=True, slots=True)
class StaticDecl(Tree):
    target: Target
    value: Expr


@dataclass(frozen=True, slots=True)
class Storage(Tree):
    """`param a: [D] = 0.5`, `const k: [K=3] = [1, 2, 1]`, `state s: [D] = 0`. `kind` is the keyword; a param may lack `init`."""

    kind: str
    target: Target
    type: TensorSpec
    init: Expr | None


@dataclass(frozen=True, slots=True)
class Next(Tree):
    target: Target
    value: Expr


@dataclass(frozen=True, slots=True)
class If(Tree):
    """`other` is empty without `else`; `else if` is an `If` alone in `other`."""

    condition: Expr
    then: tuple[Statement, ...]
    other: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class For(Tree):
    """`for i in 0..n { }`, or over a static list (`values` is then any expression)."""

    variable: str
    variable_span: Span
    values: Expr | Range
    body: tuple[Statement, ...]


Statement = Assign | Return | Yield | AxisDecl | StaticDecl | Storage | Next | If | For

# ---------------------------------------------------------------- the file


@dataclass(frozen=True, slots=True)
class Use(Tree):
    """`use std.heads (mha, mqa)`: names, never paths."""

    module: tuple[str, ...]
    names: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Block(Tree):
    """`span` covers the whole block; `head` only `block name(...) -> ...`. `doc` is the comment directly above."""

    name: str
    name_span: Span
    params: tuple[Param, ...]
    results: tuple[Result, ...]
    body: tuple[Statement, ...]
    doc: str
    head: Span


@dataclass(frozen=True, slots=True)
class Comment(Tree):
    """`# text`; `alone` where nothing but space stands before it on its line. `text` has no `#`."""

    text: str
    alone: bool


@dataclass(frozen=True, slots=True)
class Program(Tree):
    source: Source
    version: int | None
    uses: tuple[Use, ...]
    blocks: tuple[Block, ...]
    comments: tuple[Comment, ...]
