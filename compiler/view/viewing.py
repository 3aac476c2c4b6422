"""A view of a program, for the command line, for Python and for notebooks alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..passes.choosing import chosen_optimiser
from .profile import Times, checked_times, read_profile
from .stages import stages_of
from .viewer import View, view_stages

if TYPE_CHECKING:
    from ..graph import Graph
    from ..passes.base import Mode
    from ..program import BlockProgram


def view_program(
    program: BlockProgram,
    bind: Mapping[str, Any] | None = None,
    inputs: Collection[str] = (),
    *,
    level: int = 2,
    mode: Mode = "train",
    profile: str | Path | Mapping[str, float] | None = None,
) -> View:
    """The graph as written and after every pass. What is not bound stays a symbol. Raises AttnError."""
    graph = program.graph(bind, inputs, checking=True)
    done = chosen_optimiser(level, mode)(graph)
    return view_stages(program.name, stages_of(done), mode, _times(profile, graph))


def _times(profile: str | Path | Mapping[str, float] | None, graph: Graph) -> Times | None:
    if profile is None:
        return None
    return checked_times(profile, graph) if isinstance(profile, Mapping) else read_profile(profile, graph)
