"""`attn compile`: the command that writes what a block becomes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..compiler.program import load
from .shared import backend_option, bind_options, dtype_option, emit, level_options, memory_option, read_target

if TYPE_CHECKING:
    from ..compiler.graph import Graph
    from ..compiler.passes.base import Mode

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("compile")
@click.argument("target", metavar="FILE[:BLOCK]")
@bind_options
@level_options
@backend_option
@dtype_option
@memory_option
@click.option("--weights", type=FILE, help="A safetensors file, for a .pt2 package; initial values without.")
@click.option("-o", "--output", type=FILE, help="Where to write: .py (standard output without), or .pt2 for a package.")
def compile_command(target: str, bind: dict[str, Any], inputs: tuple[str, ...], output: Path | None, **options: Any) -> None:
    """Write a block as one readable PyTorch file that imports only torch, or ahead of time as a package of kernels and weights.

    \b
    Example: attn compile se.attn --bind C=64 -o se.py
             attn compile std.channel:se --bind C=64,reduction=8
             attn compile se.attn --bind C=64 --weights se.safetensors -o se.pt2
    """
    graph = load(*read_target(target)).graph(bind, inputs)
    if output is not None and output.suffix == ".pt2":
        if options.pop("memory") is not None:
            raise click.UsageError("a .pt2 package is made by inductor, which takes chunks apart: --memory goes with a .py file")
        _package(graph, output, **options)
        return
    if options.pop("weights") is not None:
        raise click.UsageError("a .py file holds no weights: --weights goes with -o NAME.pt2")
    _text(graph, output, **options)


def _text(graph: Graph, output: Path | None, level: int, mode: Mode, backend: str, dtype: str, memory: str | int | None) -> None:
    from ..compiler.backends.target import checked_backend, half_of
    from ..compiler.lower.inductor import optimiser_for
    from ..compiler.lower.standalone import standalone
    from ..compiler.passes.choosing import limit_for

    wanted = checked_backend(backend)
    limit = limit_for(memory, level, wanted)
    emit(standalone(graph, optimiser_for(graph, wanted, level, mode, half_of(dtype), limit)), output)


def _package(graph: Graph, output: Path, level: int, mode: Mode, backend: str, dtype: str, weights: Path | None) -> None:
    """A package is always for inference, and always inductor's."""
    from ..compiler.backends.target import half_of
    from ..compiler.lower.package import write_package

    try:
        write_package(graph, output, level=level, half=half_of(dtype), weights=weights)
    except OSError as error:
        raise click.ClickException(f"cannot write {output}: {error.strerror}") from None
    click.echo(f"wrote {output}", err=True)
