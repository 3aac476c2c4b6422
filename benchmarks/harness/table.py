"""The tables: as text for a terminal, as Markdown for the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .results import Machine
from .row import Row
from .summary import CLOSE, ENOUGH, OWN, TIE, WAYS, Line, behind, families, overall, short, slowest
from .ways import AUTHOR, COMPILED, INDUCTOR, OURS

HEAD = (
    "row", "attn", "author", "compile", "best peer", "by", "otherwise",
    "wanted", "reached", "of floor", "error", "memory", "ready", "commit",
)  # fmt: skip
MEANS = (AUTHOR, COMPILED)


def duration(seconds: float) -> str:
    """Seconds in the unit that reads well."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def size(count: int) -> str:
    return f"{count / 2**20:.3g} MiB"


def ratio(one: Line, way: str) -> str:
    """The median and the middle half of the rounds, or why there is none."""
    if way in one.ratios:
        found = one.ratios[way]
        return f"{found.middle:.2f} ({found.low:.2f}-{found.high:.2f})"
    measured = one.setting.ways.get(way)
    if measured is None or not measured.trouble:
        return "-"
    return measured.trouble if measured.trouble.startswith("over") else "fails"


def peer(one: Line) -> str:
    """The fastest peer that is neither the author's text nor its compiled form."""
    found = {name: value.middle for name, value in one.ratios.items() if name not in (*MEANS, *OWN)}
    if not found:
        return "-"
    name = min(found, key=lambda key: found[key])
    return f"{name} {found[name]:.2f}"


def backend(way: str) -> str:
    return "inductor" if way == INDUCTOR else "eager"


def otherwise(one: Line) -> str:
    """How many times as long attn takes with the backend that `auto` does not take."""
    other = OURS if one.way == INDUCTOR else INDUCTOR
    return f"{one.ratios[other].middle:.2f}" if other in one.ratios else ratio(one, other)


def memory(one: Line) -> str:
    theirs = one.setting.ways.get(AUTHOR)
    return f"{size(one.ours.peak)} / {size(theirs.peak)}" if theirs and theirs.seconds else size(one.ours.peak)


def cells(one: Line) -> tuple[str, ...]:
    """A line of the table, in the order of `HEAD`."""
    wanted = ", ".join(f"{value:g}" if name in WAYS else f"{name} {value:g}" for name, value in one.wanted.items()) or "-"
    reached = "-" if one.reached is None else f"{one.reached:.2f}" + ("" if one.reached >= ENOUGH else " below")
    off = "-" if one.ours.error is None else f"{one.ours.error:.0e}"
    mine = duration(one.seconds)
    where = one.machine.commit
    floor = f"{one.of_floor:.2f}"
    return (
        one.row.name, mine, ratio(one, AUTHOR), ratio(one, COMPILED), peer(one), backend(one.way), otherwise(one),
        wanted, reached, floor, off, memory(one), duration(one.ours.ready), where,
    )  # fmt: skip


def aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def conditions(machines: Sequence[Machine], lines: Sequence[Line]) -> str:
    """Where the rows were measured: each different machine with its dates, the rounds, and what the clock counts."""
    found: dict[str, set[str]] = {}
    for one in machines:
        found.setdefault(f"{one.cpu}, {one.cores} cores, {one.threads} threads, torch {one.torch}", set()).add(one.date)
    clocks = sorted({one.setting.clock for one in lines})
    rounds = sorted({one.setting.rounds for one in lines})
    kept = f"{rounds[0]} rounds" if rounds[0] == rounds[-1] else f"{rounds[0]} to {rounds[-1]} rounds"
    return "; ".join(
        [*(f"{words}, {', '.join(sorted(dates))}" for words, dates in found.items()), f"{kept}, clock: {' and '.join(clocks)}"]
    )


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def means(lines: Sequence[Line]) -> list[list[str]]:
    """A line for each family: how many times as long the author's text and its compiled form take."""
    found = [families(lines, way) for way in MEANS]
    names = list(dict.fromkeys(one.row.family for one in lines))
    rows = [[name, *(number(one.get(name)) for one in found)] for name in names]
    return [*rows, ["all families", *(number(overall(lines, way)) for way in MEANS)]]


def sentences(lines: Sequence[Line], rows: Sequence[Row]) -> list[str]:
    """What the table says, in words."""
    worst = slowest(lines)
    missing = [row.name for row in rows if row.name not in {one.row.name for one in lines}]
    left = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
    found = [f"{len(lines)} of {len(rows)} rows are measured." + (f" Not yet: {left}." if missing else "")]
    if worst is not None:
        one, name, value = worst
        found.append(f"The worst row is {one.row.name}, where {name} takes {value:.2f} times as long as attn.")
    found.append(
        f"{len(short(lines))} rows are below {ENOUGH} of what is wanted. In {len(behind(lines))} a peer takes less than {TIE} of our time."
    )
    wrong = [f"{one.row.name}: {fault}" for one in lines for fault in one.faults]
    return [*found, f"Not within {CLOSE:g} of float64: {'; '.join(wrong)}." if wrong else f"All values are within {CLOSE:g} of float64."]


def text(lines: Sequence[Line], rows: Sequence[Row], setting: str) -> str:
    """The whole table of one setting of malloc."""
    title = (
        f"malloc: {setting}. {OURS} is a time; author, compile and peers are how many times as long they take; (middle half of the rounds)"
    )
    body = aligned([HEAD, *map(cells, lines)])
    families_table = aligned([["family", *MEANS], *means(lines)])
    where = conditions([one.machine for one in lines], lines)
    return "\n\n".join([title, body, families_table, "\n".join(sentences(lines, rows)), where]) + "\n"
