"""The copies that are left after the passes, from the plan of orders alone, and which two sides disagree about each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ..graph import Node
from ..orders.plan import Orders, PlannedCopy, distinct, orders
from ..passes.pipeline import Optimised
from ..prepared import before_runs
from .costs import amount
from .places import place_of
from .report import CopyLeft

WAY_BACK = 64
"""How far back the writer of a value is looked for."""
MOVES = frozenset({"rename", "split", "expand", "cut", "pick", "detach", "lay"})


def copies_left(optimised: Optimised) -> list[CopyLeft]:
    """The copies in a run that only change the order in memory; those of one place that are alike are told once. In inference what is
    worked out from weights before any run is left out."""
    graph = optimised.graph
    once = before_runs(graph) if optimised.mode == "infer" else frozenset[Node]()
    found = [_left(copy, within) for copy, within in _walked(orders(graph), once, ())]
    times = Counter(one.model_dump_json() for one in found)
    first = {one.model_dump_json(): one for one in reversed(found)}
    return [first[text].model_copy(update={"times": count}) for text, count in times.items()]


def _walked(plan: Orders, once: frozenset[Node], within: tuple[str, ...]) -> Iterator[tuple[PlannedCopy, tuple[str, ...]]]:
    """The copies of these nodes, and those in bodies with what they are in, each once."""
    levels = [(plan, within)]
    for one, inside in levels:
        yield from ((copy, inside) for copy in distinct(c for node in one.nodes if node not in once for c in one.copies.get(node, ())))
        for node, bodies in one.bodies.items():
            words = ("in each step of a scan",) if node.op == "scan" else ("in the first way of a choice", "in the second way of a choice")
            levels += [(body, (*inside, word)) for body, word in zip(bodies, words, strict=True)]


def _left(copy: PlannedCopy, within: Sequence[str]) -> CopyLeft:
    return CopyLeft(
        wanted=list(copy.axes),
        lies=list(copy.lies),
        bytes=amount(copy.bytes),
        kernel=copy.kernel,
        within=list(within),
        text=f"{_wanted(copy)}; {_written(copy)}",
        place=place_of(copy.node.span),
        times=1,
    )


def _wanted(copy: PlannedCopy) -> str:
    """What asks for the order."""
    if copy.node.op == "lay":
        return f"put in the order [{' '.join(copy.axes)}] once, for all that read it so"
    reader = f"`{copy.kernel}`" if copy.kernel else f"`{copy.node.op}`"
    lies = [name for axis in copy.lies for name in axis.split()]
    for group in copy.groups:
        places = [lies.index(name) for name in group if name in lies]
        if len(group) > 1 and places != [*range(min(places, default=0), min(places, default=0) + len(group))]:
            return f"{reader} takes [{' '.join(group)}] as one, {_apart(group, lies, places)}"
    return f"{reader} wants [{' '.join(copy.axes)}] without gaps"


def _apart(group: Sequence[str], lies: Sequence[str], places: Sequence[int]) -> str:
    """Why a group of axes is not one in memory."""
    if len(places) < len(group):
        missing = [name for name in group if name not in lies]
        return f"and [{' '.join(missing)}] is repeated there"
    between = [name for name in lies[min(places) : max(places)] if name not in group]
    if between:
        return f"and [{' '.join(between)}] is between them in memory"
    return f"and in memory they lie as [{' '.join(sorted(group, key=lies.index))}]"


def _written(copy: PlannedCopy) -> str:
    """What left the numbers in the order they have."""
    node = copy.source
    for _ in range(WAY_BACK):
        if node is None or node.op not in MOVES:
            break
        node = node.inputs[0]
    order = " ".join(copy.lies)
    if node is None:
        return f"it is made on the way as [{order}]"
    if node.op in ("input", "weight", "param"):
        return f"`{node['name']}` comes in as [{order}]" if node.op == "input" else f"it comes in as [{order}]"
    place = place_of(node.span)
    where = f" ({place.file}:{place.line})" if place is not None else ""
    return f"`{node.op}`{where} leaves it as [{order}]"
