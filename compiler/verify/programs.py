"""Verifying a program as a user means it: sizes that are not bound are chosen, optional inputs are left out and passed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ...dsl.diagnostics import AttnError, Diagnostic
from ..graph import Graph
from ..passes.base import Mode, Pass
from ..passes.choosing import chosen_optimiser, limit_for, told_passes
from ..passes.pipeline import passes
from ..program import BlockProgram, load
from .report import Finding, Report, join
from .verifying import verify_graph

SIZES = (2, 1, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 5, 7, 9)
"""What a size in the shape of a weight is chosen from, where it is not bound."""
DRAWS = 400
CHOICES = 2
"""How many choices of the unbound sizes are tried."""


def verify(
    source: Any,
    block: str | None = None,
    *,
    bind: Mapping[str, Any] | None = None,
    inputs: Sequence[str] | None = None,
    level: int = 2,
    mode: Mode = "train",
    dtype: Any = "float32",
    memory: Any = None,
    pipeline: Sequence[Pass] | None = None,
) -> Report:
    """Hold every pass of a level against the reference on a program, in values and gradients, and say which one disagrees first.

    `source` and `block` are as for `attn.compile`. Sizes of weights that `bind` leaves open are chosen (twice, as its facts about sizes
    allow); all others are tried odd, 1, and 0 where they can be. `inputs` are the optional inputs that are passed; without it none and
    then all of them. `dtype` is the working dtype, beside float64; `memory` a limit as for
    `attn.compile`. Raises AttnError for a mistake in the program or the call.
    """
    from ..lower.compiling import named_dtype

    program = load(source, block)
    chosen_optimiser(level, mode)  # a level or mode that is not known is told
    if pipeline is None:
        pipeline = told_passes(level, mode, limit=limit_for(memory, level))
    kind: torch.dtype = named_dtype(dtype) if isinstance(dtype, str) else dtype
    every = tuple(program.optional())
    ways = [tuple(inputs)] if inputs is not None else [(), every] if every else [()]
    reports: list[Report] = []
    for given in ways:
        for bound in bindings(program, bind or {}, given):
            graph = program.graph(bound, given)
            reports.append(verify_graph(graph, level=level, mode=mode, dtype=kind, pipeline=pipeline))
            if not reports[-1].ok:
                return join(reports)
    return join(reports)


def bindings(program: BlockProgram, bind: Mapping[str, Any], given: Sequence[str]) -> list[dict[str, Any]]:
    """`bind`, completed by sizes for the weights that it leaves open. Raises AttnError where none are found."""
    needed = unbound(program.graph(bind, given, checking=True), bind)
    if not needed:
        return [dict(bind)]
    source, found = random.Random(0), list[dict[str, Any]]()
    for _ in range(DRAWS):
        tried = {**bind, **{name: source.choice(SIZES) for name in needed}}
        if tried not in found and _takes(program, tried, given):
            found.append(tried)
        if len(found) == CHOICES:
            return found
    if not found:
        program.graph(bind, given)  # tells what must be bound
        names = ", ".join(f"`{name}`" for name in needed)
        raise AttnError([Diagnostic("E0501", f"no sizes were found for {names} that block `{program.name}` takes", program.block.head,
                                    help="bind them: --bind NAME=VALUE")])  # fmt: skip
    return found


def unbound(graph: Graph, bind: Mapping[str, Any]) -> list[str]:
    """The names in the shapes of weights that are not bound."""
    free = {name for weight in graph.weights for axis in weight.axes for name in axis.size.free()}
    return sorted(free - {*bind})


def _takes(program: BlockProgram, bind: Mapping[str, Any], given: Sequence[str]) -> bool:
    try:
        program.graph(bind, given)
    except AttnError:
        return False
    return True


# ---------------------------------------------------------------- as an error


def require(graph: Graph, *, level: int, mode: Mode, dtype: torch.dtype | None, pipeline: Sequence[Pass] | None = None) -> Report:
    """Verify a graph; AttnError (E0901) that names the pass where one disagrees."""
    report = verify_graph(graph, level=level, mode=mode, dtype=dtype or torch.get_default_dtype(), pipeline=pipeline)
    if report.finding is not None:
        raise AttnError([diagnosis(graph, report.finding, pipeline if pipeline is not None else passes(level, mode))])
    return report


def diagnosis(graph: Graph, finding: Finding, pipeline: Sequence[Pass]) -> Diagnostic:
    """What a user is told of a compiler that is wrong."""
    _, *notes = str(finding).splitlines()
    title = f"`{finding.culprit}` changes what `{graph.name}` means: {finding.text}"
    help = "this is a mistake of attn's, please report it"
    guilty = next((one for one in pipeline if one.name == finding.culprit), None)
    if guilty is not None:
        help += f"; until then compile with level={guilty.level - 1}, which does without this pass"
    told = tuple(line.removeprefix("  ") for line in notes)
    return Diagnostic("E0901", title, graph.span, "this block", notes=told, help=help)
