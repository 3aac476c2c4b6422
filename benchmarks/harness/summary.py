"""From the seconds of rows to ratios: what each row reached of what it should, and the means over families."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, log
from statistics import mean, median

from .measure import spread
from .results import Machine, Measured, Result, Setting
from .row import Ratios, Row
from .ways import AUTHOR, COMPILED, INDUCTOR, OURS

OWN = (OURS, INDUCTOR)
ENOUGH = 0.9
"""The share of a wanted ratio that counts as reached."""
TIE = 0.95
"""How fast we are at least beside the better peer."""
CLOSE = 1e-4
"""The largest error against float64, as a share of the largest number."""


@dataclass(frozen=True)
class Ratio:
    """How many times as long another way takes as attn: the median of the rounds, and a quarter from either end."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """A row under one setting of malloc. `way` is that of ours which `backend="auto"` takes, or eager where only that was measured;
    `ratios` are those of every other way that ran, and `wanted` what was asked for."""

    row: Row
    machine: Machine
    setting: Setting
    way: str
    ratios: Mapping[str, Ratio]
    wanted: Ratios

    @property
    def ours(self) -> Measured:
        return self.setting.ways[self.way]

    @property
    def seconds(self) -> float:
        return median(self.ours.seconds)

    @property
    def of_floor(self) -> float:
        """The share of our time that the machine needs at least."""
        return self.setting.floor / self.seconds

    @property
    def reached(self) -> float | None:
        """The smallest share of a wanted ratio that we reach; None where nothing is wanted or could be compared."""
        shares = [self.ratios[name].middle / wanted for name, wanted in self.wanted.items() if name in self.ratios]
        return min(shares, default=None)

    @property
    def better(self) -> tuple[str, float] | None:
        """The fastest of the other ways that compute the same, and how many times as long as ours it takes."""
        same = {name: ratio.middle for name, ratio in self.ratios.items() if name not in OWN and self.setting.ways[name].error is not None}
        return min(same.items(), key=lambda pair: pair[1]) if same else None

    @property
    def faults(self) -> list[str]:
        """What is wrong with the values, in words."""
        found = []
        for name in OWN:
            off = self.setting.ways[name].error if name in self.setting.ways else None
            if off is not None and not off <= CLOSE:
                found.append(f"{name}: {off:.1g} away from float64")
        return found


def line(row: Row, result: Result, setting: str) -> Line | None:
    """The line of a row; None where it was not measured under this setting, or ours did not run."""
    measured: Setting | None = getattr(result, setting)
    if measured is None or not measured.ways[OURS].seconds:
        return None
    way = measured.auto if measured.auto in measured.ways and measured.ways[measured.auto].seconds else OURS
    ours = measured.ways[way].seconds
    ratios = {
        name: Ratio(*spread([theirs / own for theirs, own in zip(other.seconds, ours, strict=True)]))
        for name, other in measured.ways.items()
        if name != way and other.seconds
    }
    return Line(row, result.machine, measured, way, ratios, row.wanted if setting == "default" else row.raised)


def geometric(values: Iterable[float]) -> float | None:
    logs = [log(value) for value in values]
    return exp(mean(logs)) if logs else None


def families(lines: Iterable[Line], way: str) -> dict[str, float]:
    """For each family the geometric mean of how many times as long a way takes as ours."""
    found: dict[str, list[float]] = {}
    for one in lines:
        if way in one.ratios:
            found.setdefault(one.row.family, []).append(one.ratios[way].middle)
    return {family: mean for family, values in found.items() if (mean := geometric(values)) is not None}


def overall(lines: Iterable[Line], way: str) -> float | None:
    """The geometric mean over families."""
    return geometric(families(lines, way).values())


def slowest(lines: Iterable[Line]) -> tuple[Line, str, float] | None:
    """The row in which another way is fastest beside ours, that way, and its ratio."""
    found = [(one, *one.better) for one in lines if one.better is not None]
    return min(found, key=lambda item: item[2], default=None)


def short(lines: Iterable[Line]) -> list[Line]:
    """The lines that stay under `ENOUGH` of what is wanted of them."""
    return [one for one in lines if one.reached is not None and one.reached < ENOUGH]


def behind(lines: Iterable[Line]) -> list[Line]:
    """The lines in which a peer is faster by more than `TIE` allows."""
    return [one for one in lines if one.better is not None and one.better[1] < TIE]


WAYS = (AUTHOR, COMPILED)
