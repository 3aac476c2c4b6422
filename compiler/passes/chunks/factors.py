"""A tensor as a product of others, and the causal mask and the decay among these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...graph import Node
from ...ops.mask_offsets import Band, Linear, conditions, facts, linear
from ..making import Make

MOST = 60
"""How many nodes a product is looked for in."""


@dataclass
class Product:
    """Factors that line up by name, conditions (outside of which the product is 0), and axes that are added up."""

    factors: list[Node] = field(default_factory=list[Node])
    masks: list[Node] = field(default_factory=list[Node])
    over: list[str] = field(default_factory=list[str])


def product_of(make: Make, roots: Sequence[Node], opens: Callable[[Node], bool]) -> Product:
    """What is multiplied in the product of some tensors. A tensor that `opens` names is looked into, through sums of products too, whose
    axes get names of their own; any other is a factor."""
    found, waiting, looked = Product(), list(reversed(roots)), 0
    while waiting:
        one = waiting.pop()
        looked += 1
        inside = _inside(make, one, found) if looked < MOST and opens(one) else None
        if inside is not None:
            waiting.extend(reversed(inside))
        else:
            (found.masks if one.dtype == "bool" else found.factors).append(one)
    return found


def _inside(make: Make, node: Node, into: Product) -> Sequence[Node] | None:
    """The tensors whose product a node is; None where it is none."""
    if node.op in ("mul", "expand"):
        return node.inputs
    if node.op == "where" and _is_zero(node.inputs[2]):
        into.masks.append(node.inputs[0])
        return node.inputs[1:2]
    if node.op == "dot":
        return _opened(make, node, into)
    if node.op == "neg":
        return (make.scalar(-1.0), node.inputs[0])
    if node.op == "div" and node.inputs[1].op == "scalar" and node.inputs[1]["value"]:
        return (node.inputs[0], make.scalar(1.0 / node.inputs[1]["value"]))
    return None


def _opened(make: Make, dot: Node, into: Product) -> list[Node]:
    """The operands of a contraction, its axes under names that nothing else has."""
    names = {name: make.fresh(name) for name in dot["over"]}
    into.over.extend(names.values())
    return [make.rename(source, names) for source in dot.inputs]


def _is_zero(node: Node) -> bool:
    return node.op == "scalar" and node["value"] == 0


# ---------------------------------------------------------------- masks


def one_sided(masks: list[Node], key: str) -> Band | None:
    """The one condition of the masks, where it says that a key lies at or before (or at or after) its query, and nothing else."""
    found: list[Band] = []
    for mask in masks:
        for condition, names in conditions(mask):
            told = facts(condition, names, frozenset((key,)))
            if len(told) != 1 or not isinstance(told[0], Band):
                return None
            found.append(told[0])
    if not found or any(band != found[0] for band in found):
        return None
    (band,) = found[:1]
    ends = (band.low is None, band.high is None)
    if ends == (True, False) and band.high is not None:
        return band if band.high.integer() in (0, -1) else None
    if ends == (False, True) and band.low is not None:
        return band if band.low.integer() in (0, 1) else None
    return None


# ---------------------------------------------------------------- decays


def decay_of(node: Node, query: str, key: str, masks: Sequence[Node]) -> Node | None:
    """The base of `base ** (distance of query and key)`, which is one number for all positions. Only pairs count that the masks allow."""
    if node.op != "pow":
        return None
    base, power = (_allowed(source, masks) for source in node.inputs)
    if base.tensor.has(query) or base.tensor.has(key):
        return None
    if power.op == "abs" or (power.op == "maximum" and _is_zero(power.inputs[1])):
        power = power.inputs[0]
    told = linear(power, {axis.name: axis.name for axis in power.axes})
    return base if told is not None and _is_distance(told, query, key) else None


def _allowed(node: Node, masks: Sequence[Node]) -> Node:
    """What a choice by one of the masks is where it holds."""
    while node.op == "where" and node.inputs[0] in masks:
        node = node.inputs[1]
    return node


def _is_distance(told: Linear, query: str, key: str) -> bool:
    if told.number != 0 or told.times.keys() != {query, key}:
        return False
    return told.times[query] == 1 and told.times[key] == -1
