"""Python for weights whose path holds a word of Python, such as `q.in.weight`, which fx would write as `self.q.in.weight`."""

from __future__ import annotations

import dataclasses
import keyword
import re
from collections.abc import Callable, Iterable
from typing import Any, cast

from torch import fx
from torch.fx.graph import CodeGen, PythonCode


def attribute(base: str, path: str) -> str:
    """An expression for what stands under a dotted path."""
    for part in path.split("."):
        plain = part.isidentifier() and not keyword.iskeyword(part)
        base = f"{base}.{part}" if plain else f"getattr({base}, {part!r})"
    return base


def awkward(nodes: Iterable[fx.Node]) -> list[str]:
    """The paths that hold a word of Python, long ones first."""
    paths = {str(node.target) for node in nodes if node.op == "get_attr"}
    return sorted((path for path in paths if any(map(keyword.iskeyword, path.split(".")))), key=lambda path: (-len(path), path))


class WordSafe(CodeGen):
    """fx's own code, in which such paths are read with `getattr`."""

    def _gen_python_code(self, nodes: Any, root_module: str, *args: Any, **kwargs: Any) -> PythonCode:
        known = list(nodes)
        made: PythonCode = cast(Any, super())._gen_python_code(known, root_module, *args, **kwargs)
        source = made.src
        for path in awkward(known):
            source = re.sub(rf"{re.escape(_as_written(root_module, path))}(?!\w)", _constant(attribute(root_module, path)), source)
        return dataclasses.replace(made, src=source)


def _as_written(base: str, path: str) -> str:
    """How fx writes a path."""
    for part in path.split("."):
        base = f"{base}.{part}" if part.isidentifier() else f'getattr({base}, "{part}")'
    return base


def _constant(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text
