"""One program put to the test: source against optimised, text against graph, moved about, and compiled."""

from __future__ import annotations

import random
import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import attn
from attn.compiler.graph import Graph
from attn.compiler.passes import Mode, Optimised, Pass, optimise, passes
from attn.compiler.passes.chunks import Chunks
from attn.compiler.passes.distances import Distances
from attn.compiler.passes.inference import InferenceFolding
from attn.compiler.passes.listing import listing
from attn.compiler.passes.live import Live
from attn.compiler.passes.memory_limit import MemoryLimit

from .answers import Answer, Case, Difference, answer, differences, wanting
from .compiled import compiled_differences
from .metamorphic import VARIANTS
from .noise import unexplained
from .program import Program
from .values import draws, inputs_of, weights_of


@dataclass
class Outcome:
    """`kind`: same; shaken (equal as far as rounding can tell); refused (the source itself has no answer); or wrong, `where` and `why`.

    `fired` are the passes that did something, `checks` what was compared besides.
    """

    kind: str = "same"
    where: str = ""
    why: str = ""
    fired: tuple[str, ...] = ()
    checks: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Setting:
    """How a program is put to the test; all of it follows from its number. `empty`: an open axis has no elements. `pipeline`: other
    passes than the compiler's."""

    mode: Mode
    training: bool
    gradients: bool
    more: tuple[str, ...]
    empty: bool
    pipeline: tuple[Pass, ...]


SMALL: dict[str, Pass] = {
    "inference": InferenceFolding(least=1),
    "live": Live(part=1 << 20, least=1, rows=2, few=2),
    "distances": Distances(least=1),
    "memory": MemoryLimit(64, 8),
    "chunks": Chunks(rows=2, few=2, least=2),
}
"""Blocks and chunks of few positions, whatever they cost; three quarters of the programs have them."""


def setting_of(seed: int, pipeline: Sequence[Pass] | None = None) -> Setting:
    """A third of the programs is optimised for inference, a sixth runs in training, half compares gradients, one in sixteen has an empty
    axis; the rarer checks take turns."""
    mode: Mode = "infer" if seed % 3 == 2 else "train"
    variants = [*VARIANTS]
    more = [variants[seed // 8 % len(variants)]] if seed % 8 == 3 else []
    more += ["text"] if seed % 16 == 5 else []
    more += ["compiled"] if seed % 25 == 7 else []  # in every mode, with and without gradients
    chosen = (*passes(2, mode),) if pipeline is None else tuple(pipeline)
    chosen = tuple(SMALL.get(one.name, one) if seed % 4 < 3 else one for one in chosen)
    return Setting(mode, mode == "train" and seed % 6 == 0, seed % 2 == 0, tuple(more), seed % 16 == 9, chosen)


def everything(seed: int) -> Setting:
    """Every check there is, for one program."""
    return replace(setting_of(seed), gradients=True, more=(*VARIANTS, "text", "compiled"))


def emptied(program: Program) -> Program:
    """With the first open axis of size 0, where there is one; its text and graph are the same.

    Not where that makes infinities of nothing, whose products with other numbers are not the same in another order: where sizes are
    numbers (a scale of 0 ** -0.5), or a `logsumexp` runs along the axis.
    """
    axis = next((name for name in program.free if name != "*" and "size(" not in program.text), None)
    infinite = any(node.op == "logsumexp" and axis in node["axes"] for node in program.graph.nodes)
    return program if axis is None or infinite else replace(program, free={**program.free, axis: 0})


def case_of(program: Program, setting: Setting) -> Case:
    """What a program is run on; `*` is one dimension."""
    graph = program.graph
    inputs, weights = inputs_of(graph, program.free, (program.free["*"],), program.seed), weights_of(graph, program.seed)
    if setting.gradients:
        wanting(graph, inputs, weights if setting.mode == "train" else {})
    return Case(inputs, weights, draws(program.seed), setting.training, setting.gradients)


# ---------------------------------------------------------------- the checks


def check(program: Program, setting: Setting) -> Outcome:
    """All checks of a setting, up to the first that fails. A compiler that ends with another exception fails too."""
    outcome = Outcome()
    try:
        _check(program, setting, outcome)
    except Exception:  # noqa: BLE001  (whatever it is, the compiler must not end so)
        outcome.kind, outcome.why = "wrong", traceback.format_exc(limit=-6)
    return outcome


def _check(program: Program, setting: Setting, outcome: Outcome) -> None:
    outcome.where = "reference"
    if setting.empty:
        program = emptied(program)
    case = case_of(program, setting)
    wanted = answer(program.graph, case)
    if wanted.error is not None:
        outcome.kind, outcome.why = "refused", f"{type(wanted.error).__name__}: {wanted.error}"
        return
    outcome.where = "optimised"
    _optimised(program, setting, case, wanted, outcome)
    for name in setting.more:
        if outcome.kind == "wrong":
            return
        outcome.where = name
        MORE.get(name, _variant)(program, setting, case, wanted, outcome)


def _optimised(program: Program, setting: Setting, case: Case, wanted: Answer, outcome: Outcome) -> None:
    """Source against optimised, in values, states and gradients."""
    optimised = optimise(program.graph, 2, setting.mode, pipeline=setting.pipeline)
    outcome.fired = tuple(dict.fromkeys(step.done.name for step in optimised.steps if step.changes))
    if optimised.graph is program.graph:
        return
    found = differences(wanted, answer(optimised.graph, case))
    left = _judged(program.graph, case, wanted, found, outcome)
    if left:
        outcome.why = blame(program.graph, optimised, case, wanted, left)


def _judged(graph: Graph, case: Case, wanted: Answer, found: list[Difference], outcome: Outcome) -> list[Difference]:
    """The differences that rounding does not explain; the outcome says whether there were any, and of which kind."""
    left = unexplained(graph, case, wanted, found) if found else []
    outcome.kind = "wrong" if left else "shaken" if found else outcome.kind
    outcome.why = str(left[0]) if left else outcome.why
    return left


def blame(graph: Graph, optimised: Optimised, case: Case, wanted: Answer, last: Sequence[Difference]) -> str:
    """The first pass after which the answer is another."""
    for step in optimised.steps:
        found = differences(wanted, answer(step.after, case)) if step.after is not step.before else []
        left = unexplained(graph, case, wanted, found) if found else []
        if left:
            told = "; ".join(change.text for change in step.changes)
            return f"after pass {step.done.name}: {left[0]} ({told})"
    return f"after all passes: {last[0]}"


def counted(text: str) -> str:
    """A listing whose draws and loops are numbered in the order in which they stand; 0 is none."""
    seen: dict[str, str] = {"0": "0"}
    return re.sub(r"(?<=\bnumber=)\d+|(?<=\bscan=)\d+", lambda one: seen.setdefault(one.group(), str(len(seen))), text)


def _text(program: Program, setting: Setting, case: Case, wanted: Answer, outcome: Outcome) -> None:
    """The whole text gives the graph that its statements gave one by one, up to the numbers that statements which were refused took."""
    again = listing(attn.load(attn.text(program.text)).graph(program.bind))
    outcome.checks.append("text")
    if counted(again) != counted(listing(program.graph)):
        outcome.kind, outcome.why = "wrong", f"the text gives another graph:\n{again}\n{listing(program.graph)}"


def _variant(program: Program, setting: Setting, case: Case, wanted: Answer, outcome: Outcome) -> None:
    """A program that means the same, optimised."""
    variant = VARIANTS[outcome.where](program, case, wanted, random.Random(program.seed))
    if variant is None:
        return
    outcome.checks.append(outcome.where)
    other, moved, expected = variant
    optimised = optimise(other.graph, 2, setting.mode, pipeline=setting.pipeline)
    found = differences(expected, answer(optimised.graph, moved))
    _judged(other.graph, moved, expected, found, outcome)


def _compiled(program: Program, setting: Setting, case: Case, wanted: Answer, outcome: Outcome) -> None:
    found = compiled_differences(program, setting.mode, case, wanted)
    if found is None:
        return
    outcome.checks.append("compiled")
    _judged(program.graph, case, wanted, found, outcome)


MORE: dict[str, Callable[[Program, Setting, Case, Answer, Outcome], None]] = {"text": _text, "compiled": _compiled}
