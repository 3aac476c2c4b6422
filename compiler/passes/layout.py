"""The order in memory of every value, chosen so that as little as possible is copied. The search is in `compiler/orders`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..cost import readable
from ..graph import Graph, Node
from ..orders.plan import Orders, orders
from ..orders.search import Search, Trial
from ..prepared import weight_only
from .base import Change, Mode, Outcome, Pass
from .making import Make
from .rewriting import rewrite


@dataclass(frozen=True)
class AssignLayout(Pass):
    name: ClassVar[str] = "layout"
    promise: ClassVar[str] = "values lie in memory so that fewer bytes are copied, whatever the sizes"
    exact: ClassVar[bool] = False

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        free = weight_only(graph.nodes, {slot for slot, _ in graph.updates}) if mode == "infer" else frozenset[Node]()
        searches = [Search(plan, free if i == 0 else frozenset()) for i, plan in enumerate(_levels(orders(graph)))]
        changed: dict[Node, Node] = {}
        for search in searches:
            search.run()
            changed.update(search.changed)
        if not changed:
            return Outcome(graph)

        def rule(make: Make, node: Node) -> Node | None:
            new = changed.get(node)
            return None if new is None else make.again(new, [_input(make, node, source) for source in new.inputs])

        return Outcome(rewrite(graph, rule), tuple(_change(trial) for search in searches for trial in search.taken))


def _levels(plan: Orders) -> list[Orders]:
    """The values of a graph, and of the bodies in it, each by itself."""
    found = [plan]
    for one in found:
        found += [body for bodies in one.bodies.values() for body in bodies]
    return found


def _input(make: Make, node: Node, source: Node) -> Node:
    """What an input has become; one that is laid out for `node` is made."""
    if source in node.inputs or source.op != "lay":
        return make.new(source)
    x = make.new(source.inputs[0])
    return make.node("lay", (x,), x.type, order=source["order"])


# ---------------------------------------------------------------- telling


def _change(trial: Trial) -> Change:
    """What was decided, and what it saves."""
    words = list(dict.fromkeys(word for old, new in trial.changes.items() for word in _words(old, new)))
    saved = f"{readable(trial.after)} bytes are copied instead of {readable(trial.before)}"
    return Change(f"{'; '.join(words)}: {saved}", tuple(dict.fromkeys(node.span for node in trial.changes)))


def _words(old: Node, new: Node) -> list[str]:
    called = f"`{old.name}`" if old.name else f"this `{old.op}`"
    words: list[str] = []
    if new.op == "attend":
        batch, heads, rows = (" ".join(names) for names in new["leading"])
        words.append(f"attention takes [{batch}] as batch, [{heads}] as heads, [{rows}] as rows")
    if new.op == "stack":
        words.append(f"{called} has `{new['axis']}` {'innermost' if new['inner'] else 'outside `' + new['before'] + '`'}")
    if new.op == "dot":
        words.append(f"{called} is worked out with its operands the other way round")
    for source, before in zip(new.inputs, old.inputs, strict=True):
        if source is not before and source.op == "lay" and before.op != "weight":
            words.append(f"what {called} looks at lies as {' '.join(source['order'])}")
    words += [f"{called} makes {' '.join(new['made'])}" for _ in (1,) if new.op == "linear" and new["made"] != old["made"]]
    words += [f"{called} adds up along {' '.join(new['over'])}" for _ in (1,) if new.op == "linear" and new["over"] != old["over"]]
    return words
