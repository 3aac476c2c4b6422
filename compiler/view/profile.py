"""Times that a user measured, brought to the boxes they belong to.

The file is one JSON object from names to seconds. A name is the path of a block (`layers.0.attention`), of what owns weights
(`layers.0.fc1`), or of a named value (`layers.0.attention.scores`, a path of blocks and the name of a binding).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from ...dsl.closest import closest
from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from ..graph import Graph
from .folding import title_path
from .reading import Reading, read_with_nodes
from .words import owner_path

_SHOWN = 8


@dataclass(frozen=True)
class Seconds:
    """Seconds by the number of a box, and of a group."""

    boxes: Mapping[int, float]
    groups: Mapping[int, float]


@dataclass(frozen=True)
class Times:
    """Seconds by name. A name that several boxes have is shared by them evenly."""

    seconds: Mapping[str, float]

    def of(self, reading: Reading) -> Seconds:
        named = _names(reading)
        boxes: dict[int, float] = {}
        groups: dict[int, float] = {}
        for name, value in self.seconds.items():
            found_boxes, found_groups = named.get(name, ([], []))
            into, found = (groups, found_groups) if found_groups else (boxes, found_boxes)
            for number in found:
                into[number] = into.get(number, 0.0) + value / len(found)
        return Seconds(boxes, groups)


def _names(reading: Reading) -> dict[str, tuple[list[int], list[int]]]:
    """The boxes and the groups of each name. A binding names those of its boxes that have no weights, if there are any."""
    named: dict[str, tuple[list[int], list[int]]] = {}
    for number in range(1, len(reading.drawing.groups)):
        named.setdefault(title_path(reading.drawing.groups, number), ([], []))[1].append(number)
    bindings: dict[str, list[tuple[int, bool]]] = {}
    for number, node in enumerate(reading.nodes):
        if node is None or reading.drawing.boxes[number].kind not in ("op", "sign"):
            continue
        owners = dict.fromkeys(owner_path(weight) for weight in reading.weights[number])
        for name in owners:
            named.setdefault(name, ([], []))[0].append(number)
        if node.name:
            bindings.setdefault(".".join((*node.scope, node.name)), []).append((number, bool(owners)))
    for name, found in bindings.items():
        boxes = named.setdefault(name, ([], []))[0]
        bare = [number for number, owned in found if not owned]
        boxes.extend(number for number in bare or [number for number, _ in found] if number not in boxes)
    return named


def box_and_group_names(graph: Graph) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a profile of this graph may have: those of boxes, and those of blocks."""
    named = _names(read_with_nodes(graph))
    blocks = frozenset(name for name, (_, groups) in named.items() if groups)
    return frozenset(named) - blocks, blocks


_PROFILE = TypeAdapter(dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]])


def read_profile(path: str | Path, graph: Graph) -> Times:
    """The times of a file. AttnError (E0703) where it is no profile, or names what the graph as written has not."""
    try:
        found = Path(path).read_bytes()
    except OSError as error:
        raise _fault(f"cannot read the profile `{path}`", error.strerror or str(error)) from None
    return _checked(lambda: _PROFILE.validate_json(found), graph)


def checked_times(found: Mapping[str, float], graph: Graph) -> Times:
    """The times that a caller gave. AttnError (E0703) where they do not fit the graph."""
    return _checked(lambda: _PROFILE.validate_python(dict(found)), graph)


def _checked(read: Callable[[], dict[str, float]], graph: Graph) -> Times:
    try:
        found = read()
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{first['loc'][0]}: "[:80] if first["loc"] else ""
        raise _fault(
            "this is not a profile", f"{where}{first['msg'][:200]}", help='seconds by name: {"layers.0.attention": 0.0012}'
        ) from None
    known = _names(read_with_nodes(graph))
    missing = [name for name in found if name not in known]
    if missing:
        near = closest(missing[0], known)
        help = f"did you mean `{near}`?" if near else f"it has: {', '.join(list(known)[:_SHOWN]) or 'no names at all'}"
        notes = (f"{len(missing)} of its {len(found)} names are not there",) if len(missing) > 1 else ()
        raise _fault(f"the profile names `{missing[0][:80]}`, which `{graph.name}` has not", *notes, help=help)
    return Times(found)


def _fault(title: str, *notes: str, help: str = "") -> AttnError:
    return AttnError([Diagnostic("E0703", title, NOWHERE, notes=notes, help=help)])
