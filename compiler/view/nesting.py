"""Groups from the blocks that nodes were made in, such that every group can stand as one box in an acyclic picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .model import Group, GroupKind

_Key = tuple[str, GroupKind, int]
Path = tuple[_Key, ...]
"""Around a box, outermost first: a title, what the group is, and a number that keeps groups apart that are never one."""

Edge = tuple[int, int]


@dataclass
class _Part:
    """Boxes of one group that are still to be split along the rest of their paths."""

    members: list[int]
    depth: int
    group: int


@dataclass
class _Result:
    groups: list[Group] = field(default_factory=lambda: [Group("", 0)])
    home: dict[int, int] = field(default_factory=dict[int, int])


def nest(paths: Sequence[Path], edges: Sequence[Edge], looks: Sequence[str] = ()) -> tuple[tuple[Group, ...], list[int]]:
    """The groups, and the group of each box. The edges must have no cycle.

    A block that was entered twice, with a way out and in again between, becomes two groups; so does one whose parts hang together nowhere
    and look the same (`looks` is a word for each box), as two calls of one block do. A group around a single box goes.
    """
    below: dict[int, list[int]] = {}
    for source, target in edges:
        below.setdefault(source, []).append(target)
    result = _Result()
    waiting = [_Part(list(range(len(paths))), 0, 0)]
    while waiting:
        part = waiting.pop(0)
        waiting.extend(_split(part, paths, below, looks, result))
    return tuple(result.groups), [result.home[box] for box in range(len(paths))]


def _split(part: _Part, paths: Sequence[Path], below: dict[int, list[int]], looks: Sequence[str], result: _Result) -> list[_Part]:
    """Put the boxes of a part where they belong; what lies deeper comes back as further parts."""
    found: dict[_Key, list[int]] = {}
    for box in part.members:
        if len(paths[box]) > part.depth:
            found.setdefault(paths[box][part.depth], []).append(box)
        else:
            result.home[box] = part.group
    parts: list[_Part] = []
    pieces = [(key, calls) for key, members in _acyclic(part.members, found, below, looks) for calls in _calls(key, members, below, looks)]
    for (title, kind, _), members in pieces:
        if len(members) == 1 and kind == "block":
            result.home[members[0]] = part.group
            continue
        result.groups.append(Group(title, part.group, kind))
        parts.append(_Part(members, part.depth + 1, len(result.groups) - 1))
    return parts


def _acyclic(
    members: list[int], found: dict[_Key, list[int]], below: dict[int, list[int]], looks: Sequence[str]
) -> list[tuple[_Key, list[int]]]:
    """The groups as they are where that makes no cycle; else with what joins their pieces; else each in pieces one after the other."""
    if _order(members, _units_of(members, found.values()), below) is not None:
        return list(found.items())
    unit = _units_of(members, [])
    pieces: list[tuple[_Key, list[list[int]]]] = []
    for key, boxes in found.items():
        pieces.append((key, _pieces(members, set(boxes), unit, below)))
        for piece in pieces[-1][1]:
            unit.update(dict.fromkeys(piece, piece[0]))
    joined = _joined(pieces, members, below, looks)
    parts = [(key, part) for key, cut in joined for part in cut]
    if _order(members, _units_of(members, [part for _, part in parts]), below) is not None:
        return parts
    return [(key, piece) for key, cut in pieces for piece in cut]


def _units_of(members: list[int], parts: Iterable[list[int]]) -> dict[int, int]:
    """Each box by itself, or as the first of the part it is in."""
    unit = {box: box for box in members}
    for part in parts:
        unit.update(dict.fromkeys(part, part[0]))
    return unit


_Pieces = list[tuple[_Key, list[list[int]]]]


def _joined(pieces: _Pieces, members: list[int], below: dict[int, list[int]], looks: Sequence[str]) -> _Pieces:
    """The pieces of each group as one, together with the boxes in no group that lead from one piece to another.

    Such is work that a block was handed by its caller, like an activation. Pieces that look the same are two calls, and stay apart.
    """
    grouped = {box for _, cut in pieces for piece in cut for box in piece}
    free = {box for box in members if box not in grouped}
    joined: _Pieces = []
    for key, cut in pieces:
        alike = len({tuple(sorted(looks[box] for box in piece)) for piece in cut}) < len(cut) if looks else True
        between = set[int]() if alike or len(cut) < 2 else _between({box for piece in cut for box in piece}, free, below)
        free -= between
        joined.append((key, [sorted([*between, *(box for piece in cut for box in piece)])] if between else cut))
    return joined


def _between(group: set[int], free: set[int], below: dict[int, list[int]]) -> set[int]:
    """The free boxes on ways that leave a group and come back through free boxes alone."""
    seen: dict[int, None] = {}
    stack = [target for box in sorted(group) for target in below.get(box, ()) if target in free]
    while stack:
        box = stack.pop()
        if box not in seen:
            seen[box] = None
            stack.extend(target for target in below.get(box, ()) if target in free)
    back: set[int] = set()
    for box in sorted(seen, reverse=True):
        if any(target in group or target in back for target in below.get(box, ())):
            back.add(box)
    return back


def _calls(key: _Key, members: list[int], below: dict[int, list[int]], looks: Sequence[str]) -> list[list[int]]:
    """The connected parts of a group where all of them look the same; else, and for a choice and its ways, the group as it is."""
    if key[1] in ("choice", "way"):
        return [members]
    inside = set(members)
    part_of: dict[int, list[int]] = {box: [box] for box in members}
    for box in members:
        for target in below.get(box, ()):
            if target in inside and part_of[target] is not part_of[box]:
                small, large = sorted((part_of[box], part_of[target]), key=len)
                large.extend(small)
                part_of.update(dict.fromkeys(small, large))
    parts = list({min(part): sorted(part) for part in part_of.values()}.values())
    alike = len({tuple(sorted(looks[box] for box in part)) for part in parts}) == 1 if looks else False
    return parts if alike and len(parts[0]) > 1 else [members]


def _units(members: list[int], unit: dict[int, int], below: dict[int, list[int]]) -> dict[int, list[int]]:
    """The graph of units: what stands below each. Every unit is a key."""
    graph: dict[int, list[int]] = {unit[box]: [] for box in members}
    for box in members:
        graph[unit[box]].extend(unit[target] for target in below.get(box, ()) if target in unit and unit[target] != unit[box])
    return graph


def _order(members: list[int], unit: dict[int, int], below: dict[int, list[int]]) -> list[int] | None:
    """The units, each after those above it; None where there is a cycle."""
    graph = _units(members, unit, below)
    waiting = dict.fromkeys(graph, 0)
    for targets in graph.values():
        for target in targets:
            waiting[target] += 1
    order = [node for node, count in waiting.items() if not count]
    for node in order:
        for target in graph[node]:
            waiting[target] -= 1
            if not waiting[target]:
                order.append(target)
    return order if len(order) == len(graph) else None


def _pieces(members: list[int], group: set[int], unit: dict[int, int], below: dict[int, list[int]]) -> list[list[int]]:
    """The boxes of a group by how often a way to them has left the group and come back."""
    graph = _units(members, unit, below)
    turns: dict[int, int] = {}
    for node in _order(members, unit, below) or []:
        here = turns.setdefault(node, 0) if node in group else turns.get(node, -1)
        for target in graph[node]:
            back = target in group and node not in group and here >= 0
            turns[target] = max(turns.get(target, 0 if target in group else -1), here + back)
    pieces: dict[int, list[int]] = {}
    for box in members:
        if box in group:
            pieces.setdefault(turns[box], []).append(box)
    return [pieces[turn] for turn in sorted(pieces)]
