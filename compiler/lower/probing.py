"""Probes: a module gives named values beside its result, as long as somebody looks.

While a probe is open the module's `forward` runs a second module: the same graph on the same weights, written out in the same calls, which
also returns what was asked for. What the graph does not hold stands after all else. At the end of the last probe that is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from ...dsl.diagnostics import AttnError
from ..graph import Graph, Node
from ..probe.addresses import Address, addresses, chosen, matching
from ..probe.graft import graft, outside
from ..probe.region import Region, region_of
from ..probe.weights import batch_axis, key_axes, query_axes, row_axes, weights_of
from ..types import STAR
from .maps import SeenWeights
from .seen import Seen, SeenTensor, SeenValue

if TYPE_CHECKING:
    from .module import AttnModule

PROBING = "_probing"


class Probe:
    """The context manager of `module.probe`."""

    def __init__(self, module: AttnModule, names: Sequence[str]) -> None:
        self.module = module
        self.seen = Seen(names)
        check_names(module, names)

    def __enter__(self) -> Seen:
        known: Probing | None = self.module.__dict__.get(PROBING)
        probing = known or Probing(self.module)
        probing.open(self)
        return self.seen

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        probing: Probing = self.module.__dict__[PROBING]
        probing.close(self)


def check_names(module: AttnModule, names: Sequence[str]) -> None:
    """Every name is one of the module, or one that it has when all its optional inputs are given."""
    optional = frozenset(node["name"] for node in module.attn_graph.inputs if node.options.get("optional", False))
    try:
        chosen(module.attn_graph, names)
    except AttnError:
        if not optional or module.variant is None:
            raise
        with suppress(AttnError):  # they may exclude each other
            more = addresses(module.variant(optional))
            if all(matching(name, [*addresses(module.attn_graph), *more]) for name in names):
                return
        raise


class Probing:
    """The open probes of a module, and the modules that serve them, by the module each stands for."""

    def __init__(self, module: AttnModule) -> None:
        self.module = module
        self.probes: list[Probe] = []
        self.served: dict[tuple[AttnModule, bool], Served] = {}

    def open(self, probe: Probe) -> None:
        self.probes.append(probe)
        self.served.clear()
        self.module.__dict__[PROBING] = self
        self.module.__dict__["forward"] = cast(Any, torch.compiler).disable(self.forward)

    def close(self, probe: Probe) -> None:
        self.probes.remove(probe)
        self.served.clear()
        if not self.probes:
            del self.module.__dict__[PROBING], self.module.__dict__["forward"]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's forward while somebody looks. torch.compile leaves it as it is."""
        runs = self.module.chosen(args, kwargs)
        key = (runs, self.module.training)
        if key not in self.served:
            runs.training = self.module.training
            self.served[key] = Served(runs, [chosen(runs.attn_graph, probe.seen.patterns) for probe in self.probes])
        result, values = self.served[key].run(args, kwargs)
        for probe, seen in zip(self.probes, values, strict=True):
            probe.seen.fill(seen)
        return result


@dataclass(frozen=True)
class Wanted:
    """One thing asked for: its address, and its node in the graph as written; of a map of weights the region, whose map is the node."""

    address: Address
    node: Node
    region: Region | None
    rows: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def leaves(self) -> tuple[Node, ...]:
        return (self.node,) if self.region is None else self.region.leaves


def wanted_of(source: Graph, address: Address) -> Wanted:
    node = address.node
    if address.kind == "value":
        return Wanted(address, outside(source, node), None)
    weights = weights_of(node) if node.op == "attend" else node
    keys = key_axes(node)
    region = region_of(weights, keys, query_axes(node), partial(outside, source))
    return Wanted(address, region.map, region, row_axes(source, node, region.map.tensor.names), keys)


def ordered(names: Sequence[str], wanted: Wanted, batch: str | None) -> tuple[str, ...]:
    """`*` and the axis of the batch first, rows and keys last."""
    others = [name for name in names if name not in (*wanted.rows, *wanted.keys)]
    return (*sorted(others, key=lambda name: (name != STAR, name != batch)), *wanted.rows, *wanted.keys)


class Served:
    """The module that runs in the place of another one and gives what is asked for."""

    def __init__(self, runs: AttnModule, addresses: Sequence[Sequence[Address]]) -> None:
        asked = [[wanted_of(runs.attn_graph, address) for address in one] for one in addresses]
        nodes = list(dict.fromkeys(leaf for one in asked for wanted in one for leaf in wanted.leaves))
        grown = graft(runs.attn_graph, runs.optimised.graph, nodes, runs.training)
        self.asked, self.batch = asked, batch_axis(runs.attn_graph)
        self.places = {node: place for place, node in enumerate(nodes)}
        self.recomputed = grown.recomputed
        self.module = runs.beside([grown.nodes[node] for node in nodes])
        self.orders = {node: grown.nodes[node].tensor.names for node in nodes}

    def run(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, list[dict[str, SeenValue]]]:
        result, values, leading = self.module(*args, **kwargs)
        found = [value.detach() for value in values]
        return result, [{wanted.address.text: self._seen(wanted, found, leading) for wanted in one} for one in self.asked]

    def _seen(self, wanted: Wanted, values: Sequence[Tensor], leading: Sequence[int] | None) -> SeenValue:
        leaves = tuple(self._leaf(node, values) for node in wanted.leaves)
        axes = ordered(wanted.node.tensor.names, wanted, self.batch)
        dimensions = None if leading is None else tuple(leading)
        if wanted.region is not None:
            return SeenWeights(wanted.address.text, axes, wanted.rows, wanted.keys, wanted.region, leaves, dimensions)
        value = leaves[0].permute([wanted.node.tensor.names.index(name) for name in axes])
        return SeenTensor(wanted.address.text, axes, wanted.node in self.recomputed, value, dimensions)

    def _leaf(self, node: Node, values: Sequence[Tensor]) -> Tensor:
        """The value of a node with its axes in the order of the graph as written."""
        value, order = values[self.places[node]], self.orders[node]
        return value if order == node.tensor.names else value.permute([order.index(name) for name in node.tensor.names])
