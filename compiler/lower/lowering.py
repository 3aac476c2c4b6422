"""From the typed graph to a torch.fx module: each node through its operator's `lower`, between the way in and the way out."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import fx

from ..backends.target import EAGER, Target
from ..graph import Graph, Node, Output, topological
from ..ops.indexing import apart
from ..passes.pipeline import Optimised, unchanged
from .caches import Put, dimension, others, puts
from .emitter import Value
from .entry import Entry, unknown_size
from .in_place import spent, write_over
from .leading import spare_leading
from .module import AttnModule, Lowered
from .names import field_names
from .parts import move_together
from .prepared import above, prepares, write_prepared
from .rows import merge_rows
from .small import for_small
from .targets import function
from .turned import turn_weights
from .weights import make_weights
from .writer import Missing, Writer

LOOKING = tuple(map(function, ("runtime.put", "runtime.prefix_attention", "operator.add", "operator.sub", "operator.eq", "operator.le")))
"""Functions that give no view of a number they are called with, and keep none for a gradient."""
Variant = Callable[[frozenset[str]], Graph]


class ModuleWriter(Writer):
    """Writes the graph of a whole module. `taken` are attribute names that bodies of loops may not have."""

    def __init__(self, graph: Graph, taken: Iterable[str] = (), dtype: torch.dtype | None = None, half: torch.dtype | None = None) -> None:
        super().__init__(fx.Graph(), half or dtype)
        self.half = half
        self.source = graph
        self.bodies: dict[str, fx.GraphModule] = {}
        self._taken = {*taken, *(weight.path.split(".")[0] for weight in graph.weights)}
        self._written = {slot for slot, _ in graph.updates}
        self.puts: dict[Node, Put] = {}
        self.over: frozenset[Node] = frozenset()
        self.trains = True

    def weight(self, slot: int, cast: bool = True) -> Value:
        weight = self.source.weights[slot]
        x = self.get_attr(weight.path)
        if slot in self._written:
            # The store at the end would otherwise change what the results, or the backward pass, still look at.
            x = self.once(("state", slot), lambda: self.method("clone", x))
        sizes = {axis.name: axis for axis in weight.axes}
        groups = [[sizes[name] for name in group] for group in weight.groups]
        value: Value = self.once(("weight", slot, cast), lambda: self.unflat(self.halved(x, weight, cast), groups))
        return value

    def lower_node(self, node: Node) -> None:
        put = self.puts.get(node)
        if put is None or self.knows(node):
            super().lower_node(node)
            if node in self.over:
                write_over(self.value(node).fx, self.value(node.inputs[0]).fx)
        else:
            self.seed(node, self._put(put))

    def _put(self, put: Put) -> Value:
        """A state with one position written, for this run and the next."""
        weight = self.source.weights[put.slot]
        value, at = self.full(self.tensor(put.value), others(weight, put.axis)), self.tensor(put.at).fx
        given = [self.value(node).fx for node in self.source.inputs if node.dtype == "float" and self.knows(node)]
        x = self.call("runtime.put", self.get_attr(weight.path), value, at, dimension(weight, put.axis), given, self.trains)
        x.meta["effect"] = True
        return Value(x, tuple(axis.name for axis in weight.axes))

    def body_name(self, module: fx.GraphModule, kind: str = "scan") -> str:
        number = 1
        while f"{kind}_{number}" in self.bodies or f"{kind}_{number}" in self._taken:
            number += 1
        self.bodies[f"{kind}_{number}"] = module
        return f"{kind}_{number}"

    def first_float_weight(self) -> Any:
        """A weight that tells the module's float dtype and device, if it has one."""
        path = next((weight.path for weight in self.source.weights if weight.dtype == "float"), None)
        return None if path is None else self.get_attr(path)

    def spare_copies(self) -> None:
        """A whole number that is a state is read as it is where all that reads it makes numbers of its own."""
        for slot in self._written:
            copy = self._memo.get(("state", slot))
            if copy is not None and self.source.weights[slot].dtype == "int" and all(user.target in LOOKING for user in copy.users):
                copy.replace_all_uses_with(copy.args[0])
                self.graph.erase_node(copy)

    def spare_calls(self) -> None:
        """Write what small inputs wait for in fewer calls, or in calls that begin sooner."""
        turn_weights(self.graph, self.bodies, merge_rows(self.graph, self.source))
        spare_leading(self.graph)
        move_together(self.graph)
        for_small(self.graph)
        self.finish()

    def above(self, node: Node) -> Any:
        """A value that may not be written yet, as a tensor with its axes in the order of its type."""
        for below in topological([node], self.knows):
            self.lower_node(below)
        return self.order(self.tensor(node), node.tensor.names)

    def store(self, slot: int, node: Node) -> None:
        """Write what a state is from now on."""
        if node in self.puts:
            return
        weight = self.source.weights[slot]
        sizes = {axis.name: axis for axis in weight.axes}
        full = self.full(self.tensor(node), weight.axes)
        x = self.flat(Value(full, tuple(axis.name for axis in weight.axes)), [[sizes[name] for name in group] for group in weight.groups])
        self.effect(function("runtime.store"), self.get_attr(weight.path), x)


def write(
    graph: Graph,
    taken: Iterable[str] = (),
    dtype: torch.dtype | None = None,
    prepare: bool = False,
    also: Sequence[Node] | None = None,
    target: Target = EAGER,
    in_place: bool = False,
    few_calls: bool = False,
) -> Lowered:
    """The fx graph of a typed graph, and the bodies of its loops.

    `dtype` fixes the working type; without, the inputs and weights tell it. Bodies get attribute names that are not `taken`.
    Where `target` has a half precision, that is the working type, whatever the dtype of inputs and weights. With `prepare`, values of
    weights alone are worked out once and kept, in a body of their own; with `in_place`, a state of which one position changes is written
    there alone, and in eager inference arithmetic is written over what it alone reads. With `few_calls`, small inputs wait less for
    calls to begin; the result is the same up to rounding.

    `also` are values that the module gives beside its result, as `(result, values, leading)`: nodes of the graph or on top of it, each
    with its axes in the order of its type, and the dimensions that `*` stands for. They are written after all else, which stays the same.
    """
    writer = ModuleWriter(graph, taken, dtype, None if target.half is None else getattr(torch, target.half))
    if in_place and also is None and target.half is None:
        writer.puts, writer.trains = puts(graph), not prepare
    if in_place and also is None and prepare and target.backend == "eager":
        writer.over = spent(graph)
    writer.kind = target.device
    entry = Entry(writer, graph)
    try:
        entry.begin(writer.first_float_weight())
        done = write_prepared(writer, graph) if prepare else ()
        nodes = above(graph, done) if done else graph.nodes
        writer.pieces = apart(nodes, [output.node for output in graph.outputs])
        for node in nodes:
            if node.op != "input":
                writer.lower_node(node)
        results = [entry.finish(output) for output in graph.outputs]
        for slot, node in graph.updates:
            writer.store(slot, node)
        extras = tuple(writer.above(node) for node in also or ())
    except Missing as missing:
        raise unknown_size(graph, missing) from None
    result = _result(graph.outputs, results)
    writer.graph.output(result if also is None else (result, extras, entry.leading))
    writer.finish()
    if in_place and also is None:
        writer.spare_copies()
    if few_calls:
        writer.spare_calls()
    return Lowered(writer.graph, writer.bodies)


def write_optimised(
    made: Optimised, taken: Iterable[str] = (), dtype: torch.dtype | None = None, also: Sequence[Node] | None = None
) -> Lowered:
    """The fx graph of what the passes made of a program, written as its level, mode and target ask for."""
    prepare, eager = prepares(made), made.target.backend == "eager" and made.target.device == "cpu"
    ways = {"in_place": made.level > 0, "few_calls": made.level > 1 and prepare and eager}
    return write(made.graph, taken, dtype, prepare, also, made.target, **ways)


def _result(outputs: tuple[Output, ...], values: list[Any]) -> Any:
    """One tensor, or a named tuple of several."""
    if len(outputs) == 1:
        return values[0]
    fields = field_names(output.name or f"y{i}" for i, output in enumerate(outputs))
    kind = namedtuple("Result", fields)  # type: ignore[misc]
    kind.__module__ = "attn"
    return kind(*values)


def lower(
    graph: Graph,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    variant: Variant | None = None,
    program: str = "",
    optimiser: Callable[[Graph], Optimised] = unchanged,
) -> AttnModule:
    """A PyTorch module that computes the graph.

    Weights are made in `dtype` (PyTorch's default dtype without), on `device`, and drawn from torch's global generator in the order of
    the graph's weights. `optimiser` makes the graph that is run. `variant` gives the graph for another set of present optional inputs,
    by their names: it is asked when the module is first called with that set. `program` is kept as the module's `program`. Raises
    AttnError for a weight whose size is not bound, a size no input tells, or a weight name that PyTorch modules use themselves.
    """
    told = any(node.dtype == "float" for node in graph.inputs) or any(weight.dtype == "float" for weight in graph.weights)
    fixed = None if told else dtype
    dtype = dtype or torch.get_default_dtype()
    module = AttnModule(graph, variant, program, optimiser)
    module.fixed_dtype = fixed
    make_weights(module, graph.weights, dtype, torch.device(device) if device is not None else None)
    module.install(write_optimised(module.optimised, dtype=fixed))
    module.reset_parameters()
    if module.optimised.mode == "infer":
        module.requires_grad_(False)
    module.train()
    return module


def write_formula(node: Node, order: tuple[str, ...]) -> Lowered:
    """The fx graph of a formula without inputs, its axes in the given order; numbers are float64 inside."""
    return write(Graph("formula", (), (Output("", node, order),)), dtype=torch.float64)


def evaluate(node: Node, order: tuple[str, ...]) -> torch.Tensor:
    """The value of a formula without inputs, on the CPU."""
    lowered = write_formula(node, order)
    module = AttnModule(Graph("formula", (), ()))
    module.install(lowered)
    result = module()
    assert isinstance(result, torch.Tensor)
    return result
