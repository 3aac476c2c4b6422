"""What the recognition of attention looks at: nodes under the names that their axes have at the end, and products taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..graph import Node
from ..ops.facts import is_number, varies
from .making import Make


class Miss(Exception):
    """It looks like attention and is not, or cannot be proven to be. `nodes` are those that stand in the way."""

    def __init__(self, reason: str, *nodes: Node) -> None:
        super().__init__(reason)
        self.reason = reason
        self.nodes = nodes


@dataclass(frozen=True)
class Piece:
    """A node of the old graph, and the name that each of its axes has where the attention ends."""

    node: Node
    names: Mapping[str, str] = field(hash=False)

    @staticmethod
    def whole(node: Node) -> Piece:
        """A node under its own names."""
        return Piece(node, {axis.name: axis.name for axis in node.axes})

    @property
    def axes(self) -> frozenset[str]:
        return frozenset(self.names.values())

    def input(self, place: int) -> Piece:
        """An operand that lines up with the node by name."""
        return self.under(self.node.inputs[place], self.names)

    def under(self, source: Node, names: Mapping[str, str]) -> Piece:
        return Piece(source, {axis.name: names[axis.name] for axis in source.axes})

    def same(self, other: Piece) -> bool:
        return self.node is other.node and self.names == other.names

    def made(self, make: Make) -> Node:
        """What the node has become, under these names."""
        if self.node.op == "scalar":
            return make.scalar(self.node["value"])
        return make.rename(make.new(self.node), self.names)


class Path(Protocol):
    """Collects the nodes that a pattern goes through."""

    def append(self, node: Node, /) -> None: ...


def bare(piece: Piece, path: Path | None = None) -> Piece:
    """The piece below its renames, which are noted in `path`."""
    while piece.node.op == "rename":
        if path is not None:
            path.append(piece.node)
        moved = dict(piece.node["pairs"])
        (source,) = piece.node.inputs
        piece = Piece(source, {axis.name: piece.names[moved.get(axis.name, axis.name)] for axis in source.axes})
    return piece


# ---------------------------------------------------------------- factors


@dataclass(frozen=True)
class Factor:
    """Something that is multiplied with, or divided by."""

    piece: Piece
    inverted: bool = False

    @property
    def node(self) -> Node:
        return self.piece.node

    def same(self, other: Factor) -> bool:
        return self.inverted == other.inverted and self.piece.same(other.piece)


def times(make: Make, x: Node, factors: Iterable[Factor]) -> Node:
    """`x` multiplied with the factors, one after another."""
    for factor in factors:
        x = make.arithmetic("div" if factor.inverted else "mul", x, factor.piece.made(make))
    return x


def positive(factors: Iterable[Factor]) -> bool:
    """Whether their product is above 0 for certain: numbers that are."""
    return all(_is_positive(factor.node) for factor in factors)


def _is_positive(node: Node) -> bool:
    if node.op == "scalar":
        return not isinstance(node["value"], bool) and node["value"] > 0
    if node.op == "size":
        return True  # a feature axis; of an empty one there are no products
    return node.op in ("sqrt", "pow", "mul", "div") and is_number(node) and all(_is_positive(source) for source in _bases(node))


def _bases(node: Node) -> tuple[Node, ...]:
    return node.inputs[:1] if node.op == "pow" else node.inputs


# ---------------------------------------------------------------- products


@dataclass(frozen=True)
class Product:
    """Pieces that line up, multiplied and added up along `over`; then `bias` is added."""

    operands: tuple[Piece, ...]
    over: tuple[str, ...]
    bias: Piece | None = None
    nodes: tuple[Node, ...] = ()


def is_product(node: Node) -> bool:
    """Whether `product` can take the node apart."""
    if node.op == "linear":
        return varies(node.inputs[1])  # a weight of its own is nothing that tokens are compared with
    if node.op == "sum" and node.inputs[0].op == "mul":
        return all(source.tensor.has(axis) for source in node.inputs[0].inputs for axis in node["axes"])
    return node.op == "dot"


def product(piece: Piece, make: Make) -> Product:
    """A `dot`, a `linear` with a given weight, or the sum of a product, of which `is_product` holds."""
    node = piece.node
    if node.op == "linear":
        return _linear(piece, make)
    over: Sequence[str] = node["over" if node.op == "dot" else "axes"]
    inner = node.inputs if node.op == "dot" else node.inputs[0].inputs
    names = {**piece.names, **_apart(piece, over, make)}
    nodes = (node,) if node.op == "dot" else (node, node.inputs[0])
    return Product(tuple(piece.under(source, names) for source in inner), tuple(names[axis] for axis in over), nodes=nodes)


def _apart(piece: Piece, over: Sequence[str], make: Make) -> dict[str, str]:
    """Names for the axes that are added up, other than those of the result."""
    return {axis: make.fresh(axis) if axis in piece.axes else axis for axis in over}


def _linear(piece: Piece, make: Make) -> Product:
    node = piece.node
    x, weight, *bias = node.inputs
    inner = _apart(piece, node["over"], make)
    made = {own: piece.names[new] for own, new in zip(node["own"], node["made"], strict=True)}
    return Product(
        (piece.under(x, {**piece.names, **inner}), piece.under(weight, {**piece.names, **made, **inner})),
        tuple(inner[axis] for axis in node["over"]),
        piece.under(bias[0], piece.names) if bias else None,
        (node,),
    )


def others(pieces: Sequence[Piece], chosen: int) -> Iterator[Piece]:
    """All but one."""
    return (piece for place, piece in enumerate(pieces) if place != chosen)
