"""The choice of orders: as few bytes copied as can be proved, over the whole graph.

Every copy is taken up in the order of the graph. What could be decided otherwise around it (an attention with all that feeds it is one
decision, and every combination is looked at) is tried by looking through the lowering again, from the first node that differs up to where
all values lie as before. What copies least is kept; of equals the first, and the graph as it was before any of them. Fewer means fewer
for every size that is not bound. Not every assignment of a whole graph is looked at: that would take exponential time.
"""

from __future__ import annotations

import heapq
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..graph import Node
from ..sizes import Size, at_least
from ..types import TensorType, is_tuple
from .choices import Changes, Making, attention_ways, other_ways, summed_as_it_lies, with_rows_inside
from .plan import Orders, PlannedCopy, Traced, distinct
from .tracing import Tensor

ZERO = Size.of(0)
ROUNDS = 4
"""How many decisions the copies of one node may lead to."""
REACH = 64
"""How many nodes beyond a change may lie otherwise before it is given up, and how far back the writer of a value is looked for."""


@dataclass(frozen=True)
class Trial:
    """What changes would do: the nodes that are or lie otherwise, with what they would give, and the bytes they copy before and after."""

    changes: Changes
    found: Mapping[Node, Traced]
    before: Size
    after: Size


class Search:
    """Over the nodes of one graph or body. `free` are nodes worked out once, before any run, whose copies cost nothing; `learns`: weights
    get gradients. `changed` is what nodes have become, `taken` the decisions in the order they were made."""

    def __init__(self, plan: Orders, free: frozenset[Node] = frozenset(), learns: bool = True) -> None:
        self.plan = plan
        self.learns = learns
        self.making = Making()
        self.free = free
        self.changed: Changes = {}
        self.taken: list[Trial] = []
        self._best: dict[tuple[Any, ...], int] = {}
        self._places = {node: i for i, node in enumerate(plan.nodes)}
        self._readers: dict[Node, list[Node]] = {}
        for node in plan.nodes:
            for source in dict.fromkeys(node.inputs):
                self._readers.setdefault(source, []).append(node)

    def run(self) -> None:
        """Take up every copy."""
        for node in self.plan.nodes:
            rounds = ROUNDS if node not in self.free else 0
            while rounds and self.plan.copies.get(node) and self._improved(node):
                rounds -= 1

    def _improved(self, node: Node) -> bool:
        """Take the best way, if one copies less. Of nodes that look alike with what is around them, the first is looked at in full, and
        the others in the way that was best there."""
        kind = self._kind(node)
        known = self._best.get(kind)
        ways = ((i, way) for i, way in enumerate(self._ways(node)) if known is None or i == known)
        best: Trial | None = None
        self._best.setdefault(kind, -1)
        for i, trial in ((i, trial) for i, way in ways for trial in self._trials(way)):
            if best is None or _fewer(best.before - best.after, trial.before - trial.after):
                best, self._best[kind] = trial, i
            if best.after == ZERO:
                break
        if best is not None:
            self._take(best)
        return best is not None

    def _take(self, best: Trial) -> None:
        for one, traced in best.found.items():
            self.plan.keep(one, traced)
        self.changed.update(best.changes)
        self.taken.append(best)

    def _kind(self, node: Node) -> tuple[Any, ...]:
        """What tells nodes apart whose best ways may differ."""
        around = [*node.inputs, *self._writers(node), *self._readers.get(node, ())]
        now, copies = self._now(node), self.plan.copies[node]
        return (node.op, now.attrs, node.type, tuple((one.op, one.type) for one in around), tuple((one.axes, one.lies) for one in copies))

    # ------------------------------------------------ what to try

    def _ways(self, node: Node) -> Iterator[Changes]:
        """Everything that could be decided otherwise about the copies of a node."""
        for one in (node, *self._writers(node)):
            if one.op == "attend":
                yield from attention_ways(self.making, one, self.changed, self.plan.values, REACH)
            yield from ({one: new} for new in other_ways(self.making, self._now(one)))
        turned = None if self.learns else with_rows_inside(self.making, self._now(node), self.plan.values.get(node.inputs[0]))
        for fix in (turned, self._reordered(node, self._now(node), {})):
            yield from ({node: fix},) if fix is not None else ()
        yield from self._laid(node)

    def _now(self, node: Node) -> Node:
        return self.changed.get(node, node)

    def _writers(self, node: Node) -> list[Node]:
        """What wrote the inputs of a node, beyond what only passes on their order."""
        found: dict[Node, None] = {}
        for one in node.inputs:
            for _ in range(REACH):
                if one.op in ("attend", "stack", "dot") or not one.inputs:
                    break
                one = max(one.inputs, key=_rank)
            found.setdefault(one)
        return list(found)

    def _laid(self, node: Node) -> Iterator[Changes]:
        """An input put in order once, for all that copy it."""
        for copy in self.plan.copies[node]:
            order = tuple(name for group in copy.axes for name in group.split())
            for source in dict.fromkeys(self._now(node).inputs):
                if isinstance(source.type, TensorType) and {*order} == {*source.tensor.names} and source.op != "lay":
                    readers = [one for one in self._readers.get(source, ()) if self.plan.copies.get(one)]
                    yield {one: self._reading(one, source, order) for one in readers}

    def _reading(self, node: Node, source: Node, order: tuple[str, ...]) -> Node:
        now = self._now(node)
        laid = self.making.lay(source, order, node)
        return self.making.on(now, [laid if one is source else one for one in now.inputs])

    # ------------------------------------------------ trying

    def _trials(self, changes: Changes) -> Iterator[Trial]:
        """What changes do that copy less, by themselves and with the linear maps behind them reading in the order that comes of it."""
        trial = self._trial(changes)
        if trial is None:
            return
        if _fewer(trial.after, trial.before):
            yield trial
        more: Changes = {}
        for one, traced in trial.found.items():
            fix = self._reordered(one, changes.get(one, self._now(one)), trial.found) if traced.copies else None
            more.update({one: fix} if fix is not None else {})
        further = self._trial({**changes, **more}) if more else None
        if further is not None and _fewer(further.after, further.before):
            yield further

    def _reordered(self, node: Node, now: Node, found: Mapping[Node, Traced]) -> Node | None:
        """A linear map, by now `now`, that reads its input in the order in which it lies."""
        if node.op != "linear" or now.inputs[0].op == "lay":
            return None
        x = node.inputs[0]
        return summed_as_it_lies(self.making, now, found[x].value if x in found else self.plan.value(x))

    def _trial(self, changes: Changes) -> Trial | None:
        """Look through the changed nodes and all that lies otherwise behind them; None where that goes too far."""
        values: ChainMap[Node, Any] = ChainMap({}, self.plan.values)
        found: dict[Node, Traced] = {}
        waiting = [(self._places[node], node) for node in changes]
        heapq.heapify(waiting)
        while waiting:
            _, node = heapq.heappop(waiting)
            if node in found:
                continue
            if len(found) > REACH:
                return None
            now = changes.get(node, self._now(node))
            for laid in now.inputs:
                if laid not in values or (laid.op == "lay" and laid.inputs[0] in found):
                    found[laid] = self.plan.traced(laid, values)
                    values[laid] = found[laid].value
            traced = self.plan.traced(now, values)
            if _lie_alike(traced.value, self.plan.values[node]):
                traced = replace(traced, value=self.plan.values[node])
            else:
                for reader in self._readers.get(node, ()):
                    heapq.heappush(waiting, (self._places[reader], reader))
            found[node], values[node] = traced, traced.value
        return Trial(changes, found, self._bytes({node: self.plan.copies.get(node, ()) for node in found}),
                     self._bytes({node: traced.copies for node, traced in found.items()}))  # fmt: skip

    def _bytes(self, copies: Mapping[Node, Sequence[PlannedCopy]]) -> Size:
        """All bytes copied by these nodes."""
        paid = [one for node, made in copies.items() if not self._is_free(node) for one in made]
        return sum((copy.bytes for copy in distinct(paid)), ZERO)

    def _is_free(self, node: Node) -> bool:
        return node in self.free or (node.op == "lay" and node.inputs[0] in self.free)


def _rank(node: Node) -> int:
    return len(node.axes) if isinstance(node.type, TensorType) else 0


def _lie_alike(a: Any, b: Any) -> bool:
    """Whether two values, or two groups of values, lie in memory in the same way."""
    left, right = (tuple(value) if is_tuple(value) else (value,) for value in (a, b))
    return all(_lies(one) == _lies(other) for one, other in zip(left, right, strict=True))


def _lies(value: Any) -> tuple[Any, ...]:
    return (value.axes, value.fx.memory if isinstance(value.fx, Tensor) else None)


def _fewer(a: Size, b: Size) -> bool:
    """Whether `a` is less than `b` for all sizes."""
    return a != b and at_least(b, a) is True
