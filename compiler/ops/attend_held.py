"""What an `attend` holds for every pair of a query and a key where it is not worked out in chunks, and which arithmetic chunks repeat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..graph import Node, topological
from ..sizes import Size
from .attend_cost import count
from .attend_way import Roles, attend_way, roles
from .base import OPERATORS
from .mask_groups import Groups
from .products import sizes_of

RANDOM = frozenset(("dropout", "droppath"))
PAIRED = ("bias", "where")
MOST = 150
"""How many operations of a mask or bias are done again in every chunk."""


def is_said_anew(node: Node) -> bool:
    """A function number by number can be worked out on a part; what is drawn at random is not drawn again."""
    return OPERATORS[node.op].pointwise and node.op not in RANDOM


def has_gradients(node: Node) -> bool:
    """Whether gradients reach a weight or a float input through this value."""
    waiting, seen = [node], {node}
    while waiting:
        now = waiting.pop()
        if now.op in ("weight", "param") or (now.op == "input" and now.dtype == "float"):
            return True
        fresh = [source for source in now.inputs if source not in seen and now.op != "detach"]
        seen.update(fresh)
        waiting.extend(fresh)
    return False


@dataclass(frozen=True)
class Told:
    """Bias and mask as arithmetic: `names` of those that are, every operation, inputs first, and what it starts from."""

    names: tuple[str, ...]
    nodes: tuple[Node, ...]
    ground: tuple[Node, ...]


def pairs(parts: Roles) -> tuple[str, ...]:
    """The options with a number of their own for a query and a key, which no key has by itself."""
    loose = frozenset(name for name in parts.rows if name not in (*parts.side(parts.k), *parts.v.tensor.names))
    return tuple(name for name in PAIRED if name in parts.extras and _is_pair(parts.extras[name], loose, frozenset(parts.keys)))


def told(parts: Roles) -> Told:
    """Bias and mask that are arithmetic on what lies along queries or keys alone: made again for each chunk, and never whole."""
    loose = frozenset(name for name in parts.rows if name not in (*parts.side(parts.k), *parts.v.tensor.names))
    keys = frozenset(parts.keys)

    def inside(node: Node) -> bool:
        same = node.op in ("expand", "detach") or is_said_anew(node)
        return same and _is_pair(node, loose, keys)

    names = tuple(name for name in pairs(parts) if inside(parts.extras[name]))
    below = topological([parts.extras[name] for name in names], lambda node: not inside(node))
    nodes = tuple(node for node in below if inside(node))
    ground = dict.fromkeys(source for node in nodes for source in node.inputs if not inside(source))
    return Told(names, nodes, tuple(ground)) if len(nodes) <= MOST else Told((), (), ())


def _is_pair(node: Node, loose: frozenset[str], keys: frozenset[str]) -> bool:
    names = {axis.name for axis in node.axes}
    return bool(names & loose) and bool(names & keys)


def held_for_pairs(node: Node, training: bool, width: int) -> Size:
    """The bytes for scores, weights, and masks of full size; `width`: those of a float.

    Where all scores are held (products, too), there are two numbers for each, and the bias and the mask that are arithmetic. A fused call
    holds these, and for a mask its form for rows without keys and PyTorch's own, of floats; not where the mask is a flag, or tells groups.
    In training dropout and a bias with gradients make PyTorch hold all scores inside.
    """
    parts, sizes, way = roles(node), sizes_of(node.inputs), attend_way(node)
    scores = count((*parts.rows, *parts.keys), sizes)
    own = told(parts).names
    total = Size.of(0)
    if way.kind == "explicit" or node.options.get("products") or (way.layout is not None and _falls_back(parts, training)):
        total = total + scores * 2 * width
    if way.layout is not None and (way.layout.causal or isinstance(way.layout.planned, Groups)):
        return total
    for name in pairs(parts):
        size = count(parts.extras[name].tensor.names, sizes)
        each = (width if name == "bias" else 1) if name in own else 0
        each += 1 + width if name == "where" and way.layout is not None else 0
        total = total + size * each
    return total


def _falls_back(parts: Roles, training: bool) -> bool:
    return training and bool(parts.node["dropout"] or ("bias" in parts.extras and has_gradients(parts.extras["bias"])))


def made_in_chunks(nodes: Sequence[Node], ends: Iterable[Node] = ()) -> frozenset[Node]:
    """Of `nodes`, inputs first, the arithmetic of masks and biases that attentions in chunks make again, and that is read nowhere else."""
    own = {node: told(roles(node)) for node in nodes if node.op == "attend" and node["chunk"] is not None}
    inside = {one for found in own.values() for one in found.nodes}
    read = {*ends}
    for node in reversed(nodes) if inside else ():
        if node not in inside or node in read:
            inside.discard(node)
            parts = roles(node).extras if node in own else {}
            again = [parts[name] for name in own[node].names] if node in own else []
            read.update(source for source in node.inputs if source not in again)
    return frozenset(inside)
