"""Whether a mask leaves every query a key, for certain: found by looking at all rows, where sizes are known."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain, product

from ..graph import Node
from .mask_offsets import conditions
from .masks import MAX_CELLS, Cell, Program, program


def always_sees(mask: Node, keys: Collection[str]) -> bool:
    """Whether every row has an allowed key, whatever the data. False also where that is not known, or would take long to find out.

    Conditions on different key axes are looked at one by one: what one allows does not depend on the others.
    """
    found = [(node, frozenset(inner for inner, outer in names.items() if outer in keys)) for node, names in conditions(mask)]
    named = [outer for node, names in conditions(mask) for outer in {names[axis.name] for axis in node.axes} if outer in keys]
    if len({*named}) < len(named):
        found = [(mask, frozenset(keys))]
    cells = [MAX_CELLS]
    return all(_rows_see(node, own, cells) for node, own in found)


def _rows_see(mask: Node, keys: Collection[str], cells: list[int]) -> bool:
    """Whether each row of a mask allows a key. `cells`: how many places may still be looked at."""
    made = program(mask)
    sizes = {name: size.integer() for name, size in made.axes.items()} if made is not None else {}
    counts = {name: size for name, size in sizes.items() if size is not None}
    if made is None or len(counts) < len(sizes):
        return False
    own = {name: count for name, count in counts.items() if name in keys}
    return all(_sees(made, row, own, cells) for row in _places({name: count for name, count in counts.items() if name not in keys}))


def _sees(made: Program, row: Cell, keys: Cell, cells: list[int]) -> bool:
    """Whether a row allows a key: the one at its own place is tried first, as most masks allow that."""
    near = {name: min(row.get(name.removesuffix("'"), 0), count - 1) for name, count in keys.items()}
    for place in chain([near], _places(keys)):
        cells[0] -= 1
        if cells[0] < 0:
            return False
        if made.run({**row, **place}, {}) is True:
            return True
    return False


def _places(counts: Cell) -> Iterator[dict[str, int]]:
    for place in product(*map(range, counts.values())):
        yield dict(zip(counts, place, strict=True))
