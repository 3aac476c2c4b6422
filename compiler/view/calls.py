"""Which call in the text each group of a drawing is."""

from __future__ import annotations

from ...dsl.source import Span
from .model import chain
from .reading import Reading


def group_calls(reading: Reading) -> dict[int, Span]:
    """The call of the block that a group shows, by the number of the group; groups that are no blocks are not there."""
    groups = reading.drawing.groups
    found: dict[int, Span] = {}
    for box, node in zip(reading.drawing.boxes, reading.nodes, strict=True):
        if node is None or box.group in found:
            continue
        calls = list(node.span.outward())[:0:-1]
        blocks = [number for number in chain(groups, box.group)[1:] if groups[number].kind == "block"]
        for number, call in zip(blocks, calls, strict=False):
            found.setdefault(number, call)
    return found
