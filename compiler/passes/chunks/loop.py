"""A `scan` whose carried values are only scaled and added to, read as running products: no step waits for the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...graph import Body, Node, topological
from ...sizes import Size
from ...types import Axis
from ..cost_model import CALL, MOVED, graph_work
from ..making import Make
from .affine import Step, steps_of
from .blocks import running_decay
from .factors import product_of
from .lifting import Lifting, Unlifted
from .running import Running, multiplied, sorted_out


@dataclass(frozen=True)
class Loop:
    """A scan node, its parts by name."""

    node: Node
    body: Body
    axis: Axis

    @property
    def carried(self) -> tuple[Node, ...]:
        return self.body.params[1 : len(self.body.carries) + 1]

    @property
    def starts(self) -> tuple[Node, ...]:
        return self.node.inputs[: len(self.body.carries)]

    @property
    def others(self) -> tuple[tuple[Node, Node], ...]:
        """The body's other parameters, and what is outside: those that lose the axis first."""
        count = len(self.body.carries)
        return tuple(zip(self.body.params[count + 1 :], self.node.inputs[count:], strict=True))

    @property
    def reverse(self) -> bool:
        return bool(self.node["reverse"])


def loop_of(scan: Node) -> Loop:
    return Loop(scan, scan["body"], Axis(scan["axis"], scan["length"]))


@dataclass(frozen=True)
class Memory:
    """A carried value along the whole axis: what it starts with, what is kept of it, and the factors of what is added."""

    start: Node | None
    kept: Node | None
    more: tuple[Node, ...]


def memories(make: Make, loop: Loop) -> tuple[Memory, ...]:
    """What every carried value is along the axis. Raises NotLinear or Unlifted."""
    lift = lifted(make, loop)
    return tuple(_memory(make, lift, start, step) for start, step in zip(loop.starts, steps_of(make, loop.body), strict=True))


def lifted(make: Make, loop: Loop) -> Lifting:
    """The body at every position of the axis at once."""
    return Lifting(make, {loop.body.params[0]: make.positions(loop.axis), **dict(loop.others)}, [loop.axis])


def _memory(make: Make, lift: Lifting, start: Node, step: Step) -> Memory:
    if step.more is None:
        raise Unlifted(start)
    more = lift(step.more)
    whole = len(more.axes)
    factors = product_of(make, [more], lambda node: node.op != "dot" and len(node.axes) == whole and node.dtype == "float")
    if factors.masks:
        raise Unlifted(more)
    kept = None if isinstance(step.kept, int) else lift(step.kept)
    return Memory(None if is_zero(start) else start, kept, tuple(factors.factors))


def is_zero(node: Node) -> bool:
    while node.op in ("full", "expand", "rename"):
        node = node.inputs[0]
    return node.op == "scalar" and node["value"] == 0


# ---------------------------------------------------------------- reading


@dataclass(frozen=True)
class Read:
    """A product of a carried value that is added up, `from_start` what its start says."""

    running: Running
    from_start: Node | None


class Reading:
    """Says the yields of a loop along its whole axis; a product with a carried value becomes what `emit` makes of it."""

    def __init__(self, make: Make, loop: Loop) -> None:
        self.make, self.loop = make, loop
        self.lift = lifted(make, loop)
        self.memory = dict(zip(loop.body.carries, memories(make, loop), strict=True))
        self.reads: dict[Node, Read] = {}

    def find(self, root: Node) -> None:
        """Every product with a carried value below a result. Raises Unlifted where one is read otherwise."""
        if root in self.memory:
            raise Unlifted(root)
        for node in topological([root], self.memory.__contains__):
            if node in self.loop.carried:
                raise Unlifted(node)
            if any(source in self.memory for source in node.inputs):
                self.reads[node] = self._read(node)

    def value(self, root: Node, values: dict[Node, Node]) -> Node:
        """A result along the axis, from the values of its products."""
        self.lift.known.update(values)
        return self.lift(root)

    def _read(self, node: Node) -> Read:
        held = [source for source in node.inputs if source in self.memory]
        if node.op != "dot" or len(held) != 1:
            raise Unlifted(node)
        memory = self.memory[held[0]]
        q = [self.lift(source) for source in node.inputs if source is not held[0]]
        found = sorted_out(self.loop.axis, q, memory.more, node["over"], reverse=self.loop.reverse)
        values = {axis.name for one in (found.v if found else ()) for axis in one.axes} - {self.loop.axis.name}
        keys = {axis.name for one in (found.k if found else ()) for axis in one.axes}
        if found is None or (memory.kept is not None and not {*memory.kept.tensor.names}.isdisjoint(values - keys)):
            raise Unlifted(node)
        running = Running(found.axis, found.q, found.k, found.v, found.over, memory.kept, reverse=found.reverse)
        return Read(running, self._from_start(q, memory, node["over"]))

    def _from_start(self, q: Sequence[Node], memory: Memory, over: Sequence[str]) -> Node | None:
        if memory.start is None:
            return None
        make, query = self.make, multiplied(self.make, q)
        assert query is not None  # a contraction has two operands
        if memory.kept is not None:
            query = make.arithmetic("mul", query, running_decay(make, memory.kept, self.loop.axis, self.loop.reverse))
        return make.dot((query, memory.start), over)


# ---------------------------------------------------------------- the last one


def last(make: Make, loop: Loop, memory: Memory) -> Node:
    """A carried value after the last step: everything that was added, times the decays after it."""
    axis, factors = loop.axis, list(memory.more)
    if memory.kept is not None:
        factors.append(_after(make, loop, memory.kept))
    moving = [node for node in factors if node.tensor.has(axis.name)]
    total = make.dot(factors, (axis.name,)) if len(moving) > 1 else _added(make, factors, axis)
    if memory.start is None:
        return total
    start = memory.start
    if memory.kept is not None:
        whole = running_decay(make, memory.kept, axis, loop.reverse)
        at = Size.of(0) if loop.reverse else axis.size - 1
        start = make.arithmetic("mul", start, make.node("pick", (whole,), whole.tensor.without((axis.name,)), axis=axis.name, index=at))
    return make.arithmetic("add", start, total)


def _added(make: Make, factors: Sequence[Node], axis: Axis) -> Node:
    product = multiplied(make, factors)
    assert product is not None  # something is added in each step
    return make.total(make.expand(product, [axis]), (axis.name,))


def _after(make: Make, loop: Loop, kept: Node) -> Node:
    """The product of the decays of all later steps."""
    axis = loop.axis
    kept = make.expand(kept, [axis])
    rest = make.cut(kept, axis.name, 0 if loop.reverse else 1, axis.size - 1)
    one = make.full(1.0, [Axis(axis.name, Size.of(1)), *rest.tensor.without((axis.name,)).axes])
    ends = make.concat((one, rest) if loop.reverse else (rest, one), axis.name)
    return make.node("cumprod", (ends,), kept.tensor, axis=axis.name, reverse=not loop.reverse)


# ---------------------------------------------------------------- costs


def loop_work(loop: Loop) -> Size:
    """What the steps cost: the calls of each, and all that looks at a carried value."""
    body, carried = loop.body, frozenset(loop.carried)
    all = graph_work([*body.yields, *body.carries], frozenset(body.params).__contains__, {})
    still = frozenset(node for node in topological([*body.yields, *body.carries]) if carried.isdisjoint(topological([node])))
    own = graph_work([*body.yields, *body.carries], lambda node: node in body.params or node in still, {})
    return loop.axis.size * (own.size + CALL * (all.calls + 1))


def last_work(memory: Memory) -> Size:
    """What the last carried value costs without steps: a few passes over what is added."""
    factors = (*memory.more, *(() if memory.kept is None else (memory.kept,)))
    return sum((node.tensor.elements() * (6 * MOVED) for node in factors), Size.of(8 * CALL))
