"""The same text gives the same bytes: graphs, files of PyTorch, names of weights and messages do not depend on the seed of hashes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SEEDS = ("0", "1", "2", "random")
SCRIPT = r"""
import hashlib, json, sys
from pathlib import Path
import attn
from attn.compiler import view
from attn.compiler.graph import Graph
from attn.compiler.lower.standalone import standalone
from attn.compiler.program import load_unit, BlockProgram
from attn.compiler.view.schema import to_json
from attn.dsl.diagnostics import AttnError
from attn.dsl.format import format_text
from attn.dsl.loader import Library
from attn.dsl.render import render_all

SIZES = {"heads": 2, "groups": 2, "reduction": 2}


def told(kind, text):
    print(kind, hashlib.sha256(text.encode()).hexdigest()[:16])


def bound(program):
    '''Numbers for everything a block must be told; powers of two fit most.'''
    graph = program.graph(checking=True)
    names = sorted({name for weight in graph.weights for size in weight.shape for name in size.free()})
    return {name: 16 for name in names}


for module in sorted(Library().names()):
    unit, _ = load_unit(module)
    told(module + " text", format_text(unit.source))
    for name, block in unit.blocks.items():
        program = BlockProgram(unit, block)
        graph = program.graph(checking=True)
        told(f"{module}:{name} json", to_json(graph))
        told(f"{module}:{name} dot", view.render_dot(graph))
        told(f"{module}:{name} svg", view.render_svg(graph))
        try:
            fixed = program.graph(bound(program))
        except AttnError as error:
            told(f"{module}:{name} says", str(error))
            continue
        told(f"{module}:{name} weights", " ".join(weight.path for weight in fixed.weights))
        told(f"{module}:{name} alone", standalone(fixed))
for path in sorted(Path(sys.argv[1]).glob("*.txt")):
    source = path.read_text(encoding="utf-8").split("---- output")[0].split("\n", 1)[1]
    told(path.stem, render_all(attn.check(attn.text(source)), color=False))
"""


def digests(seed: str) -> list[str]:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ROOT / "tests" / "golden" / "checks")],
        env=environment, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def first() -> list[str]:
    return digests(SEEDS[0])


@pytest.mark.timeout(300)
def test_everything_is_looked_at(first: list[str]) -> None:
    kinds = {line.split()[1] for line in first if ":" in line.split()[0]}
    assert {"json", "dot", "svg", "alone", "weights"} <= kinds
    blocks = {line.split()[0] for line in first if ":" in line.split()[0]}
    written = {line.split()[0] for line in first if line.split()[1] == "alone"}
    assert len(blocks) >= 50
    assert len(written) >= 0.7 * len(blocks)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS[1:])
def test_the_seed_of_hashes_changes_nothing(first: list[str], seed: str) -> None:
    assert digests(seed) == first
