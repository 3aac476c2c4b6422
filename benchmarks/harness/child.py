"""Measures one row in this process and writes what it found: `python -m harness.child ROW FILE ...`, which `bench.py` calls.

A process of its own for each row and setting, because the settings of malloc are read when a process starts, and because what one row
leaves behind should not slow down the next one.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .measure import CLOCKS, ceilings, in_turns, operations, peak
from .results import Measured, Setting, write
from .row import Work
from .ways import AUTHOR, OURS, Way, author, cast, chosen, error, exact, own, step, ways

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
import torchvision_shim


def moved(work: Work, result: Any) -> float:
    """Bytes of all inputs, all weights and the result: what has to be read and written at least once."""
    weights = own(work.program, "infer", torch.float32)[1].values()
    tensors = [*work.inputs, *weights, result if isinstance(result, Tensor) else result[0]]
    once = float(sum(one.numel() * one.element_size() for one in tensors))
    return once * (2 if work.backward else 1)


def counted(work: Work) -> float:
    if work.flops is not None:
        return work.flops
    weights = own(work.program, "train" if work.backward else "infer", torch.float32)[1]
    return operations(step(author(work, weights), cast(work.inputs, torch.float32), work.backward))


def described(way: Way, times: list[float], wanted: Tensor, apart: bool) -> Measured:
    if way.run is None:
        return Measured(ready=way.seconds, trouble=way.trouble)
    off = None if apart else error(way.run(), wanted)
    return Measured(seconds=times, ready=way.seconds, peak=peak(way.run), error=off)


def measured(work: Work, rounds: int, skip: tuple[str, ...], limit: float, budget: float, clock: str) -> Setting:
    wanted = exact(work)
    fastest, widest = ceilings(CLOCKS[clock])
    found = ways(work, torch.float32, skip, limit)
    runs: dict[str, Callable[[], Any]] = {way.name: way.run for way in found if way.run is not None}
    times = in_turns(runs, rounds, CLOCKS[clock], budget)
    described_ways = {way.name: described(way, times.get(way.name, []), wanted, way.name in work.apart) for way in found}
    result = runs[OURS]() if OURS in runs else runs[AUTHOR]()
    return Setting(
        clock=clock,
        auto=chosen(work),
        ceiling_operations=fastest,
        ceiling_bytes=widest,
        operations=counted(work),
        bytes=moved(work, result),
        rounds=max(map(len, times.values())),
        ways=described_ways,
    )


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row")
    parser.add_argument("file", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that making one way ready may take")
    parser.add_argument("--budget", type=float, default=math.inf, help="seconds after which no further round begins")
    parser.add_argument("--skip", action="append", default=[], help="a way to leave out")
    options = parser.parse_args(arguments)
    torchvision_shim.prepare()
    warnings.simplefilter("ignore")  # of torch.compile and of transformers, about themselves
    torch.set_num_threads(options.threads)
    from workloads import BY_NAME

    row = BY_NAME[options.row]
    setting = measured(row.make(**row.full), options.rounds, tuple(options.skip), options.limit, options.budget, options.clock)
    write(options.file, setting.model_dump_json(indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
