"""A forward to which is given what a module prepares from its weights.

torch.compile and torch.export follow a call into whatever it calls, so what is worked out once in eager runs would be part of every run of
theirs. Here it is an argument, made outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from .codegen import ShortPaths
from .runtime_prepared import prepared


@dataclass(frozen=True)
class Handed:
    """`run(module, values, ...)` is the forward; `paths` lead to the body that makes the values, and to the weights it is given."""

    run: Callable[..., Any]
    paths: Sequence[str]

    def values(self, module: nn.Module) -> tuple[Tensor, ...]:
        """What is prepared, worked out where the weights have changed since."""
        return prepared(*self._sources(module))

    def has_gradients(self, module: nn.Module) -> bool:
        """Whether what is prepared takes part in gradients."""
        return torch.is_grad_enabled() and any(weight.requires_grad for weight in self._sources(module)[1:])

    def _sources(self, module: nn.Module) -> list[Any]:
        return [reduce(getattr, path.split("."), cast(Any, module)) for path in self.paths]


def handed(module: fx.GraphModule) -> Handed | None:
    """The forward of a module that prepares something."""
    graph = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    result = graph.graph_copy(module.graph, copied)
    call = next((node for node in graph.nodes if node.target is prepared), None)
    if call is None:
        return None
    graph.output(result)
    sources = list(call.all_input_nodes)
    with graph.inserting_before(next(iter(graph.nodes))):
        values = graph.placeholder("prepared_values")
    call.replace_all_uses_with(values)
    graph.erase_node(call)
    for node in sources:
        if not node.users:
            graph.erase_node(node)
    graph.set_codegen(ShortPaths())
    return Handed(type(fx.GraphModule(module, graph)).forward, tuple(str(node.target) for node in sources))
