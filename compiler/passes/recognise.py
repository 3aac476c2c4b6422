"""Attention that is spelled out becomes the one operator `attend`, whichever way it is written.

The search begins at a product that reads values, goes back to the softmax (`recognise_weights`), from there to the products of
queries and keys (`recognise_scores`), and what it met on the way becomes the options of the operator (`recognise_build`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ..graph import Graph, Node
from ..ops.facts import varies
from .base import Change, Mode, Outcome, Pass
from .making import Make
from .recognise_build import attend
from .recognise_own import tidied
from .recognise_pieces import Factor, Miss, Piece, Product, bare, is_product, others, product, times
from .recognise_scores import Place, Scores, products_below, term_of
from .recognise_weights import Weights, chain
from .recognise_words import change, left
from .rewriting import alike, bodies, everything, rewrite


@dataclass(frozen=True)
class RecogniseAttention(Pass):
    """An `attend` that the program has itself keeps all but this: a bias that is a mask becomes one."""

    name: ClassVar[str] = "attend"
    promise: ClassVar[str] = "attention that is spelled out becomes the one operator `attend`"
    exact: ClassVar[bool] = False

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        if not any(node.op == "attend" or is_product(node) for node in everything(graph)):
            return Outcome(graph)
        search = _Search(readers(graph))
        made = rewrite(graph, search.rule)
        return Outcome(made, tuple(search.changes), tuple(search.left))


Readers = Mapping[Node, Sequence[Node | None]]


def readers(graph: Graph) -> dict[Node, list[Node | None]]:
    """Which nodes read each node; None for a result, a state, or the end of a loop's body."""
    found: dict[Node, list[Node | None]] = {node: [] for node in everything(graph)}
    for node in everything(graph):
        for source in node.inputs:
            found[source].append(node)
        for body in bodies(node):
            for end in (*body.yields, *body.carries):
                found[end].append(None)
    for end in (*(output.node for output in graph.outputs), *(node for _, node in graph.updates)):
        found[end].append(None)
    return found


@dataclass
class _Search:
    """The rule of one run, with what it did and what it left."""

    readers: Mapping[Node, Sequence[Node | None]]
    changes: list[Change] = field(default_factory=list[Change])
    left: list[Change] = field(default_factory=list[Change])

    def rule(self, make: Make, node: Node) -> Node | None:
        if is_product(node):
            return self._reading(make, node, Piece.whole(node), ())
        if node.op == "attend":
            return self._own(make, node)
        if node.op == "div":
            inner = bare(Piece.whole(node).input(0))
            if is_product(inner.node):
                return self._reading(make, node, inner, (Factor(Piece.whole(node).input(1), True),))
        return None

    def _own(self, make: Make, node: Node) -> Node | None:
        found = tidied(make, node)
        if found is None:
            return None
        self.changes += [Change(f"an `attend`: {text}", (node.span,)) for text in found[1]]
        return found[0]

    def _reading(self, make: Make, root: Node, piece: Piece, behind: tuple[Factor, ...]) -> Node | None:
        """Each operand of a product may be the weights."""
        parts = product(piece, make)
        for place, operand in enumerate(parts.operands):
            found = self._weights(make, root, operand, parts, behind)
            if found is not None:
                weights, scores = found
                return self._replaced(make, root, piece, (weights, scores), [*others(parts.operands, place)], parts)
        return None

    def _weights(self, make: Make, root: Node, operand: Piece, parts: Product, behind: tuple[Factor, ...]) -> tuple[Weights, Scores] | None:
        """What an operand is made of, where it is weights of attention."""
        weights = Weights(make, factors=[*behind])
        try:
            if not weights.read(operand) or weights.scores is None or (behind and not weights.by_hand):
                return None
            weights.keys = weights.keys or tuple(axis for axis in parts.over if axis in operand.axes)
            scores = Scores(frozenset(weights.keys), make, weights.masks)
            scores.read(weights.scores)
            return (weights, scores) if scores.terms and self._is_attention(weights, scores, parts) else None
        except Miss as miss:
            if weights.scores is not None and _resembles(weights, make):
                self.left.append(left(root, miss))
            return None

    def _is_attention(self, weights: Weights, scores: Scores, parts: Product) -> bool:
        """Whether keys are data, and what is added up are the keys."""
        if not set(weights.keys) <= set(parts.over):
            gone, read = (" ".join(names) for names in (weights.keys, parts.over))
            raise Miss(f"the softmax runs along {gone}, the sum along {read}", weights.scores.node if weights.scores else parts.nodes[0])
        return any(varies(piece.node) for term in scores.terms for piece in term.k)

    def _replaced(
        self, make: Make, root: Node, piece: Piece, found: tuple[Weights, Scores], rest: list[Piece], parts: Product
    ) -> Node | None:
        """The attention, then what else the product does."""
        weights, scores = found
        values = [other for other in rest if not other.axes.isdisjoint(weights.keys)]
        if len(values) != 1 or not set(weights.keys) <= values[0].axes:
            return None
        try:
            self._check_alone(root, [*weights.path, *scores.path, *(n for shift in scores.shifts for n in chain(shift.node))], piece, parts)
            y = attend(make, scores, weights, values[0].made(make))
        except Miss as miss:
            self.left.append(left(root, miss))
            return None
        made = _rest(make, _behind(make, y, weights), [other for other in rest if other is not values[0]], parts, weights.keys)
        if not alike(root, made):
            return None  # a size that is equal only by a check at the entry
        self.changes.append(change(root, weights, scores, values[0]))
        return made

    def _check_alone(self, root: Node, path: Sequence[Node], piece: Piece, parts: Product) -> None:
        """Nothing else may read what disappears."""
        inside = {root, piece.node, *parts.nodes, *path}
        for node in dict.fromkeys([*path, *parts.nodes, piece.node]):
            if node is not root and any(reader not in inside for reader in self.readers[node]):
                what = f"`{node.name}`" if node.name else f"the {node.op}"
                raise Miss(f"{what} is read elsewhere too, so it has to be there", node)


def _resembles(weights: Weights, make: Make) -> bool:
    """Whether there are queries and keys at all, so that somebody may wonder."""
    if weights.scores is None:
        return False
    place = Place(weights.scores)
    return any(term_of(frozenset(weights.keys), parts, place) is not None for parts in products_below(weights.scores, make))


def _behind(make: Make, y: Node, weights: Weights) -> Node:
    """What the weights were multiplied with, and the rows that were zeroed."""
    y = times(make, y, weights.factors)
    for mask in weights.zeroed:
        y = make.where(mask.made(make), y, make.scalar(0))
    return y


def _rest(make: Make, y: Node, rest: Sequence[Piece], parts: Product, keys: Sequence[str]) -> Node:
    """The operands of the product that have no keys, the axes it adds up besides, and its bias."""
    nodes = [y, *(piece.made(make) for piece in rest)]
    over = [axis for axis in parts.over if axis not in keys]
    alone = [axis for axis in over if sum(node.tensor.has(axis) for node in nodes) == 1]
    nodes[0] = make.total(y, alone)
    y = make.dot(nodes, [axis for axis in over if axis not in alone]) if rest else nodes[0]
    return y if parts.bias is None else make.arithmetic("add", y, parts.bias.made(make))
