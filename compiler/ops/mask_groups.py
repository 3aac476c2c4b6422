"""Masks that depend on data and have a form: a number of the query compared with the same number of the key (packed documents), blocks
of keys that every query chooses (routed attention), and keys up to a number (a cache that is filled so far)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..graph import Node
from ..sizes import Size, equal
from .base import OPERATORS
from .facts import is_number
from .mask_offsets import Band, Names, conditions, facts, linear


@dataclass(frozen=True)
class Told:
    """A node of the mask, and the attention's name for each of its axes."""

    node: Node
    names: tuple[tuple[str, str], ...]

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple(name for _, name in self.names)


@dataclass(frozen=True)
class Groups:
    """Pairs in which query and key have the same number in `ids`; with `causal` the key does not come after the query, and
    `keep` says which keys there are."""

    ids: Told
    causal: bool = False
    keep: Told | None = None


@dataclass(frozen=True)
class Routed:
    """Each query reads the blocks of `size` keys that are `chosen` along the axis `blocks`; with `causal` no key after itself."""

    chosen: Told
    blocks: str
    size: Size
    causal: bool = False

    @property
    def column(self) -> str:
        """The axis of blocks, as the node calls it."""
        return next(own for own, name in self.chosen.names if name == self.blocks)


@dataclass(frozen=True)
class Prefix:
    """Every query reads the keys whose position is at most the number `last`, or less than it with `strict`."""

    last: Node
    strict: bool = False


def looked_at(planned: Groups | Routed | Prefix | None) -> tuple[Node, ...]:
    """The nodes under a mask that its plan is made of."""
    match planned:
        case Groups(ids, _, keep):
            return (ids.node,) if keep is None else (ids.node, keep.node)
        case Routed(chosen):
            return (chosen.node,)
        case Prefix(last):
            return (last,)
        case None:
            return ()


def prefix(mask: Node, key: str) -> Prefix | None:
    """What a mask says where it compares the position of the key with one whole number that a run tells."""
    node, names = conditions(mask)[0]
    if len(conditions(mask)) != 1 or node.op not in ("le", "lt", "ge", "gt"):
        return None
    place, last = node.inputs if node.op in ("le", "lt") else reversed(node.inputs)
    told = _told(place, {axis.name: names[axis.name] for axis in place.axes})
    if told.node.op != "pos" or told.axes != (key,) or last.axes or last.dtype != "int" or is_number(last):
        return None
    return Prefix(last, node.op in ("lt", "gt"))


def planned(mask: Node, query: str, key: str) -> Groups | Routed | None:
    """What a mask says where it is one of these alone; None where it says anything else."""
    if not (mask.tensor.has(query) and mask.tensor.has(key)) or equal(mask.tensor.size(query), mask.tensor.size(key)) is not True:
        return None
    ids: Told | None = None
    keep: Told | None = None
    routed: Routed | None = None
    causal = False
    for node, names in conditions(mask):
        same = _same(node, names, query, key)
        route = _routed(node, names, query, key)
        if facts(node, names, frozenset((key,))) == (Band(query, key, high=Size.of(0)),):
            causal = True
        elif same is not None and ids is None:
            ids = same
        elif route is not None and routed is None:
            routed = route
        elif query not in names.values() and keep is None:
            keep = _told(node, names)
        else:
            return None
    if routed is not None:
        return replace(routed, causal=causal) if ids is None and keep is None else None
    return Groups(ids, causal, keep) if ids is not None else None


def _routed(node: Node, names: Names, query: str, key: str) -> Routed | None:
    """`chosen[J = pos(N') // size]`, where `chosen` is given for every query."""
    if node.op != "gather":
        return None
    table, index = node.inputs
    at = _told(index, {axis.name: names[axis.name] for axis in index.axes})
    chosen = _told(table, {axis.name: names.get(axis.name, axis.name) for axis in table.axes})
    if at.node.op != "floordiv" or query not in chosen.axes or key in chosen.axes or not _given(chosen.node):
        return None
    place, size = (linear(source, {axis.name: dict(at.names)[axis.name] for axis in source.axes}) for source in at.node.inputs)
    if place is None or place.times != {key: Size.of(1)} or place.number != 0 or size is None or size.times:
        return None
    return Routed(chosen, node["axis"], size.number)


def _same(node: Node, names: Names, query: str, key: str) -> Told | None:
    """The number that both sides of a comparison are, on the axis of the queries: a whole number that depends on what is given."""
    if node.op != "eq":
        return None
    sides = [_told(source, {axis.name: names[axis.name] for axis in source.axes}) for source in node.inputs]
    left, right = sides if query in sides[0].axes else sides[::-1]
    if left.node.dtype not in ("int", "bool") or query not in left.axes or key in left.axes:
        return None
    return left if _alike(left, right, {query: key}) and _given(left.node) else None


def _told(node: Node, names: Names) -> Told:
    """Without the renaming on top of it."""
    while node.op == "rename":
        outer = {**names, **{old: names[new] for old, new in node["pairs"]}}
        node = node.inputs[0]
        names = {axis.name: outer[axis.name] for axis in node.axes}
    return Told(node, tuple(names.items()))


def _alike(left: Told, right: Told, moved: Mapping[str, str]) -> bool:
    """Whether both are the same function of the same values, the right one along other axes."""
    waiting, seen = [(left, right)], set[tuple[Told, Told]]()
    while waiting:
        pair = waiting.pop()
        one, other = pair
        if pair in seen:
            continue
        seen.add(pair)
        if one.node is other.node and other.names == tuple((own, moved.get(name, name)) for own, name in one.names):
            continue
        if one.node.op != other.node.op or one.node.attrs != other.node.attrs or not OPERATORS[one.node.op].pointwise:
            return False
        waiting += zip(_below(one), _below(other), strict=True)
    return True


def _below(told: Told) -> list[Told]:
    names = dict(told.names)
    return [_told(source, {axis.name: names[axis.name] for axis in source.axes}) for source in told.node.inputs]


def _given(node: Node) -> bool:
    """Whether a value depends on an input, and so is worked out in each run."""
    waiting, seen = [node], {node}
    while waiting:
        now = waiting.pop()
        if now.op in ("input", "param"):
            return True
        fresh = [source for source in now.inputs if source not in seen]
        seen.update(fresh)
        waiting += fresh
    return False
