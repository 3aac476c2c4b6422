"""Which row each thing stands in: below everything it reads from, near what it belongs to."""

from __future__ import annotations

from collections.abc import Sequence

_ROUNDS = 8

Edge = tuple[int, int]


def ranks(count: int, edges: Sequence[Edge]) -> list[int]:
    """A row for each of `count` nodes, counted from 0, so that every edge leads to a later row.

    The edges must have no cycle. Starts from the longest paths, then moves nodes that have more edges below than above down (a
    source to just over its first reader) and the others back up.
    """
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        above[target].append(source)
        below[source].append(target)
    order = _in_order(above, below)
    rows = [0] * count
    for node in order:
        rows[node] = max((rows[source] + 1 for source in above[node]), default=0)
    for _ in range(_ROUNDS):
        if not _tighten(order, above, below, rows):
            break
    return rows


def _in_order(above: list[list[int]], below: list[list[int]]) -> list[int]:
    """Every node after those above it."""
    waiting = [len(sources) for sources in above]
    order = [node for node, sources in enumerate(waiting) if not sources]
    for node in order:
        for target in below[node]:
            waiting[target] -= 1
            if not waiting[target]:
                order.append(target)
    if len(order) < len(above):
        raise ValueError("the graph to be ranked has a cycle")
    return order


def _tighten(order: list[int], above: list[list[int]], below: list[list[int]], rows: list[int]) -> bool:
    """One round of moves that make the edges shorter in total; whether anything moved."""
    moved = False
    for node in reversed(order):
        if below[node] and len(set(below[node])) > len(set(above[node])):
            row = min(rows[target] for target in below[node]) - 1
            moved |= row != rows[node]
            rows[node] = row
    for node in order:
        if above[node] and len(set(above[node])) >= len(set(below[node])):
            row = max(rows[source] for source in above[node]) + 1
            moved |= row != rows[node]
            rows[node] = row
    return moved
