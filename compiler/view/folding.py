"""What is visible of a drawing where some of its groups are closed: each closed group is one box."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from .model import Box, Drawing, Group, Wire, chain

_COUNTED = ("op", "sign")


@dataclass(frozen=True)
class Folded:
    """A drawing, and what its parts are in the whole one. `boxes`: the number of a box, or -1 less the number of a closed group."""

    drawing: Drawing
    boxes: tuple[int, ...]
    wires: tuple[int, ...]
    groups: tuple[int, ...]


def fold(drawing: Drawing, opened: Collection[int]) -> Folded:
    """Close every group that is not in `opened`. A group in a closed one is not seen, whatever `opened` says of it."""
    places, shut = _visible(drawing, frozenset(opened))
    stands: list[int] = []
    found: dict[int, int] = {}
    for number, box in enumerate(drawing.boxes):
        stands.append(found.setdefault(-1 - shut[box.group] if box.group in shut else number, len(found)))
    closed = {place for place, what in enumerate(found) if what < 0}
    wires, moved = _bundled(drawing, stands, closed)
    counts = operations(drawing)
    boxes = tuple(_box(drawing, what, places, moved, counts) for what in found)
    groups = tuple(replace(drawing.groups[number], parent=places[drawing.groups[number].parent]) for number in places)
    return Folded(replace(drawing, boxes=boxes, groups=groups, wires=tuple(wires.values())), tuple(found), tuple(wires), tuple(places))


def _bundled(drawing: Drawing, stands: list[int], closed: set[int]) -> tuple[dict[int, Wire], dict[int, int]]:
    """The wires between visible things by the number they had, and where each went. From a closed group, those with one label are one."""
    bundles: dict[tuple[int, str, int], int] = {}
    targets: dict[int, dict[int, None]] = {}
    first: dict[int, int] = {}
    for number, wire in enumerate(drawing.wires):
        source = stands[wire.source]
        ends = [stands[target] for target in wire.targets if stands[target] != source]
        if ends:
            key = (source, wire.label, -1 if source in closed else number)
            first[number] = bundles.setdefault(key, number)
            targets.setdefault(first[number], {}).update(dict.fromkeys(ends))
    wires = {
        number: replace(drawing.wires[number], source=stands[drawing.wires[number].source], targets=tuple(ends))
        for number, ends in targets.items()
    }
    places = {number: place for place, number in enumerate(wires)}
    return wires, {number: places[bundle] for number, bundle in first.items()}


def _visible(drawing: Drawing, opened: frozenset[int]) -> tuple[dict[int, int], dict[int, int]]:
    """The new number of each open group; and for each of the others the closed group it is, or is in."""
    places, shut = {0: 0}, dict[int, int]()
    for number, group in enumerate(drawing.groups[1:], 1):
        if group.parent in shut:
            shut[number] = shut[group.parent]
        elif number in opened:
            places[number] = len(places)
        else:
            shut[number] = number
    return places, shut


def _box(drawing: Drawing, what: int, places: dict[int, int], moved: dict[int, int], counts: Sequence[int]) -> Box:
    if what >= 0:
        box = drawing.boxes[what]
        return replace(box, group=places[box.group], arguments=tuple(dict.fromkeys(moved[wire] for wire in box.arguments)))
    group = drawing.groups[-1 - what]
    return closed_box(group, counts[-1 - what], places[group.parent])


def closed_box(group: Group, count: int, parent: int) -> Box:
    """The box of a closed group: its title, and how many operations are in it."""
    return Box("closed", "", (group.title, f"{count} operation{'s' if count != 1 else ''}"), "", group.title, parent)


def operations(drawing: Drawing) -> tuple[int, ...]:
    """How many operations stand in each group and in the groups inside it."""
    counts = [0] * len(drawing.groups)
    for box in drawing.boxes:
        counts[box.group] += box.kind in _COUNTED
    for number in range(len(counts) - 1, 0, -1):
        counts[drawing.groups[number].parent] += counts[number]
    return tuple(counts)


def folded(drawing: Drawing, depth: int | None) -> Drawing:
    """The drawing with blocks nested deeper than `depth` closed; None leaves all open."""
    return drawing if depth is None else fold(drawing, opened_to(drawing, depth)).drawing


def opened_to(drawing: Drawing, depth: int) -> tuple[int, ...]:
    """The groups that stand in fewer than `depth` others: with 0 none is open, with 1 those on top."""
    return tuple(number for number in range(1, len(drawing.groups)) if len(chain(drawing.groups, number)) - 1 <= depth)


def title_path(groups: tuple[Group, ...], group: int) -> str:
    """`layers[0].attention`: the titles around something, outermost first."""
    return ".".join(groups[number].title for number in chain(groups, group)[1:])
