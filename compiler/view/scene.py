"""A drawing as the browser gets it: plain records, with every width that needs a font measured already."""

from __future__ import annotations

from typing import Any

from . import measures
from .folding import closed_lines, operations
from .layout import box_sizes
from .metrics import text_width
from .model import Drawing


def scene_record(drawing: Drawing) -> dict[str, Any]:
    """What `fold` and `layOut` of `assets/layout.js` need. Others add what they show beside it, by the number of a box, wire or group."""
    counts = operations(drawing)
    return {
        "boxes": [
            {"kind": box.kind, "group": box.group, "size": size, "arguments": box.arguments}
            for box, size in zip(drawing.boxes, box_sizes(drawing), strict=True)
        ],
        "groups": [
            {
                "title": group.title,
                "parent": group.parent,
                "kind": group.kind,
                "titleWidth": measures.frame_title_width(group.title),
                "widest": _widest(*closed_lines(group, count)),
                "operations": count,
            }
            for group, count in zip(drawing.groups, counts, strict=True)
        ],
        "wires": [{"source": wire.source, "targets": wire.targets, "width": measures.label_width(wire.label)} for wire in drawing.wires],
    }


def _widest(title: str, line: str) -> float:
    return max(text_width(title, measures.TITLE, bold=True), text_width(line, measures.DETAIL))
