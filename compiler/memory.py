"""Peak memory of one run: the largest sum of values that are alive together, in the order the operations are done.

A value is freed after its last use; inputs and results stay. Views (renames, splits, cuts) are part of what they look at. Weights are
counted apart, and what is kept for gradients is not counted: this is a run without them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .cost import BYTES, FREE, done_once, scratch_bytes, type_bytes
from .graph import Body, Graph, Node, topological
from .ops.attend_held import made_in_chunks
from .sizes import Size, SizeTooLarge, maximum, minimum
from .sizes.prove import SMALL_EFFORT, at_least

if TYPE_CHECKING:
    from .passes.base import Mode

NOMINAL, SMALL = 1024, 64
"""What an unbound size counts as where only numbers tell which moment is the largest, and one with a small letter; leading axes are 1."""
MOST_ARMS = 3
"""A peak is the maximum of at most this many formulas."""
VIEWS = FREE | {"merge"}

Measure = Callable[[Size], Size]


@dataclass(frozen=True)
class Peak:
    """`bytes` at the operation `at` (None where nothing is done). `nominal` says at which sizes it was found where no formula holds for
    all: `bytes` is the formula of the moment that is largest there."""

    bytes: Size
    at: Node | None
    nominal: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class _Moment:
    bytes: Size
    at: Node | None


def peak_memory(graph: Graph, mode: Mode = "train", spared: Collection[Node] = ()) -> Peak:
    """The peak of one run of a graph. What `mode="infer"` works out once counts as a weight, and so do the nodes that are `spared`."""
    once = done_once(graph, mode)[0]
    nodes = [node for node in graph.nodes if node not in once and node not in spared]
    ends = [*graph.inputs, *(output.node for output in graph.outputs), *(node for _, node in graph.updates)]
    try:
        return _largest(_maximal(_moments(nodes, ends, lambda size: size)))
    except SizeTooLarge:
        names = sorted({name for node in nodes for name in type_bytes(node.type).free()})
        sizes = {name: nominal(name) for name in names}
        moments = _moments(nodes, ends, lambda size: Size.of(_at(size, sizes)))
        top = max(moments, key=lambda moment: moment.bytes.integer() or 0)
        return Peak(top.bytes, top.at, tuple(sizes.items()))


def nominal(name: str) -> int:
    """The size that stands for one that is not bound. Small letters are heads and what is in a head by custom."""
    return 1 if name == "*" else SMALL if name[0].islower() else NOMINAL


# ---------------------------------------------------------------- moments


def _moments(nodes: Sequence[Node], ends: Sequence[Node], measure: Measure) -> list[_Moment]:
    """What is alive while each operation works, each amount once, at the first operation that has it."""
    again = made_in_chunks(nodes, ends)
    nodes = [node for node in nodes if node not in again]
    owners = _owners(nodes)
    last = _last_uses(nodes, ends, owners)
    gone: dict[int, list[Node]] = {}
    for owner, position in last.items():
        gone.setdefault(position, []).append(owner)
    live = _sum(measure(type_bytes(node.type)) for node in nodes if node.op == "input")
    found: dict[Size, _Moment] = {}
    for position, node in enumerate(nodes):
        if owners[node] == (node,) and node.op != "input":
            live = live + measure(type_bytes(node.type))
        if node.op not in VIEWS:
            now = live + _inside(node, measure)
            found.setdefault(now, _Moment(now, node))
        for owner in gone.get(position, ()):
            live = live - measure(type_bytes(owner.type))
    return list(found.values()) or [_Moment(live, None)]


def _owners(nodes: Iterable[Node]) -> dict[Node, tuple[Node, ...]]:
    """Whose memory each value is: its own, for a view that of what it looks at, none for weights and numbers."""
    found: dict[Node, tuple[Node, ...]] = {}
    for node in nodes:
        if node.op in VIEWS and node.op != "input":
            found[node] = found.get(node.inputs[0], ()) if node.inputs else ()
        else:
            found[node] = (node,)
    return found


def _last_uses(nodes: Sequence[Node], ends: Iterable[Node], owners: dict[Node, tuple[Node, ...]]) -> dict[Node, int]:
    """The position at which each value that is made here is used for the last time; none for those that stay."""
    found: dict[Node, int] = {}
    for position, node in enumerate(nodes):
        for source in (node, *node.inputs):
            found.update(dict.fromkeys(owners.get(source, ()), position))
    for node in ends:
        for owner in owners.get(node, ()):
            found.pop(owner, None)
    return {owner: position for owner, position in found.items() if owner.op != "input"}


def _inside(node: Node, measure: Measure) -> Size:
    """What a node holds while it works: for a loop the peak of a step, for a choice that of the smaller way without its result."""
    bodies: list[Body] = [part for name in ("body", "first", "second") for part in (node.options.get(name),) if isinstance(part, Body)]
    if not bodies:
        return measure(scratch_bytes(node))
    peaks = [_largest(_maximal(_moments(*_body(body), measure))).bytes for body in bodies]
    return peaks[0] if node.op == "scan" else minimum(*peaks) - measure(type_bytes(node.type))


def _body(body: Body) -> tuple[list[Node], tuple[Node, ...]]:
    ends = (*body.yields, *body.carries)
    return list(topological(ends)), ends


# ---------------------------------------------------------------- the largest


def _maximal(moments: Iterable[_Moment]) -> list[_Moment]:
    """The moments that no other one surely reaches or passes."""
    kept: list[_Moment] = []
    for moment in moments:
        if not any(_surely(other.bytes, moment.bytes) for other in kept):
            kept = [other for other in kept if not _surely(moment.bytes, other.bytes)]
            kept.append(moment)
    if 1 < len(kept) <= 4 * MOST_ARMS:
        return [a for a in kept if not any(b is not a and at_least(b.bytes, a.bytes, effort=SMALL_EFFORT) for b in kept)] or kept[:1]
    return kept


def _surely(a: Size, b: Size) -> bool:
    """Whether a >= b can be read off: no term of the difference is negative."""
    gap = a - b
    return all(value >= 0 and all(atom.kind == "symbol" for atom, _ in factor) for factor, value in gap.terms)


def _largest(moments: Sequence[_Moment]) -> Peak:
    """The maximum of all where they are few, else the moment that is largest at nominal sizes."""
    names = sorted({name for moment in moments for name in moment.bytes.free()})
    sizes = {name: nominal(name) for name in names}
    top = max(moments, key=lambda moment: _at(moment.bytes, sizes))
    if len(moments) <= MOST_ARMS:
        return Peak(maximum(*(moment.bytes for moment in moments)), top.at)
    return Peak(top.bytes, top.at, tuple(sizes.items()))


def _at(size: Size, sizes: dict[str, int]) -> int:
    """The whole number a size is at these sizes; an estimate where it is none there (a logarithm of 1023, for instance)."""
    try:
        return int(size.evaluate(sizes))
    except (ValueError, ZeroDivisionError):
        return NOMINAL * BYTES["float"]


def _sum(sizes: Iterable[Size]) -> Size:
    total = Size.of(0)
    for size in sizes:
        total = total + size
    return total
