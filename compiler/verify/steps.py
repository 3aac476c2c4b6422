"""One pass under one setting: the graphs before and after it, through the reference and compiled, by the rule that the pass declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..graph import Graph
from .bench import WIDE, Bench, Told
from .differences import Answer, Difference, difference, distance, missing, same_bits
from .sensitivity import spread

TWICE = 2
"""A pass that reassociates may double the error that the program as written has in the working dtype."""


@dataclass(frozen=True)
class Part:
    """One comparison: which two sides, what differs (None where all is well), and the largest share of what was allowed."""

    sides: str
    difference: Difference | None = None
    share: float = 0.0


def structure(before: Graph, after: Graph) -> Difference | None:
    """What every pass leaves alone: inputs, weights, states, guards, and the results' names, axes, sizes and kinds of number."""
    pairs = {
        "the inputs": (before.inputs, after.inputs),
        "the weights": (before.weights, after.weights),
        "the guards": (before.guards, after.guards),
        "the states that are written": ([slot for slot, _ in before.updates], [slot for slot, _ in after.updates]),
        "the results": (_results(before), _results(after)),
    }
    changed = [name for name, (left, right) in pairs.items() if left != right]
    return Difference(changed[0], f"{changed[0]} are not those of the graph before") if changed else None


def _results(graph: Graph) -> list[object]:
    return [(out.name, out.order, frozenset(out.node.axes), out.node.dtype) for out in graph.outputs]


# ---------------------------------------------------------------- the lowering, and a pass


def lowering(bench: Bench, source: Graph) -> Iterator[Part]:
    """The program as written: compiled in float64 as the reference says, in the working dtype up to its rounding."""
    for dtype in () if bench.draws(source) else dict.fromkeys((WIDE, bench.workshop.dtype)):
        yield against_reference(bench, source, source, dtype, _name(dtype), times=0)


def step(bench: Bench, source: Graph, before: Graph, after: Graph, exact: bool) -> Iterator[Part]:
    """Every comparison that the rule asks for, the telling ones first."""
    yield interpreted(bench, before, after)
    for dtype in dict.fromkeys((WIDE, bench.workshop.dtype)):
        if exact and bench.draws(before) == bench.draws(after):
            yield equal_bits(bench, before, after, dtype)
        if not bench.draws(source):
            yield against_reference(bench, source, after, dtype, _name(dtype), TWICE if dtype != WIDE else 0)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def interpreted(bench: Bench, before: Graph, after: Graph) -> Part:
    """Both graphs through the reference, in float64: the meaning itself."""
    sides = "the graph after it and before it, by the reference in float64"
    wanted, found = bench.reference(before), bench.reference(after)
    failed = _failed(found, wanted)
    if wanted.answer is None or found.answer is None:
        return Part(sides, failed)
    return _compared(bench, sides, (before, after), found.answer, wanted.answer, _allowed(wanted, found, WIDE, bench), WIDE)


def equal_bits(bench: Bench, before: Graph, after: Graph, dtype: torch.dtype) -> Part:
    """Results and states of both graphs, compiled, bit for bit; where random numbers are drawn, from the same seed."""
    sides = f"the graph after it and before it, compiled in {_name(dtype)}, bit for bit"
    level = bench.workshop.exact
    wanted, found = bench.module(before, dtype, level), bench.module(after, dtype, level)
    failed = _failed(found, wanted)
    if wanted.answer is None or found.answer is None:
        return Part(sides, failed)
    for name, right in wanted.answer.values.items():
        left = found.answer.values.get(name)
        if left is None or not same_bits(left, right):
            apart = missing(found.answer.values, wanted.answer.values) if left is None else difference(name, left, right, 0.0)
            return Part(sides, apart or Difference(name, f"{name} differs"), float("inf"))
    return Part(sides)


def against_reference(bench: Bench, source: Graph, graph: Graph, dtype: torch.dtype, word: str, times: int) -> Part:
    """A graph compiled in `dtype`; it may be `times` as far from the reference's answer to the source as the source compiled so is."""
    sides = f"the compiled graph in {word} and the reference in float64"
    truth, found = bench.reference(source), bench.module(graph, dtype)
    if truth.answer is None or found.answer is None:
        written_fails = graph is not source and bench.module(source, dtype).error is not None
        return Part(sides, None if written_fails else _failed(found, truth))
    allowed = _allowed(truth, bench.reference(graph), dtype, bench)
    plain = bench.module(source, dtype).answer if times else None
    if plain is not None:
        far = {name: times * distance(x, y) for name, x, y in _pairs(plain, truth.answer)}
        allowed = {name: value + far.get(name, 0.0) for name, value in allowed.items()}
    shaken = (source, graph) if dtype == WIDE else (source,)
    return _compared(bench, sides, shaken, found.answer, truth.answer, allowed, dtype)


# ---------------------------------------------------------------- the comparison itself


def _failed(found: Told, wanted: Told) -> Difference | None:
    """One side has no answer where the other has one."""
    if found.error is not None and wanted.error is None:
        shown = " ".join(str(found.error).split())
        return Difference("it", f"it ends with {type(found.error).__name__}: {shown[:400]}")
    return None


def _pairs(left: Answer, right: Answer) -> Iterator[tuple[str, Tensor, Tensor]]:
    for mine, theirs in ((left.values, right.values), (left.slopes, right.slopes)):
        for name, x in mine.items():
            if name in theirs:
                yield name, x, theirs[name]


def _allowed(one: Told, other: Told, dtype: torch.dtype, bench: Bench) -> dict[str, float]:
    """The formula, by name, for the longer sums and the larger numbers of the two."""
    answer = one.answer
    if answer is None:
        return {}
    largest = max((float(x.abs().max()) for x in answer.slopes.values() if x.numel()), default=1.0)
    slack = bench.setting.slack
    plain = slack * max(one.rounding.bound(dtype), other.rounding.bound(dtype))
    slope = slack * max(one.rounding.slope_bound(largest, dtype), other.rounding.slope_bound(largest, dtype))
    return {**dict.fromkeys(answer.values, plain), **dict.fromkeys(answer.slopes, slope)}


def _compared(
    bench: Bench, sides: str, shaken: tuple[Graph, ...], found: Answer, wanted: Answer, allowed: Mapping[str, float], dtype: torch.dtype
) -> Part:
    """Up to what the formula allows; and where that is not enough, up to what the experiment on the `shaken` graphs does."""
    lacking = missing(found.values, wanted.values) or missing(found.slopes, wanted.slopes)
    if lacking is not None:
        return Part(sides, lacking, float("inf"))
    pairs = list(_pairs(found, wanted))
    if all(difference(name, x, y, allowed[name]) is None for name, x, y in pairs):
        shares = [distance(x, y) / allowed[name] for name, x, y in pairs if allowed[name] not in (0.0, float("inf"))]
        return Part(sides, None, max(shares, default=0.0))
    more = [spread(bench, graph, dtype) for graph in shaken]
    wide = {name: max(allowed[name], *(moved.get(name, 0.0) for moved in more)) for name in allowed}
    for name, x, y in pairs:
        apart = difference(name, x, y, wide[name])
        if apart is not None:
            return Part(sides, apart, apart.error / apart.allowed if apart.allowed else float("inf"))
    return Part(sides, None, 1.0)
