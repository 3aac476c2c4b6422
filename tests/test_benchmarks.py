"""Every row of the benchmark computes the same in all its ways, and its tables say what was measured. No test here asserts a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from harness.picture import picture
from harness.report import PAGE, README, parts, with_parts
from harness.report import lines as measured
from harness.results import Machine, Measured, Result, Setting
from harness.row import Row
from harness.summary import Line, Ratio, line, overall
from harness.ways import COMPILING, OURS, error, exact, ways
from workloads import ROWS


def different() -> Iterator[Row]:
    """One of the rows that are the same at small sizes."""
    seen = set[tuple[Any, ...]]()
    for row in ROWS:
        make = row.make
        key = (make.func, *make.args) if isinstance(make, partial) else (make,)
        if (*key, *row.small.items()) not in seen:
            seen.add((*key, *row.small.items()))
            yield row


@pytest.mark.parametrize("row", list(different()), ids=lambda row: row.name)
def test_all_ways_of_a_row_agree(row: Row, torchvision: None) -> None:
    work = row.make(**row.small)
    wanted = exact(work)
    found = ways(work, torch.float64, COMPILING)
    assert len({OURS, "author"} & {way.name for way in found}) == 2
    for way in found:
        assert way.run is not None, f"{way.name}: {way.trouble}"
        if way.name not in work.apart:
            assert error(way.run(), wanted) < 1e-6, way.name


# ---------------------------------------------------------------- what is made of the results


def result(row: Row, **seconds: list[float]) -> Result:
    """A row that was measured, with these seconds of its ways."""
    ways = {name: Measured(seconds=times, ready=1.0, peak=1 << 20, error=1e-7) for name, times in seconds.items()}
    setting = Setting(clock="wall", ceiling_operations=1e9, ceiling_bytes=1e9, operations=5e8, bytes=1e8, rounds=2, ways=ways)
    machine = Machine(cpu="a <processor>", cores=2, threads=2, torch="2", date="2026-01-01", commit="abc")
    return Result(row=row.name, machine=machine, default=setting)


def lines() -> list[Line]:
    times = {"author": [4.0, 8.0], "compile": [1.0, 0.5], "SDPA": [0.9, 0.9]}
    found = [line(row, result(row, attn=[1.0, 1.0], **times), "default") for row in (ROWS[0], ROWS[-1])]
    return [one for one in found if one is not None]


def test_ratios_are_medians_of_rounds() -> None:
    first = lines()[0]
    assert first.ratios["author"] == Ratio(6.0, 5.0, 7.0)
    assert first.ratios["compile"].middle == 0.75
    assert first.better == ("compile", 0.75)
    assert first.of_floor == 0.5
    assert first.reached == 0.75 / first.wanted["compile"]


def test_families_weigh_the_same_however_many_rows_they_have() -> None:
    one, other = lines()
    assert one.row.family != other.row.family
    slow = replace(other, ratios={"author": Ratio(1.5, 1.5, 1.5)})
    assert overall([one, one, one, slow], "author") == pytest.approx(3.0)


def test_a_row_with_wrong_values_is_told() -> None:
    row = ROWS[0]
    good = result(row, attn=[1.0])
    assert good.default is not None
    bad = good.default.model_copy(update={"ways": {"attn": Measured(seconds=[1.0], error=1e-2)}})
    found = line(row, good.model_copy(update={"default": bad}), "default")
    assert found is not None
    assert found.faults == ["attn: 0.01 away from float64"]


def test_the_picture_is_whole_and_has_every_row() -> None:
    text = picture(lines())
    assert {one.row.title for one in lines()} <= {node.text for node in ElementTree.fromstring(text).iter() if node.text}


@pytest.mark.parametrize("page", [PAGE, README], ids=lambda page: page.name)
def test_pages_say_what_was_measured(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<!-- bench " in text
    assert text == with_parts(text, page, parts({setting: measured(setting) for setting in ("default", "raised")}))
