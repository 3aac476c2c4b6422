"""How two graphs differ in structure: boxes that went, came and changed, weights, and what one run costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from difflib import unified_diff
from typing import Any

from ..cost import graph_cost, readable
from ..graph import Graph, Weight
from ..passes.listing import listing
from ..types import TensorType, TupleType
from .folding import title_path
from .matching import same_boxes
from .reading import Reading, read_with_nodes
from .words import options_text, type_text

_INPUT_KINDS = ("input", "output", "weight", "state")
_MOST_LISTED = 40


@dataclass(frozen=True)
class Part:
    """A box that only one side has, or that differs. `block` is the path of blocks around it, `place` where it stands in the text.
    `details`: what differs, in words; nothing for a box that only one side has."""

    kind: str
    block: str
    text: str
    place: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """What the second graph has and the first has not, and the other way round. `costs`: what, before and after.
    `listed`: lines of both graphs, where they differ in what no picture shows."""

    before: str
    after: str
    parts: tuple[Part, ...]
    weights: tuple[tuple[str, str], ...]
    costs: tuple[tuple[str, str, str], ...]
    listed: tuple[str, ...]

    @property
    def same(self) -> bool:
        return not (self.parts or self.weights or self.listed)

    def record(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {"same": self.same, **asdict(self)}

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def compare(before: Graph, after: Graph, names: tuple[str, str]) -> Difference:
    """The difference of two graphs that are called so."""
    readings = read_with_nodes(before), read_with_nodes(after)
    parts = tuple(_parts(*readings))
    weights = tuple(_weights(before, after))
    listed = _differing(_ends(before), _ends(after))
    if not (parts or weights or listed):
        listed = _differing(*(listing(graph, named=False).splitlines() for graph in (before, after)))
    return Difference(*names, parts, weights, tuple(_costs(before, after)), listed[:_MOST_LISTED])


def _ends(graph: Graph) -> list[str]:
    """What the graph takes and gives, in their order, with the order of their axes."""
    takes = [f"takes {node['name']}: {node.dtype} [{', '.join(node['order'])}]" for node in graph.inputs]
    return takes + [f"gives {output.name or 'result'}: {output.node.dtype} [{', '.join(output.order)}]" for output in graph.outputs]


def _differing(before: list[str], after: list[str]) -> tuple[str, ...]:
    lines = unified_diff(before, after, lineterm="", n=0)
    return tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))


# ---------------------------------------------------------------- boxes


def _parts(before: Reading, after: Reading) -> Iterator[Part]:
    same = same_boxes(before, after)
    kept = set(same.values())
    for number in range(len(before.drawing.boxes)):
        if number not in kept:
            yield _part(before, number, "-")
    there = {old: new for new, old in same.items()}
    reads = _sources(before, there), _sources(after, {number: number for number in range(len(after.drawing.boxes))})
    for number in range(len(after.drawing.boxes)):
        if number not in same:
            yield _part(after, number, "+")
            continue
        details = tuple(_details(before, same[number], after, number))
        if reads[0][same[number]] != reads[1][number] and not details:
            details = ("reads other values",)
        if details:
            yield _part(after, number, "~", details)


def _sources(reading: Reading, renumbered: dict[int, int]) -> list[list[int]]:
    """What each box reads, in its order, by the numbers of the second drawing; -1 for what went."""
    found: list[list[int]] = [[] for _ in reading.drawing.boxes]
    for wire in reading.drawing.wires:
        for target in wire.targets:
            found[target].append(renumbered.get(wire.source, -1))
    return [sorted(sources) for sources in found]


def _part(reading: Reading, number: int, kind: str, details: tuple[str, ...] = ()) -> Part:
    box, node = reading.drawing.boxes[number], reading.nodes[number]
    words = " ".join(filter(None, (box.lines[0], box.note, *box.lines[1:])))
    text = f"{box.kind} {words}" if box.kind in _INPUT_KINDS else words
    place = str(node.span).replace("\\", "/").rpartition("/")[2] if node is not None and node.span.source.text else ""
    return Part(kind, title_path(reading.drawing.groups, box.group), text, place.rpartition(":")[0], details)


def _details(before: Reading, old: int, after: Reading, new: int) -> Iterator[str]:
    one, two = before.nodes[old], after.nodes[new]
    boxes = before.drawing.boxes[old], after.drawing.boxes[new]
    lines = [" ".join(box.lines) for box in boxes]
    if lines[0] != lines[1]:
        yield f"was {lines[0]}"
    if one is None or two is None:
        if boxes[0].tip != boxes[1].tip:
            yield f"{boxes[1].tip}, was {boxes[0].tip}"
        return
    if _shape(one.type) != _shape(two.type):
        yield f"gives {type_text(two.type)}, gave {type_text(one.type)}"
    if lines[0] == lines[1] and one.op not in ("input", "weight") and options_text(one) != options_text(two):
        yield f"{options_text(two)}, was {options_text(one)}"


def _shape(type: TensorType | TupleType) -> list[tuple[str, list[str]]]:
    """A type without the order of its axes, which means nothing."""
    parts = type.items if isinstance(type, TupleType) else (type,)
    return [(part.dtype, sorted(f"{name}={size}" for name, size in part.axes)) for part in parts]


# ---------------------------------------------------------------- weights and costs


def _weights(before: Graph, after: Graph) -> Iterator[tuple[str, str]]:
    """What is said of each weight that differs, by its path."""
    old, new = ({weight.path: weight for weight in graph.weights} for graph in (before, after))
    for path in {**old, **new}:
        texts = [_weight(found[path]) if path in found else "" for found in (old, new)]
        if texts[0] != texts[1]:
            yield path, f"- {texts[0]}" if not texts[1] else f"+ {texts[1]}" if not texts[0] else f"{texts[0]} → {texts[1]}"


def _weight(weight: Weight) -> str:
    groups = ", ".join(f"{'·'.join(group)}={size}" for group, size in zip(weight.groups, weight.shape, strict=True))
    return f"[{groups}]" + ("" if weight.kind == "param" else f" ({weight.kind})")


def _costs(before: Graph, after: Graph) -> Iterator[tuple[str, str, str]]:
    one, two = graph_cost(before), graph_cost(after)
    for name, old, new in (
        ("FLOPs", one.flops, two.flops),
        ("bytes", one.bytes, two.bytes),
        ("parameters", one.parameters, two.parameters),
    ):
        yield name, str(readable(old)), str(readable(new))


# ---------------------------------------------------------------- text


def _lines(found: Difference) -> Iterator[str]:
    yield f"--- {found.before}"
    yield f"+++ {found.after}"
    if found.same:
        yield "the same structure"
        return
    block = ""
    for part in sorted(found.parts, key=lambda part: part.block):
        if part.block != block:
            block = part.block
            yield f"in {block}"
        indent = "  " if block else ""
        yield f"{indent}{part.kind} {part.text}" + (f"  ({part.place})" if part.place else "")
        yield from (f"{indent}    {detail}" for detail in part.details)
    if found.weights:
        yield "weights"
        width = max(len(path) for path, _ in found.weights)
        yield from (f"  {path:<{width}}  {text}" for path, text in found.weights)
    yield from found.listed
    changed = [(name, old, new) for name, old, new in found.costs if old != new]
    if changed:
        yield "one run costs"
        yield from (f"  {name:<10}  {old} → {new}" for name, old, new in changed)
