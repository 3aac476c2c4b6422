"""A copy of a block under another name, as a file to start from: with the blocks of its file that it calls, and `use` for the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..compiler.ops import OPERATORS
from ..compiler.program import BlockProgram, Text, check, load
from ..compiler.prune.sites import Edit, edited, values_of, whole_block
from ..dsl import limits
from ..dsl.closest import closest
from ..dsl.diagnostics import AttnError, Diagnostic
from ..dsl.format import format_text
from ..dsl.loader import on_the_shelf
from ..dsl.source import NOWHERE, Source
from ..dsl.tokens import KEYWORDS
from ..dsl.tree import Block
from .entries import systems
from .programs import load_block, pieces_of


@dataclass(frozen=True)
class Copy:
    """The text of a copy, and what it was made from (`std.channel:cbam`)."""

    text: str
    origin: str


def origin_of(source: str) -> BlockProgram:
    """The program that `--from` names: the id of a system, the name of a library block, or `FILE[:BLOCK]`. Raises AttnError."""
    if source.startswith("std.") or any(mark in source for mark in ":./"):
        module, colon, block = source.rpartition(":")
        return load(module, block) if colon else load(source)
    known = {each.id: each.entry for each in systems()}
    entry = known.get(source)
    if entry is not None:
        return load_block(entry.blocks[0])
    shelf = on_the_shelf()
    if source in shelf:
        return load(shelf[source], source)
    near = closest(source, [*(id for id, entry in known.items() if entry is not None), *shelf])
    help = f"did you mean `{near}`?" if near else "`attn systems` and `attn list` have what there is"
    title = f"there is no program of `{source}` yet" if source in known else f"neither a system nor a library block is called `{source}`"
    raise AttnError([Diagnostic("E1001", title, NOWHERE, help=help)])


def copy_of(program: BlockProgram, name: str, folder: Path) -> Copy:
    """A file with the block of `program` under the name `name`. Its comment, its helpers and what it uses come along.

    Raises AttnError where the name is none for a block (E1002), or where what is written has a mistake, as when the program has one.
    """
    own = [piece for piece in pieces_of(program) if piece.unit is program.unit]
    names = {value for piece in own for value in values_of(piece.block)}
    _check_name(name, names & set(program.unit.scope))
    origin = f"{program.unit.source.name}:{program.name}"
    helpers = sorted((piece.block for piece in own[1:]), key=lambda block: block.span.start)
    parts = ["\n".join(_uses(program, names)), *(whole_block(block).text for block in helpers), _renamed(program.block, name, origin)]
    text = format_text(Source(f"{name}.attn", "\n\n".join(parts) + "\n"))
    mistakes = [found for found in check(Text(text, f"{name}.attn"), (folder,)) if found.severity == "error"]
    if mistakes:
        raise AttnError(mistakes)
    return Copy(text, origin)


def _uses(program: BlockProgram, needed: set[str]) -> Iterator[str]:
    """The `use` lines of the file, with the names that are needed."""
    for use in program.unit.program.uses:
        names = [name.text for name in use.names if name.text in needed]
        if names:
            yield f"use {'.'.join(use.module)} ({', '.join(names)})"


def _renamed(block: Block, name: str, origin: str) -> str:
    """A block with its comment, under another name. A block never mentions itself, so only its head changes."""
    whole = whole_block(block)
    place = block.name_span
    edits = [Edit(block.span.start, block.span.start, f"# Begun as a copy of {origin}.\n"), Edit(place.start, place.end, name)]
    return edited(whole.source.text, edits, whole.start, whole.end)


def _check_name(name: str, called: set[str]) -> None:
    if not (name.isascii() and name.isidentifier()) or len(name) > limits.NAME_CHARACTERS:
        raise _bad(f"`{name[:40]}` cannot be the name of a block", "use letters, digits and `_`, and no digit first")
    what = "a word of the language" if name in KEYWORDS else "an operator" if name in OPERATORS else "a block that the copy calls"
    if name in KEYWORDS or name in OPERATORS or name in called:
        raise _bad(f"`{name}` is {what}", f"call it `my_{name}`")


def _bad(title: str, help: str) -> AttnError:
    return AttnError([Diagnostic("E1002", title, NOWHERE, help=help)])
