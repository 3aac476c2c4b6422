"""From the names operators write to the functions they mean, and closures that carry fixed arguments into a graph."""

from __future__ import annotations

import builtins
import importlib
import math
import operator
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from . import runtime_numbers

Function = Callable[..., Any]


@cache
def runtime_functions() -> dict[str, Function]:
    """Every function defined in the `runtime*.py` files of this folder, by name (a name stands once)."""
    found: dict[str, Function] = {}
    for path in sorted(Path(__file__).parent.glob("runtime*.py")):
        module = importlib.import_module(f".{path.stem}", __package__)
        for name, value in vars(module).items():
            if callable(value) and getattr(value, "__module__", None) == module.__name__:
                found.setdefault(name, value)
    return found


@cache
def function(target: str) -> Function:
    """The function of a dotted name: `torch.exp`, `operator.add`, `builtins.getattr`, `runtime.scan`."""
    room, _, name = target.partition(".")
    if room == "runtime":
        return runtime_functions()[name]
    value: Any = {"torch": torch, "operator": operator, "builtins": builtins, "math": math}[room]
    for part in name.split("."):
        value = getattr(value, part)
    found: Function = value
    return found


def makes_a_number(target: str) -> bool:
    """Whether the function makes a Python number of numbers."""
    return target.startswith(("operator.", "math.", "torch.sym_", "runtime.choose")) or (
        target.startswith("runtime.") and function(target).__module__ == runtime_numbers.__name__
    )


FIXED = "attn_fixed"
"""The attribute of a closure of `fixed` that holds the runtime function and its last arguments."""


def fixed(target: str, *values: Any) -> Function:
    """`runtime.NAME` with its last arguments given; so a graph can carry what is not a number or a tensor (a place in the text)."""
    inner = function(target)

    def call(*args: Any) -> Any:
        return inner(*args, *values)

    call.__name__ = call.__qualname__ = inner.__name__
    call.__module__ = "attn"
    call.__doc__ = inner.__doc__
    setattr(call, FIXED, (inner, values))
    return call
