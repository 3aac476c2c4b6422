"""What a step costs, as a formula in sizes: what the passes compare when they choose an order of work.

The unit is one floating-point operation of a large matrix product. On the machines that were measured these run at about 350 GFLOP/s, and
memory moves at about 50 GB/s, so a float that is read or written costs as much as 28 of them, and the few microseconds of a call as
much as a million. Formulas leave the calls apart: they matter only where every size is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from ...dsl.frozen import frozen
from ..graph import Node
from ..ops.facts import is_number
from ..ops.products import plan, sizes_of
from ..sizes import Size
from ..types import TensorType

MOVED = 28
"""A float read or written once."""
CALL = 1_000_000
"""One call into PyTorch."""
SINGLE = 100_000
"""One more matrix in a batched product: each is a call of its own inside."""

# A conversion to float32 costs something only in half precision.
_NAMES = "input weight scalar size literal item param rename expand split merge cut pick float32"
FREE = frozenset(_NAMES.split())
_PASSES: Mapping[str, int] = {"softmax": 3, "l2norm": 3, "layernorm": 3, "rmsnorm": 3, "attend": 3}
"""How often operators that look at a tensor more than once read or write it."""

Number = TypeVar("Number", int, Size)


@frozen
class Work:
    """`size`: operations and moved numbers together; `calls`: how many calls."""

    size: Size
    calls: int = 1

    def __add__(self, other: Work) -> Work:
        return Work(self.size + other.size, self.calls + other.calls)

    def number(self, sizes: Mapping[str, int]) -> float:
        """The whole cost where every size is a number."""
        return float(self.size.evaluate(sizes)) + CALL * self.calls


NOTHING = Work(Size.of(0), 0)


def pair_work(a: frozenset[str], b: frozenset[str], over: frozenset[str], sizes: Mapping[str, Number], one: Number) -> Number:
    """The product of two tensors, given by their axes, added up along `over`.

    It is a matrix product where PyTorch has one, else number by number.
    """
    joined, summed = a | b, a & b & over
    result = count(joined - summed, sizes, one)
    moved = count(a, sizes, one) + count(b, sizes, one) + result
    whole = count(joined, sizes, one)
    if not summed:
        return MOVED * moved
    if a == b:
        return MOVED * (moved + whole + whole)
    shared = (a & b) - summed
    singles = SINGLE * count(shared, sizes, one) if shared else 0 * one
    return 2 * whole + MOVED * moved + singles


def count(names: Iterable[str], sizes: Mapping[str, Number], one: Number) -> Number:
    """How many numbers a tensor with these axes has."""
    total = one
    for name in sorted(names):
        total = total * sizes[name]
    return total


# ---------------------------------------------------------------- nodes


def node_work(node: Node) -> Work:
    """What one node costs."""
    if node.op in FREE or is_number(node):
        return NOTHING
    if node.op == "dot":
        return _dot_work(node)
    if node.op == "linear":
        return _linear_work(node)
    if node.op == "attend":
        return _attend_work(node)
    passes = _PASSES.get(node.op, 1)
    moved = _elements(node) + sum((_elements(source) for source in node.inputs), Size.of(0))
    return Work(moved * (MOVED * passes), passes)


def graph_work(roots: Iterable[Node], stop: Callable[[Node], bool], known: dict[Node, Work]) -> Work:
    """What the nodes below the roots cost together, each once; those that `stop` names, and what is below them, are there already.

    `known` keeps what single nodes cost.
    """
    total = NOTHING
    for node in below(roots, stop):
        if node not in known:
            known[node] = node_work(node)
        total = total + known[node]
    return total


def below(roots: Iterable[Node], stop: Callable[[Node], bool]) -> list[Node]:
    """The nodes below the roots, inputs first, down to those that `stop` names (which are left out)."""
    found: list[Node] = []
    seen: set[Node] = set()
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        node, ready = stack.pop()
        if ready:
            found.append(node)
        elif node not in seen and not stop(node):
            seen.add(node)
            stack.append((node, True))
            stack.extend((source, False) for source in reversed(node.inputs))
    return found


def _elements(node: Node) -> Size:
    return node.type.elements() if isinstance(node.type, TensorType) else Size.of(0)


def _dot_work(node: Node) -> Work:
    """In the order that the lowering takes."""
    sizes = sizes_of(node.inputs)
    known = [frozenset(source.tensor.names) for source in node.inputs]
    total = NOTHING
    for step in plan(known, node["over"], sizes):
        a, b = known[step.left], known[step.right]
        known.append((a | b).difference(step.over))
        total = total + Work(pair_work(a, b, frozenset(step.over), sizes, Size.of(1)))
    return total


def _linear_work(node: Node) -> Work:
    x, weight, *bias = node.inputs
    pair = (frozenset(x.tensor.names), frozenset(weight.tensor.names))
    with_it = node["over"] and node["own"]  # then the bias goes into the product's own call
    work = Work(pair_work(*pair, frozenset(node["over"]), sizes_of((x, weight)), Size.of(1)))
    return work if with_it or not bias else work + Work(_elements(node) * (2 * MOVED))


def _attend_work(node: Node) -> Work:
    """Products of every term, passes over the scores, and the product with the values."""
    terms: int = node["terms"]
    sizes = sizes_of(node.inputs)
    rows: frozenset[str] = frozenset()
    total = NOTHING
    for q, k, dots in zip(node.inputs[:terms], node.inputs[terms : 2 * terms], node["dots"], strict=True):
        pair = (frozenset(q.tensor.names), frozenset(k.tensor.names))
        total = total + Work(pair_work(*pair, frozenset(dots), sizes, Size.of(1)))
        rows |= (pair[0] | pair[1]).difference(dots)
    rows = rows.union(*(extra.tensor.names for extra in node.inputs[2 * terms + 1 :]))
    scores = count(rows, sizes, Size.of(1))
    read = pair_work(rows, frozenset(node.inputs[2 * terms].tensor.names), frozenset(node["keys"]), sizes, Size.of(1))
    return total + Work(scores * (MOVED * _PASSES["attend"]), _PASSES["attend"]) + Work(read)
