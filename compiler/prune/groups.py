"""The slices that can be removed: for each place that declares the axis, the weights that have it and where its slices end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...dsl.closest import closest
from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import Span
from ..elaborate.session import Slot, Visit
from ..graph import Graph
from ..types import TensorType
from .ties import End, Sink, Ties


@dataclass(frozen=True)
class Group:
    """One axis, with its `length`. `name`: the path that its weights share, such as `layers.0.attention`.

    `ends` are all values that have it; `weights` the dimensions of weights that do, as (slot, number of the axis); `sinks` the operators
    that add up along it; `visits` the calls on the way to the block that declares it.
    """

    name: str
    axis: str
    length: int
    ends: frozenset[End]
    weights: tuple[tuple[int, int], ...]
    sinks: tuple[Sink, ...]
    visits: tuple[Visit, ...]
    span: Span


def find_groups(graph: Graph, slots: Sequence[Slot], axis: str) -> tuple[Group, ...]:
    """The groups of an axis, in the order of the program's weights. Raises AttnError (E0801) where it has none or one cannot be pruned."""
    ties = Ties(graph)
    nodes = {node["slot"]: node for node in graph.nodes if node.op == "weight"}
    order: list[int] = sorted(nodes)
    named = [(slot, place) for slot in order for place, name in enumerate(slots[slot].names) if name.rstrip("'") == axis]
    if not named:
        raise AttnError([_no_such_axis(graph, slots, axis)])
    roots: dict[tuple[object, ...], list[End]] = {}
    members: dict[End, list[tuple[int, int]]] = {}
    for slot, node in sorted(nodes.items()):
        for place, name in enumerate(node.tensor.names):
            members.setdefault(ties.find((node, name)), []).append((slot, place))
    for slot, place in named:
        root = ties.find((nodes[slot], nodes[slot].tensor.names[place]))
        known = roots.setdefault(_home(slots, members[root]), [])
        known += [root] if root not in known else []
    _refuse_stopped(graph, ties, axis, [root for found in roots.values() for root in found])
    where = {root: home for home, found in roots.items() for root in found}
    ends: dict[tuple[object, ...], list[End]] = {home: [] for home in roots}
    sinks: dict[tuple[object, ...], list[Sink]] = {home: [] for home in roots}
    for node in graph.nodes:
        for name in node.type.names if isinstance(node.type, TensorType) else ():
            if (home := where.get(ties.find((node, name)))) is not None:
                ends[home].append((node, name))
    for end, sink in ties.sinks:
        if (home := where.get(ties.find(end))) is not None:
            sinks[home].append(sink)
    weights = {home: [one for root in found for one in members[root]] for home, found in roots.items()}
    return tuple(_group(graph, slots, axis, ends[home], weights[home], sinks[home]) for home in roots)


def _home(slots: Sequence[Slot], weights: Sequence[tuple[int, int]]) -> tuple[object, ...]:
    """What tells the place that declares an axis from others: the calls that all of its weights have in common."""
    return tuple((visit.written, visit.turn) for visit in _shared([slots[slot].visits for slot, _ in weights]))


def _shared(chains: Sequence[tuple[Visit, ...]]) -> tuple[Visit, ...]:
    """The beginning that all chains of calls have in common."""
    found: list[Visit] = []
    for visits in zip(*chains, strict=False):
        if any(visit != visits[0] for visit in visits):
            break
        found.append(visits[0])
    return tuple(found)


def _group(graph: Graph, slots: Sequence[Slot], axis: str, ends: list[End], weights: list[tuple[int, int]], sinks: list[Sink]) -> Group:
    sizes = [graph.weights[slot].axes[place].size.integer() or 0 for slot, place in weights]
    if len(set(sizes)) > 1:
        title = f"axis `{axis}` cannot be pruned: one place in the text gives it {min(sizes)} and {max(sizes)} slices"
        help = "move what the loop repeats into a block of its own, and call that"
        raise AttnError([Diagnostic("E0801", title, graph.weights[weights[0][0]].span, help=help)])
    name = _shared_path([graph.weights[slot].path for slot, _ in weights])
    visits = _shared([slots[slot].visits for slot, _ in weights])
    return Group(name, axis, sizes[0], frozenset(ends), tuple(weights), tuple(sinks), visits, graph.weights[weights[0][0]].span)


def _shared_path(paths: Sequence[str]) -> str:
    """The folders that all paths have in common."""
    found: list[str] = []
    for segments in zip(*(path.split(".")[:-1] for path in paths), strict=False):
        if any(segment != segments[0] for segment in segments):
            break
        found.append(segments[0])
    return ".".join(found)


# ---------------------------------------------------------------- refusals


def _refuse_stopped(graph: Graph, ties: Ties, axis: str, roots: list[End]) -> None:
    """AttnError where a slice goes on beyond sums, or meets its neighbours."""
    found: dict[tuple[Span, str], Diagnostic] = {}
    for end, node, why in ties.stops:
        if ties.find(end) in roots:
            title = f"axis `{axis}` cannot be pruned: {why}"
            label = "here" if node.span.text else ""
            found.setdefault((node.span, why), Diagnostic("E0801", title, node.span, label, help=_help(why)))
    if found:
        raise AttnError(list(found.values())[:8])


def _help(why: str) -> str:
    if "result" in why or "comes in" in why:
        return "prune an axis that is made inside the block and added up again, such as heads or hidden channels"
    if "`split`" in why or "`merge`" in why:
        return "make the axes where the weights are: `linear(D -> h d)`, and `linear(h d -> D)`"
    return "only what is added up at the end (by linear, conv, dot or sum) and worked through one by one before can be left out"


def _no_such_axis(graph: Graph, slots: Sequence[Slot], axis: str) -> Diagnostic:
    names = sorted({name for slot in slots for name in slot.names if not name.endswith("'")})
    near = closest(axis, names)
    help = f"did you mean `{near}`?" if near else f"the axes of its weights: {', '.join(names) or 'none'}"
    return Diagnostic("E0801", f"no weight of `{graph.name}` has an axis `{axis}`", graph.span, help=help)
