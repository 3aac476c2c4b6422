"""What does nothing once training is over: dropout, dropped paths, and gates of ones."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, ClassVar

from ..graph import Graph, Node, Weight
from ..types import is_tuple
from .base import Change, Mode, Outcome, Pass
from .making import Make
from .rewriting import rewrite

_MOVES = frozenset({"rename", "expand", "split", "merge", "cut", "pick", "flip", "roll", "detach"})
_LARGEST = 2**20
"""Whole numbers up to here are exact in every type of number, and so are their sums and products below its square root."""


@dataclass(frozen=True)
class Evaluation(Pass):
    name: ClassVar[str] = "evaluation"
    promise: ClassVar[str] = "dropout and gates of ones are gone"
    exact: ClassVar[bool] = True
    modes: ClassVar[tuple[Mode, ...]] = ("infer",)

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        state = _Evaluation(graph.weights)
        return Outcome(rewrite(graph, state.rule), tuple(state.changes))


@dataclass
class _Evaluation:
    weights: tuple[Weight, ...]
    changes: list[Change] = field(default_factory=list[Change])
    known: dict[Node, float | None] = field(default_factory=dict[Node, "float | None"])

    def rule(self, make: Make, node: Node) -> Node | None:
        if node.op in ("dropout", "droppath"):
            return self._dropped(make, node)
        if node.op == "attend" and node["dropout"]:
            self._tell(node, "dropout of these weights is for training")
            return make.again(node, [make.new(source) for source in node.inputs], dropout=0.0, number=0)
        if node.op in ("mul", "div"):
            return self._gated(make, node)
        return self._chosen(make, node) if node.op == "where" else None

    def _dropped(self, make: Make, node: Node) -> Node:
        self._tell(node, f"{node.op} is for training")
        x = make.new(node.inputs[0])
        return x if x.dtype == node.dtype else make.cast(x, "float")

    def _gated(self, make: Make, node: Node) -> Node | None:
        """A factor of ones."""
        for place in (1, 0) if node.op == "mul" else (1,):
            if self._value(node.inputs[place]) == 1:
                return self._kept(make, node, node.inputs[1 - place], "a factor of ones")
        return None

    def _chosen(self, make: Make, node: Node) -> Node | None:
        """A choice that is always the same."""
        choice = self._value(node.inputs[0])
        return None if choice is None else self._kept(make, node, node.inputs[1 if choice else 2], "a choice that is always the same")

    def _kept(self, make: Make, node: Node, old: Node, what: str) -> Node | None:
        x = make.new(old)
        if x.dtype != node.dtype:
            return None
        self._tell(node, f"{what} is gone")
        return make.expand(x, node.axes)

    def _tell(self, node: Node, text: str) -> None:
        self.changes.append(Change(f"`{node.name}`: {text}" if node.name else text, (node.span,)))

    # ------------------------------------------------ values that are the same everywhere

    def _value(self, node: Node) -> float | None:
        """The one value that a tensor holds everywhere, exactly; None where it is not known, or not whole."""
        stack = [node]
        while stack:
            top = stack[-1]
            waiting = [source for source in top.inputs if source not in self.known] if top.op in _MOVES or top.op in _EXACT else []
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if top not in self.known:
                self.known[top] = _small(self._found(top))
        return self.known[node]

    def _found(self, node: Node) -> float | None:
        if node.op == "scalar":
            return float(node["value"])
        if node.op == "weight":
            slot: int = node["slot"]
            return _constant(self.weights[slot])
        if node.op in _MOVES:
            return self.known[node.inputs[0]]
        if node.op not in _EXACT:
            return None
        values = [self.known[source] for source in node.inputs]
        return None if any(value is None for value in values) else float(_EXACT[node.op](*values))


def _small(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) and value == int(value) and abs(value) <= _LARGEST else None


def _constant(weight: Weight) -> float | None:
    """The value of a constant that is the same everywhere. What is trained or loaded is none."""
    init = weight.init
    if weight.kind != "const":
        return None
    if init.kind in ("zeros", "ones"):
        return float(init.kind == "ones")
    if init.kind == "constant":
        return float(init.values[0])
    return _only(init.values[0]) if init.kind == "list" else None


def _only(values: Any) -> float | None:
    """The number of which a nested list is made, if it is one."""
    waiting: list[Any] = [values]
    found: set[float] = set()
    while waiting:
        top = waiting.pop()
        if is_tuple(top):
            waiting.extend(top)
        else:
            found.add(float(top))
    return found.pop() if len(found) == 1 else None


def _relu(a: float) -> float:
    return max(a, 0.0)


def _exp(a: float) -> float:
    """Of 0 alone; every other one is rounded."""
    return 1.0 if a == 0 else 0.5


_EXACT: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg, "abs": abs, "maximum": max, "minimum": min,
    "relu": _relu, "exp": _exp, "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt,
    "ge": operator.ge, "not": operator.not_,
}  # fmt: skip
