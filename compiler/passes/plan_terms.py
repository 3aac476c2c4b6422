"""A region of products and sums in one normal form: a sum of terms, each a product of tensors that is added up along some axes.

`dot`, `linear`, products and quotients number by number, `neg`, `sum`, `mean`, renames and expansions are read through, as far as what
lies between is read by nothing else. Within a region every axis has one name of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from ...dsl.frozen import frozen
from ..graph import Node
from ..ops.facts import is_number
from ..sizes import Size, product

MAX_NODES = 40
MAX_FACTORS = 10
MAX_TERMS = 4
"""A region ends where it would have more of these: it stays small, whatever the program is."""
OPERATORS = frozenset(("dot", "linear", "mul", "div", "neg", "sum", "mean", "rename", "expand"))
CONTRACTIONS = frozenset(("dot", "linear", "sum", "mean"))
VIEWS = frozenset(("rename", "expand"))

ONE = Size.of(1)


@frozen
class Factor:
    """A tensor of the graph; `names[i]` is what its i-th axis is called in the region.

    `divides`: its inverse is the factor. `wide`: it is taken in float32 at least. `under`: along which axes the quotients were added
    up. Where one of these has no positions the sum is 0 whatever it is divided by, and so it has to stay.
    """

    node: Node
    names: tuple[str, ...]
    divides: bool = False
    wide: bool = False
    under: tuple[str, ...] = ()

    def added_up(self, over: Sequence[str]) -> Factor:
        """The factor once what it is a part of is added up."""
        return replace(self, under=(*self.under, *(name for name in over if name not in self.names))) if self.divides else self


@frozen
class Term:
    """`number * size` times the product of the factors, added up along `over`.

    Where no factor has such an axis, adding up along it counts its positions.
    """

    number: float
    factors: tuple[Factor, ...]
    over: tuple[str, ...] = ()
    size: Size = ONE

    def times(self, other: Term) -> Term:
        return Term(self.number * other.number, self.factors + other.factors, self.over + other.over, self.size * other.size)


@dataclass(frozen=True)
class Region:
    """What a node is worth as a sum of terms. `inside` are the nodes that were read through, the root first."""

    root: Node
    terms: tuple[Term, ...]
    inside: tuple[Node, ...]
    sizes: Mapping[str, Size]

    @property
    def leaves(self) -> tuple[Node, ...]:
        return tuple(dict.fromkeys(factor.node for term in self.terms for factor in term.factors))


class TooMany(Exception):
    """The sum has more terms than are worth planning."""


class Reader:
    """Reads one region. `single(node)`: nothing else reads the node. `biases`: whether a bias below the root is multiplied out.

    `casts`: conversions to float32 that may be made of the factors instead. `most`: how many factors a term may have.
    """

    def __init__(self, single: Callable[[Node], bool], biases: bool, casts: frozenset[Node] = frozenset(), most: int = MAX_FACTORS) -> None:
        self.single = single
        self.biases = biases
        self.casts = casts
        self.inside: dict[Node, None] = {}
        self.sizes: dict[str, Size] = {}
        self.more = most - 1

    def region(self, root: Node) -> Region | None:
        """The region that ends in a node; None where a region is not made of such nodes, or there are too many terms."""
        if not readable(root) or _added(root) > self.more:
            return None
        self.sizes.update({axis.name: axis.size for axis in root.axes})
        try:
            terms = self._through(root, {axis.name: axis.name for axis in root.axes})
        except TooMany:
            return None
        return Region(root, tuple(terms), tuple(self.inside), self.sizes)

    # ------------------------------------------------ one node

    def _terms(self, node: Node, names: Mapping[str, str]) -> list[Term]:
        if node.op == "scalar":
            return [Term(float(node["value"]), ())]
        if node in self.casts:
            return [_widened(term) for term in self._terms(node.inputs[0], names)]
        room = len(self.inside) < MAX_NODES and _added(node) <= self.more
        if self.single(node) and room and readable(node) and (self.biases or not is_biased(node)):
            return self._through(node, {axis.name: names[axis.name] for axis in node.axes})
        while node.op in VIEWS:
            names, node = seen_through(node, names), node.inputs[0]
        return [Term(1.0, (Factor(node, tuple(names[axis.name] for axis in node.axes)),))]

    def _through(self, node: Node, names: Mapping[str, str]) -> list[Term]:
        self.more -= _added(node)
        self.inside[node] = None
        match node.op:
            case "linear":
                return self._linear(node, names)
            case "dot":
                inner = self._below(node.inputs, node["over"], names)
                return _along(self._product(node.inputs, inner), [inner[name] for name in node["over"]])
            case "sum" | "mean":
                inner = self._below(node.inputs, node["axes"], names)
                terms = _along(self._terms(node.inputs[0], inner), [inner[name] for name in node["axes"]])
                return [_averaged(node, term) for term in terms] if node.op == "mean" else terms
            case "rename" | "expand":
                return self._terms(node.inputs[0], seen_through(node, names))
            case "neg":
                return [replace(term, number=-term.number) for term in self._terms(node.inputs[0], names)]
            case "div":
                return [term.times(_inverse(node.inputs[1], names)) for term in self._terms(node.inputs[0], names)]
            case _:
                return self._product(node.inputs, names)

    def _linear(self, node: Node, names: Mapping[str, str]) -> list[Term]:
        x, weight, *bias = node.inputs
        inner = self._below((x,), node["over"], names)
        own = {own: names[made] for own, made in zip(node["own"], node["made"], strict=True)}
        below = {axis.name: own.get(axis.name) or inner[axis.name] for axis in weight.axes}
        terms = [a.times(b) for a in self._terms(x, inner) for b in self._terms(weight, below)]
        found = _along(terms, [inner[name] for name in node["over"]])
        return _few([*found, *(term for one in bias for term in self._terms(one, names))])

    def _product(self, nodes: Sequence[Node], names: Mapping[str, str]) -> list[Term]:
        found = [Term(1.0, ())]
        for node in nodes:
            more = self._terms(node, names)
            found = _few([a.times(b) for a in found for b in more])
        return found

    def _below(self, nodes: Sequence[Node], over: Sequence[str], names: Mapping[str, str]) -> dict[str, str]:
        """The names below a node that adds up along axes: these get new ones."""
        sizes = {axis.name: axis.size for node in nodes for axis in node.axes}
        return {**names, **{name: self._fresh(name, sizes[name]) for name in over}}

    def _fresh(self, like: str, size: Size) -> str:
        name, count = like, 1
        while name in self.sizes:
            count += 1
            name = f"{like}_{count}"
        self.sizes[name] = size
        return name


def seen_through(view: Node, names: Mapping[str, str]) -> dict[str, str]:
    """The names below a rename or an expansion."""
    new: dict[str, str] = dict(view["pairs"]) if view.op == "rename" else {}
    return {axis.name: names[new.get(axis.name, axis.name)] for axis in view.inputs[0].axes}


def readable(node: Node) -> bool:
    """Whether a region may read through a node: one of its operators, on floating point numbers alone."""
    if node.op not in OPERATORS or node.dtype not in ("float", "wide") or is_number(node):
        return False
    if node.op in ("sum", "mean") and set(node.options) != {"axes"}:
        return False
    if node.op == "div" and node.inputs[1].op == "scalar" and not node.inputs[1]["value"]:
        return False
    return all(_plain(source) for source in node.inputs)


def _plain(node: Node) -> bool:
    if node.op == "scalar":
        return not isinstance(node["value"], bool) and isfinite(node["value"])
    return node.dtype in ("float", "wide") or is_number(node)


def _added(node: Node) -> int:
    """How many more factors a region has when a node is read through."""
    return 1 if node.op == "linear" else max(len(node.inputs), 1) - 1


def is_biased(node: Node) -> bool:
    """Whether a node is a linear map with a bias."""
    return node.op == "linear" and len(node.inputs) > 2


def _averaged(node: Node, term: Term) -> Term:
    """A mean is a sum over the number of positions."""
    return replace(term, size=term.size / product(axis.size for axis in node.inputs[0].axes if not node.tensor.has(axis.name)))


def _widened(term: Term) -> Term:
    return replace(term, factors=tuple(replace(factor, wide=True) for factor in term.factors))


def _inverse(node: Node, names: Mapping[str, str]) -> Term:
    if node.op == "scalar":
        return Term(1 / float(node["value"]), ())
    return Term(1.0, (Factor(node, tuple(names[axis.name] for axis in node.axes), True),))


def _along(terms: Sequence[Term], over: Sequence[str]) -> list[Term]:
    return [replace(term, over=(*term.over, *over), factors=tuple(factor.added_up(over) for factor in term.factors)) for term in terms]


def _few(terms: list[Term]) -> list[Term]:
    if len(terms) > MAX_TERMS:
        raise TooMany
    return terms
