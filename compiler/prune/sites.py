"""Places in the text of a block: where an axis gets its size, which loops stand around a call, which calls there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...dsl import tree
from ...dsl.source import Span
from ..types import is_tuple


def walk(item: object) -> Iterator[tree.Tree]:
    """A tree and everything in it, in the order of the text, without recursion."""
    waiting: list[Any] = [item]
    while waiting:
        top = waiting.pop()
        if is_tuple(top):
            waiting.extend(reversed(top))
        elif isinstance(top, tree.Tree):
            yield top
            waiting.extend(top.__dict__[name] for name in reversed(top.fields))


def sizes_of(part: object, axis: str) -> list[tree.Expr]:
    """The expressions that give an axis its size: `axis h = heads`, `E=4*D` after an arrow, `[h = heads]` in a type."""
    items = [item for item in walk(part) if isinstance(item, tree.AxisItem | tree.AxisSpec)]
    return [item.size for item in items if item.name == axis and item.size is not None]


def loops_around(block: tree.Block, place: Span) -> list[tree.For]:
    """The loops of a block around a place, outermost first."""
    return [item for item in walk(block.body) if isinstance(item, tree.For) and _inside(place, item.span)]


def calls_of(block: tree.Block, names: set[str]) -> list[tree.Call | tree.Name]:
    """Every call of a block of these names, and every such name that stands alone as a layer or after `|>`."""
    found: list[tree.Call | tree.Name] = []
    callees: set[tuple[int, int]] = set()
    for item in walk(block.body):
        if isinstance(item, tree.Call) and isinstance(item.callee, tree.Name) and item.callee.text in names:
            found.append(item)
            callees.add((item.callee.span.start, item.callee.span.end))
        elif isinstance(item, tree.Name) and item.text in names and (item.span.start, item.span.end) not in callees:
            found.append(item)
    return found


def _inside(inner: Span, outer: Span) -> bool:
    return inner.source is outer.source and outer.start <= inner.start and inner.end <= outer.end


def words_of(block: tree.Block) -> list[str]:
    """Every name in the text of a block, as often as it stands there, without comments."""
    text = re.sub(r"#[^\n]*", "", block.span.text)
    return re.findall(r"[A-Za-z_]\w*", text)


def values_of(block: tree.Block) -> list[str]:
    """Every name that stands for a value or axis in a block's sizes and expressions, as often as it does."""
    return [item.text for item in walk((block.params, block.results, block.body)) if isinstance(item, tree.Name)]


def whole_block(block: tree.Block) -> Span:
    """A block with the comment directly above it."""
    text, start = block.span.source.text, block.span.start
    while start > 0:
        before = text.rfind("\n", 0, start - 1) + 1
        if not text[before:start].lstrip().startswith("#"):
            break
        start = before
    return Span(block.span.source, start, block.span.end)


@dataclass(frozen=True)
class Edit:
    """`text` in the place of `start` to `end` of a source."""

    start: int
    end: int
    text: str


def edited(text: str, edits: list[Edit], start: int = 0, end: int | None = None) -> str:
    """The part of a text from `start` to `end`, with the edits that fall into it."""
    stop = len(text) if end is None else end
    found, at = "", start
    for edit in sorted(edits, key=lambda one: (one.start, one.end)):
        if start <= edit.start and edit.end <= stop:
            found += text[at : edit.start] + edit.text
            at = edit.end
    return found + text[at:stop]
