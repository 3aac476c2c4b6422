"""The benchmark: every row, or those named, in processes of their own; then the table, the picture and the page from all rows there are.

    python benchmarks/bench.py [ROW ...]            all rows without a name; `--list` prints the names
    python benchmarks/bench.py --quick [ROW ...]    few rounds, malloc as it is, nothing that compiles for long; only printed
    python benchmarks/bench.py --report             measures nothing

On a machine that others use, `--threads 1 --clock processor` counts the time of one thread alone. What is measured lies in
`benchmarks/results/rows/`, a file for each row, so that a run that was interrupted goes on with `--missing`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import torch
from harness.report import report
from harness.results import BENCHMARKS, Result, Setting, machine, path, read, study, write
from harness.summary import line
from harness.table import text
from harness.ways import FLEX, INDUCTOR
from workloads import BY_NAME, ROWS

RAISED = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31), "MALLOC_TOP_PAD_": str(1 << 26)}
STUDIES = {"compile-time": "compile_time.py", "memory": "memory.py"}
"""What is no comparison of times in turns, and has a script of its own, whose output is kept as it is."""
PASSED = ("rounds", "threads", "clock", "limit", "budget")
SETTINGS: dict[str, dict[str, str]] = {"default": {}, "raised": RAISED}
"""Settings of malloc by name: as it is, and keeping freed memory instead of giving it back to the system."""


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--report", action="store_true", help="only put together what was measured before")
    parser.add_argument("--quick", action="store_true", help="a first look at rows, not kept: 3 rounds, no inductor, no FlexAttention")
    parser.add_argument("--missing", action="store_true", help="only rows that have no result yet")
    parser.add_argument("--malloc", choices=tuple(SETTINGS), help="only this setting of malloc; the other stays if it is of this commit")
    parser.add_argument("--rounds", type=int, default=None, help="9 unless given")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that making one way ready may take")
    parser.add_argument("--budget", type=float, default=30.0, help="seconds after which no further round of a row begins")
    parser.add_argument("--skip", action="append", default=[], help="a way to leave out, by its name in the table")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.rows if name not in BY_NAME and name not in STUDIES]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; --list prints all names")
    slow = [name for name in options.rows if name in STUDIES]
    if options.quick and (slow or options.malloc):
        parser.error(f"--quick takes neither --malloc nor {' nor '.join(STUDIES)}")
    return options


def measured(row: str, setting: str, options: argparse.Namespace) -> Setting | None:
    """One row under one setting of malloc, by a process of its own; None where that fails, which is told."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "row.json"
        words = [word for name in PASSED for word in (f"--{name}", str(getattr(options, name)))]
        words += [word for name in options.skip for word in ("--skip", name)]
        command = [sys.executable, "-m", "harness.child", row, str(file), *words]
        place = {"OMP_NUM_THREADS": str(options.threads), "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor"}
        done = subprocess.run(command, cwd=BENCHMARKS, env={**os.environ, **SETTINGS[setting], **place}, check=False)
        if done.returncode == 0:
            return Setting.model_validate_json(file.read_text(encoding="utf-8"))
    print(f"{row}: the process for {setting} malloc ended with {done.returncode}", file=sys.stderr)
    return None


def studied(name: str) -> bool:
    """Runs a script that prints a table of its own, and keeps what it prints. False where it fails."""
    command = [sys.executable, str(BENCHMARKS / STUDIES[name])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        here = machine()
        where = f"{here.cpu}, {here.cores} cores, torch {here.torch}, {here.date}, commit {here.commit}"
        write(study(name), f"{done.stdout.strip()}\n\n{where}\n")
    return done.returncode == 0


def run(row: str, options: argparse.Namespace) -> bool:
    """Measures a row and keeps the result. False where a process failed."""
    if row in STUDIES:
        return studied(row)
    start, here, before = time.perf_counter(), machine(), read(row)
    found = {setting: measured(row, setting, options) for setting in ((options.malloc,) if options.malloc else SETTINGS)}
    if any(found.values()):
        kept = {name: getattr(before, name) for name in SETTINGS} if before and before.machine == here else {}
        result = Result(row=row, machine=here, **{**kept, **found})
        write(path(row), result.model_dump_json(indent=1) + "\n")
    print(f"{row}: {time.perf_counter() - start:.0f} s", flush=True)
    return all(found.values())


def glance(row: str, options: argparse.Namespace) -> bool:
    """Measures a row with malloc as it is and prints its table; what lies in `benchmarks/results/` stays. False where a process failed."""
    found = measured(row, "default", options)
    made = line(BY_NAME[row], Result(row=row, machine=machine(), default=found), "default")
    print(text([made], [BY_NAME[row]], "as it is") if made else f"{row}: nothing was measured", flush=True)
    return made is not None


def main(arguments: list[str]) -> int:
    options = parsed(arguments)
    if options.list:
        print("\n".join([*(f"{row.name:22}{row.family:16}{row.title}" for row in ROWS), *STUDIES]))
        return 0
    torch.set_num_threads(options.threads)
    if options.quick:
        options.skip += [INDUCTOR, FLEX]
    options.rounds = options.rounds or (3 if options.quick else 9)
    names = [] if options.report else options.rows or [*BY_NAME, *STUDIES]
    names = [name for name in names if not (options.missing and (path(name).exists() or study(name).exists()))]
    if options.quick:
        seen = [glance(name, options) for name in names if name in BY_NAME]
        return 0 if all(seen) else 1
    fine = [run(name, options) for name in names]
    wrong = report()
    return 1 if wrong or not all(fine) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
