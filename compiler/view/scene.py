"""A drawing as the browser gets it: plain records, with every width that needs a font measured already."""

from __future__ import annotations

from typing import Any

from . import measures
from .folding import closed_box, operations
from .model import Drawing


def scene_record(drawing: Drawing) -> dict[str, Any]:
    """What `fold` and `layOut` of `assets/layout.js` need. Others add what they show beside it, by the number of a box, wire or group."""
    counts = operations(drawing)
    return {
        "boxes": [
            {"kind": box.kind, "group": box.group, "text": measures.text_size(box), "arguments": box.arguments} for box in drawing.boxes
        ],
        "groups": [
            {
                "title": group.title,
                "parent": group.parent,
                "kind": group.kind,
                "titleWidth": measures.frame_title_width(group.title),
                "text": measures.text_size(closed_box(group, count, 0)),
                "operations": count,
            }
            for group, count in zip(drawing.groups, counts, strict=True)
        ],
        "wires": [
            {"source": wire.source, "targets": wire.targets, "label": wire.label, "width": measures.label_width(wire.label)}
            for wire in drawing.wires
        ],
    }
