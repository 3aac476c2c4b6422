"""A bias as a sum: what of it a softmax over the keys does not see."""

from __future__ import annotations

from collections.abc import Collection

from ...graph import Node
from ...ops.softmax import may_be_infinite
from ..making import Make

SHIFTED = frozenset(("softmax", "entmax15", "sparsemax"))
"""Weights that stay when every score of a row grows by the same number."""
NUMBERS = frozenset(("pos", "scalar", "size", "literal"))


def seen(make: Make, bias: Node, keys: Collection[str]) -> Node | None:
    """The bias without what is the same for every key; None where nothing is left.

    What may be infinite stays. So does what alone leads to a weight or an input: these keep a gradient, of zero.
    """
    terms = _terms(bias)
    told = [one for _, one in terms if any(one.tensor.has(key) for key in keys)]
    ground = _ground(told)
    gone = {one for _, one in terms if one not in told and not may_be_infinite(one) and _ground([one]) <= ground}
    left = [(sign, one) for sign, one in terms if one not in gone]
    if not gone or not left:
        return bias if left else None
    sum: Node | None = None
    for sign, one in left:
        sum = (one if sign > 0 else make.arithmetic("neg", one)) if sum is None else make.arithmetic("add" if sign > 0 else "sub", sum, one)
    return sum


def _terms(node: Node, sign: int = 1) -> list[tuple[int, Node]]:
    """What is added up, each with its sign, in the order of the text."""
    found: list[tuple[int, Node]] = []
    stack = [(sign, node)]
    while stack:
        sign, one = stack.pop()
        if one.op in ("add", "sub"):
            left, right = one.inputs
            stack += [(-sign if one.op == "sub" else sign, right), (sign, left)]
        elif one.op == "neg":
            stack.append((-sign, one.inputs[0]))
        else:
            found.append((sign, one))
    return found


def _ground(nodes: Collection[Node]) -> frozenset[Node]:
    """The weights, inputs and parameters of bodies that these are made of."""
    waiting, seen, found = list(nodes), set(nodes), set[Node]()
    while waiting:
        node = waiting.pop()
        if not node.inputs and node.op not in NUMBERS:
            found.add(node)
        fresh = [source for source in node.inputs if source not in seen]
        seen.update(fresh)
        waiting += fresh
    return frozenset(found)
