"""Every pass is held against the reference on every program there is: the passes' own golden programs, the whole library, the examples,
and the mechanisms. Both modes; all levels; the inputs of a program take turns, so that all of it takes a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_support import GOLDEN, Golden
from mechanisms import test_mechanisms_a, test_mechanisms_b
from passes.test_golden import settings as golden_settings
from reference.library_cases import CASES, DRAWS
from reference.test_against_reference import BINDS, STATEFUL

import attn
from attn.compiler.graph import Graph
from attn.compiler.passes import Mode, optimise
from attn.compiler.passes.pipeline import MODES
from attn.compiler.verify import Report, settings_for, verify_graph
from attn.compiler.verify.verifying import UNANSWERED, UNTRIED

TESTS = Path(__file__).parents[1]
EXAMPLES: list[tuple[str, str, dict[str, Any]]] = [
    *[("first", block, {"C": 8, "reduction": 4}) for block in ("excite", "in_parts", "se")],
    ("first", "squeeze", {}),
    ("first", "gate", {}),
    ("gpt", "gpt", {"V": 7, "D": 6, "context": 9, "depth": 2, "heads": 2}),
    ("minilm", "minilm", {"vocab": 7, "length": 9, "width": 6, "heads": 2, "depth": 2}),
    ("vit", "vit", {"C": 3, "H": 4, "W": 6, "D": 6, "K": 3, "patch": 2, "depth": 2, "heads": 2}),
]
MOST = {"library": 1, "files": 1, "mechanisms": 1, "golden": 2}
"""How many kinds of inputs a program is tried with."""
TOO_LARGE = frozenset({"plan:xca_few_tokens"})
"""Golden programs whose sizes take the reference half a minute."""


@dataclass(frozen=True)
class Program:
    name: str
    graph: Callable[[], Graph]
    modes: tuple[Mode, ...] = MODES


def library() -> Iterator[Program]:
    for module, block, bind in [*CASES, *((*names, {}) for names in sorted(DRAWS))]:
        program = getattr(getattr(attn.std, module), block)
        every = tuple(program.optional())
        for given in ((), every) if every else ((),):
            yield Program(f"{module}:{block}:{bind}:{len(given)}", lambda p=program, b=bind, g=given: p.graph(b, g))


def files() -> Iterator[Program]:
    found = [(TESTS / "programs" / f"{file}.attn", block, bind) for file, blocks in BINDS.items() for block, bind in blocks.items()]
    found += [(TESTS.parent / "examples" / f"{file}.attn", block, bind) for file, block, bind in EXAMPLES]
    found += [(TESTS / "mechanisms" / f"{file}.attn", block, bind) for file, block, bind, _ in STATEFUL]
    for path, block, bind in found:
        yield Program(f"{path.stem}:{block}", lambda p=path, n=block, b=bind: attn.load(p, n).graph(b))


def mechanisms() -> Iterator[Program]:
    for case in (*test_mechanisms_a.CASES, *test_mechanisms_b.CASES):
        yield Program(case.name, lambda c=case: attn.load(attn.text(c.text()), c.block).graph(c.bind, c.given))


def goldens() -> Iterator[Program]:
    for path in sorted((GOLDEN / "passes").rglob("*.txt")):
        case = Golden.read(path)
        if f"{path.parent.name}:{path.stem}" in TOO_LARGE:
            continue
        mode, bind = golden_settings(case.source)
        yield Program(f"{path.parent.name}:{path.stem}", lambda c=case, b=bind: attn.load(attn.text(c.source)).graph(b), (mode,))


def validated(program: Program, level: int, mode: Mode, turn: int, most: int) -> Report | None:
    """The report on one program; None where no pass did anything, so that there is nothing to compare."""
    graph = program.graph()
    if all(step.after is step.before for step in optimise(graph, level, mode).steps):
        return None
    settings = [*settings_for(graph, mode)]
    chosen = [settings[(turn + i) % len(settings)] for i in range(min(most, len(settings)))]
    chosen += settings[:1] if all(one.is_empty for one in chosen) else []
    report = verify_graph(graph, chosen, level=level, mode=mode, as_written=False)
    if UNANSWERED not in report.notes:
        return report
    return verify_graph(graph, settings, level=level, mode=mode, as_written=False)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


ALL = {"library": [*library()], "files": [*files()], "mechanisms": [*mechanisms()], "golden": [*goldens()]}


def check(kind: str, programs: list[Program], level: int) -> None:
    wrong: list[str] = []
    for turn, program in enumerate(programs):
        for mode in program.modes:
            report = validated(program, level, mode, turn, MOST[kind])
            if report is not None and (not report.ok or UNTRIED in report.notes):
                wrong.append(f"{program.name} in {mode} at level {level}\n{report}")
    assert wrong == [], "\n\n".join(wrong)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("part", range(4))
def test_every_pass_keeps_the_meaning(kind: str, part: int) -> None:
    check(kind, ALL[kind][part::4], 2)


@pytest.mark.parametrize("kind", ALL)
def test_the_exact_passes_alone_keep_it(kind: str) -> None:
    """Without the others they see other graphs."""
    check(kind, ALL[kind][::2], 1)
