"""The pass: which attention has a bias or mask of distances, and for which sizes a view of one row is worth it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ...graph import Graph, Node
from ...ops.attend_way import attend_way
from ...ops.mask_offsets import Band, conditions, facts
from ...ops.masks import program
from ...prepared import unchanging
from ...sizes import Size, equal
from ...types import Axis, TensorType
from ..base import Change, Mode, Outcome, Pass, spoken_attention
from ..live.blocks import ground_of
from ..live.carrying import Unsaid
from ..making import Make
from ..plan_choice import Chooser, choices
from ..plan_decide import Decision, compared
from ..rewriting import everything, rewrite
from .along import Line, OnLine
from .known import known_bias
from .terms import SHIFTED, seen

LEAST = 1 << 14
"""Fewer pairs are a matrix as fast."""


@dataclass(frozen=True)
class Distances(Pass):
    """A bias or mask of distances becomes a view where there are `least` pairs. `kernel`: for few distances inductor makes a kernel."""

    name: ClassVar[str] = "distances"
    promise: ClassVar[str] = "a bias or mask that tells distances alone is a view of one row, and what a softmax does not see of it is gone"
    exact: ClassVar[bool] = False

    least: int = field(default_factory=lambda: LEAST)
    kernel: bool = False

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        known = unchanging(graph) if mode == "infer" else frozenset[Node]()
        rule = _Rule(self, mode, Chooser(choices(everything(graph))), known)
        return Outcome(rewrite(graph, rule, ("attend",)), tuple(rule.changes))


@dataclass(frozen=True)
class _Parts:
    """The inputs of an attention under way."""

    main: tuple[Node, ...]
    extras: dict[str, Node]
    keys: tuple[str, ...]

    @property
    def ground(self) -> frozenset[Node]:
        return ground_of([*self.main, *self.extras.values()], len(self.main), ("gather",))

    def have(self, axes: Sequence[Axis]) -> bool:
        """Whether each of the axes is one of an input."""
        return {axis.name for axis in axes} <= {name for one in (*self.main, *self.extras.values()) for name in one.tensor.names}


@dataclass
class _Rule:
    options: Distances
    mode: Mode
    chooser: Chooser
    known: frozenset[Node]
    changes: list[Change] = field(default_factory=list[Change])

    def __call__(self, make: Make, node: Node) -> Node | None:
        if node.op != "attend" or "sink_logit" in node["extras"] or not {"bias", "where"} & {*node["extras"]}:
            return None
        inputs, main = tuple(make.new(source) for source in node.inputs), 2 * node["terms"] + 1
        parts = _Parts(inputs[:main], dict(zip(node["extras"], inputs[main:], strict=True)), node["keys"])
        if "where" in parts.extras and (viewed := self._viewed(make, node, parts)) is not None:
            return viewed
        short = self._without_unseen(make, node, parts)
        viewed = self._viewed(make, node, short or parts) or self._made_once(make, node, short or parts)
        if viewed is not None or short is None:
            return viewed
        return make.again(node, (*short.main, *short.extras.values()), extras=tuple(short.extras))

    def _made_once(self, make: Make, node: Node, parts: _Parts) -> Node | None:
        bias = known_bias(make, node, parts.extras, self.known)
        if bias is None:
            return None
        text = f"the mask of {spoken_attention(node)} is known before any run, and no row of it is empty: it is a bias of -inf, made once"
        self.changes.append(Change(text, (node.span,)))
        rest = {name: one for name, one in parts.extras.items() if name not in ("bias", "where")}
        extras = {**rest, "bias": bias}
        return make.again(node, (*parts.main, *extras.values()), extras=tuple(extras))

    def _without_unseen(self, make: Make, node: Node, parts: _Parts) -> _Parts | None:
        bias = parts.extras.get("bias")
        if bias is None or node["by"] not in SHIFTED:
            return None
        left = seen(make, bias, parts.keys)
        extras = {name: left if name == "bias" else one for name, one in parts.extras.items()}
        short = _Parts(parts.main, {name: one for name, one in extras.items() if one is not None}, parts.keys)
        if left is bias or not short.have(node.axes):
            return None
        self.changes.append(Change(f"what the bias of {spoken_attention(node)} adds to every key of a row alike is left out", (node.span,)))
        return short

    def _viewed(self, make: Make, node: Node, parts: _Parts) -> Node | None:
        if len(parts.keys) != 1 or (self.mode == "train" and node["dropout"]):
            return None
        way = attend_way(node)
        if (
            way.layout is None
            or way.layout.causal
            or any(parts.extras[name].tensor.has(parts.keys[0]) for name in parts.extras if name == "scale")
        ):
            return None
        found = next((made for query in _queries(parts) if (made := _as_view(make, parts, query)) is not None), None)
        return None if found is None else self._taken(make, node, parts, *found)

    def _taken(self, make: Make, node: Node, parts: _Parts, bias: Node, query: str, back: bool) -> Node | None:
        (key,) = parts.keys
        decision = self._decided(bias.tensor.size(query) * bias.tensor.size(key))
        if not decision.take:
            return None
        self.changes.append(Change(_told(node, parts, query, decision), (node.span,)))
        turned = [make.node("flip", (x,), x.type, axes=(key,)) if x.tensor.has(key) else x for x in parts.main]
        extras = {**{name: one for name, one in parts.extras.items() if name not in ("bias", "where")}, "bias": bias}
        options = {**node.options, "extras": tuple(extras), **self._line(parts, query, back)}
        view = make.node("attend", (*turned, *extras.values()), node.type, **options)
        if not decision.condition:
            return view
        ground = parts.ground
        other = make.again(node, (*parts.main, *parts.extras.values()), extras=tuple(parts.extras))
        return self.chooser.choice(make, (view, other), decision, lambda one: one in ground)

    def _line(self, parts: _Parts, query: str, back: bool) -> dict[str, Any]:
        """What says that a mask of distances is in the bias, and may leave few."""
        if "where" not in parts.extras:
            return {}
        return {"line": (query, back), **({"few": "kernel"} if self.options.kernel else {})}

    def _decided(self, pairs: Size) -> Decision:
        gap = pairs - self.options.least
        number = gap.constant()
        if number is not None:
            return Decision(number >= 0)
        decision = compared(gap)
        return decision if decision.condition or not decision.take else Decision(True, Size.of(1), pairs)


# ---------------------------------------------------------------- one row


def _queries(parts: _Parts) -> list[str]:
    """The axes that queries of such a bias or mask may lie on."""
    told = [parts.extras[name] for name in ("where", "bias") if name in parts.extras]
    found = dict.fromkeys(axis.name for node in told for axis in node.axes if axis.name not in parts.keys)
    return [name for name in found if any(x.tensor.has(name) for x in parts.main)]


def _as_view(make: Make, parts: _Parts, query: str) -> tuple[Node, str, bool] | None:
    """The bias with the mask inside, as a view of one row in which keys lie in reverse; and whether no key lies behind its query."""
    (key,) = parts.keys
    bias, mask = parts.extras.get("bias"), parts.extras.get("where")
    told = [one for one in (bias, mask) if one is not None]
    if any(not node.tensor.has(key) or not node.tensor.has(query) for node in told):
        return None
    if mask is not None and not _sees_itself(mask, query, key):
        return None
    size, reach = told[0].tensor.size(query), told[0].tensor.size(key)
    line = Line(query, key, Axis(make.fresh(f"{query}_apart"), size + reach - 1), reach - 1)
    ground = parts.ground
    try:
        said = [OnLine(make, line, ground)(node) for node in told]
    except Unsaid:
        return None
    row = _row(make, said[0] if bias is not None else None, said[-1] if mask is not None else None, line.axis)
    axes = (*row.tensor.without((line.axis.name,)).axes, Axis(query, size), Axis(key, reach))
    one = Size.of(1)
    view = make.node("unfold", (row,), TensorType(axes, row.dtype), axis=line.axis.name, to=(query, key), stride=one, dilation=one)
    return view, query, mask is not None and _looks_back(mask, query, key)


def _row(make: Make, bias: Node | None, mask: Node | None, axis: Axis) -> Node:
    if mask is not None:
        return make.expand(make.where(mask, bias if bias is not None else make.scalar(0.0), make.scalar(float("-inf"))), [axis])
    assert bias is not None  # one of them is there
    return make.expand(make.cast(bias, "float"), [axis])


def _sees_itself(mask: Node, query: str, key: str) -> bool:
    """Whether every query sees the key at its own place, whatever the data: then no row is empty."""
    made = program(mask)
    if made is None or made.axes.keys() - {query, key} or equal(mask.tensor.size(query), mask.tensor.size(key)) is not True:
        return False
    return made.run({query: 0, key: 0}, {}) is True


def _looks_back(mask: Node, query: str, key: str) -> bool:
    told = [fact for node, names in conditions(mask) for fact in facts(node, names, frozenset((key,)))]
    ends = [fact.high for fact in told if isinstance(fact, Band) and (fact.query, fact.key) == (query, key) and fact.high is not None]
    return any((end.constant() or 0) <= 0 and end.constant() is not None for end in ends)


# ---------------------------------------------------------------- telling


def _told(node: Node, parts: _Parts, query: str, decision: Decision) -> str:
    names: Sequence[str] = [word for name, word in (("bias", "bias"), ("where", "mask")) if name in parts.extras]
    verb = "tell" if len(names) > 1 else "tells"
    where = f", where {decision.condition}" if decision.condition else ""
    return f"{' and '.join(names)} of {spoken_attention(node)} {verb} distances along {query} alone: a view of one row{where}"
