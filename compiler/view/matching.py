"""Which box of one drawing is which box of another: after a pass, or in another version of a program.

Boxes are paired from the surest sign to the weakest, each time in their order: the same node; the same operation from the same words of
the text; the same operation in the same block with the same text in the box; the same operation in the same block.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from .folding import title_path
from .model import Drawing
from .reading import Reading


def same_boxes(before: Reading, after: Reading) -> dict[int, int]:
    """For each box of `after` that `before` has too, its number there."""
    found: dict[int, int] = {}
    rest = list(range(len(before.drawing.boxes)))
    for sign in _SIGNS:
        waiting: dict[Hashable, list[int]] = {}
        for number in rest:
            key = sign(before, number)
            if key is not None:
                waiting.setdefault(key, []).append(number)
        for lists in waiting.values():
            lists.reverse()
        taken: set[int] = set()
        for number in range(len(after.drawing.boxes)):
            key = sign(after, number) if number not in found else None
            if key is not None and waiting.get(key):
                found[number] = waiting[key].pop()
                taken.add(found[number])
        rest = [number for number in rest if number not in taken]
    return found


def _node(reading: Reading, number: int) -> Hashable | None:
    return reading.nodes[number]


def _place(reading: Reading, number: int) -> Hashable | None:
    """The operation, its block and where it stands in the text, with what it gives."""
    node = reading.nodes[number]
    return (*_words(reading, number), node.span, node.type, reading.drawing.boxes[number].lines) if node is not None else None


def _text(reading: Reading, number: int) -> Hashable | None:
    return (*_words(reading, number), reading.drawing.boxes[number].lines)


def _span(reading: Reading, number: int) -> Hashable | None:
    node = reading.nodes[number]
    return (*_words(reading, number), node.span) if node is not None else None


def _words(reading: Reading, number: int) -> tuple[Hashable, ...]:
    node, box = reading.nodes[number], reading.drawing.boxes[number]
    if node is None or node.op == "input":
        return (box.kind, box.lines)
    return (box.kind, node.op, node.scope, node.name)


def _operation(reading: Reading, number: int) -> Hashable | None:
    node = reading.nodes[number]
    return (reading.drawing.boxes[number].kind, node.op, node.scope) if node is not None and node.op != "input" else None


_SIGNS: Sequence[Callable[[Reading, int], Hashable | None]] = (_node, _place, _text, _span, _operation)


@dataclass(frozen=True)
class Identity:
    """A number for each box, and a word for each group, that stay the same from drawing to drawing."""

    boxes: tuple[int, ...]
    groups: tuple[str, ...]


def identities(readings: Sequence[Reading]) -> list[Identity]:
    """The identities of the parts of drawings that follow one another."""
    found: list[Identity] = []
    fresh = 0
    for place, reading in enumerate(readings):
        same = same_boxes(readings[place - 1], reading) if place else {}
        ids: list[int] = []
        for number in range(len(reading.drawing.boxes)):
            if number in same:
                ids.append(found[-1].boxes[same[number]])
            else:
                ids.append(fresh)
                fresh += 1
        found.append(Identity(tuple(ids), group_words(reading.drawing)))
    return found


def group_words(drawing: Drawing) -> tuple[str, ...]:
    """The path of titles of each group, with a number from the second group of one path on."""
    seen: dict[str, int] = {}
    words: list[str] = []
    for number in range(len(drawing.groups)):
        path = title_path(drawing.groups, number)
        seen[path] = seen.get(path, 0) + 1
        words.append(path if seen[path] == 1 else f"{path} #{seen[path]}")
    return tuple(words)
