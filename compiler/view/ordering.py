"""The order within each row: sweeps towards the middle of the neighbours, keeping the order with the fewest crossings."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict

from .cells import Cell, Level, Link

_WORK = 400_000
_SWEEPS = 24


def order_rows(level: Level) -> None:
    """Reorder the rows in place, always in the same way for the same level."""
    size = sum(len(row) for row in level.rows) + sum(len(link.lowers) for links in level.links for link in links)
    sweeps = max(4, min(_SWEEPS, _WORK // max(size, 1)))
    best, fewest = _copy(level), crossings(level)
    for sweep in range(sweeps):
        if not fewest:
            break
        _sweep(level, down=sweep % 2 == 0, right=sweep % 4 > 1)
        _swap_neighbours(level)
        found = crossings(level)
        if found < fewest:
            best, fewest = _copy(level), found
    level.rows[:] = best
    level.renumber()


def _copy(level: Level) -> list[list[Cell]]:
    return [list(row) for row in level.rows]


# ---------------------------------------------------------------- barycentres


def _sweep(level: Level, down: bool, right: bool) -> None:
    """Sort every row by the mean place of its neighbours in the row before. Cells without any stay where they are."""
    rows = range(1, len(level.rows)) if down else range(len(level.rows) - 2, -1, -1)
    for row in rows:
        places = _means(level.links[row - 1], down) if down else _means(level.links[row], down)
        _sort_row(level.rows[row], places, right)


def _means(links: list[Link], down: bool) -> dict[Cell, float]:
    found: dict[Cell, list[float]] = defaultdict(list)
    for link in links:
        for cell in link.lowers:
            if down:
                found[cell].append(_at(link.upper, link.upper.outs[link.wire]))
            else:
                found[link.upper].append(_at(cell, cell.ins[link.wire]))
    return {cell: sum(places) / len(places) for cell, places in found.items()}


def _at(cell: Cell, offset: float) -> float:
    """A place in a row, with the pin as a fraction of the way to the next cell."""
    width = cell.left + cell.right
    return cell.place + (offset + cell.left) / width * 0.9 if width else cell.place + 0.5


def _sort_row(row: list[Cell], places: dict[Cell, float], right: bool) -> None:
    moving = [cell for cell in row if cell in places]
    ties = reversed(moving) if right else moving
    ordered = iter(sorted(ties, key=places.__getitem__))
    row[:] = [next(ordered) if cell in places else cell for cell in row]
    for place, cell in enumerate(row):
        cell.place = place


# ---------------------------------------------------------------- crossings


def crossings(level: Level) -> int:
    """How often two wires cross, were each drawn straight from row to row."""
    return sum(_crossings_between(links) for links in level.links)


def _crossings_between(links: list[Link]) -> int:
    ends = [
        ((_at(link.upper, link.upper.outs[link.wire])), _at(cell, _entry(cell, link.wire)))
        for link in links
        for cell in link.lowers
    ]  # fmt: skip
    ends.sort()
    seen: list[float] = []
    total = 0
    for _, end in ends:
        total += len(seen) - bisect_right(seen, end)
        insort(seen, end)
    return total


def _entry(cell: Cell, wire: int) -> float:
    """Where a wire enters: pins without a given order never cross, as they are sorted later."""
    return cell.ins[wire] if cell.fixed else 0.0


def _swap_neighbours(level: Level) -> None:
    """Exchange neighbours wherever that takes a crossing away."""
    for row, cells in enumerate(level.rows):
        if len(cells) > 400:
            continue
        above = _ends_of(level.links[row - 1], down=True) if row else {}
        below = _ends_of(level.links[row], down=False)
        for place in range(len(cells) - 1):
            left, right = cells[place], cells[place + 1]
            now = _between(above, left, right) + _between(below, left, right)
            then = _between(above, right, left) + _between(below, right, left)
            if then < now:
                cells[place], cells[place + 1] = right, left
                right.place, left.place = place, place + 1


def _ends_of(links: list[Link], down: bool) -> dict[Cell, list[float]]:
    """For every cell of a row the sorted places of its neighbours on one side."""
    found: dict[Cell, list[float]] = defaultdict(list)
    for link in links:
        for cell in link.lowers:
            if down:
                found[cell].append(_at(link.upper, link.upper.outs[link.wire]))
            else:
                found[link.upper].append(_at(cell, _entry(cell, link.wire)))
    return {cell: sorted(places) for cell, places in found.items()}


def _between(ends: dict[Cell, list[float]], left: Cell, right: Cell) -> int:
    """Crossings of the wires of two neighbours on one side, in this order."""
    others = ends.get(right, [])
    return sum(bisect_left(others, place) for place in ends.get(left, []))
