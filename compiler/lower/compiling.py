"""From a program to a PyTorch module. The only door from the front end to torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from ..backends.target import checked_backend, half_of
from ..graph import Graph
from ..passes.base import Mode
from ..passes.choosing import chosen_optimiser, limit_for, told_passes
from ..passes.dead_slices import DeadSlices
from ..passes.memory_limit import MemoryLimit
from ..passes.pipeline import Optimised
from ..passes.slices.facts import NO_FACTS
from ..program import BlockProgram
from .checkpoint import Names, fitting, load_weights
from .inductor import optimiser_for, usable_device
from .lowering import lower
from .module import AttnModule
from .relying import Reliance, zero_slices


def compile_program(
    program: BlockProgram,
    bind: Mapping[str, Any],
    inputs: tuple[str, ...] = (),
    *,
    dtype: Any = None,
    device: Any = None,
    mode: Mode = "train",
    level: int = 2,
    verify: bool = False,
    backend: str = "eager",
    memory: Any = None,
    weights: Any = None,
    names: Names | None = None,
    ignore: Sequence[str] = (),
) -> AttnModule:
    """Elaborate, optimise and lower; with `verify`, hold every pass against the reference first. `weights` (a safetensors file or tensors,
    `names` and `ignore` as for `load_weights`) are loaded; for inference, slices that they make zero are left out. Attention that holds
    more than `memory` is worked out in chunks. Raises AttnError."""
    fixed = dict(bind)
    if isinstance(dtype, str):
        dtype = named_dtype(dtype)
    half = half_of(str(dtype).removeprefix("torch."))
    wanted = checked_backend(backend)
    limit = limit_for(memory, level, wanted, (dtype or torch.get_default_dtype()).itemsize)

    def variant(present: frozenset[str]) -> Graph:
        return program.graph(fixed, sorted(present))

    graph = program.graph(fixed, inputs)
    if verify:
        from ..verify import require

        require(graph, level=level, mode=mode, dtype=dtype, pipeline=told_passes(level, mode, limit=limit))
    optimiser = optimiser_for(graph, wanted, level, mode, half, limit, usable_device(device))
    make = partial(
        lower, graph, dtype=dtype if half is None else torch.float32, device=device, variant=variant, program=program.unit.source.text
    )
    if weights is None:
        return make(optimiser=optimiser)
    return _filled(make, optimiser, fitting(lower(graph), weights, names, ignore), level, mode, limit)


def _filled(
    make: Callable[..., AttnModule],
    optimiser: Callable[[Graph], Optimised],
    tensors: Mapping[str, Tensor],
    level: int,
    mode: Mode,
    limit: MemoryLimit,
) -> AttnModule:
    """A module with weights, and where slices of them are zero and weights stay as they are, one that leaves these out."""
    module = make(optimiser=optimiser)
    load_weights(module, tensors)
    facts = zero_slices(module.attn_graph.weights, tensors) if mode == "infer" else NO_FACTS
    told = chosen_optimiser(level, mode, facts=facts, target=module.optimised.target, limit=limit)
    if not facts.zeros or _removed(told(module.attn_graph)) == _removed(module.optimised):
        return module
    module = make(optimiser=told)
    load_weights(module, tensors)
    module.rely_on(Reliance(facts, optimiser))
    return module


def _removed(optimised: Optimised) -> list[str]:
    """What the passes say they did about slices."""
    return [change.text for step in optimised.steps if isinstance(step.done, DeadSlices) for change in step.changes]


def named_dtype(name: str) -> torch.dtype:
    """`float64` as torch's dtype. Raises AttnError where there is none of this name."""
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        help = "float32, float64, bfloat16 or float16"
        raise AttnError([Diagnostic("E0503", f"`{name}` is no dtype that weights can have", NOWHERE, help=help)])
    return found
