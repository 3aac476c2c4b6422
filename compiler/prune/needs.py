"""What each block on the way has to be told: a number of slices, or one for each turn of a loop, handed down from call to call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ...dsl import tree
from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import Span
from .groups import Group
from .sites import loops_around, sizes_of

Turns = tuple[int, ...]
Number = int | list[int]


@dataclass(eq=False)
class Entry:
    """One group as seen from a block: the calls that led there, the turns of its loops around the call that goes on, and the rest."""

    before: tuple[tuple[Span | None, Turns], ...]
    here: Turns
    below: tuple[tuple[Span | None, Turns], ...]
    count: int
    length: int


@dataclass(eq=False)
class Need:
    """A number that `block` must have: for the sizes `own` in it, or for the need `child` of the block called at `site`.

    `shape`: `one` number; `turns`: a list, from which the loops around the call take one; `whole`: a list that is handed on.
    """

    block: tree.Block
    own: list[tree.Expr] = field(default_factory=list["tree.Expr"])
    site: Span | None = None
    child: Need | None = None
    entries: list[Entry] = field(default_factory=list[Entry])
    shape: Literal["one", "turns", "whole"] = "one"

    @property
    def many(self) -> bool:
        return self.shape != "one"


def find_needs(groups: Sequence[Group], counts: Sequence[int], root: tree.Block) -> list[Need]:
    """Every need, those of called blocks before those of their callers. Raises AttnError where the text has no place for the numbers."""
    made: dict[tuple[int, int, Need | None], Need] = {}
    order: list[Need] = []
    for group, count in zip(groups, counts, strict=True):
        blocks = [_block(visit.block) for visit in group.visits]
        calls = [(visit.written, visit.turn) for visit in group.visits[1:]]
        need = None
        for depth in reversed(range(len(blocks))):
            site = calls[depth][0] if depth < len(calls) else None
            key = (id(blocks[depth]), site.start if site is not None else -1, need)
            if key not in made:
                made[key] = _need(group, blocks[depth], site, need)
                order.append(made[key])
            need = made[key]
            here = calls[depth][1] if depth < len(calls) else ()
            need.entries.append(Entry(tuple(calls[:depth]), here, tuple(calls[depth + 1 :]), count, group.length))
    ranked = sorted(order, key=_height)
    for need in ranked:
        _shape(need)
    return ranked


def _block(found: object) -> tree.Block:
    assert isinstance(found, tree.Block)
    return found


def _height(need: Need) -> int:
    height = 0
    while need.child is not None:
        need, height = need.child, height + 1
    return height


def _need(group: Group, block: tree.Block, site: Span | None, child: Need | None) -> Need:
    if child is not None:
        return Need(block, site=site, child=child)
    own = sizes_of((block.params, block.body), group.axis)
    if not own:
        title = f"axis `{group.axis}` cannot be pruned: block `{block.name}` has it from outside"
        raise AttnError([Diagnostic("E0801", title, block.head, help="prune it in the block that gives it its size")])
    return Need(block, own)


def _shape(need: Need) -> None:
    """Whether one number is enough for every call of the block."""
    child = need.child
    if child is None:
        return
    if not child.many:
        alike = _alike((entry.before, entry.count) for entry in need.entries)
        need.shape = "one" if alike else "turns"
        return
    need.shape = "whole"
    if not _alike(((entry.before, entry.below), entry.count) for entry in need.entries):
        raise AttnError([_nested(need)])


def _alike(pairs: Iterable[tuple[object, int]]) -> bool:
    """Whether each key has one value."""
    known: dict[object, int] = {}
    return all(known.setdefault(key, value) == value for key, value in pairs)


def _nested(need: Need) -> Diagnostic:
    title = f"`{need.block.name}` calls a block in a loop whose own loop needs other numbers in each turn, and lists hold no lists"
    help = "keep the same number everywhere with uniform=True (--uniform)"
    return Diagnostic("E0801", title, need.site or need.block.head, help=help)


# ---------------------------------------------------------------- numbers and indices


def value_of(need: Need, entries: Sequence[Entry] | None = None) -> Number:
    """What the program's own block is given."""
    known = need.entries if entries is None else entries
    while need.shape == "whole" and need.child is not None:
        first = known[0].here
        known = [Entry((), entry.below[0][1] if entry.below else (), entry.below[1:], entry.count, entry.length)
                 for entry in known if entry.here == first]  # fmt: skip
        need = need.child
    if need.shape == "one":
        return known[0].count
    widths = _widths(known)
    total = 1
    for width in widths:
        total *= width
    values = [max(entry.length for entry in known)] * total
    for entry in known:
        at = 0
        for turn, width in zip(entry.here, widths, strict=True):
            at = at * width + turn
        values[at] = entry.count
    return values


def _widths(entries: Sequence[Entry]) -> list[int]:
    """How many turns each loop has."""
    return [max(turns) + 1 for turns in zip(*(entry.here for entry in entries), strict=True)]


def index_of(need: Need) -> str:
    """The place in the list, from the variables of the loops around the call. Raises AttnError for a loop over a list."""
    assert need.site is not None
    loops = loops_around(need.block, need.site)
    text = ""
    for loop, width in zip(loops, _widths(need.entries), strict=True):
        if not isinstance(loop.values, tree.Range):
            title = f"the loop over `{' '.join(loop.values.span.text.split())}` has no number for its turns"
            raise AttnError(
                [Diagnostic("E0801", title, loop.span, help="write `for i in 0..n`, so that each turn can have a number of its own")]
            )
        start = loop.values.start
        step = loop.variable if start is None or start.span.text == "0" else f"{loop.variable} - {start.span.text}"
        text = step if not text else f"({text}) * {width} + {step}"
    return text
