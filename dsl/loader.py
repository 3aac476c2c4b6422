"""A program with everything it uses: each `use` is resolved, each name is tied to the block it stands for.

A `Library` reads every module once. Modules are found by name only (see modules.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from . import limits, modules
from .closest import closest
from .diagnostics import Diagnostic, Fault
from .parser import parse
from .source import Source
from .tree import Block, Name, Program, Use


@cache
def on_the_shelf(std: Path = modules.STD) -> dict[str, str]:
    """The library's blocks by name, each with a module that has it. Read by a search in the text, for hints."""
    found: dict[str, str] = {}
    for path in sorted(std.glob("*.attn")):
        for name in re.findall(r"^block (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            found.setdefault(name, f"std.{path.stem}")
    return found


@dataclass(frozen=True, eq=False)
class Unit:
    """One file: its own `blocks`, and in `scope` every block it can call (its own and the used ones) with the unit it stands in.

    `diagnostics` is what was wrong with this file alone; `uses` are the units it takes blocks from, `depth` how deep they go.
    """

    program: Program
    blocks: dict[str, Block]
    scope: dict[str, tuple[Unit, Block]] = field(repr=False)
    diagnostics: tuple[Diagnostic, ...] = ()
    uses: tuple[Unit, ...] = field(default=(), repr=False)
    depth: int = 1
    # False where the way here mattered (a circle, too deep a chain): such a unit is good for one load only.
    lasting: bool = True

    @property
    def source(self) -> Source:
        return self.program.source


class Library:
    """Reads modules from the library and from `roots`, each file once. `std` is the folder of the library."""

    def __init__(self, roots: Iterable[Path] = (), std: Path = modules.STD) -> None:
        self.roots = tuple(roots)
        self.std = std
        self._units: dict[Path, Unit] = {}
        self._passing: dict[Path, Unit] = {}
        self._reads = 0

    def load(self, source: Source) -> tuple[Unit, list[Diagnostic]]:
        """The unit of a text, and everything wrong with it and with the files it uses, each file once."""
        self._begin()
        unit = self._unit(source, (), (Path(source.name),))
        return unit, collect(unit)

    def module(self, name: str) -> tuple[Unit, list[Diagnostic]]:
        """The unit of a module such as `std.heads`. An unknown name raises `Fault`."""
        self._begin()
        origin = Source(f"use {name}", f"use {name}")
        whole = parse(Source(origin.name, f"use {name} (all)\n"))[0]
        if not whole.uses:
            raise Fault(Diagnostic("E0040", f"`{name}` cannot be the name of a module", whole.span))
        unit = self._module(whole.uses[0], ())
        return unit, collect(unit)

    def names(self) -> list[str]:
        """The modules that can be used by a single name, and those of the library."""
        return modules.names(self.roots, self.std)

    def _begin(self) -> None:
        self._reads = 0
        self._passing.clear()

    def _unit(self, source: Source, before: tuple[Diagnostic, ...], chain: tuple[Path, ...]) -> Unit:
        program, found = _library(source.name, source.text) if source.library else parse(source)
        diagnostics = [*before, *found]
        blocks = _own_blocks(program, diagnostics)
        scope: dict[str, tuple[Unit, Block]] = {}
        places: dict[str, Name] = {}
        used: list[Unit] = []
        lasting = True
        for use in program.uses:
            try:
                unit = self._module(use, chain)
            except Fault as fault:
                diagnostics.append(fault.diagnostic)
                lasting = lasting and fault.diagnostic.code not in ("E0042", "E0045")
                continue
            lasting = lasting and unit.lasting
            used.append(unit)
            for name in use.names:
                diagnostics += _bind(name, use, unit, blocks, scope, places)
        depth = 1 + max((unit.depth for unit in used), default=0)
        unit = Unit(program, blocks, scope, tuple(diagnostics), tuple(used), depth, lasting)
        scope.update({name: (unit, block) for name, block in blocks.items()})
        return unit

    def _module(self, use: Use, chain: tuple[Path, ...]) -> Unit:
        path = modules.find(use, self.roots, self.std)
        resolved = path.resolve()
        if any(each.resolve() == resolved for each in chain):
            raise Fault(_circle(use, path, chain))
        unit = self._units.get(resolved) or self._passing.get(resolved)
        if unit is None:
            self._reads += 1
            if self._reads > limits.USED_FILES:
                raise Fault(Diagnostic("E0045", f"the program takes in more than {limits.USED_FILES} files", use.span))
            if len(chain) > limits.USE_DEPTH:
                raise Fault(_too_deep(use))
            place = modules.read(path, use)
            unit = self._unit(place.source, place.diagnostics, (*chain, path))
            (self._units if unit.lasting else self._passing)[resolved] = unit
        if len(chain) + unit.depth > limits.USE_DEPTH + 1:
            raise Fault(_too_deep(use))
        return unit


@lru_cache(256)
def _library(name: str, text: str) -> tuple[Program, tuple[Diagnostic, ...]]:
    """A module of the library is parsed once in a process, for all that use it."""
    program, found = parse(Source(name, text, library=True))
    return program, tuple(found)


def load(source: Source, roots: Iterable[Path] | None = None) -> tuple[Unit, list[Diagnostic]]:
    """`Library(roots).load(source)`; without roots they are the file's own folder, or none where the source is not a file."""
    if roots is None:
        path = Path(source.name)
        roots = (path.parent,) if path.is_file() else ()
    return Library(roots).load(source)


def collect(unit: Unit) -> list[Diagnostic]:
    """Everything wrong with a unit, then with the ones it uses, each once."""
    seen: dict[Unit, None] = {}
    waiting = [unit]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen[current] = None
            waiting += reversed(current.uses)
    return [diagnostic for each in seen for diagnostic in each.diagnostics]


def _own_blocks(program: Program, diagnostics: list[Diagnostic]) -> dict[str, Block]:
    blocks: dict[str, Block] = {}
    for block in program.blocks:
        first = blocks.setdefault(block.name, block)
        if first is not block:
            found = Diagnostic("E0043", f"there are two blocks `{block.name}`", block.name_span, "the second", help="rename one of them")
            diagnostics.append(found.also(first.name_span, "the first"))
    return blocks


def _bind(
    name: Name, use: Use, unit: Unit, blocks: dict[str, Block], scope: dict[str, tuple[Unit, Block]], places: dict[str, Name]
) -> list[Diagnostic]:
    """Tie one used name to its block, or say why it cannot be."""
    module = ".".join(use.module)
    if name.text in places:
        found = Diagnostic("E0044", f"`{name.text}` is used twice", name.span, "the second", help="a name stands for one block: drop one")
        return [found.also(places[name.text].span, "the first")]
    if name.text in blocks:
        found = Diagnostic(
            "E0044", f"`{name.text}` is also a block of this file", name.span, help="rename the block, or do not use this one"
        )
        return [found.also(blocks[name.text].name_span, "the block of this file")]
    places[name.text] = name
    if name.text in unit.blocks:
        scope[name.text] = (unit, unit.blocks[name.text])
        return []
    if any(each.severity == "error" for each in unit.diagnostics):
        # The block may well be there, in the part that could not be read.
        return []
    guess = closest(name.text, unit.blocks)
    there = ", ".join(f"`{each}`" for each in list(unit.blocks)[:20])
    return [
        Diagnostic(
            "E0041",
            f"the module `{module}` has no block `{name.text}`",
            name.span,
            notes=(f"it has {there}" if there else "it has no blocks",),
            help=f"did you mean `{guess}`?" if guess else "",
        )
    ]


def _circle(use: Use, path: Path, chain: tuple[Path, ...]) -> Diagnostic:
    start = next(i for i, each in enumerate(chain) if each.resolve() == path.resolve())
    shown = " -> ".join(f"`{each.stem}`" for each in (*chain[start:], path))
    return Diagnostic(
        "E0042",
        f"the module `{'.'.join(use.module)}` uses itself",
        use.span,
        notes=(f"the circle: {shown}",),
        help="move what both need into a third file",
    )


def _too_deep(use: Use) -> Diagnostic:
    return Diagnostic(
        "E0045", f"modules use each other more than {limits.USE_DEPTH} deep", use.span, help="put some of the blocks together"
    )
