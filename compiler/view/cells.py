"""The working records of the layout of one level: cells in rows, and the wires between neighbouring rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["box", "group", "in", "out", "bend"]
"""`in` and `out` are where a wire crosses the frame of the level; `bend` is where a long wire passes a row."""


@dataclass(eq=False)
class Cell:
    """One thing in a row. `x` is its anchor; `left` and `right` are how far it reaches from there (text beside it included),
    `above` and `below` how far from the middle of the row. Pins are offsets from the anchor, by wire."""

    role: Role
    ref: int
    left: float = 0.0
    right: float = 0.0
    above: float = 0.0
    below: float = 0.0
    row: int = 0
    place: int = 0
    x: float = 0.0
    ins: dict[int, float] = field(default_factory=dict[int, float])
    outs: dict[int, float] = field(default_factory=dict[int, float])
    fixed: bool = False
    """The pins above have a given order: those of a group, and of a box whose arguments have one."""
    half: float = 0.0
    """Half of what the pins of a box may use of its upper edge."""
    loose: tuple[int, ...] = ()
    """The wires that turn into the sides of a circle: they may come down anywhere beside it."""


@dataclass(eq=False)
class Link:
    """A wire between a row and the next: one cell above, one or more below."""

    wire: int
    upper: Cell
    lowers: list[Cell]

    @property
    def start(self) -> float:
        return self.upper.x + self.upper.outs[self.wire]

    @property
    def ends(self) -> list[float]:
        return [cell.x + cell.ins[self.wire] for cell in self.lowers]


@dataclass(eq=False)
class Level:
    """Rows of cells in their order, and the links below each row."""

    rows: list[list[Cell]]
    links: list[list[Link]]

    def renumber(self) -> None:
        for row in self.rows:
            for place, cell in enumerate(row):
                cell.place = place


@dataclass(frozen=True, eq=False)
class Net:
    """A wire of the level before it is cut into links."""

    wire: int
    source: Cell
    targets: tuple[Cell, ...]


BEND = 5.0


def cut(cells: list[Cell], nets: list[Net]) -> Level:
    """Rows of the cells, with a bend in every row that a wire passes. Rows of the cells must be set."""
    height = max((cell.row for cell in cells), default=0) + 1
    level = Level([[] for _ in range(height)], [[] for _ in range(height)])
    for cell in cells:
        level.rows[cell.row].append(cell)
    for net in nets:
        upper = net.source
        last = max(target.row for target in net.targets)
        for row in range(net.source.row, last):
            lowers = [target for target in net.targets if target.row == row + 1]
            link = Link(net.wire, upper, lowers)
            level.links[row].append(link)
            if row + 1 < last:
                upper = Cell("bend", net.wire, BEND, BEND, row=row + 1, ins={net.wire: 0.0}, outs={net.wire: 0.0})
                level.rows[row + 1].append(upper)
                lowers.append(upper)
    level.renumber()
    return level
