"""The pass: which facts of a mask are worth blocks, for which sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...graph import Graph, Node
from ...ops.mask_offsets import Band, Fact, Residue
from ...sizes import Size, equal, product
from ..base import Change, Mode, Outcome, Pass, spoken_attention
from ..making import Make
from ..plan_choice import Chooser, choices
from ..plan_decide import Decision, compared
from ..rewriting import everything, rewrite
from .blocks import State, applied, begun, ended, ends, told_by
from .carrying import Unsaid

Found = tuple[Fact, Node]


@dataclass(frozen=True)
class Live(Pass):
    """Blocks pay where they have no more than `part` of all scores, in hundredths, and `least` scores fewer.

    The blocks of a band hold `rows` queries at most, fewer along several axes (`few`).
    """

    name: ClassVar[str] = "live"
    promise: ClassVar[str] = "attention works on the blocks of pairs that its mask allows by their positions"
    exact: ClassVar[bool] = False

    part: int = 70
    least: int = 1 << 14
    rows: int = 128
    few: int = 8

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        rule = _Rule(self, graph, mode)
        made = rewrite(graph, rule, ("attend",))
        return Outcome(made, tuple(rule.changes), tuple(rule.left))


class _Rule:
    """Takes attention apart into blocks, one after another."""

    def __init__(self, options: Live, graph: Graph, mode: Mode) -> None:
        self.options, self.mode = options, mode
        self.chooser = Chooser(choices(everything(graph)))
        self.changes: list[Change] = []
        self.left: list[Change] = []

    def __call__(self, make: Make, node: Node) -> Node | None:
        if node.op != "attend" or "where" not in node["extras"] or node["chunk"] is not None:
            return None
        if self.mode == "train" and node["dropout"]:
            return None
        first = begun(make, node)
        dots = frozenset(name for names in node["dots"] for name in names)
        try:
            state, taken = self._blocks(make, first, dots)
        except Unsaid:
            self.left.append(
                Change(
                    f"{spoken_attention(node)} has its own numbers for pairs of queries and keys: these do not lie in blocks", (node.span,)
                )
            )
            return None
        return self._taken(make, node, (first, state), taken, dots) if taken else None

    def _blocks(self, make: Make, state: State, dots: frozenset[str]) -> tuple[State, list[Fact]]:
        taken: list[Fact] = []
        while (found := self._best(state, dots)) is not None:
            state = applied(make, state, *found, self._rows(state, found[0]))
            taken.append(found[0])
        return state, taken

    def _best(self, state: State, dots: frozenset[str]) -> Found | None:
        """The next fact to use: segments and residues first, then bands that have both ends."""
        known: list[Found] = []
        for condition in state.mask:
            known += [(fact, condition) for fact in told_by(condition, state.keys)]
        usable = [found for found in known if self._fits(state, found[0], dots)]
        whole = [found for found in usable if not isinstance(found[0], Band)]
        return whole[0] if whole else _both_ends([found for found in usable if isinstance(found[0], Band)])

    def _fits(self, state: State, fact: Fact, dots: frozenset[str]) -> bool:
        lie = [node.tensor for node in (*state.q, *state.k, state.v, *state.extras.values())]
        if not all(any(one.has(axis) for one in lie) for axis in (fact.query, fact.key)):
            return False  # the mask alone has it
        if fact.key in state.banded or fact.query in dots or equal(state.size(fact.query), state.size(fact.key)) is not True:
            return False
        if isinstance(fact, Band):
            return all(limit is None or limit.integer() is not None for limit in (fact.low, fact.high))
        unit = fact.step if isinstance(fact, Residue) else fact.size
        return (unit.integer() or 0) > 1

    def _rows(self, state: State, fact: Fact) -> int:
        if not isinstance(fact, Band):
            return 0
        low, high = ends(fact)
        width = (high - low).integer() or 0
        least, most = (self.options.few, self.options.few) if len(state.keys) > 1 else (min(32, self.options.rows), self.options.rows)
        return max(least, min(most, 1 << (width // 4).bit_length()))

    def _taken(self, make: Make, node: Node, states: tuple[State, State], taken: list[Fact], dots: frozenset[str]) -> Node | None:
        decision = self._decided(*(state.scored(dots) for state in states))
        if not decision.take:
            return None
        self.changes.append(Change(_told(node, taken, decision), (node.span,)))
        blocks = ended(make, node, states[1])
        if not decision.condition:
            return blocks
        return self.chooser.choice(make, (blocks, make.now()), decision, lambda one: one in states[0].ground)

    def _decided(self, before: Mapping[str, Size], after: Mapping[str, Size]) -> Decision:
        """By how many scores there are along the axes that change."""
        all, live = (
            product([size for name, size in one.items() if name not in other]) for one, other in ((before, after), (after, before))
        )
        gap = all * self.options.part - live * 100 - self.options.least * 100
        number = gap.constant()
        if number is not None:
            return Decision(number >= 0)
        decision = compared(gap)
        return decision if decision.condition or not decision.take else Decision(True, Size.of(1), all)  # an empty axis has no blocks


def _both_ends(bands: list[Found]) -> Found | None:
    """The first pair of axes whose bands together have both ends, with zero between them."""
    for one, condition in bands:
        assert isinstance(one, Band)
        same = [other for other, _ in bands if isinstance(other, Band) and (other.query, other.key) == (one.query, one.key)]
        lows = [low for band in same if band.low is not None and (low := band.low.integer()) is not None]
        highs = [high for band in same if band.high is not None and (high := band.high.integer()) is not None]
        if lows and highs and max(lows) <= 0 <= min(highs):
            return Band(one.query, one.key, Size.of(max(lows)), Size.of(min(highs))), condition
    return None


# ---------------------------------------------------------------- telling


def _told(node: Node, taken: list[Fact], decision: Decision) -> str:
    """`y` works on the pairs that its mask allows: along N ..."""
    parts = [_fact(fact) for fact in taken]
    where = f", where {decision.condition}" if decision.condition else ""
    return f"{spoken_attention(node)} works on the pairs that its mask allows: {'; '.join(parts)}{where}"


def _fact(fact: Fact) -> str:
    if isinstance(fact, Band):
        return f"along {fact.query} keys from {fact.low} to {fact.high} away, as blocks of queries with a window of keys each"
    if isinstance(fact, Residue):
        return f"along {fact.query} positions that are multiples of {fact.step} apart"
    return f"along {fact.query} blocks of {fact.size}"
