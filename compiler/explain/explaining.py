"""From a program to its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from ..backends import rule
from ..backends.target import Target, Wanted, checked_backend, device_of, half_of
from ..cost import body_cost
from ..graph import Graph, Node
from ..lower.caches import puts
from ..passes.base import Mode
from ..passes.choosing import chosen_optimiser, limit_for
from ..passes.listing import listing
from ..passes.pipeline import Optimised
from ..passes.rewriting import everything
from ..program import BlockProgram, signature
from .attention import attentions
from .copying import copied
from .costs import amount, conditions, costs
from .leftover import copies_left
from .notes import notes
from .numbers import numbers_of
from .places import lines_of, place_of
from .report import BackendChoice, Choice, Explanation, Left, Listing, Rewrite, Timing


def explain_program(
    program: BlockProgram,
    bind: Mapping[str, Any],
    inputs: tuple[str, ...] = (),
    *,
    level: int = 2,
    mode: Mode = "train",
    backend: str = "eager",
    dtype: Any = None,
    memory: Any = None,
    device: Any = None,
    stop_after: str | None = None,
    copies: bool = False,
    listings: bool = False,
    timings: bool = False,
) -> Explanation:
    """What the passes of a level do to a block; what is not bound stays a formula. Raises AttnError.

    `copies` compiles and runs the block once (with torch), to find the copies that only change the order in memory.
    """
    graph = program.graph(bind, inputs, checking=True)
    wanted = checked_backend(backend)
    limit = limit_for(memory, level, wanted)
    choice = _chosen(graph, level, mode, wanted, limit.limit)
    half = half_of(str(dtype).removeprefix("torch."))
    target = Target(choice.backend, device_of(device), half, choice.kernels)
    optimised = chosen_optimiser(level, mode, stop_after, target=target, limit=limit)(graph)
    in_place = puts(optimised.graph) if optimised.level > 0 and half is None else {}
    return Explanation(
        block=program.name,
        file=program.unit.source.name,
        signature=signature(program.block),
        bound={name: str(value) for name, value in bind.items()},
        inputs=list(inputs),
        level=level,
        mode=mode,
        stop_after=stop_after,
        memory=limit.limit,
        cost=costs(optimised.source, optimised.graph, mode, in_place),
        rewrites=_rewrites(optimised),
        left=_left(optimised),
        attention=attentions(optimised),
        choices=_choices(optimised),
        notes=notes(optimised.graph, in_place, mode),
        copies_left=copies_left(optimised),
        copies=copied(program, bind, inputs, level, mode) if copies else None,
        backend=_backend(choice, wanted) if wanted != "eager" else None,
        numbers=numbers_of(optimised.graph, half, mode) if half is not None else None,
        listings=_listings(optimised) if listings else [],
        timings=_timings(optimised) if timings else [],
    )


def _chosen(graph: Graph, level: int, mode: Mode, wanted: Wanted, limit: int | None) -> rule.Choice:
    """The backend as `compile` chooses it, where a C++ compiler is there."""
    if wanted == "auto" and limit is not None:
        return rule.Choice("eager", "a memory limit is kept by loops in Python, and inductor would write out their steps")
    return rule.chosen_backend(wanted, graph if wanted == "eager" else chosen_optimiser(level, mode)(graph).graph)


def _backend(choice: rule.Choice, wanted: Wanted) -> BackendChoice:
    chosen: Literal["eager", "inductor"] = "eager" if choice.backend == "eager" else "inductor"
    sizes = {"batch" if name == "*" else name: size for name, size in choice.sizes}
    return BackendChoice(wanted=wanted, chosen=chosen, text=choice.text, eager=choice.eager, inductor=choice.inductor, sizes=sizes)


def _rewrites(optimised: Optimised) -> list[Rewrite]:
    return [
        Rewrite(pass_name=step.done.name, exact=step.done.exact, text=change.text, places=lines_of(change.spans))
        for step in optimised.steps
        for change in step.changes
    ]


def _left(optimised: Optimised) -> list[Left]:
    found = [Left(pass_name=step.done.name, text=one.text, places=lines_of(one.spans)) for step in optimised.steps for one in step.left]
    return [one for place, one in enumerate(found) if one not in found[:place]]


def _choices(optimised: Optimised) -> list[Choice]:
    """Those of one place that are alike are told once."""
    found = Counter(_choice(node) for node in everything(optimised.graph) if node.op == "choose")
    return [one.model_copy(update={"times": times}) for one, times in found.items()]


def _choice(node: Node) -> Choice:
    first, second = (body_cost(node[name])[0] for name in ("first", "second"))
    condition, _ = conditions(node["left"], node["right"])
    text = "two ways to the same value; which one is taken is told by the sizes when the module runs"
    return Choice(condition=condition, text=text, place=place_of(node.span), times=1, first=amount(first), second=amount(second))


def _listings(optimised: Optimised) -> list[Listing]:
    """The graph as written, and after each pass that changed it."""
    found = [Listing(after="", text=listing(optimised.source))]
    found += [Listing(after=step.done.name, text=listing(step.after)) for step in optimised.steps if step.after is not step.before]
    return found


def _timings(optimised: Optimised) -> list[Timing]:
    return [
        Timing(pass_name=step.done.name, milliseconds=round(step.seconds * 1000, 3), changes=len(step.changes)) for step in optimised.steps
    ]
