"""The layout of one level: the boxes and the finished frames directly inside one group, and the wires between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from . import measures
from .cells import Cell, Level, Link, Net, cut
from .coordinates import place_cells
from .levels import End, LocalNet
from .model import Drawing
from .ordering import order_rows
from .ranks import ranks
from .routing import Point, channel, path

PAD = 14.0
TITLE_BAND = 20.0


@dataclass
class Frame:
    """A finished level. Positions are from its own top left corner; `ins` and `outs` say where wires cross its edge."""

    width: float
    height: float
    ins: dict[int, float] = field(default_factory=dict[int, float])
    outs: dict[int, float] = field(default_factory=dict[int, float])
    centres: dict[End, Point] = field(default_factory=dict[End, Point])
    paths: dict[tuple[int, End], list[Point]] = field(default_factory=dict["tuple[int, End]", "list[Point]"])
    title_x: float = PAD


@dataclass(frozen=True)
class Scene:
    """What all levels share: the drawing, the width and height of each box, and the frames that are finished so far."""

    drawing: Drawing
    sizes: Sequence[tuple[float, float]]
    frames: dict[int, Frame] = field(default_factory=dict[int, Frame])


def lay_out_level(scene: Scene, ends: Sequence[End], nets: dict[int, LocalNet], title: str) -> Frame:
    """Lay out what `ends` lists (boxes and groups); wires that enter or leave get a place on the upper and lower edge."""
    entering, leaving = _wires_by_end(nets)
    cells = {end: _cell(scene, end, entering.get(end, []), leaving.get(end, [])) for end in [*ends, *_edge_ends(nets)]}
    listed = [Net(wire, cells[net.source], tuple(cells[end] for end in net.targets)) for wire, net in nets.items()]
    _set_rows(list(cells.values()), listed)
    level = cut(list(cells.values()), listed)
    order_rows(level)
    _set_pins(scene, level)
    place_cells(level)
    return _finish(level, cells, nets, title)


def _edge_ends(nets: dict[int, LocalNet]) -> list[End]:
    ins = [net.source for net in nets.values() if net.source[0] == "in"]
    return ins + [end for net in nets.values() for end in net.targets if end[0] == "out"]


# ---------------------------------------------------------------- cells and rows


def _wires_by_end(nets: dict[int, LocalNet]) -> tuple[dict[End, list[int]], dict[End, list[int]]]:
    """The wires that enter each end, and those that leave it."""
    entering, leaving = dict[End, list[int]](), dict[End, list[int]]()
    for wire, net in nets.items():
        leaving.setdefault(net.source, []).append(wire)
        for end in net.targets:
            entering.setdefault(end, []).append(wire)
    return entering, leaving


def _cell(scene: Scene, end: End, entering: list[int], leaving: list[int]) -> Cell:
    role, ref = end
    if role == "group":
        return _group_cell(ref, scene.frames[ref])
    if role != "box":
        return Cell("in" if role == "in" else "out", ref, 5.0, 5.0, ins=dict.fromkeys(entering, 0.0), outs=dict.fromkeys(leaving, 0.0))
    return _box_cell(scene, ref, entering, leaving)


def _group_cell(ref: int, frame: Frame) -> Cell:
    half = frame.width / 2
    ins = {wire: x - half for wire, x in frame.ins.items()}
    outs = {wire: x - half for wire, x in frame.outs.items()}
    return Cell("group", ref, half, half, frame.height / 2, frame.height / 2, ins=ins, outs=outs, fixed=True)


def _box_cell(scene: Scene, ref: int, entering: list[int], leaving: list[int]) -> Cell:
    """The text of a wire stands to the right of where it leaves, so the cell has room for it."""
    texts = [measures.label_width(scene.drawing.wires[wire].label) for wire in leaving]
    width, height = scene.sizes[ref]
    half = width / 2
    outs, reach = _spread(leaving, texts, width)
    label = measures.LABEL_HEIGHT if any(texts) else 0.0
    arguments = scene.drawing.boxes[ref].arguments
    ins = {wire: width * ((place + 1) / (len(arguments) + 1) - 0.5) for place, wire in enumerate(arguments)}
    margin = measures.SIDE + 2 if scene.drawing.boxes[ref].kind == "sign" and len(entering) > 1 else 0.0
    left = max(half + margin, -min(outs.values(), default=0.0))
    cell = Cell(
        "box", ref, left, max(half + margin, reach), height / 2, height / 2 + label, ins=ins or dict.fromkeys(entering, 0.0), outs=outs
    )
    cell.fixed, cell.half = bool(arguments), _pin_room(half)
    return cell


def _pin_room(half: float) -> float:
    """On a circle a wire may end a little beside the top; on a box anywhere but in the corners."""
    return measures.RADIUS / 3 if half <= measures.RADIUS else half - 8.0


def _spread(leaving: list[int], texts: list[float], width: float) -> tuple[dict[int, float], float]:
    """Where wires leave the lower edge, and how far to the right their texts reach."""
    if len(leaving) == 1:
        return {leaving[0]: 0.0}, measures.LABEL_SHIFT + texts[0]
    outs = {wire: ((place + 0.5) / len(leaving) - 0.5) * width for place, wire in enumerate(leaving)}
    return outs, max((outs[wire] + measures.LABEL_SHIFT + text for wire, text in zip(leaving, texts, strict=True)), default=0.0)


def _set_rows(cells: list[Cell], nets: list[Net]) -> None:
    """Rows by rank; what enters is the first row and what leaves the last."""
    numbers = {cell: number for number, cell in enumerate(cells)}
    edges = [(numbers[net.source], numbers[target]) for net in nets for target in net.targets]
    rows = ranks(len(cells), edges)
    inner = [row for cell, row in zip(cells, rows, strict=True) if cell.role not in ("in", "out")]
    first = int(any(cell.role == "in" for cell in cells)) - min(inner, default=0)
    last = max(inner, default=0) + first + 1
    for cell, row in zip(cells, rows, strict=True):
        cell.row = 0 if cell.role == "in" else last if cell.role == "out" else row + first


# ---------------------------------------------------------------- pins


def _set_pins(scene: Scene, level: Level) -> None:
    """Wires enter a box from left to right in the order in which they arrive."""
    arriving: dict[Cell, list[Link]] = {}
    for links in level.links:
        for link in links:
            for cell in link.lowers:
                if cell.role == "box" and len(cell.ins) > 1 and not cell.fixed:
                    arriving.setdefault(cell, []).append(link)
    for cell, links in arriving.items():
        links.sort(key=lambda link: (link.upper.place, link.upper.outs[link.wire], link.wire))
        if scene.drawing.boxes[cell.ref].kind == "sign" and len(links) == 2:
            _sign_pins(cell, links)
        else:
            _box_pins(cell, links, scene.sizes[cell.ref][0])


def _box_pins(cell: Cell, links: list[Link], width: float) -> None:
    """Evenly, unless one wire alone comes straight from the row above: that one enters in the middle, so that chains are straight."""
    near = [place for place, link in enumerate(links) if link.upper.role in ("box", "group")]
    if len(near) != 1 or len(cell.outs) != 1 or width <= 2 * measures.RADIUS:
        for place, link in enumerate(links):
            cell.ins[link.wire] = width * ((place + 1) / (len(links) + 1) - 0.5)
        return
    left, right = near[0], len(links) - 1 - near[0]
    for place, link in enumerate(links):
        share = (place - left) / (left + 1) if place < left else (place - left) / (right + 1)
        cell.ins[link.wire] = width / 2 * share


def _sign_pins(cell: Cell, links: list[Link]) -> None:
    """Two short wires enter a circle from both sides; else the longer one enters from its side, the other from above."""
    left, right = links
    side = measures.RADIUS + measures.SIDE
    if "bend" not in (left.upper.role, right.upper.role) and left.upper is not right.upper:
        cell.ins.update({left.wire: -side, right.wire: side})
        cell.loose = (left.wire, right.wire)
        return
    first = min(links, key=lambda link: (link.upper.role == "bend", link.upper.role == "in", link.wire))
    cell.ins[first.wire] = 0.0
    other, offset = (right, side) if first is left else (left, -side)
    cell.ins[other.wire], cell.loose = offset, (other.wire,)


# ---------------------------------------------------------------- heights and ways


@dataclass(frozen=True)
class _Heights:
    """The middle of each row, and the track of each link that is not straight."""

    middles: list[float]
    tracks: dict[Link, float | None]


def _finish(level: Level, cells: dict[End, Cell], nets: dict[int, LocalNet], title: str) -> Frame:
    enters = any(cell.role == "in" for cell in level.rows[0])
    leaves = any(cell.role == "out" for cell in level.rows[-1])
    band = TITLE_BAND if title else 0.0
    middles: list[float] = []
    tracks: dict[Link, float | None] = {}
    y = 0.0 if enters else band + PAD
    for number, row in enumerate(level.rows):
        middles.append(y + max((cell.above for cell in row), default=0.0))
        y = middles[-1] + max((cell.below for cell in row), default=0.0)
        y += band if enters and not number else 0.0
        space = channel(level.links[number])
        for link, depth in zip(level.links[number], space.depths, strict=True):
            tracks[link] = None if depth is None else y + depth
        y += space.height if number + 1 < len(level.rows) else 0.0
    width = max((cell.x + cell.right for row in level.rows for cell in row), default=0.0) + 2 * PAD
    frame = Frame(width, y if leaves else y + PAD)
    _fill(frame, level, cells, nets, _Heights(middles, tracks))
    if title:
        _place_title(frame, measures.frame_title_width(title))
    return frame


def _fill(frame: Frame, level: Level, cells: dict[End, Cell], nets: dict[int, LocalNet], heights: _Heights) -> None:
    reached = {(link.wire, cell): link for links in level.links for link in links for cell in link.lowers}
    for row in level.rows:
        for cell in row:
            cell.x += PAD
    for end, cell in cells.items():
        frame.centres[end] = (cell.x, heights.middles[cell.row])
    for wire, net in nets.items():
        if net.source[0] == "in":
            frame.ins[wire] = cells[net.source].x
        for end in net.targets:
            if end[0] == "out":
                frame.outs[wire] = cells[end].x
            frame.paths[wire, end] = _way(wire, cells[end], reached, heights)


def _way(wire: int, cell: Cell, reached: dict[tuple[int, Cell], Link], heights: _Heights) -> list[Point]:
    """All corners from the source in this level to `cell`. It starts and ends at the edge of a group, and in the middle of a box."""
    legs: list[list[Point]] = []
    while True:
        link = reached[wire, cell]
        top = heights.middles[link.upper.row] + (link.upper.below if link.upper.role == "group" else 0.0)
        bottom = heights.middles[cell.row] - (cell.above if cell.role == "group" else 0.0)
        legs.append(path(link, cell, top, bottom, heights.tracks[link]))
        if link.upper.role != "bend":
            return [point for leg in reversed(legs) for point in leg]
        cell = link.upper


def _place_title(frame: Frame, wide: float) -> None:
    """Into the first gap between the entering wires that is wide enough; else the frame grows to the right."""
    left = PAD - 4
    for x in sorted(frame.ins.values()):
        if x - 8 >= left + wide:
            break
        left = x + 8
    frame.title_x = left
    frame.width = max(frame.width, left + wide + PAD)
