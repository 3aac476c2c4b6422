"""How long the parts of a module take, by the names of its program: what the viewer colours by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, fx

from ..graph import Graph
from ..view.profile import box_and_group_names
from ..view.words import owner_path
from .entry import is_absent
from .module import AttnModule
from .names import identifiers

Seconds = dict[fx.Node, float]


def times(module: AttnModule, args: Sequence[Any], kwargs: Mapping[str, Any], runs: int) -> dict[str, float]:
    """Seconds by name: the median over `runs` runs after one that is not counted, every call timed by itself."""
    if runs < 1:
        raise ValueError(f"runs={runs}: at least one run is timed")
    inner = module.chosen(args, kwargs)
    inputs = _inputs(inner, args, kwargs)
    with torch.no_grad():
        found = [_run(inner, inputs) for _ in range(runs + 1)][1:]
    spent = {call: median(one[call] for one in found) for call in found[0]}
    return dict(_named(inner, spent))


def _inputs(module: AttnModule, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The tensors in the order that the graph takes them; as in a call, by place or by name."""
    names = identifiers(node["name"] for node in module.attn_graph.inputs)
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    there = [name for name, node in zip(names, module.attn_graph.inputs, strict=True) if not is_absent(node)]
    missing = [name for name in there if given.get(name) is None]
    unknown = [name for name in given if name not in names]
    if missing or unknown or len(args) > len(names):
        raise TypeError(
            f"the module takes {', '.join(names)}" + (f"; {', '.join(missing or unknown)} does not fit" if missing or unknown else "")
        )
    return [given[name] for name in there]


class _Clock(fx.Interpreter):
    def __init__(self, module: AttnModule, wait: bool) -> None:
        super().__init__(module)
        self.wait = wait
        self.spent: Seconds = {}

    def run_node(self, n: fx.Node) -> Any:
        begin = perf_counter()
        result = super().run_node(n)
        if self.wait:
            torch.cuda.synchronize()
        self.spent[n] = perf_counter() - begin
        return result


def _run(module: AttnModule, inputs: list[Any]) -> Seconds:
    clock = _Clock(module, any(isinstance(one, Tensor) and one.is_cuda for one in inputs))
    clock.run(*inputs)
    return clock.spent


# ---------------------------------------------------------------- names


def _named(module: AttnModule, spent: Seconds) -> Iterator[tuple[str, float]]:
    """An operation counts for the box that its weights or its binding name, and for every block around it."""
    boxes, groups = box_and_group_names(module.attn_graph)
    owners = _owners(module.attn_graph, spent)
    totals: dict[str, float] = {}
    for calls in _operations(spent):
        scope, name = calls[0].meta["named"]
        around = [path for length in range(1, len(scope) + 1) if (path := ".".join(scope[:length])) in groups]
        own = [path for call in calls for path in owners.get(call, ())] + [".".join((*scope, name))]
        own = [path for path in own if path in boxes and not (scope and scope[-1].startswith("scan "))]
        for path in dict.fromkeys([*around, *own[:1]]):
            totals[path] = totals.get(path, 0.0) + sum(spent[call] for call in calls)
    yield from sorted(totals.items())


def _operations(spent: Seconds) -> list[list[fx.Node]]:
    """The calls that each operation of the program became: they share one record of its name."""
    found: dict[int, list[fx.Node]] = {}
    for call in spent:
        if call.op in ("call_function", "call_method", "call_module") and "named" in call.meta:
            found.setdefault(id(call.meta["named"]), []).append(call)
    return list(found.values())


def _owners(graph: Graph, spent: Seconds) -> dict[fx.Node, tuple[str, ...]]:
    """The paths of what owns the weights that each call reads, be it through a view of one."""
    paths = {weight.path: owner_path(weight) for weight in graph.weights}
    found: dict[fx.Node, tuple[str, ...]] = {}
    views: set[fx.Node] = set()
    for call in spent:
        if call.op == "get_attr" and call.target in paths:
            found[call] = (paths[str(call.target)],)
            views.add(call)
            continue
        sources = [source for source in call.all_input_nodes if source in views]
        if sources:
            found[call] = tuple(dict.fromkeys(path for source in sources for path in found[source]))
        if sources and len(sources) == len(call.all_input_nodes):
            views.add(call)
    return found
