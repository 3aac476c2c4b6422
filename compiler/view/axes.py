"""The axes of values as data: their names and sizes, and which of them an operation works along."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ..graph import Node
from ..types import STAR, TensorType, TupleType, is_tuple
from .metrics import shorten

_SIZE = 40


@lru_cache(maxsize=4096)
def axis_pairs(type: TensorType | TupleType) -> tuple[tuple[str, str], ...]:
    """Name and size of every axis, the leading ones first. A value with several tensors has none of its own."""
    if isinstance(type, TupleType):
        return ()
    return tuple((name, shorten(str(size), _SIZE)) for name, size in sorted(type.axes, key=lambda axis: axis.name != STAR))


def worked_along(node: Node) -> list[str]:
    """The axes that something happens along: named by an option, used up, or made. The others only come along."""
    if node.op in ("input", "weight", "param", "item", "rename", "choose", "scan"):
        return []
    before = dict.fromkeys(name for source in node.inputs if source.op != "weight" for name in _names(source.type))
    after = dict.fromkeys(_names(node.type))
    said = set(_words(tuple(value for _, value in node.attrs)))
    changed = (name for name in {**before, **after} if name in said or (name in before) != (name in after))
    return list(changed) if before else [name for name in after if name in said]


def _names(type: TensorType | TupleType) -> Iterator[str]:
    for one in type.items if isinstance(type, TupleType) else (type,):
        yield from one.names


def _words(values: tuple[Any, ...]) -> Iterator[str]:
    stack: list[Any] = list(values)
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            yield value
        elif is_tuple(value):
            stack.extend(value)
