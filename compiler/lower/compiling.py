"""From a program to a PyTorch module. The only door from the front end to torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from ..graph import Graph
from ..passes.base import Mode
from ..passes.choosing import chosen_optimiser
from ..program import BlockProgram
from .lowering import lower
from .module import AttnModule


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
) -> AttnModule:
    """Elaborate, optimise and lower; with `verify`, hold every pass against the reference first. Raises AttnError."""
    fixed = dict(bind)
    if isinstance(dtype, str):
        dtype = named_dtype(dtype)
    optimiser = chosen_optimiser(level, mode)

    def variant(present: frozenset[str]) -> Graph:
        return program.graph(fixed, sorted(present))

    graph = program.graph(fixed, inputs)
    if verify:
        from ..verify import require

        require(graph, level=level, mode=mode, dtype=dtype)
    return lower(graph, dtype=dtype, device=device, variant=variant, program=program.unit.source.text, optimiser=optimiser)


def named_dtype(name: str) -> torch.dtype:
    """`bfloat16` as torch's dtype. Raises AttnError where there is none of this name."""
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        help = "float32, float64, bfloat16 or float16"
        raise AttnError([Diagnostic("E0503", f"`{name}` is no dtype that weights can have", NOWHERE, help=help)])
    return found
