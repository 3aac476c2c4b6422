"""Counting what must not be in a picture: things on top of each other, wires through boxes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

from attn.compiler.view import measures
from attn.compiler.view.layout import Picture, Rect
from attn.compiler.view.model import Drawing, chain
from attn.compiler.view.routing import Point

Segment = tuple[Point, Point]
SLACK = 0.6


def meet(a: Rect, b: Rect, gap: float = 0.0) -> bool:
    return a.x < b.x + b.width + gap and b.x < a.x + a.width + gap and a.y < b.y + b.height + gap and b.y < a.y + a.height + gap


def inside(inner: Rect, outer: Rect) -> bool:
    return (
        inner.x >= outer.x - 0.01
        and inner.y >= outer.y - 0.01
        and inner.x + inner.width <= outer.x + outer.width + 0.01
        and inner.y + inner.height <= outer.y + outer.height + 0.01
    )


def overlaps(drawing: Drawing, picture: Picture) -> list[str]:
    """Boxes on boxes, boxes out of their groups or in foreign ones, groups on groups."""
    found = [f"boxes {a} and {b}" for (a, one), (b, two) in combinations(enumerate(picture.boxes), 2) if meet(one, two)]
    for number, box in enumerate(drawing.boxes):
        around = chain(drawing.groups, box.group)
        for group, rect in enumerate(picture.groups):
            if group in around and not inside(picture.boxes[number], rect):
                found.append(f"box {number} is not in group {group}")
            if group not in around and meet(picture.boxes[number], rect):
                found.append(f"box {number} is on group {group}")
    for (a, one), (b, two) in combinations(enumerate(picture.groups), 2):
        within = a in chain(drawing.groups, b)
        if (within and not inside(two, one)) or (not within and meet(one, two)):
            found.append(f"groups {a} and {b}")
    return found


def segments(picture: Picture) -> Iterator[tuple[int, Segment]]:
    for wire, route in enumerate(picture.wires):
        for way in route.ways:
            for a, b in pairwise(way):
                yield wire, (a, b)


def crosses(segment: Segment, rect: Rect) -> bool:
    """Whether a straight piece, level or upright, goes through the inside of a rectangle."""
    (ax, ay), (bx, by) = segment
    left, right, top, bottom = min(ax, bx), max(ax, bx), min(ay, by), max(ay, by)
    return (
        left < rect.x + rect.width - SLACK and right > rect.x + SLACK and top < rect.y + rect.height - SLACK and bottom > rect.y + SLACK
    )  # fmt: skip


def through(drawing: Drawing, picture: Picture) -> list[str]:
    """Wires through boxes other than their own two ends, or through groups that neither end is in."""
    found: list[str] = []
    for wire, route in enumerate(picture.wires):
        value = drawing.wires[wire]
        for target, way in zip(value.targets, route.ways, strict=True):
            homes = {*chain(drawing.groups, drawing.boxes[value.source].group), *chain(drawing.groups, drawing.boxes[target].group)}
            pieces = list(pairwise(way))
            for number, rect in enumerate(picture.boxes):
                if number not in (value.source, target) and any(crosses(piece, rect) for piece in pieces):
                    found.append(f"wire {wire} through box {number}")
                if number in (value.source, target) and any(crosses(piece, rect) for piece in pieces):
                    found.append(f"wire {wire} into its own box {number}")
            for number, rect in enumerate(picture.groups):
                if number not in homes and any(crosses(piece, rect) for piece in pieces):
                    found.append(f"wire {wire} through group {number}")
    return found


def labels(drawing: Drawing, picture: Picture) -> Iterator[tuple[int, Rect]]:
    """The room each text beside a wire takes, by wire."""
    for number, (wire, route) in enumerate(zip(drawing.wires, picture.wires, strict=True)):
        if wire.label:
            yield number, Rect(route.label[0], route.label[1] - 7, measures.label_width(wire.label), 9)


def covered(drawing: Drawing, picture: Picture) -> list[str]:
    """Texts beside wires with a box, another text or another wire on them, and titles of groups with a wire on them."""
    texts = list(labels(drawing, picture))
    found = [f"texts {a} and {b}" for (a, one), (b, two) in combinations(texts, 2) if meet(one, two)]
    pieces = list(segments(picture))
    for wire, text in texts:
        found.extend(f"text {wire} on box {number}" for number, rect in enumerate(picture.boxes) if meet(text, rect))
        found.extend(f"text {wire} on wire {other}" for other, piece in pieces if crosses(piece, text))
    for number, group in enumerate(drawing.groups[1:], 1):
        x, y = picture.titles[number]
        title = Rect(x, y - 8, measures.frame_title_width(group.title), 9)
        found.extend(f"title {number} on wire {wire}" for wire, piece in pieces if crosses(piece, title))
    return found


def slanted(picture: Picture) -> list[str]:
    """Pieces that are neither level nor upright."""
    return [f"wire {wire}" for wire, ((ax, ay), (bx, by)) in segments(picture) if min(abs(ax - bx), abs(ay - by)) > 0.51]


def crossings(picture: Picture) -> int:
    """How often pieces of two wires cross."""
    upright = [(wire, a[0], min(a[1], b[1]), max(a[1], b[1])) for wire, (a, b) in segments(picture) if abs(a[0] - b[0]) <= 0.51]
    level = [(wire, a[1], min(a[0], b[0]), max(a[0], b[0])) for wire, (a, b) in segments(picture) if abs(a[0] - b[0]) > 0.51]
    pairs = [(a, b) for a in upright for b in level if a[0] != b[0]]
    return len({(one, two, x, y) for (one, x, top, bottom), (two, y, left, right) in pairs if left < x < right and top < y < bottom})


def shared(picture: Picture) -> list[str]:
    """Pieces of two wires in one line: one could not tell them apart. Ways from one box may begin together."""
    pieces = sorted({(wire, *sorted((a, b))) for wire, (a, b) in segments(picture)})
    found: list[str] = []
    for (one, a, b), (two, c, d) in combinations(pieces, 2):
        if one == two:
            continue
        for fixed, moving in ((0, 1), (1, 0)):
            same = abs(a[fixed] - b[fixed]) < 0.51 and abs(c[fixed] - d[fixed]) < 0.51 and abs(a[fixed] - c[fixed]) < 1.0
            if same and min(b[moving], d[moving]) - max(a[moving], c[moving]) > 1.0:
                found.append(f"wires {one} and {two}")
    return found
