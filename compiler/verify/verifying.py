"""Every pass of a pipeline in turn against the reference, and the first that changes what a program means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from ..graph import Graph
from ..passes.base import Mode, Pass
from ..passes.pipeline import passes
from .bench import WIDE, Bench, Workshop, tried
from .choosing import BELOW, settings_for, takes_indices, with_indices
from .report import LOWERING, PREPARED, Finding, Report, Row
from .settings import Setting
from .steps import Part, lowering, step, structure

UNTRIED = "no sizes were found that satisfy its guards: nothing was compared"
UNANSWERED = "the reference has no answer for any of the inputs tried: nothing was compared"
DRAWN = "random numbers are drawn: compared by the reference, with the same numbers on both sides; compiled, passes that keep every bit"


@dataclass(frozen=True)
class Ran:
    """One pass that ran: the graphs on both sides of it, and how many changes it told of."""

    done: Pass
    before: Graph
    after: Graph
    changes: int


def verify_graph(
    graph: Graph,
    settings: Sequence[Setting] | None = None,
    *,
    level: int = 2,
    mode: Mode = "train",
    dtype: torch.dtype = torch.float32,
    pipeline: Sequence[Pass] | None = None,
    reducing: bool = True,
    as_written: bool = True,
) -> Report:
    """Run the passes of a level (or those of `pipeline`) on a graph, and hold every graph on the way against the reference.

    Settings are chosen where none are given. The report names the first pass that disagrees and, where `reducing`, a smaller program that
    shows it. With `as_written` the program compiled without any pass is held against the reference first. An error of a pass, or of the
    compilation of what it made, is a disagreement too.
    """
    ran, broken = _run(graph, passes(level, mode) if pipeline is None else pipeline, mode)
    rows = [Row(LOWERING, False), *(Row(one.done.name, one.done.exact, one.changes) for one in ran)]
    if broken is not None:
        return Report((*rows, Row(broken.culprit, False)), broken)
    chosen = settings_for(graph, mode) if settings is None else tuple(settings)
    if not chosen:
        return Report(tuple(rows), None, 0, (UNTRIED,))
    state = torch.get_rng_state()
    try:
        report = _Trial(Workshop(graph, mode, dtype), ran, rows, as_written).report(chosen)
        return _with_smaller(report, ran, mode, dtype) if reducing else report
    finally:
        torch.set_rng_state(state)  # the caller's random numbers go on as if nothing had happened


def _with_smaller(report: Report, ran: Sequence[Ran], mode: Mode, dtype: torch.dtype) -> Report:
    """The report with a small program that shows what it found."""
    if report.finding is None or report.finding.culprit in (LOWERING, PREPARED):
        return report
    from .reducing import reduced

    guilty = next(one for one in ran if one.done.name == report.finding.culprit)
    smaller = reduced(guilty.before, guilty.done, report.finding.setting, mode, dtype)
    return replace(report, finding=replace(report.finding, reduced=smaller))


def _run(graph: Graph, pipeline: Sequence[Pass], mode: Mode) -> tuple[list[Ran], Finding | None]:
    """Every pass; a Finding where one fails, or touches what it must leave alone."""
    ran: list[Ran] = []
    now = graph
    for one in pipeline:
        try:
            outcome = one.run(now, mode)
        except Exception as error:  # noqa: BLE001  (whatever a pass ends with, it is the pass that is told)
            return ran, Finding(one.name, f"the pass ends with {type(error).__name__}: {error}", "the graph before it, through the pass")
        changed = structure(now, outcome.graph)
        if changed is not None:
            return ran, Finding(one.name, changed.text, "the graph after it and before it")
        ran.append(Ran(one, now, outcome.graph, len(outcome.changes)))
        now = outcome.graph
    return ran, None


class _Trial:
    """The comparisons of one graph, pass by pass. What whole numbers the inputs may be is looked for, where the setting does not say it."""

    def __init__(self, workshop: Workshop, ran: Sequence[Ran], rows: Sequence[Row], as_written: bool) -> None:
        self.workshop = workshop
        self.ran = ran
        self.rows = list(rows)
        self.as_written = as_written
        self.notes: list[str] = []

    def report(self, settings: Sequence[Setting]) -> Report:
        """All settings for one pass before the next, so that the first pass in the order is found."""
        benches = [bench for setting in settings if (bench := self._bench(setting)) is not None]
        finding = next(self._findings(benches), None)
        if not any(bench.reference(self.workshop.source).answer is not None for bench in benches):
            self.notes.append(UNANSWERED)
        return Report(tuple(self.rows), finding, len(benches), tuple(self.notes))

    def _bench(self, setting: Setting) -> Bench | None:
        """A setting with whole numbers that the program takes; None where it takes none."""
        graph = self.workshop.source
        tried = [with_indices(setting, graph, below) for below in BELOW] if takes_indices(graph) and not setting.below else [setting]
        for one in tried:
            bench = Bench(self.workshop, one)
            told = bench.reference(graph)
            if (one.is_empty or told.rounding.empty) and bench.module(graph, WIDE).answer is None:
                continue  # not every kernel of PyTorch takes what is empty
            if told.answer is not None:
                self.notes += [DRAWN] if bench.draws(graph) and DRAWN not in self.notes else []
                return bench
        return None

    def _findings(self, benches: Sequence[Bench]) -> Iterator[Finding]:
        source = self.workshop.source
        for bench in benches if self.as_written else ():
            yield from self._looked(0, LOWERING, bench, source, lowering(bench, source))
        for i, one in enumerate(self.ran, 1):
            for bench in benches if one.after is not one.before else ():
                yield from self._looked(i, one.done.name, bench, one.after, step(bench, source, one.before, one.after, one.done.exact))

    def _looked(self, row: int, culprit: str, bench: Bench, graph: Graph, parts: Iterator[Part]) -> Iterator[Finding]:
        for part in parts:
            self.rows[row] = self.rows[row].with_share(part.share)
            if part.difference is not None:
                stale = self._is_stale(bench, graph)
                yield Finding(PREPARED if stale else culprit, part.difference.text, part.sides, bench.setting)

    def _is_stale(self, bench: Bench, graph: Graph) -> bool:
        """Whether a module that is built anew says something else: what was prepared from the old weights was kept."""
        if self.workshop.mode != "infer":
            return False
        old = bench.module(graph, WIDE).answer
        made = tried(lambda: self.workshop.fresh(graph, WIDE))
        new = None if isinstance(made, Exception) else bench.ask(made, WIDE).answer
        if old is None or new is None:
            return False
        return any(not torch.equal(x, new.values[name]) for name, x in old.values.items() if not bool((x != x).any()))
