"""What one elaboration gathers: nodes, weights, guards, diagnostics. Shared by all the blocks that are called on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ...dsl.diagnostics import Diagnostic, fault
from ...dsl.source import Span
from ..graph import Builder, Guard, Init, Node
from ..sizes import Size, SizeTooLarge
from ..types import Axis, DType
from . import naming
from .values import Poisoned

MAX_NODES = 100_000
MAX_ELEMENTS = 2**40
MAX_TURNS = 4096
MAX_ALL_TURNS = 16_384
MAX_CALLS = 4096

Kind = Literal["param", "const", "state", "buffer"]


def too_large(error: SizeTooLarge, span: Span) -> Diagnostic:
    return Diagnostic("E0214", "a size is too large here", span, str(error))


@dataclass
class Slot:
    """A weight whose path is not known yet. `leaf` is its last name; `place` tells copies made by a loop from two sites."""

    owner: naming.Owner
    leaf: str
    kind: Kind
    axes: tuple[Axis, ...]
    groups: tuple[tuple[str, ...], ...]
    dtype: DType
    init: Init
    span: Span
    node: Node | None = None
    written: Span | None = None
    turn: tuple[int, ...] = ()
    visits: tuple[Visit, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Visit:
    """A block being called: for recursion, and for telling where a mistake inside it was called from. `written` is the call with its
    arguments, which is elsewhere where it makes a layer; `turn` tells the turns of the caller's loops, outermost first."""

    block: object
    name: str
    call: Span | None
    written: Span | None = None
    turn: tuple[int, ...] = ()


@dataclass
class Mention:
    """A value that the text names, seen while it was made: `owner` is the block around it, or the call that `as` names."""

    owner: naming.Owner
    name: str
    kind: Literal["value", "attend", "weights"]
    node: Node


@dataclass
class Session:
    """`checking`: parameters may be unbound, both branches are looked at. `bound`: sizes given by the caller, by axis name."""

    checking: bool
    bound: dict[str, int] = field(default_factory=dict[str, int])
    builder: Builder = field(default_factory=Builder)
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    guards: dict[tuple[str, Size], Guard] = field(default_factory=dict["tuple[str, Size]", Guard])
    slots: list[Slot] = field(default_factory=list[Slot])
    updates: dict[int, Node] = field(default_factory=dict[int, Node])
    visits: list[Visit] = field(default_factory=list[Visit])
    mentions: list[Mention] = field(default_factory=list["Mention"])
    made: int = 0
    turns: int = 0
    calls: int = 0
    quiet: frozenset[str] | None = None
    """In a branch that is not taken: the only codes that are reported."""

    # ------------------------------------------------ diagnostics

    def report(self, diagnostic: Diagnostic) -> None:
        if self.quiet is not None and diagnostic.code not in self.quiet:
            return
        told = self.at_the_call(diagnostic)
        if all((known.code, known.span, known.title) != (told.code, told.span, told.title) for known in self.diagnostics):
            self.diagnostics.append(told)

    def at_the_call(self, diagnostic: Diagnostic) -> Diagnostic:
        """A mistake inside a library block is shown at the user's call of it; one inside her own block names the call too."""
        calls = [visit for visit in self.visits if visit.call is not None]
        if not calls:
            return diagnostic
        if diagnostic.span.source.library:
            for visit in reversed(calls):
                if visit.call is not None and not visit.call.source.library:
                    inner = diagnostic.label or "found here"
                    return replace(diagnostic, span=visit.call, label=f"in this call of `{visit.name}`").also(diagnostic.span, inner)
            return diagnostic
        last = calls[-1]
        return diagnostic.also(last.call, f"called from here (`{last.name}`)") if last.call is not None else diagnostic

    def mention(self, owner: naming.Owner, name: str, node: object, kind: Literal["value", "attend", "weights"] = "value") -> None:
        """Remember under which name a tensor is known."""
        if self.quiet is None and isinstance(node, Node):
            self.mentions.append(Mention(owner, name, kind, node))

    # ------------------------------------------------ guards and limits

    def guard(self, kind: Literal["equal", "divides", "at_least"], left: Size, right: Size, reason: str, span: Span) -> None:
        """Remember a check for the entry of the module; the same fact twice is one check."""
        key = (kind, left - right if kind != "divides" else right / left)
        if self.quiet is None and key not in self.guards:
            self.guards[key] = Guard(kind, left, right, reason, span)

    def count(self, span: Span) -> None:
        self.made += 1
        if self.made > MAX_NODES:
            raise fault("E0513", f"the program has more than {MAX_NODES:,} operations", span, "the limit is reached here")

    def count_turns(self, turns: int, span: Span) -> None:
        """Before a loop is unrolled: few enough turns, here and in all loops together."""
        if self.made > MAX_NODES:
            raise Poisoned  # the program is too large already, and that has been told
        self.turns += turns
        if turns > MAX_TURNS:
            raise fault("E0513", f"a loop of more than {MAX_TURNS} turns", span, help="use `scan` for steps along an axis")
        if self.turns > MAX_ALL_TURNS:
            raise fault("E0513", f"the loops have more than {MAX_ALL_TURNS:,} turns together", span, "the limit is reached here")

    def count_call(self, span: Span) -> None:
        self.calls += 1
        if self.calls > MAX_CALLS:
            raise fault("E0513", f"blocks are called more than {MAX_CALLS:,} times", span, "the limit is reached here")
