"""Linear maps between images: one that convolutions read is a convolution itself, of a single place, and leaves its channels outside.

A linear map wants its channels innermost, a convolution its places. Where the places already lie innermost, a map writes an image that
every convolution behind it copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..graph import Graph, Node
from ..lower.emitter import Value
from ..ops.base import OPERATORS
from ..orders.choices import is_plain, lies
from ..orders.plan import orders
from ..orders.tracing import Tensor
from ..sizes import Size, at_least
from ..types import Axis
from .base import Change, Mode, Outcome, Pass
from .making import Make
from .recognise import Readers, readers
from .rewriting import rewrite

REACH = 4
"""How many operators number by number are looked through on the way to a convolution."""
ONE, ZERO = Size.of(1), Size.of(0)


@dataclass(frozen=True)
class OneByOne(Pass):
    name: ClassVar[str] = "one-by-one"
    promise: ClassVar[str] = "a linear map that convolutions read is one too, where the axes along which they slide lie innermost"
    exact: ClassVar[bool] = False

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        read = readers(graph)
        found = {node: over for node in graph.nodes if _may_be(node) and (over := slides(node, read))}
        plan = orders(graph) if found else None
        taken = {node: over for node, over in found.items() if plan is not None and _innermost(plan.value(node.inputs[0]), over)}
        if not taken:
            return Outcome(graph)
        made = rewrite(graph, lambda make, node: _convolution(make, node, taken[node]) if node in taken else None)
        return Outcome(made, tuple(_change(node, over) for node, over in taken.items()))


def slides(node: Node, read: Readers) -> tuple[str, ...]:
    """The axes along which convolutions slide, in their order, where these alone read a value, all in the same way; else none."""
    found = {over for reader in _beyond(node, read) for over in [_slides_over(node, *reader)]}
    (over,) = found if len(found) == 1 else ((),)
    return over


def _beyond(node: Node, read: Readers) -> Iterator[tuple[Node | None, Node]]:
    """What reads a value beyond new names and functions of one number (None: it is a result), and what it reads there."""
    waiting = [(node, REACH)]
    while waiting:
        now, left = waiting.pop()
        for reader in read[now]:
            if reader is not None and left and (reader.op == "rename" or (OPERATORS[reader.op].pointwise and len(reader.inputs) == 1)):
                waiting.append((reader, left - 1))
            else:
                yield reader, now


def _slides_over(node: Node, reader: Node | None, read: Node) -> tuple[str, ...]:
    if reader is None or reader.op != "conv" or reader.inputs[0] is not read or read in reader.inputs[1:]:
        return ()
    over: tuple[str, ...] = reader["over"]
    return over if all(node.tensor.has(name) and node.tensor.size(name) == read.tensor.size(name) for name in over) else ()


def _may_be(node: Node) -> bool:
    """A linear map with one weight for all positions, of numbers that a convolution takes."""
    if not is_plain(node) or any(source.dtype != "float" for source in node.inputs):
        return False
    channels = [axis.size for axis in node.inputs[1].axes]
    return bool(node["over"]) and all(at_least(size, 1) is True for size in channels)


def _innermost(value: Value, over: tuple[str, ...]) -> bool:
    """Whether a value is known to lie with these axes innermost, in this order."""
    return isinstance(value.fx, Tensor) and value.fx.memory is not None and lies(value)[-len(over) :] == over


def _convolution(make: Make, node: Node, over: tuple[str, ...]) -> Node:
    """The same map with a kernel of one place along each of these axes."""
    x, weight, *bias = make.now().inputs
    own = dict(zip(node["own"], node["made"], strict=True))
    apart = {name: make.fresh(name) for name in node["over"] if name in node["made"]}
    taps = [Axis(make.fresh(f"{name}_kernel"), ONE) for name in over]
    kernel = make.expand(make.rename(weight, {**apart, **own}), taps)
    return make.node(
        "conv", (make.rename(x, apart), kernel, *bias), node.type,
        over=over, taps=tuple(axis.name for axis in taps), inner=tuple(apart.get(name, name) for name in node["over"]),
        stride=(ONE,) * len(over), dilation=(ONE,) * len(over), pads=((ZERO, ZERO),) * len(over),
    )  # fmt: skip


def _change(node: Node, over: tuple[str, ...]) -> Change:
    name = f"`{node.name}`" if node.name else "this `linear`"
    kernel = " x ".join("1" for _ in over)
    return Change(
        f"{name} is a convolution along {' '.join(over)} with a kernel of {kernel}: a convolution reads it, and nothing is moved",
        (node.span,),
    )
