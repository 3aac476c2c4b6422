"""The copies that a compiled module makes only to put numbers in another order. Its graph is run once, and every move is looked at:
whether it gave the memory it was given, or other memory. What kernels choose for their results depends on the device, so it is asked,
and so is what they copy inside. `compiler/orders` plans the same without a run."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode

from ...dsl.source import NOWHERE, Span
from ..graph import Graph, Node
from ..sizes import Size
from ..types import STAR, TensorType
from .entry import is_absent
from .module import AttnModule
from .weights import tensor_dtype

MOVES = frozenset({"flatten", "reshape", "contiguous", "unflatten"})
"""Methods that hand on the memory they are given where they can, and copy it where they cannot."""


@dataclass(frozen=True)
class Copy:
    """One copy: the name of the value in the generated code, its axes as they lay before, the bytes written in the run,
    how many numbers that is for any sizes (None where the axes have no one size), why, and where in the text the operation stands."""

    name: str
    axes: tuple[str, ...]
    bytes: int
    elements: Size | None
    reason: str
    span: Span


def copies(module: AttnModule, sizes: Mapping[str, int], lead: tuple[int, ...] = (2,)) -> tuple[Copy, ...]:
    """The copies of one run at these sizes, without gradients; `lead` is what `*` stands for. Sizes that inputs leave open and that `sizes`
    lacks are 16. Raises what the module raises where sizes do not fit.
    """
    weight = next((one for one in module.parameters() if one.is_floating_point()), torch.empty(0))
    inputs = [example_input(node, sizes, lead, weight) for node in module.attn_graph.inputs if not is_absent(node)]
    walk = _Walk(module)
    with torch.no_grad():
        walk.run(*inputs)
    return tuple(walk.found)


def example_input(node: Node, sizes: Mapping[str, int], lead: tuple[int, ...], like: Tensor) -> Tensor:
    """Zeros of a shape that fits."""
    shape: list[int] = []
    for axis in node["order"]:
        size = node.tensor.size(axis)
        known = {name: sizes.get(name, 16) for name in size.free()}
        shape.extend(lead if axis == STAR else (int(size.evaluate(known)),))
    return torch.zeros(shape, dtype=tensor_dtype(node.dtype, like.dtype), device=like.device)


@contextmanager
def _seen() -> Generator[list[Tensor], None, None]:
    """What PyTorch copies inside its calls, because the numbers lie in another order than a kernel wants."""
    made: list[Tensor] = []

    def look(_: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.clone.default and not args[0].is_contiguous() and result.is_contiguous():
            made.append(result)
        return result

    mode: Any = type("Seeing", (TorchDispatchMode,), {"__torch_dispatch__": look})
    with mode():
        yield made


class _Walk(fx.Interpreter):
    """Runs a graph, and looks whose memory every move gives, and what other calls copy inside."""

    def __init__(self, module: AttnModule) -> None:
        super().__init__(module)
        self.found: list[Copy] = []
        self.sizes = _sizes(module.optimised.graph)

    def run_node(self, n: fx.Node) -> Any:
        with _seen() as made:
            result = super().run_node(n)
        if n.op == "call_method" and n.target in MOVES:
            source = cast(fx.Node, n.args[0])
            before = self.env.get(source)
            if isinstance(before, Tensor) and isinstance(result, Tensor) and not _shares(before, result) and result.numel():
                self.found.append(self._copy(n, _axes(source), result))
        elif n.op != "call_method" or n.target != "clone":
            self.found += [_inside(n, one) for one in made if one.numel()]
        return result

    def _copy(self, n: fx.Node, axes: tuple[str, ...], made: Tensor) -> Copy:
        sizes = [self.sizes.get(axis) for axis in axes]
        elements: Size | None = Size.of(1)
        for size in sizes:
            elements = elements * size if elements is not None and size is not None else None
        return Copy(n.name, axes, made.numel() * made.element_size(), elements if axes else None, _reason(n), _place(n))


def _inside(n: fx.Node, made: Tensor) -> Copy:
    """A copy that a kernel makes for itself."""
    reason = f"{_target(n)} copies it, because it does not lie as its kernel reads it"
    return Copy(n.name, (), made.numel() * made.element_size(), None, reason, _place(n))


def _sizes(graph: Graph) -> dict[str, Size]:
    """The size of every axis of a graph that has but one."""
    found: dict[str, Size] = {}
    several: set[str] = set()
    for node in graph.nodes:
        for axis in node.axes if isinstance(node.type, TensorType) else ():
            if found.setdefault(axis.name, axis.size) != axis.size:
                several.add(axis.name)
    return {name: size for name, size in found.items() if name not in several}


def _shares(a: Tensor, b: Tensor) -> bool:
    return bool(a.untyped_storage()._cdata == b.untyped_storage()._cdata)  # pyright: ignore[reportPrivateUsage]


def _axes(node: fx.Node) -> tuple[str, ...]:
    axes: tuple[str, ...] = node.meta.get("axes", ())
    return axes


def _place(node: fx.Node) -> Span:
    place: Span = node.meta.get("place", NOWHERE)
    return place


def _reason(node: fx.Node) -> str:
    """What reads the copy."""
    readers = list(dict.fromkeys(_target(user) for user in _readers(node)))
    return f"{' and '.join(readers) or 'the result'} takes these axes as one, and they do not lie side by side"


def _readers(node: fx.Node) -> Iterator[fx.Node]:
    """The first operations after a copy that are more than moves."""
    waiting, seen = list(node.users), set(node.users)
    while waiting:
        user = waiting.pop(0)
        if user.op == "call_method" and user.target in {*MOVES, "transpose", "permute", "unsqueeze", "squeeze", "expand"}:
            fresh = [reader for reader in user.users if reader not in seen]
            seen.update(fresh)
            waiting.extend(fresh)
        else:
            yield user


def _target(node: fx.Node) -> str:
    if node.op == "output":
        return "the result"
    return str(getattr(node.target, "__name__", node.target))


def total(found: tuple[Copy, ...]) -> int:
    """The bytes of all copies."""
    return sum(copy.bytes for copy in found)
