"""The report as `attn explain` prints it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from ..passes.limits import spoken_bytes
from .report import (
    Amount,
    Attention,
    BackendChoice,
    Choice,
    Compared,
    Copied,
    CopyLeft,
    Costs,
    Explanation,
    Note,
    Numbers,
    Obstacle,
    Place,
    Rewrite,
)

UNITS = ("", " K", " M", " G", " T", " P")
MARGIN = 14
WIDTH = 118
"""Lines are broken before they are longer, as far as words allow."""
HARD_SPACE = "\N{NO-BREAK SPACE}"


def explanation_text(report: Explanation) -> str:
    """Cost, rewrites, attention, choices, notes; then what was asked for besides. Parts that are empty are one line or none."""
    parts = [
        _head(report),
        _backend(report.backend),
        _numbers(report.numbers),
        _costs(report.cost),
        _rewrites(report),
        _left(report),
        _attention(report.attention),
    ]
    parts += [_choices(report.choices), _notes(report.notes), _copies_left(report.copies_left)]
    parts += [_copies(report.copies)]
    parts += [_listing(one.after, one.text) for one in report.listings]
    if report.timings:
        parts.append(_timings(report))
    return "\n\n".join("\n".join(part) for part in parts if part)


def _head(report: Explanation) -> list[str]:
    settings = [f"-O{report.level}", report.mode, *(f"{name}={value}" for name, value in report.bound.items())]
    settings += [f"with {name}" for name in report.inputs]
    settings += [f"memory {spoken_bytes(report.memory)}"] if report.memory else []
    settings += [f"after {report.stop_after}"] if report.stop_after else []
    return [*_wrapped("", report.signature, 4), f"  {', '.join(settings)}"]


def _backend(choice: BackendChoice | None) -> list[str]:
    if choice is None:
        return []
    return ["backend", *_row(choice.wanted, choice.text if choice.wanted == choice.chosen else f"{choice.chosen}: {choice.text}")]


def _numbers(numbers: Numbers | None) -> list[str]:
    if numbers is None:
        return []
    told = {
        "weights": numbers.weights,
        numbers.half: _listed(numbers.others),
        "added up": f"{_listed(numbers.products)}: of {numbers.half} numbers, with sums in float32" if numbers.products else "",
        "float32": f"{_listed(numbers.sums)}: sums, statistics and carries, rounded to {numbers.half} at the end" if numbers.sums else "",
        "positions": f"{_listed(numbers.wide)}: float32 or whole numbers" if numbers.wide else "",
        "results": f"in the dtype of the first input of floats; {numbers.half} where there is none",
    }
    return ["numbers", *(line for name, text in told.items() if text for line in _row(name, text))]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# ---------------------------------------------------------------- cost


def _costs(cost: Costs) -> list[str]:
    lines = ["cost"]
    lines += _compared("operations", cost.flops, "")
    lines += _compared("bytes moved", cost.bytes, "B")
    lines += _compared("peak memory", cost.peak_memory, "B")
    if cost.peak_sizes:
        lines += _row("", f"(the formula that is largest where {_sizes(cost.peak_sizes)})")
    if cost.peak_at is not None:
        lines += _row("", f"at {_line(cost.peak_at)}")
    lines += _row("parameters", shown(cost.parameters, ""))
    if cost.buffers.formula != "0":
        lines += _row("buffers", shown(cost.buffers, ""))
    if cost.kept.formula != "0":
        lines += _row(
            "done once", f"{shown(cost.prepared, '')} operations on weights and positions alone, which leave {shown(cost.kept, 'B')}"
        )
    return lines


def _compared(name: str, pair: Compared, unit: str) -> list[str]:
    """One line where nothing changed or numbers are short, else before and after below each other."""
    before, after = shown(pair.before, unit), shown(pair.after, unit)
    if pair.before == pair.after:
        return _row(name, after)
    ratio = f"  ({_times(pair.ratio)} of before)" if pair.ratio is not None else ""
    if pair.before.value is not None and pair.after.value is not None:
        return _row(name, f"{before} -> {after}{ratio}")
    return [*_row(name, before), *_row("  now", after + ratio)]


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def shown(amount: Amount, unit: str) -> str:
    """`12.8 MB` for a number; otherwise the formula, its long numbers with commas."""
    if amount.value is not None:
        return short(amount.value, unit)
    formula = re.sub(r"(?<![\w.])\d{5,}(?![\w.])", lambda number: f"{int(number[0]):,}", amount.formula)
    return f"{formula}{' bytes' if unit else ''}"


def short(number: int, unit: str = "") -> str:
    """Three figures and a thousand's letter."""
    value, place = float(number), 0
    while abs(value) >= 999.5 and place < len(UNITS) - 1:
        value, place = value / 1000, place + 1
    digits = f"{value:.0f}" if place == 0 or value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
    prefix = UNITS[place] or (" " if unit else "")
    return f"{digits}{prefix}{unit}"


def _sizes(sizes: dict[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes.items())


# ---------------------------------------------------------------- rewrites


def _rewrites(report: Explanation) -> list[str]:
    if not report.rewrites:
        return ["rewrites", "  none" + (": -O0 optimises nothing" if report.level == 0 else "")]
    lines = ["rewrites"]
    for group in _runs(report.rewrites):
        first = group[0]
        more = f"  (and {len(group) - 1} more at the same lines)" if len(group) > 1 else ""
        lines += _row(first.pass_name, first.text + more)
        lines += [line for place in first.places for line in _row("", _line(place))]
    return lines


def _left(report: Explanation) -> list[str]:
    """What passes left alone, but for what stands at an attention with its obstacles."""
    told = {(one.place.file, one.place.line) for one in report.attention if one.place is not None and one.obstacles}
    found = [one for one in report.left if not any((place.file, place.line) in told for place in one.places)]
    if not found:
        return []
    lines = ["left alone"]
    for one in found:
        lines += _row(one.pass_name, one.text)
        lines += [line for place in one.places for line in _row("", _line(place))]
    return lines


def _runs(rewrites: Sequence[Rewrite]) -> list[list[Rewrite]]:
    """What one pass did at the same lines, together, in the order of the first."""
    groups: dict[tuple[object, ...], list[Rewrite]] = {}
    for one in rewrites:
        key = (one.pass_name, *((place.file, place.line) for place in one.places)) if one.places else (one.pass_name, one.text)
        groups.setdefault(key, []).append(one)
    return list(groups.values())


# ---------------------------------------------------------------- attention


def _attention(found: Sequence[Attention]) -> list[str]:
    if not found:
        return []
    lines = ["attention"]
    for one in found:
        lines += _one(one)
    return lines


def _one(one: Attention) -> list[str]:
    times = f"  ({len(one.scopes)} times)" if len(one.scopes) > 1 else ""
    lines = [f"  {_line(one.place)}{times}", *_told(f"{one.way}:", one.text)]
    if one.scratch.formula != "0":
        lines += _told("", f"memory besides inputs and result: {shown(one.scratch, 'B')}")
    for remark in one.remarks:
        lines += _told("", remark)
    for obstacle in one.obstacles:
        lines += _obstacle(obstacle)
    return lines


def _obstacle(obstacle: Obstacle) -> list[str]:
    place = f"  ({obstacle.place.file}:{obstacle.place.line})" if obstacle.place is not None else ""
    return [*_told("not fused:", obstacle.text + place), *_told("     edit:", obstacle.edit)]


def _told(name: str, text: str) -> list[str]:
    return _wrapped(f"    {name:<12} ", text, 17)


# ---------------------------------------------------------------- the rest


def _choices(choices: Sequence[Choice]) -> list[str]:
    if not choices:
        return []
    lines = ["choices when it runs"]
    for one in choices:
        times = f"  ({one.times} times)" if one.times > 1 else ""
        lines += [f"  {_line(one.place)}{times}", *_wrapped("    ", f"the first way where {one.condition}, else the second", 6)]
        lines += _wrapped("    ", f"operations: {shown(one.first, '')}, or {shown(one.second, '')}", 6)
    return lines


def _notes(notes: Sequence[Note]) -> list[str]:
    return ["notes", *(line for note in notes for line in (f"  {_line(note.place)}", f"    {note.text}"))] if notes else []


def _copies_left(copies: Sequence[CopyLeft]) -> list[str]:
    lines = ["copies left"] if copies else []
    for one in copies:
        times = f"  ({one.times} times)" if one.times > 1 else ""
        lines += [f"  {_line(one.place)}{times}"]
        lines += _wrapped("    ", ", ".join([f"{shown(one.bytes, 'B')}", *one.within]) + f": {one.text}", 6)
    return lines


def _copies(copies: Sequence[Copied] | None) -> list[str]:
    if copies is None:
        return []
    lines = ["copies that only change the order in memory, as measured"]
    for one in copies:
        size = f"{short(one.bytes, 'B')} in the run" + (f" ({one.elements} numbers)" if one.elements else "")
        lines += [f"  {_line(one.place)}", *_wrapped("    ", f"[{' '.join(one.axes)}], {size}: {one.text}", 6)]
    return lines if copies else [*lines, "  none"]


def _listing(after: str, text: str) -> list[str]:
    return [f"-- after {after} --" if after else "-- as written --", *text.rstrip("\n").splitlines()]


def _timings(report: Explanation) -> list[str]:
    found = [_row(one.pass_name, f"{one.milliseconds:8.1f} ms  {one.changes} changes") for one in report.timings]
    return ["time", *(line for lines in found for line in lines)]


def _row(name: str, text: str) -> list[str]:
    start = f"  {name:<{MARGIN}}" if len(name) < MARGIN else f"  {name} "
    return _wrapped(start, text, MARGIN + 2)


def _wrapped(start: str, text: str, indent: int) -> list[str]:
    """The text after `start`, its further lines under it; a list of axes stays in one piece."""
    whole = re.sub(r"\[[^\[\]]{1,60}\]", lambda axes: axes[0].replace(" ", HARD_SPACE), text)
    under = " " * indent
    lines = textwrap.wrap(whole, WIDTH, initial_indent=start, subsequent_indent=under, break_long_words=False, break_on_hyphens=False)
    return [line.replace(HARD_SPACE, " ") for line in lines] or [start.rstrip()]


def _line(place: Place | None, room: int = WIDTH - 20) -> str:
    """`std.heads:38  y = attend(...)`, cut where it is long."""
    if place is None:
        return "(no line of the program)"
    text = f"{place.file}:{place.line}  {place.text}"
    return text if len(text) <= room else f"{text[: room - 2].rstrip()} …"
