"""Peak memory of one head of attention (D = 64, float32) at 16,384 and 65,536 tokens: `python benchmarks/memory.py`.

Naive is the published text, softmax(q k^T / sqrt(d)) v in eager PyTorch; `attn` is the same, which becomes PyTorch's fused call; the last
row has a cap, a mask and a bias of full size besides. Every variant runs in a process of its own. What is printed is how far the resident
memory of the process (VmHWM of Linux, set back by writing 5 to /proc/self/clear_refs once the inputs are there) rises above what it was
before the run, in MiB; the result, and the gradients of all three inputs, count. `raised` is the same with MALLOC_MMAP_THRESHOLD_ and
MALLOC_TRIM_THRESHOLD_ of 1 GiB, so that the allocator keeps what is freed.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONG, LONGEST = 16_384, 65_536
RAISED = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
HEAD = "block t(q: [*, N, d], k: [*, N, d], v: [*, N, d]) -> [*, N, d] {{\n    return attend(q, k, v, over=N, dot=d{0})\n}}\n"
PAIRED = ", softcap=50.0, where=pos(N) * pos(N') % 7 > 1, bias=-0.01 * abs(pos(N) - pos(N'))"
PROGRAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "attn": ("", {}),
    "attn, chunk=1024": (", chunk=1024", {}),
    "attn, mask and bias, memory=32MiB": (PAIRED, {"memory": "32MiB"}),
}


def naive(q: Any, k: Any, v: Any) -> Any:
    return (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1) @ v


def variant(name: str) -> Callable[..., Any]:
    import attn

    if name == "naive":
        return naive
    options, more = PROGRAMS[name]
    return attn.compile(attn.text(HEAD.format(options)), **more)


def status(word: str) -> int:
    """A line of /proc/self/status, in KiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(word))
    return int(line.split()[1])


def measure(name: str, tokens: int, backward: bool) -> dict[str, float]:
    """One run in this process, after a small one."""
    import torch

    torch.manual_seed(0)
    f = variant(name)

    def run(n: int) -> None:
        q, k, v = (torch.randn(1, n, 64, requires_grad=backward) for _ in range(3))
        slope = torch.randn(1, n, 64) if backward else None
        Path("/proc/self/clear_refs").write_text("5")
        before, start = status("VmRSS"), time.perf_counter()
        y = f(q, k, v)
        found = torch.autograd.grad(y, (q, k, v), slope) if backward else y
        seconds.append(time.perf_counter() - start)
        peaks.append((status("VmHWM") - before) / 1024)
        del found

    peaks: list[float] = []
    seconds: list[float] = []
    run(300)
    run(tokens)
    return {"MiB": peaks[-1], "s": seconds[-1]}


def measured(name: str, tokens: int, backward: bool, raised: bool) -> dict[str, float]:
    """The same in a process of its own."""
    told = json.dumps([name, tokens, backward])
    done = subprocess.run(
        [sys.executable, __file__, told], env={**os.environ, **(RAISED if raised else {})}, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{name} at {tokens}: {done.stderr.splitlines()[-1:]}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def table(tokens: int, names: list[str], settings: tuple[bool, ...] = (False, True)) -> None:
    """A line for every variant; `less` is how many times less than the first it takes. `settings`: as glibc is, and with it raised."""
    print(f"\n{tokens:,} tokens\n{'':34}{'forward':>29}{'forward and backward':>29}")
    print(f"{'':34}" + f"{'MiB':>8}{'raised':>8}{'s':>6}{'less':>7}" * 2, flush=True)
    whole: list[float] = []
    for name in names:
        print(f"{name:34}", end="", flush=True)
        for backward in (False, True):
            found = [measured(name, tokens, backward, raised) for raised in settings]
            whole.append(found[0]["MiB"])
            raised = f"{found[1]['MiB']:.1f}" if len(found) > 1 else ""
            less = f"{whole[int(backward)] / found[0]['MiB']:.0f}" if len(names) > 1 else ""
            print(f"{found[0]['MiB']:8.1f}{raised:>8}{found[0]['s']:6.1f}{less:>7}", end="", flush=True)
        print(flush=True)


def main() -> None:
    import torch

    print(f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}, "
          f"Python {platform.python_version()}, {' '.join(platform.libc_ver())}")  # fmt: skip
    table(LONG, ["naive", *PROGRAMS])
    table(LONGEST, ["attn"], (False,))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(*json.loads(sys.argv[1]))))
    else:
        main()
