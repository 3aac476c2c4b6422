"""From what goes into the softmax back to the products of queries and keys: scale, cap, bias and mask on the way, in whatever order.

Every step takes one operation off and notes it. What is written outside of a sum belongs to each of its terms, so factors are handed
down; a mask that stands inside of an addition or of a positive factor says the same outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import inf

from ..graph import Node
from .making import Make
from .recognise_pieces import Factor, Miss, Piece, Product, bare, is_product, positive, product

REACH = 24
"""How many operations between a softmax and its products are looked through."""
_THROUGH = frozenset({"mul", "div", "neg", "add", "sub", "where", "tanh", "rename"})


@dataclass(frozen=True)
class Term:
    """One product of queries and keys along `dots`, and what it alone is multiplied with."""

    q: tuple[Piece, ...]
    k: tuple[Piece, ...]
    dots: tuple[str, ...]
    over: tuple[str, ...]
    factors: tuple[Factor, ...]
    capped: bool
    piece: Piece
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Added:
    """Something that is added to the scores, times its factors."""

    piece: Piece
    factors: tuple[Factor, ...]


@dataclass(frozen=True)
class Mask:
    """Where scores count; where they do not, if `refused`. `low`: what stands in for -inf, a large negative number."""

    piece: Piece
    refused: bool = False
    low: float = -inf
    factors: tuple[Factor, ...] = ()


@dataclass(frozen=True)
class Place:
    """A node on the way, what it is multiplied with from outside, and whether a cap lies outside."""

    piece: Piece
    factors: tuple[Factor, ...] = ()
    capped: bool = False


@dataclass
class Scores:
    """What was found. `path` are the nodes that a whole attention replaces; `known` are masks that lie further outside."""

    keys: frozenset[str]
    make: Make
    known: list[Mask] = field(default_factory=list[Mask])
    terms: list[Term] = field(default_factory=list[Term])
    biases: list[Added] = field(default_factory=list[Added])
    masks: list[Mask] = field(default_factory=list[Mask])
    shifts: list[Piece] = field(default_factory=list[Piece])
    cap: float | None = None
    path: list[Node] = field(default_factory=list[Node])

    def read(self, piece: Piece) -> None:
        """Take everything off, from the outside. Raises Miss for an operation that attention does not have there."""
        waiting = [Place(piece)]
        while waiting:
            place = waiting.pop()
            renames: list[Node] = []
            place, known = replace(place, piece=bare(place.piece, renames)), len(self.path)
            waiting.extend(reversed(_STEPS.get(place.piece.node.op, _other)(self, place)))
            if len(self.path) > known:
                self.path += renames
        if self.cap is not None:
            self._only_capped()

    def chosen(self, piece: Piece) -> Piece | None:
        """The side of a `where` that is taken wherever a mask further outside lets a score count; such a `where` only
        guards gradients of what is around it."""
        inner = bare(piece)
        if inner.node.op != "where":
            return None
        choice = bare(inner.input(0))
        for mask in (*self.known, *self.masks):
            if choice.same(bare(mask.piece)):
                return inner.input(2 if mask.refused else 1)
        return None

    def _only_capped(self) -> None:
        """Products that are added outside of the cap are biases."""
        for term in self.terms:
            if term.capped:
                continue
            if term.piece.node.op == "linear":
                raise Miss("a product with a bias of its own is added outside of the cap", term.piece.node)
            self.biases.append(Added(term.piece, term.factors))
            self.path = [node for node in self.path if node not in term.nodes]
        self.terms = [term for term in self.terms if term.capped]


def leads(node: Node) -> bool:
    """Whether a product lies below, through operations that can be taken off."""
    waiting, seen = [node], {node}
    while waiting and len(seen) <= REACH:
        top = waiting.pop()
        if is_product(top):
            return True
        if top.op in _THROUGH:
            fresh = [source for source in top.inputs if source not in seen]
            seen.update(fresh)
            waiting.extend(fresh)
    return False


def products_below(piece: Piece, make: Make) -> Iterator[Product]:
    """The products that `leads` finds, one after another."""
    waiting, seen = [piece], {piece.node}
    while waiting and len(seen) <= REACH:
        top = bare(waiting.pop())
        if is_product(top.node):
            yield product(top, make)
        elif top.node.op in _THROUGH:
            fresh = [top.input(i) for i, source in enumerate(top.node.inputs) if source not in seen]
            seen.update(inner.node for inner in fresh)
            waiting.extend(fresh)


# ---------------------------------------------------------------- one step each


def _factor(found: Scores, place: Place) -> list[Place]:
    """`s * f`, `f * s` or `s / f`."""
    node = place.piece.node
    trunk = next((i for i, source in enumerate(node.inputs) if leads(source)), None)
    if trunk is None or (node.op == "div" and trunk == 1):
        return _other(found, place)
    found.path.append(node)
    factor = Factor(place.piece.input(1 - trunk), node.op == "div")
    return [Place(place.piece.input(trunk), (*place.factors, factor), place.capped)]


def _sum(found: Scores, place: Place) -> list[Place]:
    """Each side by itself; what is not made of products is a bias."""
    node = place.piece.node
    if not any(leads(source) for source in node.inputs):
        return _other(found, place)
    found.path.append(node)
    left, right = place.piece.input(0), place.piece.input(1)
    if node.op == "sub" and _is_shift(found, place, right):
        found.shifts.append(right)
        return [replace(place, piece=left)]
    behind = (*place.factors, _minus(found)) if node.op == "sub" else place.factors
    return [replace(place, piece=left), Place(right, behind, place.capped)]


def _is_shift(found: Scores, place: Place, right: Piece) -> bool:
    """Whether what is taken off is the same for every key, and made of the scores: a maximum, against overflow."""
    node = right.node
    while node.op in ("rename", "detach"):
        (node,) = node.inputs
    alike = all(piece.axes.isdisjoint(found.keys) for piece in (right, *(factor.piece for factor in place.factors)))
    return node.op == "max" and alike and not place.capped


def _minus(found: Scores) -> Factor:
    return Factor(Piece(found.make.scalar(-1), {}))


def _negated(found: Scores, place: Place) -> list[Place]:
    node = place.piece.node
    if not leads(node):
        return _other(found, place)
    found.path.append(node)
    return [Place(place.piece.input(0), (*place.factors, _minus(found)), place.capped)]


def _choice(found: Scores, place: Place) -> list[Place]:
    """`where(m, s, -inf)`: a mask. Of a bias too: `where(m, 0, -inf)` is one and nothing else."""
    taken = found.chosen(place.piece)
    if taken is not None:
        if leads(place.piece.node):
            found.path.append(place.piece.node)
        return [replace(place, piece=taken)]
    low = next((i for i in (1, 2) if _lowest(place.piece.node.inputs[i])), None)
    trunk = leads(place.piece.node)
    if low is None or not (trunk or place.piece.node.inputs[low]["value"] == -inf):
        return _other(found, place)
    if place.capped:
        raise Miss("the mask stands inside of the cap, which makes a number of it", place.piece.node)
    if not positive(place.factors):
        raise Miss("the masked scores are multiplied with something that may be 0 or negative", place.piece.node)
    value = float(place.piece.node.inputs[low]["value"])
    found.masks.append(Mask(place.piece.input(0), low == 1, value, place.factors))
    kept = place.piece.input(3 - low)
    if trunk:
        found.path.append(place.piece.node)
    return [] if _is_zero(kept.node) else [replace(place, piece=kept)]


def _lowest(node: Node) -> bool:
    """-inf, or a number that is meant as such."""
    return node.op == "scalar" and node["value"] <= -1000


def _is_zero(node: Node) -> bool:
    return node.op == "scalar" and node["value"] == 0


def _cap(found: Scores, place: Place) -> list[Place]:
    """`cap * tanh(u)` is the cap of `cap * u`."""
    if not leads(place.piece.node):
        return _other(found, place)
    if not place.factors or not all(factor.node.op == "scalar" for factor in place.factors) or not positive(place.factors):
        raise Miss("a tanh is a cap where a positive number multiplies it, which this one has not", place.piece.node)
    if found.cap is not None:
        raise Miss("the scores are capped twice", place.piece.node)
    found.cap = number(place.factors)
    found.path.append(place.piece.node)
    return [Place(place.piece.input(0), place.factors, True)]


def number(factors: tuple[Factor, ...]) -> float:
    """The product of scalars. A number and one over it cancel exactly."""
    above = [float(factor.node["value"]) for factor in factors if not factor.inverted]
    total = 1.0
    for factor in factors:
        if not factor.inverted:
            continue
        below = float(factor.node["value"])
        if below in above:
            above.remove(below)
        else:
            total /= below
    for value in above:
        total *= value
    return total


def _product(found: Scores, place: Place) -> list[Place]:
    """A term, where one side has the keys and the other has not; else a bias."""
    if not is_product(place.piece.node):
        return _other(found, place)
    parts = product(place.piece, found.make)
    term = term_of(found.keys, parts, place)
    if term is None:
        return _other(found, place, final=True)
    found.terms.append(term)
    found.path.extend(parts.nodes)
    return [] if parts.bias is None else [replace(place, piece=parts.bias)]


def term_of(keys: frozenset[str], parts: Product, place: Place) -> Term | None:
    """The queries and the keys of a product; None where it has not both."""
    k = tuple(piece for piece in parts.operands if not piece.axes.isdisjoint(keys))
    q = tuple(piece for piece in parts.operands if piece.axes.isdisjoint(keys))
    sides = [frozenset[str]().union(*(piece.axes for piece in side)) for side in (q, k)]
    dots = tuple(axis for axis in parts.over if all(axis in side for side in sides))
    if not dots or not keys <= sides[1]:
        return None
    return Term(q, k, dots, parts.over, place.factors, place.capped, place.piece, parts.nodes)


def _other(found: Scores, place: Place, final: bool = False) -> list[Place]:
    """Something of which attention knows no more: a bias."""
    node = place.piece.node
    if place.capped:
        raise Miss("something is added inside of the cap", node)
    if not final and leads(node) and node.op not in ("mul", "div"):
        raise Miss(f"the scores go through `{node.op}`", node)
    found.biases.append(Added(place.piece, place.factors))
    return []


_STEPS: dict[str, Callable[[Scores, Place], list[Place]]] = {
    "mul": _factor, "div": _factor, "add": _sum, "sub": _sum, "neg": _negated, "where": _choice, "tanh": _cap,
    "dot": _product, "linear": _product, "sum": _product,
}  # fmt: skip
