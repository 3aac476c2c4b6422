"""The wires of a drawing, cut where they cross a frame: what each level of the nesting sees of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from .model import Drawing, chain

End = tuple[str, int]
"""`("box", number)`, `("group", number)`, `("in", wire)` or `("out", wire)`."""


@dataclass
class LocalNet:
    """One wire inside one group: where it comes from and goes to there."""

    source: End
    targets: dict[End, None] = field(default_factory=dict[End, None])


@dataclass(frozen=True)
class Step:
    """A leg of the way of a wire: through one group, to one end there."""

    group: int
    target: End


def local_nets(drawing: Drawing) -> tuple[list[dict[int, LocalNet]], dict[tuple[int, int], list[Step]]]:
    """For each group its nets by wire; and for each (wire, target box) the legs from the source to the target."""
    nets: list[dict[int, LocalNet]] = [{} for _ in drawing.groups]
    ways: dict[tuple[int, int], list[Step]] = {}
    chains = [chain(drawing.groups, number) for number in range(len(drawing.groups))]
    for wire, value in enumerate(drawing.wires):
        home = chains[drawing.boxes[value.source].group]
        for target in value.targets:
            legs = _legs(wire, value.source, home, target, chains[drawing.boxes[target].group])
            for group, source, end in legs:
                nets[group].setdefault(wire, LocalNet(source)).targets[end] = None
            ways[wire, target] = [Step(group, end) for group, _, end in legs]
    return nets, ways


def _legs(wire: int, source: int, home: list[int], target: int, goal: list[int]) -> list[tuple[int, End, End]]:
    """(group, from, to) for every group on the way up from the source, across, and down to the target."""
    shared = 0
    while shared + 1 < min(len(home), len(goal)) and home[shared + 1] == goal[shared + 1]:
        shared += 1
    legs: list[tuple[int, End, End]] = []
    start: End = ("box", source)
    for group in reversed(home[shared + 1 :]):
        legs.append((group, start, ("out", wire)))
        start = ("group", group)
    for place in range(shared, len(goal)):
        end: End = ("group", goal[place + 1]) if place + 1 < len(goal) else ("box", target)
        legs.append((goal[place], start, end))
        start = ("in", wire)
    return legs
