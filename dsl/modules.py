"""Where modules lie: the library that ships with attn, and the roots a caller gives. Names go in, sources come out; never paths.

`std.channel` is a file of stdlib/, and `std.systems.davit` one of stdlib/systems, which is examples/systems.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import limits
from .closest import closest
from .diagnostics import Diagnostic, Fault
from .parser import decode
from .source import Source, Span
from .tree import Use

STD: Final = Path(__file__).parent.parent / "stdlib"
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SUFFIX: Final = ".attn"


@dataclass(frozen=True)
class Place:
    """A module's file, and the source that was read from it with what its bytes had wrong."""

    path: Path
    source: Source
    diagnostics: tuple[Diagnostic, ...]


def find(use: Use, roots: tuple[Path, ...], std: Path) -> Path:
    """The file a `use` names. Raises `Fault` where there is none, or where it leaves its root."""
    place = _place(use)
    for part in use.module:
        if not _PLAIN.fullmatch(part):
            raise Fault(Diagnostic("E0040", f"`{part}` cannot be part of a module's name", place, help="use letters, digits and `_`"))
    library = use.module[0] == "std"
    parts = use.module[1:] if library else use.module
    for root in (std,) if library else roots:
        path = root.joinpath(*parts[:-1], parts[-1] + _SUFFIX) if parts else root / _SUFFIX
        if path.is_file():
            if not library:  # a checkout has links in the library
                _stay_inside(path, root, use)
            return path
    raise Fault(_unknown(use, roots, std))


def read(path: Path, use: Use) -> Place:
    """The text of a module. Raises `Fault` where the system does not give it."""
    module = ".".join(use.module)
    library = use.module[0] == "std"
    try:
        with path.open("rb") as file:
            data = file.read(4 * limits.SOURCE_CHARACTERS + 1)
    except OSError as error:
        raise Fault(Diagnostic("E0046", f"the module `{module}` cannot be read", _place(use), error.strerror or "")) from error
    source, diagnostics = decode(data, module if library else os.fspath(path))
    if library:
        source = Source(source.name, source.text, library=True)
    return Place(path, source, tuple(diagnostics))


def names(roots: tuple[Path, ...], std: Path) -> list[str]:
    """The modules that there are: those of the library, and the files that lie directly in a root."""
    found = [f"std.{name}" for name in _stems(std)]
    return found + [name for root in roots for name in _stems(root)]


def _stems(folder: Path) -> list[str]:
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return []
    return [entry.removesuffix(_SUFFIX) for entry in entries if entry.endswith(_SUFFIX) and _PLAIN.fullmatch(entry.removesuffix(_SUFFIX))]


def _place(use: Use) -> Span:
    """The name of the module in the `use`, without its list of blocks."""
    text = use.span.text
    length = len(text.partition("(")[0].rstrip())
    start = len(text) - len(text.removeprefix("use").lstrip())
    return Span(use.span.source, use.span.start + start, use.span.start + max(length, start))


def _stay_inside(path: Path, root: Path, use: Use) -> None:
    if not path.resolve().is_relative_to(root.resolve()):
        raise Fault(
            Diagnostic(
                "E0046",
                f"the module `{'.'.join(use.module)}` lies outside of its root",
                _place(use),
                "a link leads out of the root",
                help="put the file itself under the root, or give its folder as a root",
            )
        )


def _unknown(use: Use, roots: tuple[Path, ...], std: Path) -> Diagnostic:
    name = ".".join(use.module)
    available = names(roots, std) + [f"std.systems.{each}" for each in _stems(std / "systems")]
    guess = closest(name, available) or (f"std.{name}" if f"std.{name}" in available else None)
    family = [each for each in available if each.startswith("std.") == name.startswith("std")]
    note = f"there is: {', '.join(f'`{each}`' for each in family[:20])}" if family else "no modules are found there"
    if not roots and use.module[0] != "std":
        note = "this text has no folder to look in, and no roots were given"
    return Diagnostic("E0040", f"there is no module `{name}`", _place(use), notes=(note,), help=f"did you mean `{guess}`?" if guess else "")
