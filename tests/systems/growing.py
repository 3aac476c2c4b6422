"""The inputs of a case at other sizes of its free axes: found by trying small changes that the guards of the module allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from .support import Case

Sizes = dict[str, int]


def grown(case: Case, made: Any, times: int = 2) -> Iterator[tuple[Sizes, list[Tensor]]]:
    """Sizes and inputs, each time with every free axis larger than before. An axis that cannot be made larger fails the test."""
    inputs = case.tensors()
    sizes = free_sizes(made, inputs)
    for _ in range(times):
        sizes = case.larger(sizes) if case.larger else larger(made, sizes)
        yield sizes, [stretched(value, shape_of(node, value, sizes)) for node, value in zip(present(made, inputs), inputs, strict=True)]


def present(made: Any, inputs: list[Tensor]) -> list[Any]:
    """The input nodes that the case passes."""
    nodes = passed(made.attn_graph)
    assert len(nodes) == len(inputs)
    return nodes


def passed(graph: Any) -> list[Any]:
    """The input nodes of a graph but for the optional ones that are left out."""
    return [node for node in graph.inputs if not node.options.get("absent", False)]


def free_sizes(made: Any, inputs: list[Tensor]) -> Sizes:
    """The size of every axis of the inputs that is not bound."""
    found: Sizes = {}
    for node, value in zip(present(made, inputs), inputs, strict=True):
        order = [name for name in node["order"] if name != "*"]
        for name, size in zip(order, value.shape[value.dim() - len(order) :], strict=True):
            if str(node.tensor.size(name)) == name:
                found[name] = size
    return found


def larger(made: Any, sizes: Sizes) -> Sizes:
    """Every size a little larger, one after the other; those that only grow together, together."""
    found = dict(sizes)
    stuck: list[str] = []
    for name, size in sizes.items():
        candidates = [size + 1, size + 2, size + 3, 2 * size, size + 4, 3 * size]
        allowed = [value for value in candidates if fits(made, {**found, name: value})]
        if allowed:
            found[name] = allowed[0]
        else:
            stuck.append(name)
    together = next((scaled for by in (2, 3, 4) if fits(made, scaled := {**found, **{name: by * sizes[name] for name in stuck}})), None)
    assert together is not None, f"no larger size of {', '.join(stuck)} keeps the guards; give the case `larger`"
    return together


def fits(made: Any, sizes: Mapping[str, int]) -> bool:
    """Whether every guard of the module holds, and every size of its inputs is a whole number."""
    graph = made.attn_graph
    shapes = [axis.size.evaluate(sizes) for node in passed(graph) for axis in node.tensor.axes if axis.name != "*"]
    return all(size.denominator == 1 for size in shapes) and all(holds(guard, sizes) for guard in graph.guards)


def holds(guard: Any, sizes: Mapping[str, int]) -> bool:
    left, right = guard.left.evaluate(sizes), guard.right.evaluate(sizes)
    if guard.kind == "equal":
        return left == right
    return (right / left).denominator == 1 if guard.kind == "divides" else left >= right


def shape_of(node: Any, value: Tensor, sizes: Mapping[str, int]) -> list[int]:
    """The shape of an input at these sizes; leading dimensions stay."""
    order = [name for name in node["order"] if name != "*"]
    own = [int(node.tensor.size(name).evaluate(sizes)) for name in order]
    return [*value.shape[: value.dim() - len(order)], *own]


def stretched(value: Tensor, shape: list[int]) -> Tensor:
    """Random numbers of the shape; what is no number, or was given as it is, is repeated from its beginning."""
    if value.is_floating_point() and value.requires_grad:
        return torch.randn(shape, generator=torch.Generator().manual_seed(7), dtype=value.dtype)
    for dim, size in enumerate(shape):
        value = value.index_select(dim, torch.arange(size) % value.shape[dim])
    return value
