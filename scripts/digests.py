"""One line for every block of the library and the examples, and every form it has as text, with the start of its SHA-256.

    python scripts/digests.py          print them
    python scripts/digests.py --write  write tests/golden/digests.txt, which `make golden` does, too

The same text gives the same bytes, so a line changes only where the compiler does: a review sees which blocks a change reaches.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import attn
from attn.compiler.graph import Graph
from attn.compiler.lower.standalone import standalone
from attn.compiler.passes import Mode, optimise
from attn.compiler.passes.listing import listing
from attn.compiler.program import BlockProgram, load_unit
from attn.compiler.view import render_dot, render_mermaid, render_svg, to_json
from attn.dsl.diagnostics import AttnError
from attn.dsl.format import format_text
from attn.dsl.loader import Library
from attn.dsl.render import render_all

ROOT = Path(__file__).resolve().parents[1]
DIGESTS = ROOT / "tests" / "golden" / "digests.txt"
SIZE = 16
"""What every size that must be known when a module is built is bound to; powers of two fit most."""
MOST_WEIGHTS = 100
"""Of blocks with more tensors than this no file of Python is written, which would take long."""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def blocks() -> Iterator[tuple[str, BlockProgram]]:
    """Every block of the library, then those of the examples, by paths that do not tell where the checkout is."""
    examples = sorted(
        path.relative_to(ROOT) for path in (ROOT / "examples").glob("*.attn")
    )  # whole networks have pages that are held to their bytes
    for source in [*sorted(Library().names()), *examples]:
        unit, _ = load_unit(source)
        for name, block in unit.blocks.items():
            yield f"{source}:{name}", BlockProgram(unit, block)


def bound(program: BlockProgram) -> Graph:
    """The graph with numbers for everything a module must be told."""
    graph = program.graph(checking=True)
    names = sorted({name for weight in graph.weights for size in weight.shape for name in size.free()})
    return program.graph(dict.fromkeys(names, SIZE))


def forms(program: BlockProgram) -> Iterator[tuple[str, str]]:
    """The texts of a block by kind: open ones of the graph as checked, then those of a module."""
    graph = program.graph(checking=True)
    for kind, write in (("json", to_json), ("dot", render_dot), ("svg", render_svg), ("mermaid", render_mermaid)):
        yield kind, write(graph)
    try:
        fixed = bound(program)
    except AttnError as error:
        yield "says", str(error)
        return
    yield "weights", " ".join(weight.path for weight in fixed.weights)
    modes: tuple[Mode, ...] = ("train", "infer")
    every = {mode: optimise(fixed, mode=mode) for mode in modes}
    for mode, done in every.items():
        yield f"listing-{mode}", listing(done.graph) + "".join(change.text for step in done.steps for change in step.changes)
    if len(fixed.weights) <= MOST_WEIGHTS:
        yield "python", standalone(fixed, lambda graph: every["train"] if graph is fixed else optimise(graph))


def lines() -> Iterator[str]:
    for name, program in blocks():
        for kind, text in forms(program):
            yield f"{digest(text)}  {kind:13}  {name}"
    for module in sorted(Library().names()):
        unit, _ = load_unit(module)
        yield f"{digest(format_text(unit.source))}  {'text':13}  {module}"
    for path in sorted((ROOT / "tests" / "golden" / "checks").glob("*.txt")):
        source = path.read_text(encoding="utf-8").split("---- output")[0].split("\n", 1)[1]
        yield f"{digest(render_all(attn.check(attn.text(source)), color=False))}  {'message':13}  {path.stem}"


if __name__ == "__main__":
    os.chdir(ROOT)
    found = "\n".join(lines()) + "\n"
    if "--write" in sys.argv[1:]:
        DIGESTS.write_text(found, encoding="utf-8")
    else:
        sys.stdout.write(found)
