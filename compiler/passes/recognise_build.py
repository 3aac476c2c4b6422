"""Making the one `attend` of the parts that were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import inf, isclose

from ..graph import Node
from ..ops.facts import is_number
from ..sizes import Size, equal
from ..types import DType, TensorType, promote
from .making import Make, union
from .recognise_pieces import Factor, Miss, Piece, bare, times
from .recognise_rows import always_some
from .recognise_scores import Mask, Scores, Term, number
from .recognise_weights import Weights

MARGIN = 1000.0
"""How far below every score a number must be for its exponential to be 0 beside theirs, in float64 too."""


@dataclass(frozen=True)
class Side:
    """Queries and keys of one term as new nodes, and what they are multiplied with."""

    q: Node
    k: Node
    dots: tuple[str, ...]
    factors: tuple[Factor, ...]

    def without(self, factors: Sequence[Factor]) -> tuple[Factor, ...]:
        rest = list(factors)
        kept: list[Factor] = []
        for factor in self.factors:
            found = next((i for i, other in enumerate(rest) if other.same(factor)), None)
            if found is None:
                kept.append(factor)
            else:
                del rest[found]
        return tuple(kept)


def attend(make: Make, scores: Scores, weights: Weights, v: Node) -> Node:
    """The node; Miss where the parts are no attention after all."""
    _check(scores, weights)
    sides = [_side(make, term) for term in scores.terms]
    shared = _shared(sides)
    late = [factor for factor in shared if _may_be_none(factor)] if len(shared) > 1 or not _is_usual(shared, _features(sides)) else []
    sides = [replace(side, q=times(make, side.q, [*late, *side.without(shared)])) for side in sides]
    scale = _scale(make, [factor for factor in shared if factor not in late], _features(sides))
    masks = _where(make, [*weights.masks, *scores.masks])
    extras = {"scale": scale, "bias": _bias(make, scores), "where": masks, "sink_logit": _sink(make, weights)}
    given = {name: node for name, node in extras.items() if node is not None}
    sides = [_told_apart(make, side, [*given.values(), v, *_others(sides, side)]) for side in sides]
    inputs = (*(side.q for side in sides), *(side.k for side in sides), v, *given.values())
    return make.node(
        "attend", inputs, _type(make, sides, weights.keys, v, list(given.values())), terms=len(sides), keys=weights.keys,
        dots=tuple(side.dots for side in sides), extras=tuple(given), features=_features(sides), by=weights.by,
        softcap=scores.cap, dropout=weights.dropout, chunk=None, kernel="auto", number=weights.number,
    )  # fmt: skip


def _type(make: Make, sides: Sequence[Side], keys: Sequence[str], v: Node, extras: Sequence[Node]) -> TensorType:
    """All axes of the scores, of what meets them and of the values, but for the keys; of the sizes they have where the attention ends."""
    scored = [axis for side in sides for axis in union([side.q, side.k]) if axis.name not in side.dots]
    found = {axis.name: axis for axis in (*scored, *union([*extras, v])) if axis.name not in keys}
    found |= {axis.name: axis for axis in make.at.axes if axis.name in found}
    kinds: list[DType] = [promote(side.q.dtype, side.k.dtype) for side in sides]
    dtype = promote(*kinds, v.dtype)
    if dtype not in ("float", "wide") or any(kind != dtype for kind in kinds):
        raise Miss("the scores are kept in another type of number than the values")
    return TensorType(tuple(found.values()), dtype)


# ---------------------------------------------------------------- checks


def _check(scores: Scores, weights: Weights) -> None:
    """What must hold for the parts to mean what `attend` means."""
    compared = weights.by not in ("sigmoid", "relu2")
    for factor in weights.factors:
        if not factor.piece.axes.isdisjoint(weights.keys):
            raise Miss("a factor with the axis of the keys comes after the softmax", factor.node)
    for zeroed in weights.zeroed:
        if not zeroed.axes.isdisjoint(weights.keys):
            raise Miss("the mask comes after the softmax, so the weights that are left do not add up to 1", zeroed.node)
    if scores.shifts and (not compared or weights.sink is not None):
        raise Miss("a maximum is taken off scores that are not only compared with each other", scores.shifts[0].node)
    if isinstance(weights.sink, Piece) and not weights.sink.axes.isdisjoint(weights.keys):
        raise Miss("the sink has the axis of the keys", weights.sink.node)
    masks = [*weights.masks, *scores.masks]
    if weights.by_hand and masks and not _has_keys(masks, weights.keys):
        raise Miss("a row without any allowed key is NaN as written, and zeros in `attend`", masks[0].piece.node)
    for mask in masks:
        _check_low(mask, masks, scores, weights)


def _has_keys(masks: Sequence[Mask], keys: Sequence[str]) -> bool:
    """Whether every row has an allowed key for certain."""
    sizes = {mask.piece.names[axis.name]: axis.size for mask in masks for axis in mask.piece.node.axes}
    return not any(mask.refused for mask in masks) and always_some([mask.piece for mask in masks], keys, sizes)


def _check_low(mask: Mask, masks: Sequence[Mask], scores: Scores, weights: Weights) -> None:
    """A number in place of -inf: one key that is refused must not count beside one that is allowed."""
    if mask.low == -inf:
        return
    if not all(factor.node.op == "scalar" for factor in mask.factors):
        raise Miss(f"{mask.low:g} stands for -inf and is scaled by something unknown: write -inf", mask.piece.node)
    low = mask.low * number(mask.factors)
    if weights.by in ("sigmoid", "relu2") and low <= -MARGIN:
        return
    if not _has_keys(masks, weights.keys):
        raise Miss(f"{mask.low:g} stands for -inf: a row without any allowed key would read all of them alike; write -inf", mask.piece.node)
    if scores.cap is None or scores.biases or low > -scores.cap - MARGIN:
        raise Miss(f"{mask.low:g} stands for -inf: scores may be as low, as they have no cap; write -inf", mask.piece.node)


# ---------------------------------------------------------------- queries, keys, scale


def _side(make: Make, term: Term) -> Side:
    """Queries and keys without the numbers that they are multiplied with."""
    factors = [*term.factors]
    q, k = (tuple(_without_numbers(piece, factors) for piece in side) for side in (term.q, term.k))
    return Side(_joined(make, q, term), _joined(make, k, term), term.dots, tuple(factors))


def _without_numbers(piece: Piece, factors: list[Factor]) -> Piece:
    inner = bare(piece)
    while inner.node.op in ("mul", "div"):
        place = next((i for i, source in enumerate(inner.node.inputs) if is_number(source)), None)
        if place is None or (inner.node.op == "div" and place == 0) or inner.node.inputs[1 - place].dtype != inner.node.dtype:
            break
        factors.append(Factor(inner.input(place), inner.node.op == "div"))
        inner = piece = bare(inner.input(1 - place))
    return piece


def _joined(make: Make, pieces: Sequence[Piece], term: Term) -> Node:
    """Several tensors of one side multiplied, and added up along what only they have."""
    nodes = [piece.made(make) for piece in pieces]
    if len(nodes) == 1:
        return nodes[0]
    over = [axis for axis in term.over if axis not in term.dots and any(node.tensor.has(axis) for node in nodes)]
    return make.dot(nodes, over)


def _shared(sides: Sequence[Side]) -> list[Factor]:
    """The factors that every term has."""
    first, *rest = sides
    return [factor for factor in first.factors if all(any(factor.same(other) for other in side.factors) for side in rest)]


def _features(sides: Sequence[Side]) -> Size:
    """How many products make one score."""
    total = Size.of(0)
    for side in sides:
        size = Size.of(1)
        for name in side.dots:
            size = size * side.q.tensor.size(name)
        total = total + size
    return total


def _may_be_none(factor: Factor) -> bool:
    """Whether a size is divided by that may be 0 when the module runs: numbers refuse that, tensors do not."""
    return factor.inverted and is_number(factor.node) and factor.node.op != "scalar"


def _scale(make: Make, factors: Sequence[Factor], features: Size) -> Node | None:
    """None for the usual one, one over the root of the number of features."""
    if all(factor.node.op == "scalar" for factor in factors):
        value, known = number(tuple(factors)), features.integer()
        usual = known is not None and isclose(value, float(known) ** -0.5 if known else 1.0, rel_tol=1e-14)
        return None if usual else make.scalar(value)
    if _is_usual(factors, features):
        return _over(make, factors[0].piece.made(make)) if factors[0].inverted else None
    numbers = [factor for factor in factors if is_number(factor.node)]
    tensors = [factor for factor in factors if not is_number(factor.node)]
    first, *rest = sorted([*numbers, *tensors], key=lambda factor: factor.inverted)
    return times(make, make.scalar(1.0) if first.inverted else first.piece.made(make), [first, *rest] if first.inverted else rest)


def _over(make: Make, root: Node) -> Node:
    """One over the root of a size, which is 1 at least where there is anything to scale."""
    return make.arithmetic("div", make.scalar(1.0), make.node("maximum", (root, make.scalar(1.0)), root.tensor.cast("wide")))


def _is_usual(factors: Sequence[Factor], features: Size) -> bool:
    """Whether this is one over the root of the number of features, a size that only the caller knows."""
    if len(factors) != 1:
        return False
    (factor,) = factors
    node = factor.node
    if node.op == "sqrt":
        return factor.inverted and _is_size(node.inputs[0], features)
    if node.op != "pow" or node.inputs[1].op != "scalar" or not _is_size(node.inputs[0], features):
        return False
    return float(node.inputs[1]["value"]) == (0.5 if factor.inverted else -0.5)


def _is_size(node: Node, size: Size) -> bool:
    while node.op in ("float", "float32"):
        (node,) = node.inputs
    return node.op == "size" and bool(equal(node["value"], size))


def _others(sides: Sequence[Side], one: Side) -> list[Node]:
    return [node for side in sides if side is not one for node in (side.q, side.k)]


def _told_apart(make: Make, side: Side, others: Sequence[Node]) -> Side:
    """What is added up, under another name where one of the others has an axis of that name and another size."""
    names: dict[str, str] = {}
    for name in side.dots:
        size = side.q.tensor.size(name)
        if any(node.tensor.has(name) and not equal(node.tensor.size(name), size) for node in others):
            names[name] = make.fresh(name)
    dots = tuple(names.get(name, name) for name in side.dots)
    return Side(make.rename(side.q, names), make.rename(side.k, names), dots, side.factors) if names else side


# ---------------------------------------------------------------- bias, mask, sink


def _bias(make: Make, scores: Scores) -> Node | None:
    parts = [times(make, added.piece.made(make), added.factors) for added in scores.biases]
    return reduce(lambda a, b: make.arithmetic("add", a, b), parts) if parts else None


def _where(make: Make, masks: Sequence[Mask]) -> Node | None:
    parts: list[Node] = []
    for mask in masks:
        node = mask.piece.made(make)
        node = make.logic("not", node) if mask.refused else node
        if node not in parts:
            parts.append(node)
    return reduce(lambda a, b: make.logic("and", a, b), parts) if parts else None


def _sink(make: Make, weights: Weights) -> Node | None:
    if isinstance(weights.sink, Piece):
        return weights.sink.made(make)
    return None if weights.sink is None else make.scalar(weights.sink)
