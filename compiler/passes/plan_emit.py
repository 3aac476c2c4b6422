"""From a chosen order back to nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..graph import Node
from ..ops.facts import is_number, varies
from ..sizes import Size
from ..sizes.size import fraction
from ..types import Axis, TensorType
from .making import Make
from .plan_order import Leaf, Tree
from .plan_terms import Factor, Region, Term


@dataclass(frozen=True)
class _Made:
    """A tensor, and whether it is to be divided by."""

    node: Node
    divides: bool = False


def factors_of(make: Make, region: Region, term: Term) -> tuple[Factor, ...]:
    """The factors of a term with its number among them where that is not 1: one without axes, first."""
    held = frozenset(name for factor in term.factors for name in factor.names)
    size = term.size
    for name in term.over:
        if name not in held:
            size = size * region.sizes[name]
    tensors = tuple(factor for factor in term.factors if not is_number(factor.node))
    numbers = tuple(factor for factor in term.factors if is_number(factor.node) and not factor.divides)
    divisors = tuple(_divisor(make, factor) for factor in term.factors if is_number(factor.node) and factor.divides)
    known = size.constant()
    number = term.number * float(known) if known is not None else term.number
    kept = tuple(replace(factor, node=_never_zero(make, factor, region)) for factor in (*divisors, *tensors))
    return (*_number(make, number, size if known is None else None, numbers), *kept)


def _divisor(make: Make, factor: Factor) -> Factor:
    """A number to divide by as a tensor: Python refuses to divide by 0, where tensors give an infinite number, or have no element."""
    return replace(factor, node=make.node("full", (factor.node,), factor.node.tensor))


def _never_zero(make: Make, factor: Factor, region: Region) -> Node:
    """What is divided by, with 1 less for each axis without positions that the quotients were added up along: 0 / 0 would not be 0."""
    node = factor.node
    for name in factor.under:
        axis = Axis(name, region.sizes[name])
        if axis.size.constant() is None:
            ones = make.node("full", (make.scalar(1.0),), TensorType((axis,), "wide"))
            node = make.arithmetic("sub", node, make.pointwise("relu", make.arithmetic("sub", make.scalar(1.0), make.total(ones, [name]))))
    return node


def _number(make: Make, number: float, size: Size | None, others: Sequence[Factor]) -> tuple[Factor, ...]:
    """All numbers of a term as one."""
    if number == 1 and size is None and not others:
        return ()
    node = make.scalar(number)
    if size is not None:
        top, bottom = fraction(size)
        node = node if top == 1 else make.arithmetic("mul", node, make.size(top))
        node = node if bottom == 1 else make.arithmetic("div", node, make.size(bottom))
    for other in others:
        node = make.arithmetic("mul", node, other.node)
    return (Factor(node, ()),)


class Emitter:
    """Makes the nodes of one term in a chosen order."""

    def __init__(self, make: Make, factors: Sequence[Factor]) -> None:
        self.make = make
        self.factors = factors

    def whole(self, tree: Tree) -> Node:
        return self._upright(self._made(tree))

    def _made(self, tree: Tree, next: frozenset[str] = frozenset()) -> _Made:
        """A product; `next` are the axes along which it will be added up."""
        if isinstance(tree, Leaf):
            return self._leaf(tree)
        return self._pair(self._made(tree.left, tree.over), self._made(tree.right, tree.over), tree.over, next)

    def _leaf(self, leaf: Leaf) -> _Made:
        """A factor under the region's names; what only it has is added up before, so that two regions share the sum."""
        factor = self.factors[leaf.place]
        own = [axis.name for axis in factor.node.axes]
        first = [name for name, region in zip(own, factor.names, strict=True) if region in leaf.first]
        made = _Made(self.make.widened(factor.node) if factor.wide else factor.node, factor.divides)
        if first:
            made = _Made(self.make.total(self._upright(made), first))
        return _Made(self.make.rename(made.node, dict(zip(own, factor.names, strict=True))), made.divides)

    def _pair(self, a: _Made, b: _Made, over: frozenset[str], next: frozenset[str]) -> _Made:
        if over:
            return _Made(contraction(self.make, self._upright(a), self._upright(b), over, next))
        if a.divides == b.divides:
            return _Made(self.make.arithmetic("mul", a.node, b.node), a.divides)
        top, bottom = (b, a) if a.divides else (a, b)
        return _Made(self.make.arithmetic("div", top.node, bottom.node))

    def _upright(self, made: _Made) -> Node:
        return self.make.arithmetic("div", self.make.scalar(1.0), made.node) if made.divides else made.node


def _stays_inside(x: Node, weight: Node, next: frozenset[str]) -> bool:
    """Whether all of `next` is of a tensor alone, which has no more axes than the weight: else matmul takes the tensor first."""
    alone = {axis.name for axis in x.axes if not weight.tensor.has(axis.name)}
    return bool(next) and next <= alone and len(x.axes) <= len(weight.axes)


def contraction(make: Make, a: Node, b: Node, over: frozenset[str], next: frozenset[str] = frozenset()) -> Node:
    """A `linear` where one side is a weight, so that siblings and PyTorch see it as one; else a `dot`. So is weights times tensor where the
    product is added up `next` along axes of the tensor alone: these are innermost then."""
    x, weight = (b, a) if varies(b) and not varies(a) else (a, b)
    named = [axis.name for axis in weight.axes if axis.name in over]
    made = [axis for axis in weight.axes if axis.name not in over]
    if varies(x) and not varies(weight) and _stays_inside(x, weight, next):
        return make.dot((weight, x), named)
    if varies(x) and not varies(weight) and not any(x.tensor.has(axis.name) for axis in made) and x.axes != ():
        return make.linear(x, weight, named, [axis.name for axis in made])
    return make.dot((a, b), [axis.name for axis in a.axes if axis.name in over])


def added(make: Make, parts: Sequence[Node]) -> Node:
    """The sum: what has all made axes of a `linear` and nothing else is its bias."""
    main, *rest = sorted(parts, key=lambda node: -len(node.axes))
    for one in _as_linear(make, main) if rest else ():
        own = frozenset(one["made"])
        biases = [node for node in rest if {axis.name for axis in node.axes} <= own and not varies(node)]
        if biases:
            return _sum(make, [with_bias(make, one, _sum(make, biases)), *(node for node in rest if node not in biases)])
    return _sum(make, [main, *rest])


def _as_linear(make: Make, node: Node) -> Iterator[Node]:
    """A linear map without a bias as it is; a product of two as a map of either by the other."""
    if node.op == "linear" and len(node.inputs) == 2:
        yield node
    if node.op != "dot" or len(node.inputs) != 2:
        return
    over = node["over"]
    for x, weight in (node.inputs, node.inputs[::-1]):
        made = [axis.name for axis in weight.axes if not x.tensor.has(axis.name)]
        if made and any(not weight.tensor.has(axis.name) for axis in x.axes):
            yield make.linear(x, weight, over, made)


def with_bias(make: Make, node: Node, bias: Node) -> Node:
    """A `linear` with a bias over all its made axes."""
    axes = [Axis(name, node.tensor.size(name)) for name in node["made"]]
    return make.again(node, (*node.inputs, make.expand(bias, axes)))


def _sum(make: Make, nodes: Sequence[Node]) -> Node:
    total = nodes[0]
    for node in nodes[1:]:
        total = make.arithmetic("add", total, node)
    return total


def finished(make: Make, node: Node, like: Node) -> Node | None:
    """The result with all axes of the root; None where its kind of number, or the formula of a size, became another."""
    whole = make.expand(node, like.axes)
    return whole if whole.dtype == like.dtype and frozenset(whole.axes) == frozenset(like.axes) else None
