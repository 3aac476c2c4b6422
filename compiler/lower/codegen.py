"""The Python that fx writes of a graph, with the ways to its weights made short.

Every dot of `self.layers.attention.q.weight` is a call into Python (`nn.Module.__getattr__`), and a network reads dozens of weights. So
each module on the way is looked up once, at the head of the forward, among the modules of the one before; and a weight is taken from
the parameters of its module where it is one of them: what replaces a weight by something worked out (pruning, parametrizations) takes
it from there. A path may hold a word of Python (`q.in.weight`), which fx would write as it stands.
"""

from __future__ import annotations

import dataclasses
import keyword
from collections.abc import Iterable, Mapping
from typing import Any, cast

from torch.fx.graph import CodeGen, PythonCode


def attribute(base: str, path: str) -> str:
    """An expression for what stands under a dotted path."""
    for part in path.split("."):
        plain = part.isidentifier() and not keyword.iskeyword(part)
        base = f"{base}.{part}" if plain else f"getattr({base}, {part!r})"
    return base


class ShortPaths(CodeGen):
    """fx's own code, in which weights are read from modules that are looked up once."""

    def _gen_python_code(self, nodes: Any, root_module: str, *args: Any, **kwargs: Any) -> PythonCode:
        known = list(nodes)
        made: PythonCode = cast(Any, super())._gen_python_code(known, root_module, *args, **kwargs)
        paths = list(dict.fromkeys(str(node.target) for node in known if node.op == "get_attr"))
        holders = _holders(root_module, paths)
        short = {_as_written(root_module, path): _read(root_module, path, holders) for path in paths}
        lines = [_shortened(line, short) for line in made.src.split("\n")]
        if not paths:
            return made
        head = next(i for i, line in enumerate(lines) if line.startswith("def ")) + 1
        looked_up = [f"{name} = {text}" for name, text in holders.values()]
        owners = dict.fromkeys(_holder(root_module, path, holders) for path in paths)
        inside = [f"{_inside(name, kind)} = {name}._{kind}" for name in owners for kind in _kinds(name, root_module)]
        lines.insert(head, "    " + "; ".join([*looked_up, *inside]))
        places = {line + 1: index for line, index in (made._lineno_map or {}).items()}  # pyright: ignore[reportPrivateUsage]
        return dataclasses.replace(made, src="\n".join(lines), _lineno_map=places)


def _holders(base: str, paths: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Every module on the way to a weight: a name for it, and how it is read from the one before."""
    found: dict[str, tuple[str, str]] = {}
    for path in paths:
        parts = path.split(".")[:-1]
        before = base
        for i, part in enumerate(parts):
            inside = f"{before}._modules"
            text = f"{inside}[{part!r}] if {part!r} in {inside} else {attribute(before, part)}"
            name, _ = found.setdefault(".".join(parts[: i + 1]), (f"_of_{len(found)}", text))
            before = name
    return found


def _holder(base: str, path: str, holders: Mapping[str, tuple[str, str]]) -> str:
    """The name of the module that has a weight."""
    parent = path.rpartition(".")[0]
    return holders[parent][0] if parent else base


def _read(base: str, path: str, holders: Mapping[str, tuple[str, str]]) -> str:
    """An expression for a weight, a state, or the body of a loop or of prepared values, which is a module."""
    holder, name = _holder(base, path, holders), path.rpartition(".")[2]
    places = [_inside(holder, kind) for kind in _kinds(holder, base)]
    return " else ".join([*(f"{place}[{name!r}] if {name!r} in {place}" for place in places), attribute(holder, name)])


def _kinds(holder: str, base: str) -> tuple[str, ...]:
    """What a module is looked up in first; the module itself has states and bodies too."""
    return ("parameters", "buffers", "modules") if holder == base else ("parameters",)


def _inside(holder: str, kind: str) -> str:
    """The name of what a module itself has of a kind."""
    return f"{holder}_{kind}" if holder.startswith("_") else f"_{holder}_{kind}"


def _shortened(line: str, short: Mapping[str, str]) -> str:
    """A line that reads a weight, with the short way to it."""
    name, equals, value = line.partition(" = ")
    read, end, rest = value.partition(";")
    return f"{name}{equals}{short[read]}{end}{rest}" if equals and read in short else line


def _as_written(base: str, path: str) -> str:
    """How fx writes a path."""
    for part in path.split("."):
        base = f"{base}.{part}" if part.isidentifier() else f'getattr({base}, "{part}")'
    return base
