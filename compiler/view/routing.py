"""Wires between two rows: down, sideways on a track of their own, down again."""

from __future__ import annotations

from dataclasses import dataclass

from .cells import Cell, Link

TRACK = 9.0
LEAST = 20.0
_TOP = 8.0
_BOTTOM = 17.0  # room for a corner and an arrow head
_NEAR = 4.0
_BAD = 1000
_ROUNDS = 12


@dataclass(frozen=True)
class Channel:
    """The space between two rows: its height and the depth of each wire's track (None: straight down)."""

    height: float
    depths: tuple[float | None, ...]


@dataclass(frozen=True)
class _Run:
    number: int
    start: float
    ends: tuple[float, ...]
    low: float
    high: float


def channel(links: list[Link]) -> Channel:
    """Tracks for all wires between two rows, with few crossings and as few tracks as that allows."""
    runs = [_run(number, link) for number, link in enumerate(links)]
    bent = _sorted([run for run in runs if run.high - run.low > 0.5])
    tracks: dict[int, int] = {}
    for place, run in enumerate(bent):
        before = [tracks[other.number] for other in bent[:place] if _meet(run, other)]
        tracks[run.number] = max(before, default=-1) + 1
    count = max(tracks.values(), default=-1) + 1
    height = max(LEAST, _TOP + (count - 1) * TRACK + _BOTTOM) if count else LEAST
    spare = (height - _TOP - _BOTTOM - (count - 1) * TRACK) / 2 if count else 0.0
    depths = [_TOP + spare + tracks[run.number] * TRACK if run.number in tracks else None for run in runs]
    return Channel(height, tuple(depths))


def _run(number: int, link: Link) -> _Run:
    ends = tuple(link.ends)
    return _Run(number, link.start, ends, min(link.start, *ends), max(link.start, *ends))


def _meet(a: _Run, b: _Run) -> bool:
    return a.low < b.high + _NEAR and b.low < a.high + _NEAR


def _price(upper: _Run, lower: _Run) -> int:
    """What it costs to have the first on a track over the second: crossings, and much more for two wires in one line."""
    price = sum(lower.low < end < lower.high for end in upper.ends) + (upper.low < lower.start < upper.high)
    return price + _BAD * _touch(upper, lower)


def _sorted(runs: list[_Run]) -> list[_Run]:
    """From top to bottom: neighbours that meet are exchanged while that makes it cheaper."""
    ordered = sorted(runs, key=lambda run: (run.start, run.number))
    for _ in range(max(_ROUNDS, len(ordered)) if len(ordered) < 200 else _ROUNDS):
        swapped = False
        for place in range(len(ordered) - 1):
            upper, lower = ordered[place], ordered[place + 1]
            if _price(lower, upper) < _price(upper, lower):
                ordered[place], ordered[place + 1] = lower, upper
                swapped = True
        if not swapped:
            break
    return _untangled(ordered)


def _untangled(runs: list[_Run]) -> list[_Run]:
    """The same order, except where two wires would share a line: there the one that comes from above goes first."""
    waiting = {run.number: {other.number for other in runs if other is not run and _touch(run, other)} for run in runs}
    rest, done = list(runs), list[_Run]()
    while rest:
        chosen = next((run for run in rest if not waiting[run.number]), rest[0])
        rest.remove(chosen)
        done.append(chosen)
        for others in waiting.values():
            others.discard(chosen.number)
    return done


def _touch(upper: _Run, lower: _Run) -> bool:
    """Whether the first must not be on a track over the second: it would come down where the second comes from."""
    return any(abs(end - lower.start) < _NEAR for end in upper.ends)


Point = tuple[float, float]


def path(link: Link, lower: Cell, top: float, bottom: float, track: float | None) -> list[Point]:
    """The corners from the pin above to the pin below. `top` and `bottom` are where the cells end and begin."""
    start, end = link.start, lower.x + lower.ins[link.wire]
    if track is None or abs(start - end) <= 0.5:
        return [(start, top), (start, bottom)] if start == end else [(start, top), (end, bottom)]
    return [(start, top), (start, track), (end, track), (end, bottom)]
