"""The optimiser that a call asks for; a level, mode or pass that does not exist is a mistake of the call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...dsl.closest import closest
from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from ..backends.target import EAGER, Target, Wanted
from ..graph import Graph
from .base import Mode, Pass
from .dead_slices import DeadSlices
from .limits import memory_limit
from .memory_limit import MemoryLimit
from .pipeline import LEVELS, MODES, Optimised, optimise, passes
from .slices.facts import NO_FACTS, WeightFacts


def chosen_optimiser(
    level: int,
    mode: Mode,
    stop_after: str | None = None,
    facts: WeightFacts = NO_FACTS,
    target: Target = EAGER,
    limit: MemoryLimit | None = None,
) -> Callable[[Graph], Optimised]:
    """The optimiser of a level and mode for a target, up to a pass, told `facts` about the weights and the `limit` for memory. Raises
    AttnError (E0503) where there is none."""
    for name, value, known in (("level", level, LEVELS), ("mode", mode, MODES)):
        if value not in known:
            help = f"{name} is one of {', '.join(map(repr, known))}"
            raise AttnError([Diagnostic("E0503", f"`{name}={value!r}` is not known", NOWHERE, help=help)])
    if stop_after is not None:
        _check_pass(stop_after, level, mode, target)
    pipeline = told_passes(level, mode, facts, target, limit)
    return partial(optimise, level=level, mode=mode, target=target, pipeline=pipeline, stop_after=stop_after)


def told_passes(
    level: int, mode: Mode, facts: WeightFacts = NO_FACTS, target: Target = EAGER, limit: MemoryLimit | None = None
) -> tuple[Pass, ...]:
    """The passes of a level, with what the call says of weights and memory."""
    told: dict[str, Pass] = {}
    if facts.zeros:
        told[DeadSlices.name] = DeadSlices(facts)
    if limit is not None:
        told[MemoryLimit.name] = limit
    return tuple(told.get(one.name, one) for one in passes(level, mode, target))


def limit_for(memory: Any, level: int, backend: Wanted = "eager", width: int = 4) -> MemoryLimit:
    """The pass for a memory limit such as "2GiB"; `width`: the bytes of a float. Raises AttnError (E0503) for what is no amount
    of memory, for a level that makes no chunks, and for inductor, which would write out their steps one after another."""
    count = memory_limit(memory)
    if count is not None and backend == "inductor":
        help = "backend='auto' or 'eager', which are the same under a limit"
        raise AttnError([Diagnostic("E0503", "`memory=` makes chunks, which `backend='inductor'` takes apart", NOWHERE, help=help)])
    if count is not None and level < MemoryLimit().level:
        help = "compile with level=2, or write `chunk=` at each `attend`"
        raise AttnError([Diagnostic("E0503", f"`memory=` makes no chunks at level {level}", NOWHERE, help=help)])
    return MemoryLimit(count, width)


def _check_pass(name: str, level: int, mode: Mode, target: Target) -> None:
    names = [one.name for one in passes(level, mode, target)]
    if name in names:
        return
    if any(name == one.name for kind in MODES for one in passes(max(LEVELS), kind)):
        title = f"the pass `{name}` does not run at -O{level} in mode {mode}{_for(target)}"
        raise AttnError([Diagnostic("E0503", title, NOWHERE, help="`attn passes` says where each one does")])
    near = closest(name, names)
    help = f"did you mean `{near}`?" if near else "`attn passes` lists them"
    raise AttnError([Diagnostic("E0503", f"there is no pass `{name}`", NOWHERE, help=help)])


def _for(target: Target) -> str:
    return "" if target.backend == "eager" else f" for {target.backend}"
