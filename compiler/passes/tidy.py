"""Cleaning up, as two passes: one that keeps every bit, and one that also moves views about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..graph import Graph
from .base import Mode, Outcome, Pass
from .commuted import COMMUTED
from .constants import CONSTANTS
from .factoring import FACTORING
from .identities import IDENTITIES
from .loops import trimmed
from .mapped_axes import MAPPED
from .simplify import by_operator, simplified
from .sinking import SINKING
from .views import VIEWS

RULES = by_operator((*CONSTANTS, *IDENTITIES, *VIEWS, *MAPPED, *SINKING, *COMMUTED, *FACTORING))


@dataclass(frozen=True)
class Tidy(Pass):
    """The rules that leave every remaining value as it was, in its bits and in memory."""

    name: ClassVar[str] = "tidy"
    promise: ClassVar[str] = "what is written twice, known before the run, or read by nothing is not computed"
    exact: ClassVar[bool] = True

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        cut = trimmed(graph)
        clean = simplified(cut.graph, RULES, strict=True)
        return Outcome(clean.graph, (*cut.changes, *clean.changes))


@dataclass(frozen=True)
class Views(Pass):
    """The same rules where they may change how a value lies in memory, and so the rounding of what comes after it."""

    name: ClassVar[str] = "views"
    promise: ClassVar[str] = "views of axes move until they meet and cancel, and gates of one value are added before they scale it"
    exact: ClassVar[bool] = False

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        return simplified(graph, RULES, strict=False)
