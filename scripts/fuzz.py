"""Random programs against the optimiser: `python scripts/fuzz.py 1000000 --jobs 2`, or the programs of a few numbers: `--show 17 18`.

Every program follows from its number. Finished ranges are noted in the folder `--into`, and a run that is started again goes on behind
them. Programs that fail are written there, as small as they get; the exit status is 1 then, and where a pass never did anything.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch
from fuzzing.checking import check, setting_of
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


# ---------------------------------------------------------------- ranges that are done


def done(notes: Path) -> dict[tuple[int, int], Tally]:
    """What a folder's notes say of earlier runs."""
    if not notes.exists():
        return {}
    found = [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]
    return {(entry["first"], entry["count"]): tally(json.dumps(entry["tally"])) for entry in found}


def ranges(first: int, count: int) -> Iterator[tuple[int, int]]:
    for start in range(first, first + count, CHUNK):
        yield start, min(CHUNK, first + count - start)


def run(options: argparse.Namespace) -> Tally:
    """All ranges that are not done yet, side by side; every one is noted when it is finished."""
    options.into.mkdir(parents=True, exist_ok=True)
    notes: Path = options.into / "progress.jsonl"
    known, total = done(notes), Tally()
    wanted = [*ranges(options.seed, options.count)]
    for key in wanted:
        total.add(known.get(key, Tally()))
    left = [key for key in wanted if key not in known]
    end = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, context, max_tasks_per_child=MOST_CHUNKS) as pool:
        while left and time.monotonic() < end:
            batch, left = left[: 4 * options.jobs], left[4 * options.jobs :]
            for future in as_completed([pool.submit(work, first, count, str(options.into)) for first, count in batch]):
                first, count, text = future.result()
                with notes.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"first": first, "count": count, "tally": json.loads(text)}) + "\n")
                total.add(tally(text))
            print(f"{total.programs:,} programs, {len(total.failures)} failures, {total.seconds:.0f} s of work", flush=True)
    return total


# ---------------------------------------------------------------- the report


def report(total: Tally, options: argparse.Namespace) -> str:
    """What ran, where, and what came of it."""
    kinds = ", ".join(f"{number:,} {name}" for name, number in sorted(total.kinds.items()))
    checks = ", ".join(f"{name} {number:,}" for name, number in sorted(total.checks.items()))
    fired = ", ".join(f"{name} {number:,}" for name, number in sorted(total.fired.items()))
    lines = [
        f"command: {options.command}",
        f"commit: {_commit()}",
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
    parser.add_argument("--minutes", type=float, default=0, help="begin no further range after that time")
    parser.add_argument("--record", type=Path, help="write the report to this file, too")
    parser.add_argument("--show", type=int, nargs="+", help="print the programs of these numbers instead")
    options = parser.parse_args(arguments)
    if options.show:
        return show(options.show)
    options.command = " ".join(["python scripts/fuzz.py", *(sys.argv[1:] if arguments is None else arguments)])
    total = run(options)
    told = report(total, options)
    print(told)
    if options.record:
        options.record.write_text(told, encoding="utf-8")
    return 1 if total.failures or never_fired(total) else 0


if __name__ == "__main__":
    sys.exit(main())
