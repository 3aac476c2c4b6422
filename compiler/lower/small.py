"""In inference on the CPU, calls that begin slowly are made in a way that begins faster."""

from __future__ import annotations

from torch import fx

from .targets import function

_GELU = function("torch.nn.functional.gelu")


def for_small(graph: fx.Graph) -> None:
    """Take the functions of `runtime_small` where the axes of a value are known to be two or more."""
    for node in graph.nodes:
        if node.target is _GELU and not node.kwargs and len(node.meta.get("axes", ())) > 1:
            node.target = function("runtime.gelu")
