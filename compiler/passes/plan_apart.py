"""`attend` written out: scores, weights and the reading as products that can be planned, norms of queries and keys after the product.

It is done where queries and keys are multiplied along tokens and come from one tensor (then their product is small beside them), or are
brought to length 1 along what is added up: a norm has no token axis, so it can divide the small product instead of the large tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..graph import Node
from ..ops.softmax import may_be_infinite
from ..types import TensorType
from .making import Make, union
from .plan_terms import VIEWS, seen_through

LEAST_EPS = 1e-15
"""A norm is compared with eps as its square; a smaller eps would have none in single precision."""


@dataclass(frozen=True)
class Scale:
    """A factor of a side, or what divides it, that lacks what is added up: so it commutes with the product."""

    node: Node
    divides: bool
    names: Mapping[str, str]


@dataclass(frozen=True)
class Side:
    """Queries or keys: the views above the norm (outermost first), the scales, what lies under both, all read on the way."""

    views: tuple[Node, ...]
    scales: tuple[Scale, ...]
    norm: Node | None
    base: Node
    inside: tuple[Node, ...]

    @property
    def source(self) -> Node | None:
        """What a linear map makes this side from."""
        below = _under(self.base)[-1]
        return below.inputs[0] if below.op == "linear" else None


def side_of(node: Node, dots: Sequence[str], single: Callable[[Node], bool]) -> Side:
    """What lies behind queries or keys, as far as nothing else reads it."""
    above: list[Node] = []
    views: list[Node] = []
    scales: list[Scale] = []
    names = {axis.name: axis.name for axis in node.axes}
    while single(node) and (node.op in VIEWS or _scaled(node, names, dots) is not None):
        above.append(node)
        if node.op in VIEWS:
            views.append(node)
            names, node = seen_through(node, names), node.inputs[0]
            continue
        place = _scaled(node, names, dots)
        assert place is not None  # the loop has looked
        scales.append(Scale(node.inputs[1 - place], node.op == "div", names))
        node = node.inputs[place]
    norm = node if node.op == "l2norm" and single(node) and _along(node, names, dots) else None
    base = node.inputs[0] if norm is not None else node
    below = [one for one in _under(base) if single(one) and (one.op in VIEWS or one.op == "linear")]
    return Side(tuple(views), tuple(scales), norm, base, (*above, *((norm,) if norm else ()), *below))


def _along(norm: Node, names: Mapping[str, str], dots: Sequence[str]) -> bool:
    """Whether a norm is along exactly what is added up, with an eps whose square single precision has."""
    return {names[name] for name in norm["axes"]} == {*dots} and norm["eps"] >= LEAST_EPS


def _scaled(node: Node, names: Mapping[str, str], dots: Sequence[str]) -> int | None:
    """The place of what a product or quotient scales by something without the axes that are added up."""
    if node.op not in ("mul", "div"):
        return None
    has = [[names.get(axis.name) in dots for axis in source.axes] for source in node.inputs]
    whole = [place for place in range(2) if sum(has[place]) == len(dots) and not any(has[1 - place])]
    return whole[0] if whole and (node.op == "mul" or whole[0] == 0) else None


def _under(node: Node) -> list[Node]:
    """A tensor and what it is another name of."""
    found = [node]
    while found[-1].op in VIEWS:
        found.append(found[-1].inputs[0])
    return found


def worthwhile(q: Side, k: Side, dots: Sequence[str]) -> bool:
    """Whether to look at an attention at all: one source with all axes that are added up, or a norm along these."""
    shared = q.source is not None and q.source is k.source and all(q.source.tensor.has(name) for name in dots)
    return shared or q.norm is not None or k.norm is not None


def can_be_apart(attend: Node, dropping: bool) -> bool:
    """One term, no chunks, weights that are made score by score or by a softmax, nothing random (`dropping`: dropout is at work)."""
    plain = attend["terms"] == 1 and attend["chunk"] is None and attend["by"] in ("softmax", "sigmoid", "relu2")
    return plain and "sink_logit" not in attend["extras"] and not (dropping and attend["dropout"]) and bool(attend["dots"][0])


def apart(make: Make, attend: Node, q: Side, k: Side) -> Node:
    """The same attention as products, number by number work on the scores, and a softmax."""
    dots: tuple[str, ...] = attend["dots"][0]
    extras: dict[str, Node] = dict(zip(attend["extras"], attend.inputs[3:], strict=True))
    s = make.dot((_plain(make, q), _plain(make, k)), dots)
    for side in (q, k):
        if side.norm is not None:
            s = make.arithmetic("div", s, _length(make, side, dots))
        for one in side.scales:
            s = make.arithmetic("div" if one.divides else "mul", s, make.rename(one.node, one.names))
    scale = extras["scale"] if "scale" in extras else _default_scale(make, attend)
    if scale.op != "scalar" or scale["value"] != 1:
        s = make.arithmetic("mul", s, scale)
    if attend["softcap"] is not None:
        cap = make.scalar(float(attend["softcap"]))
        s = make.arithmetic("mul", make.pointwise("tanh", make.arithmetic("div", s, cap)), cap)
    if "bias" in extras:
        s = make.arithmetic("add", s, extras["bias"])
    safe = any(may_be_infinite(extra) for extra in extras.values())
    a = _weights(make, attend, s, extras.get("where"), safe)
    return make.dot((a, attend.inputs[2]), attend["keys"])


def _plain(make: Make, side: Side) -> Node:
    """A side without its norm; in float32 at least, because sums over all tokens are too large or too coarse for half precision."""
    now = side.base
    for view in reversed(side.views):
        now = view if now is view.inputs[0] else make.copy(view, (now,))
    return make.widened(now)


def _length(make: Make, side: Side, dots: Sequence[str]) -> Node:
    """The Euclidean length along the tokens, at least eps."""
    assert side.norm is not None
    x, eps = _plain(make, side), float(side.norm["eps"])
    return make.pointwise("sqrt", make.pointwise("maximum", make.dot((x, x), dots), make.scalar(eps * eps)))


def _default_scale(make: Make, attend: Node) -> Node:
    known = attend["features"].integer()
    if known is not None:
        return make.scalar(float(known) ** -0.5 if known else 1.0)
    return make.node("pow", (make.size(attend["features"]), make.scalar(-0.5)), TensorType((), "wide"))


def _weights(make: Make, attend: Node, s: Node, mask: Node | None, safe: bool) -> Node:
    """Rows without an allowed key are zeros, as attention has it."""
    if attend["by"] == "softmax":
        inputs = (s,) if mask is None else (s, mask)
        type = TensorType(union(inputs), s.dtype)
        return make.node("softmax", inputs, type, axes=attend["keys"], masked=mask is not None, safe=safe or mask is not None)
    if mask is not None:
        s = make.where(mask, s, make.scalar(float("-inf")))
    if attend["by"] == "sigmoid":
        return make.pointwise("sigmoid", s)
    kept = make.pointwise("relu", s)
    return make.arithmetic("mul", kept, kept)
