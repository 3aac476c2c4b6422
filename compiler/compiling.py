"""From a program to a PyTorch module. The only door from the front end to torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .graph import Graph
from .lower.lowering import lower
from .lower.module import AttnModule
from .program import BlockProgram


def compile_program(program: BlockProgram, bind: Mapping[str, Any], inputs: tuple[str, ...], dtype: Any, device: Any) -> AttnModule:
    """Elaborate and lower. Raises AttnError."""
    fixed = dict(bind)

    def variant(present: frozenset[str]) -> Graph:
        return program.graph(fixed, sorted(present))

    return lower(program.graph(fixed, inputs), dtype=dtype, device=device, variant=variant, program=program.unit.source.text)
