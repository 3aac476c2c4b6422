"""Numbers for a program: its inputs, what its weights hold, and its random draws; all from one number, the same in every run."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from attn.compiler.graph import Graph, Node
from attn.compiler.reference.rules import Draw
from attn.compiler.types import STAR

FLOAT = torch.float64
BELOW = 7


def inputs_of(graph: Graph, sizes: Mapping[str, int], lead: tuple[int, ...], seed: int) -> dict[str, Tensor]:
    """An input for every name: normal floats, whole numbers below 7, bools."""
    source = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}
    for node in graph.inputs:
        shape: list[int] = []
        for name in node["order"]:
            shape.extend(lead if name == STAR else (int(node.tensor.size(name).evaluate(sizes)),))
        found[node["name"]] = _drawn(shape, node.dtype, source)
    return found


def _drawn(shape: list[int], kind: str, source: torch.Generator) -> Tensor:
    if kind == "bool":
        return torch.rand(shape, generator=source, dtype=FLOAT) < 0.6
    if kind == "int":
        return torch.randint(0, BELOW, shape, generator=source)
    return torch.randn(shape, generator=source, dtype=FLOAT)


def weights_of(graph: Graph, seed: int) -> dict[str, Tensor]:
    """A tensor for every weight but constants that the reference works out by itself; some parameters are zero in places."""
    source = torch.Generator().manual_seed(seed + 1)
    found: dict[str, Tensor] = {}
    for weight in graph.weights:
        fixed = weight.init.node is not None or weight.init.kind in ("zeros", "ones", "constant", "list")
        if weight.kind == "const" and fixed:
            continue
        shape = [size.integer() or 0 for size in weight.shape]
        if weight.dtype in ("int", "bool"):
            found[weight.path] = torch.zeros(shape, dtype=torch.int64 if weight.dtype == "int" else torch.bool)
            continue
        value = torch.randn(shape, generator=source, dtype=FLOAT) * 0.5
        found[weight.path] = value.abs() + 0.5 if weight.path.endswith("var") else value
    return found


def draws(seed: int) -> Draw:
    """Where the reference takes random numbers from: the node's own number says which."""

    def draw(node: Node, shape: tuple[int, ...]) -> Tensor:
        source = torch.Generator().manual_seed(seed * 7919 + int(node["number"]))
        normal = node.op == "randn"
        return torch.randn(shape, generator=source, dtype=FLOAT) if normal else torch.rand(shape, generator=source, dtype=FLOAT)

    return draw
