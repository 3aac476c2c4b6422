"""Values that are said rather than drawn: numbers, sizes, positions, and short arithmetic on these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..graph import Node
from ..ops.base import OPERATORS
from ..types import TupleType
from .metrics import shorten
from .words import MOST, number_text

INFIX: Mapping[str, tuple[str, int]] = {
    "or": ("or", 1), "and": ("and", 2),
    "eq": ("==", 4), "ne": ("!=", 4), "lt": ("<", 4), "le": ("<=", 4), "gt": (">", 4), "ge": (">=", 4),
    "add": ("+", 5), "sub": ("-", 5),
    "mul": ("*", 6), "div": ("/", 6), "floordiv": ("//", 6), "mod": ("%", 6),
    "pow": ("**", 8),
}  # fmt: skip
"""The sign of an operator and how tightly it binds."""
PREFIX: Mapping[str, tuple[str, int]] = {"neg": ("-", 7), "not": ("not ", 3)}
COMMUTATIVE = frozenset(("add", "mul", "eq", "ne", "and", "or", "dot", "maximum", "minimum"))
_ATOM = 9
_SHARED = 24


class _Said(NamedTuple):
    text: str
    binds: int


class Spoken:
    """Texts of nodes. `names` gives the text of nodes known otherwise, such as the step of a scan; `readers` counts who reads a node."""

    def __init__(self, names: Callable[[Node], str | None], readers: Callable[[Node], int]) -> None:
        self._names = names
        self._readers = readers
        self._known: dict[Node, _Said | None] = {}

    def learn(self, node: Node) -> None:
        """Work out the text of a node; the nodes it reads must have been learnt before."""
        self._known[node] = self._read(node)

    def text(self, node: Node) -> str | None:
        """The text, or None for a node that must be drawn."""
        known = self._known.get(node)
        return known.text if known else None

    def operand(self, node: Node, binds: int) -> str | None:
        """The text as an operand of something that binds so tightly: in brackets where it needs them."""
        known = self._known.get(node)
        return None if known is None else known.text if known.binds >= binds else f"({known.text})"

    def _read(self, node: Node) -> _Said | None:
        given = self._names(node)
        if given is not None:
            return _Said(given, _ATOM)
        match node.op:
            case "scalar":
                text = number_text(node["value"])
                return _Said(text, 7 if text.startswith("-") else _ATOM)
            case "size":
                text = str(node["value"])
                return _Said(shorten(text, MOST), _ATOM if text.isalnum() else 5)
            case "unknown":
                return _Said(str(node.options.get("name", "?")), _ATOM)
            case "pos":
                return _Said(f"pos({node['axis']})", _ATOM)
            case "expand" if len(node.inputs) == 1:
                return self._known.get(node.inputs[0])
            case _:
                return self._compound(node)

    def _compound(self, node: Node) -> _Said | None:
        if isinstance(node.type, TupleType) or not node.inputs or any(self._known.get(source) is None for source in node.inputs):
            return None
        found = self._arithmetic(node) or self._call(node)
        most = _SHARED if self._readers(node) > 1 else MOST
        return found if found is not None and len(found.text) <= most else None

    def _arithmetic(self, node: Node) -> _Said | None:
        if node.op in PREFIX and len(node.inputs) == 1:
            sign, binds = PREFIX[node.op]
            return _Said(f"{sign}{self.operand(node.inputs[0], binds)}", binds)
        if node.op not in INFIX or len(node.inputs) != 2:
            return None
        sign, binds = INFIX[node.op]
        loose = binds + (node.op == "pow" or binds == 4)
        tight = binds + (node.op not in ("add", "mul", "and", "or", "pow"))
        return _Said(f"{self.operand(node.inputs[0], loose)} {sign} {self.operand(node.inputs[1], tight)}", binds)

    def _call(self, node: Node) -> _Said | None:
        known = OPERATORS.get(node.op)
        if known is None or not known.pointwise or node.attrs:
            return None
        return _Said(f"{node.op}({', '.join(str(self.text(source)) for source in node.inputs)})", _ATOM)
