"""Random programs against the optimiser: `python scripts/fuzz.py 1000000 --jobs 2`, or the programs of a few numbers: `--show 17 18`.

Every program follows from its number. Finished ranges are noted in the folder `--into`, and a run that is started again goes on behind
them. Programs that fail are written there, as small as they get; the exit status is 1 then, and where a pass never did anything.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from pathlib import Path

import torch
from fuzzing.checking import check, setting_of
from fuzzing.notes import Ran, left, merged, read, write
from fuzzing.programs import program
from fuzzing.running import Tally, never_fired, run_range, tally

import attn

CHUNK = 500
MOST_CHUNKS = 40
"""A process is given so many ranges, then a new one takes its place."""


def work(first: int, count: int, into: str) -> tuple[int, int, str]:
    """One range, in a process of its own. Rubbish is collected between ranges, not within them, which is a seventh faster."""
    torch.set_num_threads(1)
    gc.disable()
    found = run_range(first, count, Path(into)).text()
    gc.collect()
    return first, count, found


# ---------------------------------------------------------------- all ranges


def run(options: argparse.Namespace) -> list[Ran]:
    """All ranges that are not done yet, side by side; every one is noted when it is finished. What ran, now and earlier."""
    options.into.mkdir(parents=True, exist_ok=True)
    known, commit = read(options.notes), _commit()
    waiting = left(known, options.seed, options.seed + options.count, CHUNK)
    end = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
    for first, count, text in side_by_side(waiting, options.jobs, options.into, end):
        known.append(Ran(first, count, commit, tally(text)))
        with options.notes.open("a", encoding="utf-8") as file:
            file.write(known[-1].line())
        total = summed(known)
        print(f"{total.programs:,} programs, {len(total.failures)} failures, {total.seconds:.0f} s of work", flush=True)
    known.sort(key=lambda one: one.first)
    write(options.notes, known)
    return [one for one in known if options.seed <= one.first < options.seed + options.count]


def side_by_side(ranges: Iterator[tuple[int, int]], jobs: int, into: Path, end: float) -> Iterator[tuple[int, int, str]]:
    """The ranges as they are finished. No process waits for another; after `end` none begins."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, max_tasks_per_child=MOST_CHUNKS) as pool:
        running: set[Future[tuple[int, int, str]]] = set()
        while True:
            if time.monotonic() < end:
                running |= {pool.submit(work, *one, str(into)) for one in islice(ranges, jobs + 1 - len(running))}
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


def summed(known: Sequence[Ran]) -> Tally:
    total = Tally()
    for one in known:
        total.add(one.tally)
    return total


# ---------------------------------------------------------------- the report


def report(known: Sequence[Ran], options: argparse.Namespace) -> str:
    """What ran, where, and what came of it."""
    total = summed(known)
    kinds = ", ".join(f"{number:,} {name}" for name, number in sorted(total.kinds.items()))
    checks = ", ".join(f"{name} {number:,}" for name, number in sorted(total.checks.items()))
    fired = ", ".join(f"{name} {number:,}" for name, number in sorted(total.fired.items()))
    lines = [
        f"command: {options.command}",
        *(f"commit {one.commit}: numbers {one.first:,} to {one.end - 1:,}" for one in merged(known)),
        f"machine: {platform.machine()}, {multiprocessing.cpu_count()} cores; Python {platform.python_version()}, "
        f"torch {torch.__version__}, attn {attn.__version__}",
        f"programs: {total.programs:,} of {options.count:,} asked for, numbers from {options.seed:,}",
        f"outcomes: {kinds}",
        f"programs with a further check: {checks}",
        f"lines by the table: {sum(total.made.values()):,} of {len(total.made)} operators; refused {sum(total.refused.values()):,}",
        f"programs in which a pass did something: {fired or 'no pass'}",
        f"passes that never did anything: {', '.join(never_fired(total)) or 'none'}",
        f"failures: {len(total.failures)}",
        f"seconds of work, all processes together: {total.seconds:.0f}",
        f"programs a second in each process: {total.programs / max(total.seconds, 1e-9):.0f}",
    ]
    return "\n".join([*lines, *total.failures[:100]]) + "\n"


def _commit() -> str:
    """Which state of the repository this is, where that can be told."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def show(seeds: Sequence[int]) -> int:
    """Print programs and what comes of them."""
    for seed in seeds:
        made = program(seed)
        outcome = check(made, setting_of(seed))
        print(f"# {seed}, bind {made.bind}, free {made.free}\n{made.text}# {outcome.kind} {outcome.where} {outcome.why} {outcome.fired}\n")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=1000, help="how many programs")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first one")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes")
    parser.add_argument("--into", type=Path, default=Path("build/fuzz"), help="the folder for notes and failures")
    parser.add_argument("--notes", type=Path, help="the file that remembers what ran; INTO/progress.jsonl if not given")
    parser.add_argument("--minutes", type=float, default=0, help="begin no further range after that time")
    parser.add_argument("--record", type=Path, help="write the report to this file, too")
    parser.add_argument("--show", type=int, nargs="+", help="print the programs of these numbers instead")
    options = parser.parse_args(arguments)
    if options.show:
        return show(options.show)
    options.command = " ".join(["python scripts/fuzz.py", *(sys.argv[1:] if arguments is None else arguments)])
    options.notes = options.notes or options.into / "progress.jsonl"
    known = run(options)
    total, told = summed(known), report(known, options)
    print(told)
    if options.record:
        options.record.write_text(told, encoding="utf-8")
    return 1 if total.failures or never_fired(total) else 0


if __name__ == "__main__":
    sys.exit(main())
