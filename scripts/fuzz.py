"""Compare random programs with the reference interpreter: `python scripts/fuzz.py 1000 --seed 5`.

Every program that the two disagree on, or that makes the compiler fail, is written to a file of its own; the exit status is 1 then.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections import Counter
from pathlib import Path

import torch
from random_programs import LEAD, Text, program

import attn
from attn.compiler.verify import Disagreement, Setting, compare


def outcome(made: Text, seed: int) -> tuple[str, str]:
    """`same`, `refused` (both sides fail), `invalid` (the program is a mistake), or `wrong` and why."""
    setting = Setting(
        bind=made.bind, lead=((LEAD,), (), (1, LEAD))[seed % 3], below=made.below, seed=seed, loose=seed % 2 == 1, gradients=made.smooth,
        slack=made.slack,
    )  # fmt: skip
    sizes = {**made.free, "*": 1 if seed % 3 == 1 else LEAD}
    try:
        return compare(attn.text(made.text), setting, sizes), ""
    except attn.AttnError as error:
        return "invalid", str(error)
    except Disagreement as error:
        return "wrong", str(error)
    except Exception:  # noqa: BLE001  (whatever it is, the compiler must not end so)
        return "wrong", traceback.format_exc(limit=-4)


def write(folder: Path, seed: int, made: Text, why: str) -> Path:
    path = folder / f"program_{seed}.attn"
    notes = "".join(f"# {line}\n" for line in [f"seed {seed}, bind {made.bind}, free {made.free}", *why.splitlines()])
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(notes + made.text, encoding="utf-8")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, help="how many programs")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first one")
    parser.add_argument("--length", type=int, default=7, help="how many lines a program has at most")
    parser.add_argument("--into", type=Path, default=Path("fuzz"), help="the folder for programs that fail")
    parser.add_argument("--invalid", action="store_true", help="print what the compiler says of programs that it does not take")
    options = parser.parse_args()
    torch.set_num_threads(1)
    counts: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.count):
        made = program(seed, options.length)
        found, why = outcome(made, seed)
        counts[found] += 1
        if found == "wrong":
            print(f"{write(options.into, seed, made, why)}: {why.splitlines()[-1] if why else ''}", flush=True)
        elif found == "invalid" and options.invalid:
            print(f"seed {seed}\n{why}\n{made.text}", flush=True)
    print(", ".join(f"{name} {number}" for name, number in sorted(counts.items())))
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
