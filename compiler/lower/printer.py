"""An fx graph as Python that people read: one line per operation, the axes of the result beside it."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, cast

import torch
from torch import fx

from ...dsl.source import Span
from .codegen import attribute
from .names import identifier
from .targets import FIXED, runtime_functions

BINARY = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "matmul": "@", "and_": "&", "or_": "|",
    "xor": "^", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip
UNARY = {"neg": "-", "pos": "+", "invert": "~", "inv": "~"}


class Library(Protocol):
    """Where the functions that a text calls are gathered; it may have to call one differently."""

    def add(self, functions: Iterable[Callable[..., Any]]) -> None: ...

    def name(self, function: Callable[..., Any]) -> str: ...


class Printer:
    """Prints the nodes of one graph. `runtime` stands before the names of runtime functions, unless a `library` gathers them.

    `bodies` says what attribute a loop's body is printed as.
    """

    def __init__(self, graph: fx.Graph, runtime: str, bodies: Mapping[str, str] | None = None, library: Library | None = None) -> None:
        self.graph = graph
        self.runtime = runtime
        self.bodies = bodies or {}
        self.library = library
        self._names: dict[fx.Node, str] = {}
        self._taken = set(runtime_functions() if library is not None else ())

    def arguments(self) -> list[str]:
        """The arguments as written in a `def`, defaults included."""
        nodes = [node for node in self.graph.nodes if node.op == "placeholder"]
        return [f"{node.target}=None" if node.args else str(node.target) for node in nodes]

    def lines(self) -> list[str]:
        """The statements of the body."""
        made: list[str] = []
        for node in self.graph.nodes:
            line = self._line(node)
            if line is not None:
                made.append(line + _comment(node))
        return made or ["pass"]

    def _line(self, node: fx.Node) -> str | None:
        if node.op == "placeholder":
            self._names[node] = str(node.target)
            self._taken.add(str(node.target))
            return None
        if node.op == "get_attr":
            return None
        if node.op == "output":
            return f"return {self._value(node.args[0])}"
        text = self._call(node)
        if not node.users:
            return text
        return f"{self._name(node)} = {text}"

    def _name(self, node: fx.Node) -> str:
        if node not in self._names:
            # A local may not hide a function that the text calls.
            self._names[node] = identifier(node.name, self._taken)
            self._taken.add(self._names[node])
        return self._names[node]

    # ------------------------------------------------ calls

    def _call(self, node: fx.Node) -> str:
        args = [self._value(arg) for arg in node.args]
        named = [f"{key}={self._value(value)}" for key, value in node.kwargs.items()]
        if node.op == "call_method":
            name = identifier(str(node.target))
            return f"{args[0]}.{name}({', '.join([*args[1:], *named])})"
        target: Any = node.target
        special = self._operator(target, node) if not named else None
        if special is not None:
            return special
        name, more = self._target(target)
        return f"{name}({', '.join([*args, *more, *named])})"

    def _operator(self, target: Any, node: fx.Node) -> str | None:
        """Arithmetic, indexing and attributes in their own notation."""
        name, args = getattr(target, "__name__", ""), node.args
        if target is getattr and len(args) == 2 and isinstance(args[1], str) and args[1].isidentifier():
            return f"{self._value(args[0])}.{args[1]}"
        if getattr(target, "__module__", "") != "_operator":
            return None
        if name in BINARY and len(args) == 2:
            return f"{self._operand(args[0])} {BINARY[name]} {self._operand(args[1])}"
        if name in UNARY:
            return f"{UNARY[name]}{self._operand(args[0])}"
        if name == "getitem":
            return f"{self._value(args[0])}[{self._index(args[1])}]"
        return None

    def _operand(self, arg: Any) -> str:
        text = self._value(arg)
        return f"({text})" if text.startswith("-") else text

    def _index(self, index: Any) -> str:
        if isinstance(index, tuple) and index:
            items = [self._index(item) for item in cast("Sequence[Any]", index)]
            return ", ".join(items) + ("," if len(items) == 1 else "")
        if isinstance(index, slice):
            start, stop, step = _bounds(index)
            parts = ["" if part is None else self._value(part) for part in (start, stop)]
            return ":".join(parts) + ("" if step is None else f":{self._value(step)}")
        return self._value(index)

    def _target(self, target: Any) -> tuple[str, list[str]]:
        """How a function is called here, and the arguments that a closure has fixed."""
        if hasattr(target, FIXED):
            function, values = getattr(target, FIXED)
            return self._runtime(function), [self._value(value) for value in values] if self.library else []
        if target in _runtime_set():
            return self._runtime(target), []
        return qualified(target), []

    def _runtime(self, function: Callable[..., Any]) -> str:
        if self.library is None:
            return self.runtime + function.__name__
        self.library.add([function])
        return self.library.name(function)

    # ------------------------------------------------ values

    def _value(self, arg: Any) -> str:
        if isinstance(arg, fx.Node):
            return self._attribute(str(arg.target)) if arg.op == "get_attr" else self._name(arg)
        fields: tuple[str, ...] = getattr(arg, "_fields", ())
        if fields:
            return f"Result({', '.join(f'{key}={self._value(value)}' for key, value in zip(fields, arg, strict=True))})"
        if isinstance(arg, tuple | list):
            items = [self._value(item) for item in cast("Sequence[Any]", arg)]
            return f"[{', '.join(items)}]" if isinstance(arg, list) else f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        if isinstance(arg, slice):
            start, stop, step = _bounds(arg)
            return f"slice({self._value(start)}, {self._value(stop)}, {self._value(step)})"
        return literal(arg)

    def _attribute(self, path: str) -> str:
        return attribute("self", self.bodies.get(path, path))


def _bounds(part: Any) -> tuple[Any, Any, Any]:
    return part.start, part.stop, part.step


@cache
def _runtime_set() -> frozenset[Any]:
    return frozenset(runtime_functions().values())


def literal(value: Any) -> str:
    """A number, a word, a dtype, a device, a place in a text."""
    if isinstance(value, float):
        return repr(value) if value == value and abs(value) != float("inf") else f'float("{value}")'
    if isinstance(value, Span):
        return repr(str(value))
    if value is None or value is Ellipsis or isinstance(value, bool | int | str | torch.dtype):
        return "..." if value is Ellipsis else f"{value!r}"
    if isinstance(value, torch.device):
        return f"torch.{value!r}"
    if isinstance(value, torch.memory_format | torch.layout):
        return f"{value}"
    raise TypeError(f"generated code cannot hold a {type(value).__name__}")


def qualified(target: Any) -> str:
    """`torch.exp`, `F.softmax`: where a function is found by that name."""
    name: str = target.__name__
    if getattr(torch.nn.functional, name, None) is target and getattr(torch, name, None) is not target:
        return f"F.{name}"
    rooms = {"": builtins, "torch.": torch, "torch.linalg.": torch.linalg, "torch.fft.": torch.fft, "torch.special.": torch.special}
    for room, place in rooms.items():
        if getattr(place, name, None) is target:
            return room + name
    module = str(getattr(target, "__module__", "")).replace("_operator", "operator")
    return f"{module}.{name}"


def _comment(node: fx.Node) -> str:
    axes = node.meta.get("axes")
    if node.op == "output":
        value: Any = node.args[0]
        axes = value.meta.get("axes") if isinstance(value, fx.Node) else None
    if axes is None:
        return ""
    return "  # [" + ", ".join(re.sub(r"[^\w'*.]", "_", axis) for axis in axes) + "]"


def forward_source(graph: fx.Graph, runtime: str = "", name: str = "forward") -> str:
    """A graph as `def forward`, or as a method of another name."""
    printer = Printer(graph, runtime)
    body = "".join(f"    {line}\n" for line in printer.lines())
    return f"def {name}({', '.join(['self', *printer.arguments()])}):\n{body}"
