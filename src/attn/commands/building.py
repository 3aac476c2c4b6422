"""`attn compile`: the command that writes what a block becomes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..compiler.program import load
from .shared import backend_option, bind_options, dtype_option, emit, level_options, read_target

if TYPE_CHECKING:
    from ..compiler.passes.base import Mode


@click.command("compile")
@click.argument("target", metavar="FILE[:BLOCK]")
@bind_options
@level_options
@backend_option
@dtype_option
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write; standard output without.")
def compile_command(
    target: str, bind: dict[str, Any], inputs: tuple[str, ...], level: int, mode: Mode, backend: str, dtype: str, output: Path | None
) -> None:
    """Write a block as one readable PyTorch file that imports only torch.

    \b
    Example: attn compile se.attn --bind C=64 -o se.py
             attn compile std.channel:se --bind C=64,reduction=8
    """
    program = load(*read_target(target))
    graph = program.graph(bind, inputs)
    from ..compiler.backends.target import checked_backend, half_of
    from ..compiler.lower.inductor import optimiser_for
    from ..compiler.lower.standalone import standalone

    emit(standalone(graph, optimiser_for(graph, checked_backend(backend), level, mode, half_of(dtype))), output)
