"""The copies that are left only to put numbers in another order. Kernels choose the order of their results, so a block is run once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from ..cost import readable
from ..passes.base import Mode
from ..program import BlockProgram
from .places import place_of
from .report import Copied


def copied(program: BlockProgram, bind: Mapping[str, Any], inputs: tuple[str, ...], level: int, mode: Mode) -> list[Copied]:
    """The copies of one run at the bound sizes; those that are open are 16, and leading axes 2. Imports torch. Raises AttnError."""
    from ..lower.compiling import compile_program
    from ..lower.copies import copies

    module = compile_program(program, bind, inputs, level=level, mode=mode)
    sizes = {name: value for name, value in bind.items() if isinstance(value, int)}
    try:
        found = copies(module, sizes)
    except (ValueError, IndexError, RuntimeError) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        help = "bind the sizes of the inputs, such as --bind N=64; those that are open are taken as 16"
        raise AttnError([Diagnostic("E0503", f"cannot run at these sizes: {why}", NOWHERE, help=help)]) from None
    return [
        Copied(
            axes=list(one.axes),
            bytes=one.bytes,
            elements=str(readable(one.elements)) if one.elements is not None else "",
            text=one.reason,
            place=place_of(one.span),
        )
        for one in found
    ]
