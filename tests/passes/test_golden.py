"""What each pass makes of small programs: `tests/golden/passes/PASS/*.txt`.

A source begins with a comment of settings: `# mode: infer, memory: 1GiB, bind: C=64 heads=2` (each may be left
out). The output is what the pass did,
what it left, and the graph after it, the pass being run alone on the graph as written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from golden_support import GOLDEN, Golden

import attn
from attn.compiler.passes import Pass, passes
from attn.compiler.passes.base import Mode
from attn.compiler.passes.choosing import limit_for
from attn.compiler.passes.listing import listing
from attn.compiler.passes.pipeline import MODES

CASES = sorted((GOLDEN / "passes").rglob("*.txt"))
PASSES = {one.name: one for mode in MODES for one in passes(2, mode)}


def settings(text: str) -> tuple[Mode, dict[str, int]]:
    """The mode and the bound sizes that the first line tells."""
    first = text.splitlines()[0] if text.startswith("#") else ""
    mode: Mode = "infer" if "mode: infer" in first else "train"
    return mode, {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", first)}


def the_pass(case: Golden) -> Pass:
    """The pass of a folder, and what its program says of memory."""
    memory = re.search(r"memory: (\w+)", case.source.splitlines()[0])
    return limit_for(memory[1], 2) if memory else PASSES[case.path.parent.name]


def outcome(case: Golden) -> str:
    mode, bind = settings(case.source)
    graph = attn.load(attn.text(case.source)).graph(bind, checking=True)
    made = the_pass(case).run(graph, mode)
    told = [*(change.text for change in made.changes), *(f"left: {change.text}" for change in made.left)]
    return "".join(f"{line}\n" for line in told) + "\n" + listing(made.graph)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_pass_makes_of_a_program(path: Path, golden: Callable[[Path, Callable[[Golden], str]], None]) -> None:
    golden(path, outcome)


def test_every_pass_has_a_golden_program() -> None:
    assert {path.parent.name for path in CASES} == {*PASSES}
