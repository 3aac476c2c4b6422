"""The example programs of the operator table: compiled once each, with inputs of sizes that fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import Any

import torch
from torch import Tensor

import attn
from attn.compiler.graph import Graph, Node
from attn.compiler.lower.standalone import standalone
from attn.compiler.ops import OPERATORS
from attn.compiler.sizes import Size

SIZES = (5, 3, 7, 6, 4, 2, 1, 9)
"""Tried for every free axis, odd ones first."""
LEADING = ((), (2, 3))


def told_bindings(text: str) -> dict[str, int]:
    """`# bind: C=6, r=2` in the first line."""
    first = text.split("\n")[0]
    pairs = first.removeprefix("# bind:").split(",") if first.startswith("# bind:") else []
    return {name.strip(): int(value) for name, _, value in (pair.partition("=") for pair in pairs)}


def free_axes(graph: Graph) -> list[str]:
    names = {name: None for node in graph.inputs for axis in node.axes for name in sorted(axis.size.free()) if name != "*"}
    return list(names)


def fits(graph: Graph, sizes: dict[str, int]) -> bool:
    """Whether every fact that is checked at the entry holds."""
    for guard in graph.guards:
        left, right = guard.left.evaluate({**sizes, "*": 1}), guard.right.evaluate({**sizes, "*": 1})
        holds = {"equal": left == right, "at_least": left >= right, "divides": left != 0 and (right / left).denominator == 1}
        if not holds[guard.kind]:
            return False
    return True


def fitting(graph: Graph) -> dict[str, int]:
    names = free_axes(graph)
    for choice in product(SIZES, repeat=len(names)):
        sizes: dict[str, int] = dict(zip(names, choice, strict=True))
        if len(set(choice)) == len(choice) and fits(graph, sizes):
            return sizes
    raise AssertionError(f"no sizes fit {graph.name}: {names}")


@dataclass(eq=False)
class Example:
    """One example of one operator."""

    operator: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.operator}-{self.number}"

    @cached_property
    def sizes(self) -> dict[str, int]:
        """A size for every axis; one that weights need is also bound."""
        program = attn.load(attn.text(self.text))
        return {**fitting(program.graph(self._statics, checking=True)), **told_bindings(self.text)}

    @cached_property
    def _statics(self) -> dict[str, int]:
        return told_bindings(self.text)

    @cached_property
    def bind(self) -> dict[str, int]:
        graph = attn.load(attn.text(self.text)).graph(self._statics, checking=True)
        needed = sorted({name for weight in graph.weights for size in weight.shape for name in size.free()})
        return {**self._statics, **{name: self.sizes[name] for name in needed}}

    @cached_property
    def module(self) -> Any:
        """The compiled program in float64, its weights drawn anew so that none of them is trivial."""
        torch.manual_seed(0)
        module = attn.compile(attn.text(self.text), bind=self.bind, dtype=torch.float64)
        for name, weight in module.named_parameters():
            values = torch.randn(weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(name)))
            weight.data.copy_(values + 0.1)
        return module

    @cached_property
    def graph(self) -> Graph:
        return self.module.attn_graph

    @cached_property
    def alone(self) -> Any:
        """What the standalone file makes, with the same weights."""
        space: dict[str, Any] = {"__name__": "alone"}
        exec(compile(standalone(self.module), f"<{self}>", "exec"), space)
        made = space["T"](dtype=torch.float64) if self.graph.weights else space["T"]()
        made.load_state_dict(self.module.state_dict())
        return made

    @property
    def has_star(self) -> bool:
        return any("*" in node["order"] for node in self.graph.inputs)

    def inputs(self, leading: tuple[int, ...] = (2,), dtype: torch.dtype = torch.float64) -> list[Tensor]:
        return [self._input(node, i, leading, dtype) for i, node in enumerate(self.graph.inputs)]

    def _input(self, node: Node, place: int, leading: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        shape: list[int] = []
        for name in node["order"]:
            shape.extend(leading if name == "*" else [self.size(node.tensor.size(name))])
        drawn = torch.Generator().manual_seed(place + 1)
        if node.dtype == "bool":
            return torch.rand(shape, generator=drawn) > 0.4
        if node.dtype == "int":
            return torch.randint(0, 3, shape, generator=drawn)
        return torch.randn(shape, dtype=torch.float64, generator=drawn).to(dtype)

    def size(self, size: Size) -> int:
        return int(size.evaluate({**self.sizes, "*": 1}))

    def run(self, module: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The results; random numbers are drawn alike every time."""
        torch.manual_seed(7)
        found = module(*inputs)
        return (found,) if isinstance(found, Tensor) else tuple(found)


@lru_cache
def examples() -> tuple[Example, ...]:
    return tuple(_examples())


def _examples() -> Iterator[Example]:
    for name, operator in OPERATORS.items():
        for number, text in enumerate(operator.examples):
            yield Example(name, number, text)
