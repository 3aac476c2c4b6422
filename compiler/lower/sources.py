"""The source of runtime functions for a file that imports only torch: all they refer to, each under a name of its own."""

from __future__ import annotations

import dis
import inspect
import re
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, cast

from .printer import literal
from .targets import runtime_functions

Function = Callable[..., Any]

# What the file says at its top anyway.
IMPORTED = frozenset({"torch", "F", "nn", "Tensor", "Any", "Callable", "Sequence", "InputError"})


def code_objects(function: Any) -> Iterator[types.CodeType]:
    """The code of a function or of a class's methods, and of all that is nested in it."""
    if inspect.isclass(function):
        inner = [getattr(value, "__func__", value) for value in vars(function).values()]
        stack = [value.__code__ for value in inner if inspect.isfunction(value)]
    else:
        stack = [inspect.unwrap(function).__code__]
    while stack:
        code = stack.pop()
        yield code
        stack.extend(value for value in code.co_consts if isinstance(value, types.CodeType))


@cache
def references(function: Any) -> dict[str, Any]:
    """The globals of its module that a function or class uses, by name, in a fixed order."""
    module = vars(inspect.getmodule(function))
    names = {step.argval for code in code_objects(function) for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    return {name: module[name] for name in sorted(names) if name in module}


@cache
def source_of(function: Any) -> tuple[int, str]:
    """The line at which a function or class begins, and its text. To find where it ends takes as long as all else."""
    lines, first = inspect.getsourcelines(function)
    return first, "".join(lines)


class Sources:
    """Gathers functions, what they call, and constants of their files."""

    def __init__(self, extra: Iterable[Function] = ()) -> None:
        self._own = {id(function) for function in [*runtime_functions().values(), *extra]}
        self._found: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._names: dict[int, str] = {}
        self._constants: dict[str, str] = {}
        self.modules: set[str] = set()

    def add(self, functions: Iterable[Any]) -> None:
        stack = list(functions)
        while stack:
            function = stack.pop()
            if id(function) in self._found:
                continue
            used = references(function)
            self._found[id(function)] = function, used
            self._names[id(function)] = self._free(function.__name__)
            for name, value in used.items():
                if name in IMPORTED:
                    continue
                if inspect.isfunction(value) or (inspect.isclass(value) and value.__module__ == function.__module__):
                    stack.append(value)
                elif inspect.ismodule(value):
                    self.modules.add(f"import {value.__name__}" + (f" as {name}" if name != value.__name__ else ""))
                else:
                    self._constants[name] = literal_of(value)

    def text(self) -> str:
        """The constants, then every function in the order of its file."""
        ordered = sorted(self._found.values(), key=lambda item: (item[0].__module__, source_of(item[0])[0]))
        parts = ["\n".join(f"{name} = {value}" for name, value in sorted(self._constants.items()))] if self._constants else []
        for function, used in ordered:
            source = source_of(function)[1]
            for value in [function, *used.values()]:
                new = self._names.get(id(value))
                if new is not None and new != value.__name__:
                    source = re.sub(rf"\b{value.__name__}\b", new, source)
            parts.append(source.rstrip())
        return "\n\n\n".join(parts)

    def name(self, function: Any) -> str:
        """What an added function is called in the file: its own name, or that with a number where two files use one name."""
        return self._names[id(function)]

    def _free(self, name: str) -> str:
        free, number = name, 2
        while free in self._names.values():
            free, number = f"{name}_{number}", number + 1
        return free


def literal_of(value: Any) -> str:
    """A constant of a runtime file, or a value of a program, as text."""
    if isinstance(value, dict):
        pairs: dict[Any, Any] = {**value}
        return "{" + ", ".join(f"{literal_of(key)}: {literal_of(item)}" for key, item in pairs.items()) + "}"
    if isinstance(value, tuple | list):
        items = [literal_of(item) for item in cast("Sequence[Any]", value)]
        return f"[{', '.join(items)}]" if isinstance(value, list) else f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if isinstance(value, frozenset | set):
        return f"frozenset({literal_of(sorted(cast('set[Any]', value), key=str))})"
    return literal(value)
