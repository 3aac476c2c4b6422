"""Where each cell stands in its row: wires as straight as the order allows, nothing overlapping.

Everything minimises one sum, the sideways way of all wires (long ones weigh more), by moving one row or one straight run at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from .cells import Cell, Level, Link

GAP = 18.0
BEND_GAP = 6.0

Pull = tuple[float, float]
"""Where a wire would like the cell, and how much."""
Neighbours = dict[Cell, list[tuple[Cell, float, float]]]
"""For each cell: the cell at the other end of a wire, how far that shifts where it wants this cell, and the weight."""

_WORK = 300_000
_NUDGE = 8.0


def place_cells(level: Level) -> None:
    """Set `x` of every cell; the leftmost edge is at 0."""
    above, below = _neighbours(level)
    for row in level.rows:
        _pack(row)
    size = sum(len(cells) for cells in above.values()) + sum(len(row) for row in level.rows)
    rounds = max(2, min(8, _WORK // max(size, 1)))
    for _ in range(rounds):
        for row in level.rows[1:]:
            _settle(row, above)
        for row in reversed(level.rows[:-1]):
            _settle(row, below)
    for _ in range(rounds):
        for row in level.rows:
            _settle(row, above, below)
        _shift_runs(level, above, below)
    _swap_sides(level)
    _loosen(level)
    _nudge_pins(level)
    left = min((cell.x - cell.left for row in level.rows for cell in row), default=0.0)
    for row in level.rows:
        for cell in row:
            cell.x -= left


def _swap_sides(level: Level) -> None:
    """A wire into the side of a circle that comes from right above, and one into its top from the other side, change places."""
    arriving: dict[Cell, dict[int, Link]] = {}
    for links in level.links:
        for link in links:
            for cell in link.lowers:
                if len(cell.loose) == 1 and len(cell.ins) == 2:
                    arriving.setdefault(cell, {})[link.wire] = link
    for cell, found in arriving.items():
        side = cell.loose[0]
        top = next(wire for wire in cell.ins if wire != side)
        pin = cell.ins[side]
        near, far = found[side].start - cell.x, found[top].start - cell.x
        if abs(near) < abs(pin) <= abs(far) and far * pin < 0:
            cell.ins.update({side: 0.0, top: -pin})
            cell.loose = (top,)


def _loosen(level: Level) -> None:
    """Let a wire that turns into the side of a circle come straight down, if it is on that side and nothing is between; one that
    would have to turn back enters from above instead, if that place is free."""
    for links in level.links:
        for link in links:
            for cell in link.lowers:
                if link.wire in cell.loose:
                    offset = link.start - cell.x
                    pin = cell.ins[link.wire]
                    if offset * pin <= 0 or abs(offset) < abs(pin):
                        cell.ins[link.wire] = pin if 0.0 in cell.ins.values() else 0.0
                    elif _is_free(level.rows[cell.row], cell, offset):
                        cell.ins[link.wire] = offset


def _nudge_pins(level: Level) -> None:
    """Where a wire ends a few pixels beside the one place that would make it straight, it ends there."""
    for links in level.links:
        for link in links:
            for cell in link.lowers:
                pin = link.start - cell.x
                if cell.role != "box" or link.wire in cell.loose or abs(pin - cell.ins[link.wire]) > _NUDGE or abs(pin) > cell.half:
                    continue
                others = [other for wire, other in cell.ins.items() if wire != link.wire]
                if all(abs(pin - other) >= _NUDGE and (pin < other) == (cell.ins[link.wire] < other) for other in others):
                    cell.ins[link.wire] = pin


def _is_free(row: list[Cell], cell: Cell, offset: float) -> bool:
    """Whether there is nothing in the row between the cell and this far out."""
    if offset < 0:
        return not cell.place or row[cell.place - 1].x + row[cell.place - 1].right + BEND_GAP < cell.x + offset
    return cell.place + 1 == len(row) or row[cell.place + 1].x - row[cell.place + 1].left - BEND_GAP > cell.x + offset


def separation(left: Cell, right: Cell) -> float:
    """How far apart the anchors of two neighbours must be."""
    gap = BEND_GAP if "bend" in (left.role, right.role) else GAP
    return left.right + gap + right.left


def _neighbours(level: Level) -> tuple[Neighbours, Neighbours]:
    above: Neighbours = defaultdict(list)
    below: Neighbours = defaultdict(list)
    for links in level.links:
        for link in links:
            for cell in link.lowers:
                shift = link.upper.outs[link.wire] - cell.ins[link.wire]
                weight = _weight(link.wire, link.upper, cell, len(link.lowers))
                above[cell].append((link.upper, shift, weight))
                below[link.upper].append((cell, -shift, weight))
    return above, below


def _weight(wire: int, upper: Cell, lower: Cell, fan: int) -> float:
    """Chains are straight first, then long wires in their middle; where those begin and end matters least."""
    if wire in lower.loose:
        return 0.5 * len(lower.loose)
    if upper.role == "bend":
        return 8.0 if lower.role == "bend" else 2.0
    if lower.role == "bend":
        return 2.1 if fan == 1 else 0.5
    alone = fan == 1 and len(upper.outs) == 1
    return 1.0 + 2.0 * alone + 2.0 * (len(lower.ins) == 1)


def _pack(row: list[Cell]) -> None:
    """Side by side, the row's middle at 0."""
    x = 0.0
    for place, cell in enumerate(row):
        x += separation(row[place - 1], cell) if place else 0.0
        cell.x = x
    for cell in row:
        cell.x -= x / 2


# ---------------------------------------------------------------- one row


def _settle(row: list[Cell], *sides: Neighbours) -> None:
    """The best places of a row for the places of its neighbours: pool cells that push each other, each pool at its median."""
    pools: list[tuple[float, list[Pull], list[tuple[Cell, float]]]] = []
    reach = 0.0
    for place, cell in enumerate(row):
        reach += separation(row[place - 1], cell) if place else 0.0
        pulls = [(other.x + shift - reach, weight) for side in sides for other, shift, weight in side.get(cell, ())]
        if not pulls:
            pulls = [(cell.x - reach, 0.01)]
        members = [(cell, reach)]
        at = _median(pulls, cell.x - reach, len(sides) > 1)
        while pools and pools[-1][0] > at:
            _, more, before = pools.pop()
            pulls, members = more + pulls, before + members
            at = _median(pulls, at, False)
        pools.append((at, pulls, members))
    for at, _, members in pools:
        for cell, offset in members:
            cell.x = at + offset


def _median(pulls: Iterable[Pull], now: float, stay: bool) -> float:
    """The point of least weighted distance; of an interval of such points the middle, or with `stay` the one nearest to now."""
    ordered = sorted(pulls)
    half = sum(weight for _, weight in ordered) / 2
    before = 0.0
    for number, (at, weight) in enumerate(ordered):
        before += weight
        if before > half + 1e-9:
            return at
        if before >= half - 1e-9:
            upper = ordered[number + 1][0] if number + 1 < len(ordered) else at
            return min(max(now, at), upper) if stay else (at + upper) / 2
    return now


# ---------------------------------------------------------------- straight runs


def _shift_runs(level: Level, above: Neighbours, below: Neighbours) -> None:
    """Move whole runs of straight wires to the median of what pulls at them, as far as there is room."""
    runs = _runs(level, above)
    run_of = {cell: number for number, run in enumerate(runs) for cell in run}
    for number, run in enumerate(runs):
        pulls = [
            (other.x + shift - cell.x, weight)
            for cell in run
            for side in (above, below)
            for other, shift, weight in side.get(cell, ())
            if run_of[other] != number
        ]
        if not pulls:
            continue
        wish = _median(pulls, 0.0, True)
        lowest, highest = _room(level, run, run_of, number)
        move = min(max(wish, lowest), highest)
        for cell in run:
            cell.x += move


def _runs(level: Level, above: Neighbours) -> list[list[Cell]]:
    """Cells joined by wires that are straight now."""
    run_of: dict[Cell, list[Cell]] = {}
    for row in level.rows:
        for cell in row:
            mine = [cell]
            for other, shift, _ in above.get(cell, ()):
                theirs = run_of[other]
                if abs(other.x + shift - cell.x) < 0.01 and theirs is not mine:
                    small, large = sorted((mine, theirs), key=len)
                    large.extend(small)
                    for member in small:
                        run_of[member] = large
                    mine = large
            run_of[cell] = mine
    seen: dict[int, list[Cell]] = {}
    for run in run_of.values():
        seen.setdefault(id(run), run)
    return list(seen.values())


def _room(level: Level, run: list[Cell], run_of: dict[Cell, int], number: int) -> tuple[float, float]:
    """How far the run can go to the left (negative) and to the right before it meets a cell that is not in it."""
    lowest, highest = float("-inf"), float("inf")
    for cell in run:
        row = level.rows[cell.row]
        if cell.place and run_of[row[cell.place - 1]] != number:
            before = row[cell.place - 1]
            lowest = max(lowest, before.x + separation(before, cell) - cell.x)
        if cell.place + 1 < len(row) and run_of[row[cell.place + 1]] != number:
            after = row[cell.place + 1]
            highest = min(highest, after.x - separation(cell, after) - cell.x)
    return min(lowest, 0.0), max(highest, 0.0)
