"""A syntax tree as text: one node a line, without places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attn.dsl.source import Source, Span
from attn.dsl.tree import Tree

_SPANS = {"span", "name_span", "op_span", "axis_span", "variable_span", "head"}


def tree_text(value: Any) -> str:
    """The tree below `value`; two trees that differ only in their places have the same text."""
    return "".join(f"{line}\n" for line in _lines(value, ""))


def _lines(value: Any, lead: str) -> Iterator[str]:
    if isinstance(value, Tree):
        inner = {name: getattr(value, name) for name in value.fields if name not in _SPANS}
        simple = {name: each for name, each in inner.items() if not _has_tree(each) and not isinstance(each, Source | Span)}
        words = " ".join(f"{name}={_plain(each)}" for name, each in simple.items() if not _is_default(name, each))
        yield f"{lead}{type(value).__name__}{' ' if words else ''}{words}"
        for name, each in inner.items():
            if _has_tree(each):
                yield from _named(name, each, lead + "  ")
    else:
        yield f"{lead}{_plain(value)}"


def _named(name: str, value: Any, lead: str) -> Iterator[str]:
    if isinstance(value, tuple):
        yield f"{lead}{name}:"
        for each in value:
            yield from _lines(each, lead + "  ")
    else:
        first, *rest = _lines(value, lead)
        yield f"{lead}{name}: {first.strip()}"
        yield from rest


def _has_tree(value: Any) -> bool:
    return isinstance(value, Tree) or (isinstance(value, tuple) and any(isinstance(each, Tree) for each in value))


def _is_default(name: str, value: Any) -> bool:
    return value is None or value == () or value == "" or (name in ("many", "reverse") and not value)


def _plain(value: Any) -> str:
    return ".".join(value) if isinstance(value, tuple) and value else str(value)
