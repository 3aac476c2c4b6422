"""Long stretches without blocks, cut into parts that can be closed, so that a picture of thousands of operations can be read."""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush

from .model import Drawing, Group

MOST = 500
"""So many boxes and blocks may stand directly in one."""
_PART = 100


def parted(drawing: Drawing) -> Drawing:
    """The drawing in which no block holds more than `MOST` things directly: what follows one another is put into parts of a hundred.

    A part reads from earlier ones alone, so parts can stand as boxes as any block can.
    """
    members = _members(drawing)
    large = [number for number, units in enumerate(members) if len(units) > MOST]
    if not large:
        return drawing
    part_of: dict[tuple[str, int], tuple[int, int]] = {}
    counts: dict[int, int] = {}
    for number in large:
        order = _in_order(drawing, number, members[number])
        counts[number] = (len(order) + _PART - 1) // _PART
        part_of.update({unit: (number, place // _PART) for place, unit in enumerate(order)})
    return _regrouped(drawing, part_of, counts)


_Unit = tuple[str, int]


def _members(drawing: Drawing) -> list[list[_Unit]]:
    members: list[list[_Unit]] = [[] for _ in drawing.groups]
    for number, box in enumerate(drawing.boxes):
        members[box.group].append(("box", number))
    for number, group in enumerate(drawing.groups[1:], 1):
        members[group.parent].append(("group", number))
    return members


def _in_order(drawing: Drawing, group: int, units: list[_Unit]) -> list[_Unit]:
    """The things directly in a group, each after those it reads from, otherwise as they come."""
    unit_of = _units_of_boxes(drawing, group)
    first = {unit: place for place, unit in enumerate(dict.fromkeys(unit for unit in unit_of if unit is not None))}
    below: dict[_Unit, dict[_Unit, None]] = {unit: {} for unit in units}
    for wire in drawing.wires:
        source = unit_of[wire.source]
        for end in (unit_of[target] for target in wire.targets):
            if source is not None and end is not None and end != source:
                below[source][end] = None
    waiting = dict.fromkeys(units, 0)
    for ends in below.values():
        for end in ends:
            waiting[end] += 1
    ready = sorted((first.get(unit, -1), unit) for unit, count in waiting.items() if not count)
    order: list[_Unit] = []
    while ready:
        _, unit = heappop(ready)
        order.append(unit)
        for end in below[unit]:
            waiting[end] -= 1
            if not waiting[end]:
                heappush(ready, (first.get(end, -1), end))
    return order


def _units_of_boxes(drawing: Drawing, group: int) -> list[_Unit | None]:
    """For each box the thing directly in the group that it is or is in; None for boxes outside."""
    top: list[_Unit | None] = [None] * len(drawing.groups)
    for number, one in enumerate(drawing.groups[1:], 1):
        top[number] = ("group", number) if one.parent == group and number != group else top[one.parent]
    top[group] = None
    return [("box", number) if box.group == group else top[box.group] for number, box in enumerate(drawing.boxes)]


def _regrouped(drawing: Drawing, part_of: dict[_Unit, tuple[int, int]], counts: dict[int, int]) -> Drawing:
    """The drawing with parts: each right behind the group it is in, so that a group still comes before those inside it."""
    groups: list[Group] = []
    moved: dict[int, int] = {}
    parts: dict[tuple[int, int], int] = {}
    for number, group in enumerate(drawing.groups):
        moved[number] = len(groups)
        part = part_of.get(("group", number))
        groups.append(replace(group, parent=parts[part] if part is not None else moved[group.parent]))
        for place in range(counts.get(number, 0)):
            parts[number, place] = len(groups)
            groups.append(Group(f"part {place + 1}", moved[number], "part"))
    boxes = tuple(
        replace(box, group=parts[part_of["box", number]] if ("box", number) in part_of else moved[box.group])
        for number, box in enumerate(drawing.boxes)
    )
    return replace(drawing, boxes=boxes, groups=tuple(groups))
