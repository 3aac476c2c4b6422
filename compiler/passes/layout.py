"""The order in memory of every value, chosen so that as little as possible is copied. The search is in `compiler/orders`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..cost import readable
from ..graph import Graph, Node
from ..orders.plan import Orders, orders
from ..orders.search import Search, Trial
from ..prepared import before_runs
from .base import Change, Mode, Outcome, Pass
from .inner_rows import rows_inside
from .layout_factors import lined_up
from .making import Make
from .rewriting import rewrite


@dataclass(frozen=True)
class AssignLayout(Pass):
    """`fuses`: for a compiler that picks the order of what it makes itself, which leaves what calls of products write."""

    name: ClassVar[str] = "layout"
    promise: ClassVar[str] = "values lie in memory so that fewer bytes are copied, and small ones as the large one they scale"
    exact: ClassVar[bool] = False

    fuses: bool = False

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        graph, told = rows_inside(graph) if mode == "infer" else (graph, ())
        if self.fuses:
            return Outcome(graph, told)
        free = before_runs(graph) if mode == "infer" else frozenset[Node]()
        searches = [Search(plan, free if i == 0 else frozenset(), mode == "train") for i, plan in enumerate(_levels(orders(graph)))]
        changed: dict[Node, Node] = {}
        for search in searches:
            search.run()
            changed.update(search.changed)
        taken = tuple(_change(trial) for search in searches for trial in search.taken)
        made, laid = lined_up(rewrite(graph, lambda make, node: _changed(make, node, changed)) if changed else graph, free)
        return Outcome(made, (*told, *taken, *laid))


def _changed(make: Make, node: Node, changed: Mapping[Node, Node]) -> Node | None:
    new = changed.get(node)
    return None if new is None else make.again(new, [_input(make, node, source) for source in new.inputs])


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
    words = [word for old, new in trial.changes.items() for word in _words(old, new)]
    laid: dict[str, list[str]] = {}
    for old, new in trial.changes.items():
        for order in _laid(old, new):
            laid.setdefault(order, []).append(_called(old))
    words += [f"what {', '.join(names)} {'look' if len(names) > 1 else 'looks'} at is laid out as {order}" for order, names in laid.items()]
    saved = f"{readable(trial.after)} bytes are copied instead of {readable(trial.before)}"
    return Change(f"{'; '.join(words)}: {saved}", tuple(dict.fromkeys(node.span for node in trial.changes)))


def _called(node: Node) -> str:
    return f"`{node.name}`" if node.name else f"this `{node.op}`"


def _laid(old: Node, new: Node) -> list[str]:
    """The orders in which inputs are laid out, weights aside."""
    pairs = zip(new.inputs, old.inputs, strict=True)
    return [" ".join(source["order"]) for source, before in pairs if source is not before and source.op == "lay" and _is_run(old, before)]


def _is_run(node: Node, source: Node) -> bool:
    """Whether an input is more than the weight or the bias of a linear map."""
    return node.op != "linear" or source is node.inputs[0]


def _words(old: Node, new: Node) -> list[str]:
    called = _called(old)
    words: list[str] = []
    if new.options.get("leading") != old.options.get("leading"):
        batch, heads, rows = (" ".join(names) for names in new["leading"])
        words.append(f"attention takes [{batch}] as batch, [{heads}] as heads, [{rows}] as rows")
    if new.op == "stack":
        words.append(f"{called} has `{new['axis']}` {'innermost' if new['inner'] else 'outside `' + new['before'] + '`'}")
    if new.op == "dot" and new.inputs == old.inputs[::-1]:
        words.append(f"{called} is worked out with its operands the other way round")
    if new.op == "linear" and new.options.get("rows") != old.options.get("rows"):
        words.append(f"{called} is weights times input, with {' '.join(new['rows'])} innermost, as they lie")
    if new.op == "linear" and new["made"] != old["made"]:
        words.append(f"{called} makes {' '.join(new['made'])}")
    if new.op == "linear" and new["over"] != old["over"]:
        words.append(f"{called} adds up along {' '.join(new['over'])}")
    return words
