"""From a program and an axis to the smaller program: what can be removed, what a budget leaves, and the text that says it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...dsl.diagnostics import AttnError, Diagnostic
from ..cost import graph_cost
from ..elaborate import elaborate
from ..graph import Graph
from ..program import BlockProgram, load, text
from ..sizes import Size
from .budget import Kept, Scores, keep_count, keep_fraction, keep_work, refusal
from .groups import Group, find_groups
from .needs import find_needs
from .shrink import difference, shrink
from .writing import Writing

NOMINAL = 64
"""What a size that is not bound counts as, where operations are counted."""


@dataclass(frozen=True)
class Prunable:
    """A bound program, and the places where slices of `axis` can go."""

    program: BlockProgram
    axis: str
    graph: Graph
    groups: tuple[Group, ...]
    bind: Mapping[str, Any]
    inputs: tuple[str, ...]

    @property
    def lengths(self) -> dict[str, int]:
        """How many slices each place has, by the path that its weights share."""
        return {group.name: group.length for group in self.groups}

    def work(self, counts: Sequence[int]) -> float:
        """The operations of a run with so many slices of each group; sizes that are not bound count as 64."""
        return _number(graph_cost(shrink(self.graph, self.groups, counts)).flops)

    def parameters(self, counts: Sequence[int]) -> int:
        return int(_number(graph_cost(shrink(self.graph, self.groups, counts)).parameters))

    def choose(self, scores: Scores, keep: float | int | None, flops: float | None, uniform: bool) -> Kept:
        """The positions that stay. `keep` is a fraction (a float) or a number of slices (an int). Raises AttnError (E0802)."""
        if (keep is None) == (flops is None):
            raise AttnError([refusal("a budget is needed", "keep= (a fraction or a number of slices) or flops= (a fraction), one of them")])
        if flops is not None:
            if uniform:
                raise AttnError([refusal("a share of the operations is not kept uniformly", "give keep= with uniform=True")])
            return keep_work(scores, flops, self.work)
        if isinstance(keep, int):
            return keep_count(scores, keep, uniform)
        return keep_fraction(scores, keep or 0.0, uniform)

    def written(self, counts: Sequence[int]) -> str:
        """The smaller program. It is elaborated and compared with what it has to be. Raises AttnError (E0801)."""
        unit, block = self.program.unit, self.program.block
        made = Writing(unit, block, self.axis, find_needs(self.groups, counts, block)).text()
        smaller = (
            load(text(made, "the smaller program"), block.name, roots=()) if not _own_uses(self.program) else _beside(self.program, made)
        )
        _same(self.axis, shrink(self.graph, self.groups, counts), smaller.graph(self.bind, self.inputs))
        return made


def prunable(program: BlockProgram, axis: str, bind: Mapping[str, Any], inputs: Sequence[str] = ()) -> Prunable:
    """What of a program can be pruned along an axis. Raises AttnError: the program's own mistakes, or why it cannot be (E0801)."""
    program.graph(bind, inputs)
    found = elaborate(program.unit, program.block, bind, inputs)
    graph = found.require()
    groups = find_groups(graph, found.slots, axis)
    names = [group.name for group in groups]
    if len(set(names)) < len(names):
        twice = next(group for group in groups if names.count(group.name) > 1)
        title = f"two places of `{twice.name}` have an axis `{axis}` of their own"
        raise AttnError([Diagnostic("E0801", title, twice.span, help="give the weights of each a path of its own with `as`")])
    return Prunable(program, axis, graph, groups, dict(bind), tuple(inputs))


def _own_uses(program: BlockProgram) -> bool:
    return any(use.module[0] != "std" for use in program.unit.program.uses)


def _beside(program: BlockProgram, made: str) -> BlockProgram:
    """The smaller program with the modules of the user's own folder."""
    from pathlib import Path

    return load(text(made, "the smaller program"), program.name, roots=(Path(program.unit.source.name).resolve().parent,))


def _same(axis: str, wanted: Graph, found: Graph) -> None:
    try:
        node = difference(wanted, found)
    except ValueError as error:
        title = f"axis `{axis}` cannot be pruned: with fewer slices the program says something else ({error})"
        raise AttnError([Diagnostic("E0801", title, found.span, help="the size of the axis may decide an `if` or a loop")]) from None
    if node is not None:
        title = f"axis `{axis}` cannot be pruned: with fewer slices the program says something else"
        help = f"the size of `{axis}` is used as a number, or another axis gets its size from it: give that a number of its own"
        raise AttnError([Diagnostic("E0801", title, node.span, "this changes", help=help)])


def _number(size: Size) -> float:
    return float(size.evaluate(dict.fromkeys(size.free(), NOMINAL)))


# ---------------------------------------------------------------- importances from outside


def given_scores(groups: Sequence[Group], given: object) -> Scores:
    """Importances as the caller has them: lists by the groups' names, or one list where there is one group. Raises AttnError (E0802)."""
    names = [group.name for group in groups]
    table: dict[str, Any] = {}
    if isinstance(given, Mapping):
        table = {str(name): value for name, value in given.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    elif len(groups) == 1:
        table = {names[0]: given}
    missing = [f"missing: {name}" for name in names if name not in table]
    unknown = [f"unknown: {name}" for name in table if name not in names]
    if missing or unknown:
        raise AttnError(
            [refusal("these importances are not those of the program", f"one list for each of: {', '.join(names)}", (*missing, *unknown))]
        )
    return [_row(group, table[group.name]) for group in groups]


def _row(group: Group, values: object) -> list[float]:
    if not isinstance(values, list | tuple) or not all(isinstance(value, int | float) for value in values):  # pyright: ignore[reportUnknownVariableType]
        raise AttnError([refusal(f"the importances of `{group.name}` are no list of numbers")])
    row = [float(value) for value in values]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if len(row) != group.length:
        raise AttnError([refusal(f"`{group.name}` has {group.length} slices of `{group.axis}`, and {len(row)} importances are given")])
    if not all(map(math.isfinite, row)):
        raise AttnError([refusal(f"an importance of `{group.name}` is not a finite number")])
    return row


def normalised(scores: Scores, how: str | None) -> list[list[float]]:
    """`l2`: every group divided by its length as a vector, so that groups compare (Michel, Levy, Neubig, 2019). None: as they are."""
    if how not in (None, "none", "l2"):
        raise AttnError([refusal(f"normalise={how!r} is not known", "l2, or none")])
    found: list[list[float]] = []
    for row in scores:
        size = math.sqrt(sum(value * value for value in row))
        found.append([value / size if size and how == "l2" else value for value in row])
    return found
