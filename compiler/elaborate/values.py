"""The kinds of values an expression can have while a program is built: tensors (graph nodes), layers, statics.

Statics: `Size` for whole numbers and what exact arithmetic makes of them, `Fraction` for decimals, `float` for what has no exact
form, `bool`, `Word` (an enumeration's value), `None`, `tuple` (a list), and `Unknown` where a check runs without a binding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, TypeGuard

from ...dsl.source import Span
from ..graph import Node
from ..sizes import Size


@dataclass(frozen=True)
class Word:
    """A value of an enumeration."""

    text: str


@dataclass(frozen=True)
class Unknown:
    """A static whose value only a binding can tell. `kind` is int, float, bool, word or list.

    `parts` is the comparison that could not be decided; where a tensor is wanted the module works it out when it runs.
    """

    kind: str
    name: str
    parts: tuple[str, Any, Any] | None = None


class Poison:
    """What a mistake leaves behind: everything made from it is silently poison too, so one mistake gives one message."""


POISON = Poison()


class Poisoned(Exception):
    """Internal: an expression needs a value that an earlier mistake spoiled."""


class Layer(Protocol):
    """A value that takes tensors. `describe` is for messages."""

    def apply(self, tensors: Sequence[Node], span: Span) -> Any: ...

    def describe(self) -> str: ...


@dataclass(frozen=True)
class Several:
    """The results of a call with more than one; `extra` are the final carries of a scan, taken only when asked for."""

    items: tuple[Node, ...]
    extra: tuple[Node, ...] = ()
    names: tuple[str, ...] = ()


Number = Size | Fraction | float
Value = Any  # Node | Layer | Several | Poison | static; told apart by the helpers below


def is_list(value: Value) -> TypeGuard[tuple[Value, ...]]:
    return isinstance(value, tuple)


def is_static(value: Value) -> bool:
    return value is None or isinstance(value, Size | Fraction | float | bool | Word | Unknown | tuple)


def is_number(value: Value) -> TypeGuard[Number]:
    return isinstance(value, Size | Fraction | float)


def is_layer(value: Value) -> TypeGuard[Layer]:
    return hasattr(value, "apply")


def describe(value: Value) -> str:
    """What a value is, in a few words for a message."""
    if isinstance(value, Node):
        return "a tensor"
    if isinstance(value, Several):
        return f"{len(value.items)} results"
    if is_layer(value):
        return "a layer"
    if isinstance(value, bool):
        return "a bool"
    if value is None:
        return "`none`"
    if isinstance(value, tuple):
        return "a list"
    if isinstance(value, Word):
        return f"the word `{value.text}`"
    if isinstance(value, Unknown):
        return {"int": "a whole number", "float": "a number", "bool": "a bool", "list": "a list"}.get(value.kind, "a static")
    return f"the number {show_number(value)}"


def show_number(value: Number) -> str:
    if isinstance(value, Fraction) and value.denominator != 1:
        return str(float(value))
    return str(value)
