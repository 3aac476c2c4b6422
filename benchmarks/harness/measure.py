"""Times of ways that take turns, the most memory of a call, and the two ceilings of the machine."""

from __future__ import annotations

import ctypes
import math
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

LEAST = 0.05
"""Seconds that a measurement lasts at least; short calls are repeated."""
SHORT, MORE = 10.0, 5
"""Rows that are done in so many seconds have more rounds, so many times as many at most."""


Clock = Callable[[], float]
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "processor": time.process_time}
"""`processor` is the time of this process alone: on a busy machine, with one thread, it says more."""


def seconds(run: Callable[[], Any], count: int, clock: Clock) -> float:
    """Seconds of one call, as a mean of `count`."""
    start = clock()
    for _ in range(count):
        run()
    return (clock() - start) / count


def repetitions(run: Callable[[], Any], clock: Clock) -> int:
    """How many calls take as long as a measurement has to; the first call here does not count."""
    run()
    return max(1, math.ceil(LEAST / max(seconds(run, 1, clock), 1e-6)))


def in_turns(runs: dict[str, Callable[[], Any]], rounds: int, clock: Clock, budget: float = math.inf) -> dict[str, list[float]]:
    """Seconds of every way in every round, each in an order of its own: what a way leaves in caches and of free memory is not always the
    same way's to use. It ends early, but after two rounds, when `budget` is spent; short rows have up to `MORE` times as many rounds."""
    names, counts = list(runs), {name: repetitions(run, clock) for name, run in runs.items()}
    found: dict[str, list[float]] = {name: [] for name in names}
    orders = random.Random(0)
    start = time.perf_counter()
    for done in range(MORE * rounds):
        spent = time.perf_counter() - start
        if (done >= 2 and spent > budget) or (done >= rounds and spent > SHORT):
            break
        for name in orders.sample(names, len(names)):
            found[name].append(seconds(runs[name], counts[name], clock))
    return found


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """The median, and a quarter from either end."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return median(values), low, high


# ---------------------------------------------------------------- memory


def status(field: str) -> int:
    """Bytes that Linux says of this process: `VmRSS` now, `VmHWM` the most since the last `forget`."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def forget() -> None:
    """Gives free memory back to the system, as it would otherwise be used again unseen, and forgets the most there was."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak(run: Callable[[], Any]) -> int:
    """How many bytes more than before a call needs at most."""
    forget()
    before = status("VmRSS")
    run()
    return max(0, status("VmHWM") - before)


# ---------------------------------------------------------------- ceilings


def ceilings(clock: Clock, side: int = 1024, numbers: int = 1 << 25) -> tuple[float, float]:
    """Operations a second of a square float32 product, and bytes a second of a copy into memory that is there, reading and writing."""
    a, b, c = (torch.randn(side, side) for _ in range(3))
    x, y = torch.zeros(numbers), torch.zeros(numbers)
    product = min(seconds(lambda: torch.mm(a, b, out=c), 1, clock) for _ in range(5))
    copy = min(seconds(lambda: y.copy_(x), 1, clock) for _ in range(5))
    return 2 * side**3 / product, 8 * numbers / copy


def operations(run: Callable[[], Any]) -> float:
    """Operations of all products and convolutions of a call; a multiply-add counts two."""
    with FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops())
