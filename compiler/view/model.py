"""What a picture of a graph shows: boxes in nested groups, and wires between them. No positions yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GroupKind = Literal["block", "scan", "choice", "way", "part"]
"""`part` is a stretch of a long block; `choice` holds the two ways that a `choose` decides between, and the `choose`."""

Kind = Literal["op", "sign", "input", "output", "weight", "state", "closed"]
"""`sign` is a small circle (`+`, `×`); `weight` a tensor used in several places; `state` what a scan carries; `closed` a group
whose inside is not shown."""


@dataclass(frozen=True)
class Box:
    """One thing with a place of its own. `lines` is its text, the title first; `note` (the path of its weights) stands after the title;
    `tip` is shown on hover; `group` indexes the groups."""

    kind: Kind
    family: str
    lines: tuple[str, ...]
    note: str
    tip: str
    group: int
    arguments: tuple[int, ...] = ()
    """The wires that enter, where their order from left to right has a meaning."""


@dataclass(frozen=True)
class Group:
    """A frame around boxes and other groups. Group 0 is the picture itself and its own parent; a parent comes before its children."""

    title: str
    parent: int
    kind: GroupKind = "block"


@dataclass(frozen=True)
class Wire:
    """One value and all its consumers, by box number. `label` names the axes of the value."""

    source: int
    targets: tuple[int, ...]
    label: str
    tip: str = ""


@dataclass(frozen=True)
class Drawing:
    """Boxes stand after the boxes they read from. Without its wires inside, every group can be one node of an acyclic graph."""

    title: str
    doc: str
    boxes: tuple[Box, ...]
    groups: tuple[Group, ...]
    wires: tuple[Wire, ...]


def chain(groups: tuple[Group, ...], group: int) -> list[int]:
    """The groups around something in `group`: from the picture itself down to `group`."""
    found = [group]
    while found[-1]:
        found.append(groups[found[-1]].parent)
    return found[::-1]
