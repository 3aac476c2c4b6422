"""What was measured of a row, as it lies in `benchmarks/results/rows/`: one JSON file for each row, whole or not at all."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

BENCHMARKS = Path(__file__).resolve().parents[1]
RESULTS = BENCHMARKS / "results"
ROWS = RESULTS / "rows"


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(Record):
    """Where and when a row was measured, and with what."""

    cpu: str
    cores: int
    threads: int
    torch: str
    date: str
    commit: str


class Measured(Record):
    """One way: seconds in every round, seconds to make it ready, bytes of memory at most, error against float64 as a share."""

    seconds: list[float] = []
    ready: float = 0.0
    peak: int = 0
    error: float | None = None
    trouble: str = ""


class Setting(Record):
    """A row under one setting of malloc: the ceilings in operations and bytes a second, and the ways by name.

    `clock` is what was read, and `auto` the way that `backend="auto"` takes.
    """

    clock: str
    auto: str = "attn"
    ceiling_operations: float
    ceiling_bytes: float
    operations: float
    bytes: float
    rounds: int
    ways: dict[str, Measured]

    @property
    def floor(self) -> float:
        """Seconds that the operations and the bytes of the row take at least."""
        return max(self.operations / self.ceiling_operations, self.bytes / self.ceiling_bytes)


class Result(Record):
    """A row: `default` with malloc as it is, `raised` with a raised threshold for mapped memory."""

    row: str
    machine: Machine
    default: Setting | None = None
    raised: Setting | None = None


def path(row: str) -> Path:
    return ROWS / f"{row}.json"


def study(name: str) -> Path:
    """Where the output of a script is kept that measures something else than rows."""
    return RESULTS / f"{name}.txt"


def write(file: Path, text: str) -> None:
    """The whole text, or the file as it was."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(f".{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


def read(row: str) -> Result | None:
    """The result of a row, where there is one."""
    file = path(row)
    return Result.model_validate_json(file.read_text(encoding="utf-8")) if file.is_file() else None


def machine() -> Machine:
    return Machine(
        cpu=processor(),
        cores=os.cpu_count() or 0,
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        date=time.strftime("%Y-%m-%d"),
        commit=commit(),
    )


def processor() -> str:
    """The name of the processor, and what it has for wide numbers."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in named.items()}
    wide = [word for word in ("avx2", "avx512f", "amx_tile") if word in facts.get("flags", "").split()]
    return " ".join([facts.get("model name", platform.machine()), *wide])


def commit() -> str:
    """The commit that is measured, with a `+` where files of the compiler or the library differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=BENCHMARKS, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "../compiler", "../dsl", "../stdlib", "../src", "harness", "workloads")
    return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
