"""Making a program that shows a disagreement smaller, as long as it still shows it.

A pass is run on one candidate after another: results left out, an inner value made the result, inner values made inputs, operations taken
out, sizes made smaller, weights that nothing reads dropped. Each is kept if the pass still changes what the candidate means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from ..graph import Builder, Graph, Node, Output
from ..passes.base import Mode, Pass
from ..passes.listing import listing
from ..passes.rewriting import everything, rewrite
from ..program import load, text
from ..types import STAR, TensorType, TupleType
from .bench import Bench, Workshop
from .report import Reduced
from .settings import Setting, present, symbols
from .steps import interpreted, step, structure

TRIES = 600
"""How many candidates are looked at."""
LEAVES = frozenset({"input", "weight", "scalar", "size", "pos", "param"})
SMALL = (1, 2, 3)

Shows = Callable[[Graph, Setting], str]
"""What differs in a graph under a setting; empty where nothing does."""


@dataclass
class _Search:
    """The smallest candidate so far."""

    shows: Shows
    graph: Graph
    setting: Setting
    left: int = TRIES

    def keep(self, graph: Graph, setting: Setting | None = None) -> bool:
        """Take a candidate if it still shows the disagreement."""
        if self.left <= 0:
            return False
        self.left -= 1
        if not self.shows(graph, setting or self.setting):
            return False
        self.graph, self.setting = graph, setting or self.setting
        return True


def reduced(graph: Graph, done: Pass, setting: Setting, mode: Mode, dtype: torch.dtype) -> Reduced | None:
    """The smallest program found on which `done` goes wrong under this setting; None where it goes wrong nowhere."""
    shows = _Showing(done, mode, dtype)
    if not shows(graph, setting):
        shows.deep = True
        if not shows(graph, setting):
            return None
    search = _Search(shows, graph, setting)
    _one_result(search)
    _inner_result(search)
    before = -1
    while before != len(search.graph.nodes) and search.left > 0:
        before = len(search.graph.nodes)
        _cut_below(search)
        _take_out(search)
    _smaller_sizes(search)
    search.keep(without_waste(search.graph))
    return _told(search)


def _told(search: _Search) -> Reduced:
    from .writing import program_text

    sizes = search.setting.sizes
    written = (program_text(search.graph, numbers) for numbers in (None, {name: n for name, n in sizes.items() if name != STAR}))
    said = next((one for one in written if one and search.shows(_read(one), search.setting)), "")
    return Reduced(listing(search.graph), said, search.shows(search.graph, search.setting))


def _read(program: str) -> Graph:
    return load(text(program)).graph()


class _Showing:
    """Runs the pass and compares: through the reference; and compiled (`deep`), where the reference sees nothing in the whole program."""

    def __init__(self, done: Pass, mode: Mode, dtype: torch.dtype) -> None:
        self.done = done
        self.mode: Mode = mode
        self.dtype = dtype
        self.deep = False

    def __call__(self, graph: Graph, setting: Setting) -> str:
        try:
            return self._difference(graph, setting)
        except Exception:  # noqa: BLE001  (a candidate that is no program shows nothing)
            return ""

    def _difference(self, graph: Graph, setting: Setting) -> str:
        after = self.done.run(graph, self.mode).graph
        changed = structure(graph, after)
        if changed is not None:
            return changed.text
        if after is graph:
            return ""
        bench = Bench(Workshop(graph, self.mode, self.dtype), setting)
        parts = step(bench, graph, graph, after, self.done.exact) if self.deep else iter((interpreted(bench, graph, after),))
        return next((part.difference.text for part in parts if part.difference is not None), "")


# ---------------------------------------------------------------- from the top


def _one_result(search: _Search) -> None:
    """One result, or one state that is written, alone."""
    graph = search.graph
    for output in graph.outputs:
        if (len(graph.outputs) > 1 or graph.updates) and search.keep(replace(graph, outputs=(replace(output, name=""),), updates=())):
            return
    for _, node in graph.updates:
        if search.keep(_giving(graph, node)):
            return


def _giving(graph: Graph, node: Node) -> Graph:
    """The graph with this value as its only result."""
    names = sorted(node.tensor.names, key=lambda name: name != STAR)
    return replace(graph, outputs=(Output("", node, tuple(names)),), updates=())


def _inner_result(search: _Search) -> None:
    """The first value in the order of computation that shows it."""
    graph = search.graph
    for node in graph.nodes:
        if node.op in LEAVES or isinstance(node.type, TupleType) or node.op == "item":
            continue
        if search.keep(_giving(graph, node)):
            return


# ---------------------------------------------------------------- from below


def _cut_below(search: _Search) -> None:
    """Values made inputs, those next to the result first: all below them is gone."""
    for node in reversed(search.graph.nodes):
        if _is_inner(node) and node in _living(search.graph):
            for candidate in _as_input(search.graph, node):
                if search.keep(candidate):
                    break


def _living(graph: Graph) -> set[Node]:
    return {*graph.nodes}


def _is_inner(node: Node) -> bool:
    return node.op not in LEAVES and isinstance(node.type, TensorType) and node.dtype != "wide"


def _as_input(graph: Graph, node: Node) -> Iterator[Graph]:
    """The graph with a new input in the place of a value; nothing where the value is the result itself."""
    if any(output.node is node for output in graph.outputs):
        return
    made = new_input(graph, node.tensor)
    changed = rewrite(graph, lambda make, old: made if old is node else None)
    yield _pruned(replace(changed, inputs=(*changed.inputs, made)))


def new_input(graph: Graph, type: TensorType) -> Node:
    """An input of this type, under a name that the graph does not have."""
    taken = {node["name"] for node in graph.inputs}
    name = next(f"x{i}" for i in range(len(taken) + 1) if f"x{i}" not in taken)
    order = tuple(sorted(type.names, key=lambda axis: axis != STAR))
    return Builder().make("input", (), type, {"absent": False, "name": name, "optional": False, "order": order})


def _pruned(graph: Graph) -> Graph:
    """Without inputs that nothing reads; guards that speak of sizes no input has any more go too."""
    read = set(everything(replace(graph, inputs=())))
    inputs = tuple(node for node in graph.inputs if node in read)
    slim = replace(graph, inputs=inputs)
    known = {*symbols(slim)}
    return replace(slim, guards=tuple(guard for guard in graph.guards if guard.left.free() | guard.right.free() <= known))


def _take_out(search: _Search) -> None:
    """Operations replaced by an input of theirs of the same type."""
    for node in reversed(search.graph.nodes):
        if node not in _living(search.graph) or node.op in LEAVES or isinstance(node.type, TupleType):
            continue
        for source in node.inputs:
            if _alike(node, source) and search.keep(_without(search.graph, node, source)):
                break


def _alike(node: Node, source: Node) -> bool:
    if isinstance(source.type, TupleType):
        return False
    return frozenset(source.axes) == frozenset(node.axes) and source.dtype == node.dtype


def _without(graph: Graph, node: Node, source: Node) -> Graph:
    return _pruned(rewrite(graph, lambda make, old: make.new(source) if old is node else None))


def _smaller_sizes(search: _Search) -> None:
    """No leading dimensions, memory in order, and every open size as small as shows it."""
    plain = replace(search.setting, loose=False, positive=False, gaps=False)
    for setting in (replace(plain, lead=()), plain, replace(search.setting, lead=())):
        if search.keep(search.graph, setting):
            break
    for name in symbols(search.graph):
        next((size for size in SMALL if _resized(search, name, size)), None)


def _resized(search: _Search, name: str, size: int) -> bool:
    smaller = name != STAR and size < search.setting.free.get(name, 0)
    return smaller and search.keep(search.graph, replace(search.setting, free={**search.setting.free, name: size}))


def without_waste(graph: Graph) -> Graph:
    """Without inputs that are absent and weights that nothing reads."""
    used = sorted({node["slot"] for node in everything(graph) if node.op == "weight"} | {slot for slot, _ in graph.updates})
    slots = {old: new for new, old in enumerate(used)}
    builder = Builder()

    def renumbered(node: Node) -> Node:
        return builder.make("weight", (), node.type, {"slot": slots[node["slot"]]}, node.span, node.scope, node.name)

    moved = rewrite(graph, lambda make, node: renumbered(node) if node.op == "weight" else None)
    updates = tuple((slots[slot], node) for slot, node in moved.updates)
    return replace(moved, inputs=tuple(present(moved)), weights=tuple(graph.weights[slot] for slot in used), updates=updates)
