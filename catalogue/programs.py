"""The programs of an entry: the blocks it is made of, their text, and a digest that changes when they do."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache

from ..compiler.program import BlockProgram, select
from ..compiler.prune.sites import values_of
from ..dsl import modules
from ..dsl.diagnostics import Diagnostic
from ..dsl.loader import Library, Unit
from ..dsl.tree import Block
from .entries import HERE, Entry


@dataclass(frozen=True)
class Piece:
    """A block in its file."""

    unit: Unit
    block: Block

    @property
    def key(self) -> tuple[str, str]:
        return self.unit.source.name, self.block.name

    @property
    def text(self) -> str:
        """As it is written, without the comment above it."""
        return self.block.span.text

    @property
    def lines(self) -> int:
        """Lines that say something: no comments, no blank ones."""
        return sum(1 for line in self.text.splitlines() if line.strip() and not line.strip().startswith("#"))


_library = cache(Library)


@cache
def _module(name: str) -> tuple[Unit, list[Diagnostic]]:
    return _library().module(name)


def load_block(target: str) -> BlockProgram:
    """The block of `MODULE:BLOCK`. Raises AttnError where there is none."""
    module, _, name = target.partition(":")
    unit, diagnostics = _module(module)
    return select(unit, name, diagnostics)


def pieces(entry: Entry) -> list[Piece]:
    """The blocks of an entry, and the others of their files that they call: what a reader sees as the system's program."""
    found: dict[tuple[str, str], Piece] = {}
    for target in entry.blocks:
        program = load_block(target)
        found.update((piece.key, piece) for piece in pieces_of(program) if piece.unit is program.unit and piece.key not in found)
    return list(found.values())


def line_count(entry: Entry) -> int:
    """How long the system's own program is: its first block, and what that calls in its file."""
    face = load_block(entry.blocks[0])
    return sum(piece.lines for piece in pieces_of(face) if piece.unit is face.unit)


def digest(entry: Entry) -> str:
    """Of the text of all blocks that the system needs, in whatever file; comments do not count."""
    texts = {piece.key: re.sub(r"\s*#.*", "", piece.text) for target in entry.blocks for piece in pieces_of(load_block(target))}
    return hashlib.sha256("\n".join(texts.values()).encode()).hexdigest()[:16]


def library_digest() -> str:
    """Of every program and entry that ships, comments and all: where it is the recorded one, no program has changed."""
    files = [
        *sorted(modules.STD.glob("*.attn")),
        *sorted((modules.STD / "systems").glob("*.attn")),
        *sorted((HERE / "entries").glob("*.toml")),
    ]
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()[:16]


def pieces_of(program: BlockProgram) -> list[Piece]:
    """The block, then every block it calls, in whatever file, in the order in which they are met."""
    found: dict[tuple[str, str], Piece] = {}
    waiting = [Piece(program.unit, program.block)]
    for piece in waiting:
        if piece.key not in found:
            found[piece.key] = piece
            scope = piece.unit.scope
            waiting += [Piece(*scope[name]) for name in values_of(piece.block) if name in scope]
    return list(found.values())
