"""The passes in their order, and running them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...dsl.frozen import frozen
from ..backends.target import EAGER, Target
from ..graph import Graph
from .base import Change, Mode, Pass
from .chunks import Chunks
from .dead_slices import DeadSlices
from .distances import Distances
from .few_keys import FewKeys
from .inference import InferenceFolding
from .inference_evaluation import Evaluation
from .inside import Inside
from .layout import AssignLayout
from .live import Live
from .lookups import Lookups
from .memory_limit import MemoryLimit
from .one_by_one import OneByOne
from .plan import Plan
from .recognise import RecogniseAttention
from .share import Share
from .siblings import Siblings
from .tidy import Tidy, Views

LEVELS = (0, 1, 2)
MODES: tuple[Mode, ...] = ("train", "infer")


@frozen
class Step:
    """One pass that ran: the graphs before and after it, what it did and what it left, and how long it took in seconds."""

    done: Pass
    before: Graph
    after: Graph
    changes: tuple[Change, ...]
    seconds: float
    left: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Optimised:
    """A graph, what it became, and every pass on the way."""

    source: Graph
    graph: Graph
    steps: tuple[Step, ...] = ()
    level: int = 0
    mode: Mode = "train"
    target: Target = EAGER


def unchanged(graph: Graph) -> Optimised:
    """No pass at all."""
    return Optimised(graph, graph)


def passes(level: int = 2, mode: Mode = "train", target: Target = EAGER) -> tuple[Pass, ...]:
    """The passes of a level in the order they run. 0: none. 1: those that keep every bit. 2: all that pay for the target."""
    return tuple(_told(one, target) for one in _all() if one.level <= level and mode in one.modes and _pays(one, target))


def _pays(one: Pass, target: Target) -> bool:
    """Blocks, rows made of views, and products are for the CPU: on a GPU FlexAttention takes mask and bias as functions, and has its own
    blocks."""
    return target.backend in one.backends and not (target.device == "cuda" and isinstance(one, Live | Distances | FewKeys))


def _told(one: Pass, target: Target) -> Pass:
    """The pass as it is for a target."""
    if isinstance(one, InferenceFolding) and target.device == "cuda":
        return InferenceFolding(least=0)
    if isinstance(one, Distances) and target.kernels:
        return Distances(kernel=True)
    return AssignLayout(fuses=True) if target.fuses and isinstance(one, AssignLayout) else one


def _all() -> tuple[Pass, ...]:
    return (
        Evaluation(),
        InferenceFolding(),
        Tidy(),
        Views(),
        DeadSlices(),
        RecogniseAttention(),
        Chunks(),
        Plan(),
        Live(),
        Distances(),
        FewKeys(),
        MemoryLimit(),
        OneByOne(),
        Siblings(),
        Share(),
        Inside(),
        AssignLayout(),
        Lookups(),
    )


def pass_records() -> list[dict[str, Any]]:
    """What is known of every pass, in the order they run."""
    return [{"name": one.name, "level": one.level, "exact": one.exact, "modes": list(one.modes), "promise": one.promise} for one in _all()]


def optimise(
    graph: Graph,
    level: int = 2,
    mode: Mode = "train",
    *,
    target: Target = EAGER,
    pipeline: Sequence[Pass] | None = None,
    stop_after: str | None = None,
    watch: Callable[[Step], None] | None = None,
) -> Optimised:
    """Run the passes of a level (or those of `pipeline`) on a graph. `watch` is told every step; `stop_after` names the last pass.

    Raises ValueError for a level, mode or pass that does not exist.
    """
    chosen = passes(level, mode, target) if pipeline is None else tuple(pipeline)
    if level not in LEVELS or mode not in MODES:
        raise ValueError(f"there is no level {level} in mode {mode!r}")
    if stop_after is not None and stop_after not in [one.name for one in chosen]:
        raise ValueError(f"level {level} in mode {mode} has no pass {stop_after!r}; it has {', '.join(one.name for one in chosen)}")
    steps: list[Step] = []
    now = graph
    for one in chosen:
        start = time.perf_counter()
        outcome = one.run(now, mode)
        steps.append(Step(one, now, outcome.graph, outcome.changes, time.perf_counter() - start, outcome.left))
        now = outcome.graph
        if watch is not None:
            watch(steps[-1])
        if one.name == stop_after:
            break
    return Optimised(graph, now, tuple(steps), level, mode, target)
