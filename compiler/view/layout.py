"""From a drawing to positions: every group is laid out by itself, the innermost first, and then stands in its parent as one box.

So frames never overlap what is not inside them, and wires run in the free space between rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import measures
from .frame import Scene, lay_out_level
from .levels import End, Step, local_nets
from .model import Box, Drawing
from .routing import Point


@dataclass(frozen=True)
class Rect:
    """`x`, `y`: the top left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Route:
    """One wire: a way of right angles from its source to each target, and where its text begins (on the baseline)."""

    ways: tuple[tuple[Point, ...], ...]
    label: Point


@dataclass(frozen=True)
class Picture:
    """Positions in pixels, y down. `titles`: where the title of each group begins."""

    width: float
    height: float
    boxes: tuple[Rect, ...]
    groups: tuple[Rect, ...]
    titles: tuple[Point, ...]
    wires: tuple[Route, ...]


def lay_out(drawing: Drawing) -> Picture:
    """Positions of everything. The same drawing always gives the same picture."""
    nets, ways = local_nets(drawing)
    members: list[list[End]] = [[] for _ in drawing.groups]
    for number, box in enumerate(drawing.boxes):
        members[box.group].append(("box", number))
    for number, group in enumerate(drawing.groups[1:], 1):
        members[group.parent].append(("group", number))
    scene = Scene(drawing, box_sizes(drawing))
    for number in range(len(drawing.groups) - 1, -1, -1):
        title = drawing.groups[number].title if number else ""
        scene.frames[number] = lay_out_level(scene, members[number], nets[number], title)
    return _assemble(scene, ways)


def _assemble(scene: Scene, ways: dict[tuple[int, int], list[Step]]) -> Picture:
    drawing, frames = scene.drawing, scene.frames
    corners: list[Point] = [(0.0, 0.0)]
    for number, group in enumerate(drawing.groups[1:], 1):
        (left, top), (x, y) = corners[group.parent], frames[group.parent].centres["group", number]
        corners.append((left + x - frames[number].width / 2, top + y - frames[number].height / 2))
    groups = tuple(Rect(x, y, frames[number].width, frames[number].height) for number, (x, y) in enumerate(corners))
    boxes = tuple(_rect(scene, number, box, corners) for number, box in enumerate(drawing.boxes))
    routes = tuple(_route(scene, wire, boxes, corners, ways) for wire in range(len(drawing.wires)))
    titles = tuple((x + frames[number].title_x, y + 14.0) for number, (x, y) in enumerate(corners))
    return Picture(groups[0].width, groups[0].height, boxes, groups, titles, routes)


def box_sizes(drawing: Drawing) -> list[tuple[float, float]]:
    """Width and height of every box."""
    entering = [0] * len(drawing.boxes)
    leaving: list[list[float]] = [[] for _ in drawing.boxes]
    for wire in drawing.wires:
        leaving[wire.source].append(measures.label_width(wire.label))
        for target in wire.targets:
            entering[target] += 1
    return [measures.box_size(box, entering[number], leaving[number]) for number, box in enumerate(drawing.boxes)]


def _rect(scene: Scene, number: int, box: Box, corners: list[Point]) -> Rect:
    (left, top), (x, y) = corners[box.group], scene.frames[box.group].centres["box", number]
    width, height = scene.sizes[number]
    return Rect(left + x - width / 2, top + y - height / 2, width, height)


def _route(scene: Scene, wire: int, boxes: tuple[Rect, ...], corners: list[Point], ways: dict[tuple[int, int], list[Step]]) -> Route:
    drawing = scene.drawing
    value = drawing.wires[wire]
    source = boxes[value.source]
    found: list[tuple[Point, ...]] = []
    for target in value.targets:
        points: list[Point] = []
        for step in ways[wire, target]:
            left, top = corners[step.group]
            points.extend((left + x, top + y) for x, y in scene.frames[step.group].paths[wire, step.target])
        found.append(_between(points, drawing.boxes[target], source, boxes[target]))
    x, _ = found[0][0]
    return Route(tuple(found), (x + measures.LABEL_SHIFT, source.y + source.height + 11.0))


def _between(points: list[Point], box: Box, source: Rect, target: Rect) -> tuple[Point, ...]:
    """From the lower edge of the source to the edge of the target; steps at the edges of frames and corners in one line go."""
    first, last = points[0][0], points[-1][0]
    points = [(first, source.y + source.height), *_below(points, source), (last, _entry(box, target, last))]
    middle = target.x + target.width / 2
    if box.kind == "sign" and abs(last - middle) > measures.RADIUS:
        points.append((middle + measures.RADIUS * (1 if last > middle else -1), target.y + target.height / 2))
    return tuple(straightened(points))


def _below(points: list[Point], source: Rect) -> list[Point]:
    return [point for point in points[1:-1] if point[1] > source.y + source.height]


def _entry(box: Box, target: Rect, x: float) -> float:
    beside = box.kind == "sign" and abs(x - target.x - target.width / 2) > measures.RADIUS
    if beside:
        return target.y + target.height / 2
    aside = x - target.x - target.width / 2
    return target.y + measures.RADIUS - (measures.RADIUS**2 - aside**2) ** 0.5 if box.kind == "sign" else target.y


def straightened(points: list[Point]) -> list[Point]:
    """Without repeated points and without points in the middle of a straight piece."""
    kept: list[Point] = []
    for point in points:
        if kept and _same(kept[-1], point):
            continue
        while len(kept) > 1 and _in_line(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return kept


def _same(a: Point, b: Point) -> bool:
    return abs(a[0] - b[0]) < 0.01 and abs(a[1] - b[1]) < 0.01


def _in_line(a: Point, b: Point, c: Point) -> bool:
    return (abs(a[0] - b[0]) < 0.01 and abs(b[0] - c[0]) < 0.01) or (abs(a[1] - b[1]) < 0.01 and abs(b[1] - c[1]) < 0.01)
