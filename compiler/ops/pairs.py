"""A mask or bias as a function of one pair: what FlexAttention asks for, from the same expressions as everything else.

Arithmetic on positions is said again of single numbers. Whatever else stands in the expression (documents, slopes of heads, a table) is a
tensor that is worked out before, and looked up at the places that it depends on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..graph import Builder, Node
from ..types import TensorType
from .attend_way import Layout, Roles
from .base import OPERATORS
from .mask_offsets import CARRIED, Fact, Names, conditions, facts

RANDOM = frozenset(("dropout", "droppath"))
PLAIN = frozenset(("scalar", "size", "literal"))
LEAST = 512
"""Blocks of a mask are not looked for among fewer rows or keys."""
State = tuple[Node, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Leaf:
    """A tensor that is looked up, the attention's name for each of its axes, and the node that stands for the number found."""

    node: Node
    names: tuple[tuple[str, str], ...]
    number: Node


@dataclass(frozen=True)
class Pairs:
    """An expression for one pair: `result` is a node without axes over `positions` (by axis) and the numbers of `leaves`."""

    result: Node
    positions: tuple[tuple[str, Node], ...]
    leaves: tuple[Leaf, ...]


@dataclass(frozen=True)
class Same:
    """A condition that a number of the query is that of the key, such as documents: both sides, with the attention's names."""

    query: Node
    query_names: tuple[tuple[str, str], ...]
    key: Node
    key_names: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Flexible:
    """An attention for FlexAttention: mask and bias by pair, and what the mask says of blocks of pairs. `told` is None where rows or keys
    are several axes: then the mask is looked at whole. A condition that says nothing of blocks is None in it."""

    mask: Pairs | None
    bias: Pairs | None
    told: tuple[Fact | Same | None, ...] | None


def pairs_of(root: Node) -> Pairs:
    """A mask or bias taken apart, in the order of its text."""
    builder, known = Builder(), dict[State, Node]()
    positions, leaves = dict[str, Node](), list[Leaf]()
    start: State = (root, tuple((axis.name, axis.name) for axis in root.axes))
    stack = [start]
    while stack:
        state = stack[-1]
        below = list(_below(state))
        waiting = [inner for inner in below if inner not in known]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        stack.pop()
        if state not in known:
            known[state] = _single(state, [known[inner] for inner in below], builder, positions, leaves)
    return Pairs(known[start], tuple(positions.items()), tuple(leaves))


def _below(state: State) -> Iterator[State]:
    """The inputs of a node that is said again, each with the attention's names for its axes."""
    node, names = state
    if node.op in CARRIED or _is_said_again(node):
        outer = dict(names)
        if node.op == "rename":
            outer |= {old: outer[new] for old, new in node["pairs"]}
        yield from ((source, tuple((axis.name, outer[axis.name]) for axis in source.axes)) for source in node.inputs)


def _is_said_again(node: Node) -> bool:
    return OPERATORS[node.op].pointwise and node.op not in RANDOM


def _single(state: State, inputs: list[Node], builder: Builder, positions: dict[str, Node], leaves: list[Leaf]) -> Node:
    node, names = state
    if node.op in CARRIED:
        return inputs[0]
    if node.op in PLAIN and not node.axes:
        return node
    if node.op == "pos":
        return positions.setdefault(dict(names)[node["axis"]], _number(node, f"pos_{len(positions)}"))
    if _is_said_again(node):
        return builder.make(node.op, tuple(inputs), TensorType((), node.dtype), node.options, node.span, node.scope, node.name)
    leaves.append(Leaf(node, names, _number(node, node.name or f"x_{len(leaves)}")))
    return leaves[-1].number


def _number(node: Node, name: str) -> Node:
    return Node("param", (), (), TensorType((), node.dtype), node.span, node.scope, name)


# ---------------------------------------------------------------- for an attention


def flexible(parts: Roles, layout: Layout) -> Flexible | None:
    """What FlexAttention needs of this attention; None where PyTorch's own call says it (no mask, or causal), or Flex cannot: with a sink,
    dropout, or a tensor that has its own numbers for pairs."""
    if (
        layout.causal
        or layout.line
        or "sink_logit" in parts.extras
        or parts.node["dropout"]
        or not ({"where", "bias"} & parts.extras.keys())
    ):
        return None
    mask, bias = (pairs_of(parts.extras[name]) if name in parts.extras else None for name in ("where", "bias"))
    dimensions = frozenset((*layout.batch, *layout.heads, *layout.rows, *parts.keys))
    for one in (mask, bias):
        for leaf in one.leaves if one is not None else ():
            names = {outer for _, outer in leaf.names}
            if not names <= dimensions or (names & {*parts.keys} and names & {*layout.rows}):
                return None
    return Flexible(mask, bias, _told(parts, layout) if mask is not None else ())


def by_positions(parts: Roles, layout: Layout) -> Pairs | None:
    """The mask for one pair, where it is arithmetic on the positions of rows and keys alone, along one axis each, and nothing else is said
    of pairs: which blocks have an allowed pair is then worked out once for each size."""
    mask = parts.extras.get("where")
    if mask is None or layout.causal or layout.planned is not None or len(layout.rows) != 1 or len(parts.keys) != 1:
        return None
    if parts.node["dropout"] or {"bias", "sink_logit"} & parts.extras.keys() or {*mask.tensor.names} != {*layout.rows, *parts.keys}:
        return None
    if any((mask.tensor.size(name).integer() or LEAST) < LEAST for name in mask.tensor.names):
        return None
    found = pairs_of(mask)
    return found if not found.leaves and {axis for axis, _ in found.positions} == {*mask.tensor.names} else None


def _told(parts: Roles, layout: Layout) -> tuple[Fact | Same | None, ...] | None:
    if len(layout.rows) != 1 or len(parts.keys) != 1:
        return None
    found: list[Fact | Same | None] = []
    for node, names in conditions(parts.extras["where"]):
        known = [one for one in facts(node, names, frozenset(parts.keys)) if (one.query, one.key) == (layout.rows[0], parts.keys[0])]
        same = _same(node, names, parts.keys[0], layout.rows[0]) if not known else None
        found += known or [same]
    return tuple(found)


def _same(node: Node, names: Names, key: str, row: str) -> Same | None:
    """`doc == rename(doc, N -> N')`."""
    if node.op != "eq" or any(source.dtype not in ("int", "bool") for source in node.inputs):
        return None
    sides = [(source, tuple((axis.name, names[axis.name]) for axis in source.axes)) for source in node.inputs]
    sides.sort(key=lambda side: key in dict(side[1]).values())
    (query, query_names), (other, key_names) = sides
    if row not in dict(query_names).values() or key in dict(query_names).values() or row in dict(key_names).values():
        return None
    return Same(query, query_names, other, key_names) if key in dict(key_names).values() else None
