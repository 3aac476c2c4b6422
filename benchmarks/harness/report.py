"""Puts the table, the JSON, the picture and the generated parts of the pages together from all rows that were measured."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workloads import ROWS

from .picture import picture
from .results import BENCHMARKS, RESULTS, read, study, write
from .summary import ENOUGH, TIE, WAYS, Line, behind, line, overall, short
from .table import backend, conditions, duration, markdown, means, number, otherwise, peer, ratio, sentences, text
from .ways import AUTHOR, COMPILED, OURS

ROOT = BENCHMARKS.parent
PAGE, README = ROOT / "docs" / "performance.md", ROOT / "README.md"
SETTINGS = {"default": "as it is", "raised": "with a raised threshold for mapped memory"}


def lines(setting: str) -> list[Line]:
    """The lines of all rows that have a result, in the order of the rows."""
    found = [(row, read(row.name)) for row in ROWS]
    made = [line(row, result, setting) for row, result in found if result is not None]
    return [one for one in made if one is not None]


def report() -> bool:
    """Writes everything, and prints the tables. True where a row has wrong values or could not run."""
    found = {setting: lines(setting) for setting in SETTINGS}
    tables = [text(measured, ROWS, SETTINGS[setting]) for setting, measured in found.items() if measured]
    write(RESULTS / "table.txt", "\n\n".join(tables))
    write(RESULTS / "results.json", json.dumps({setting: everything(measured) for setting, measured in found.items()}, indent=1) + "\n")
    print("\n\n".join(tables))
    if found["default"]:
        write(RESULTS / "picture.svg", picture(found["default"]))
        for page in (PAGE, README):
            write(page, with_parts(page.read_text(encoding="utf-8"), page, parts(found)))
    broken = [row.name for row in ROWS if (result := read(row.name)) and result.default and not result.default.ways[OURS].seconds]
    return bool(broken) or any(one.faults for measured in found.values() for one in measured)


def everything(measured: Sequence[Line]) -> dict[str, Any]:
    """What is shown, as numbers."""
    rows = {one.row.name: numbers(one) for one in measured}
    return {"rows": rows, "all families": {way: overall(measured, way) for way in WAYS}}


def numbers(one: Line) -> dict[str, Any]:
    return {
        "family": one.row.family,
        "machine": one.machine.model_dump(),
        "clock": one.setting.clock,
        "way": one.way,
        "seconds": one.seconds,
        "ratios": {name: [found.middle, found.low, found.high] for name, found in one.ratios.items()},
        "wanted": dict(one.wanted),
        "reached": one.reached,
        "floor": one.of_floor,
        "ways": {name: way.model_dump(exclude={"seconds"}) for name, way in one.setting.ways.items()},
    }


# ---------------------------------------------------------------- pages


def parts(found: Mapping[str, Sequence[Line]]) -> dict[str, Callable[[Path], str]]:
    """The generated parts by name; each is told in which page it stands."""
    measured = found["default"]

    def shown(page: Path) -> str:
        target = (RESULTS / "picture.svg").relative_to(ROOT).as_posix()
        up = "../" * (len(page.relative_to(ROOT).parts) - 1)
        return f"![For each row, how many times as long the author's text, torch.compile of it and the best peer take]({up}{target})"

    return {
        "picture": shown,
        "sentences": lambda _: "\n".join(f"* {words}" for words in [*sentences(measured, ROWS), where(measured)]),
        "rows": lambda _: rows(measured),
        "families": lambda _: markdown(("family", *WAYS), means(measured)),
        "raised": lambda _: rows(found["raised"]) if found["raised"] else "No row was measured in this way yet.",
        "losses": lambda _: losses(measured),
        "memory": lambda _: kept("memory"),
        "compile": lambda _: kept("compile-time"),
        "quote": lambda _: quote(measured),
    }


def kept(name: str) -> str:
    """The output of a script, as a block of text."""
    file = study(name)
    return f"```text\n{file.read_text(encoding='utf-8').rstrip()}\n```" if file.exists() else f"Not measured yet: `make bench ROW={name}`."


def where(measured: Sequence[Line]) -> str:
    words = conditions([one.machine for one in measured], measured)
    provisional = " These are times of one thread on a machine that others used: provisional." if "processor" in words else ""
    return f"Measured on: {words}.{provisional}"


def quote(measured: Sequence[Line]) -> str:
    """What the README says of all rows."""
    author, comp = (overall(measured, way) for way in (AUTHOR, COMPILED))
    over = f"Over {len(measured)} workloads in {len({one.row.family for one in measured})} families"
    ratios = f"the published text in PyTorch takes {number(author)} times as long as attn"
    ratios += "" if comp is None else f", and `torch.compile` of it {number(comp)} times"
    return f"{over} {ratios} (geometric means).\n{where(measured)}"


def rows(measured: Sequence[Line]) -> str:
    head = ("family", "row", "attn", AUTHOR, COMPILED, "best peer", "by", "otherwise", "of floor", "error")
    return markdown(head, map(cells, measured))


def cells(one: Line) -> tuple[str, ...]:
    off = "-" if one.ours.error is None else f"{one.ours.error:.0e}"
    ratios = ratio(one, AUTHOR), ratio(one, COMPILED), peer(one)
    return one.row.family, one.row.title, duration(one.seconds), *ratios, backend(one.way), otherwise(one), number(one.of_floor), off


def losses(measured: Sequence[Line]) -> str:
    """The rows in which a peer wins, and those under what is wanted."""
    lost = [(one.row.title, one.better[0], f"{one.better[1]:.2f}") for one in behind(measured) if one.better is not None]
    under = [(one.row.title, f"{one.reached:.2f}") for one in short(measured) if one.reached is not None]
    first = (
        markdown(("row", "faster", "its time, attn = 1"), lost)
        if lost
        else f"No peer takes less than {TIE} of the time of attn in any row."
    )
    second = markdown(("row", "share of what is wanted"), under) if under else f"Every row reaches {ENOUGH} of what is wanted."
    return f"{first}\n\n{second}"


def with_parts(page: str, place: Path, made: Mapping[str, Callable[[Path], str]]) -> str:
    """The page with what stands between `<!-- bench NAME -->` and `<!-- end -->` made anew."""

    def new(match: re.Match[str]) -> str:
        return f"<!-- bench {match[1]} -->\n{made[match[1]](place)}\n<!-- end -->"

    return re.sub(r"<!-- bench (\w+) -->\n.*?<!-- end -->", new, page, flags=re.DOTALL)
