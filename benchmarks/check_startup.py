"""How long `attn check` takes, as a ratio to starting Python with the two packages that it cannot do without.

    python benchmarks/check_startup.py [RUNS]

The commands take turns, so that a slow moment of the machine falls on all of them; medians are compared. The first run of each warms
the disk cache and does not count.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

PROGRAM = """attn 1

# Squeeze and excitation.
block se(x: [*, C, H, W], reduction: int = 16) -> [*, C, H, W] {
    s = x |> mean(H W) |> linear(C -> r=C/reduction) as fc1 |> relu |> linear(r -> C) as fc2 |> sigmoid
    return x * s
}
"""


def seconds(command: list[str]) -> float:
    """Wall time of one run, which has to succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, float]:
    """Median seconds of each command over `runs` rounds in which each is run once."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, command in commands.items():
            times[name].append(seconds(command))
    return {name: median(values[1:]) for name, values in times.items()}


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "se.attn"
        file.write_text(PROGRAM, encoding="utf-8")
        python = sys.executable
        base = "import lark, click"
        commands = {
            base: [python, "-c", "import lark, click"],
            "import attn": [python, "-c", "import attn"],
            "attn check se.attn": [python, "-m", "attn", "check", str(file)],
            "import torch": [python, "-c", "import torch"],
        }
        result = measure(commands, runs)
    for name, value in result.items():
        print(f"{name:20} {value / result[base]:6.2f} x   {value * 1000:7.0f} ms")


if __name__ == "__main__":
    main()
