"""`attn compile` and `attn graph`: commands that write what a block becomes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..compiler.program import load
from .shared import bind_options, emit, level_options, read_target

if TYPE_CHECKING:
    from ..compiler.passes.base import Mode


@click.command("compile")
@click.argument("target", metavar="FILE[:BLOCK]")
@bind_options
@level_options
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write; standard output without.")
def compile_command(target: str, bind: dict[str, Any], inputs: tuple[str, ...], level: int, mode: Mode, output: Path | None) -> None:
    """Write a block as one readable PyTorch file that imports only torch.

    \b
    Example: attn compile se.attn --bind C=64 -o se.py
             attn compile std.channel:se --bind C=64,reduction=8
    """
    program = load(*read_target(target))
    graph = program.graph(bind, inputs)
    from ..compiler.lower.standalone import standalone
    from ..compiler.passes.choosing import chosen_optimiser

    emit(standalone(graph, chosen_optimiser(level, mode)), output)


@click.command()
@click.argument("target", metavar="FILE[:BLOCK]")
@bind_options
@partial(level_options, level=0)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write; its ending says what: .svg .dot .mmd .json"
)
@click.option(
    "--format", "format", type=click.Choice(["svg", "dot", "mmd", "json"]), help="What to write, where the file's ending does not say it."
)
def graph(
    target: str, bind: dict[str, Any], inputs: tuple[str, ...], level: int, mode: Mode, output: Path | None, format: str | None
) -> None:
    """Draw a block: blocks as groups, axes on the edges. Nothing needs to be bound. It is drawn as written, or as the optimiser leaves it.

    \b
    Example: attn graph se.attn -o se.svg
             attn graph std.layers:encoder --bind heads=8 -o encoder.svg
             attn graph std.linear:linformer -O2 -o linformer.svg
    """
    kind = format or (output.suffix.lstrip(".") if output is not None else "svg")
    if kind not in ("svg", "dot", "mmd", "json"):
        raise click.UsageError(f"cannot tell from {output} what to write; use .svg, .dot, .mmd or .json, or --format")
    from ..compiler.passes import optimise

    typed = load(*read_target(target)).graph(bind, inputs, checking=True)
    emit(_render(optimise(typed, level, mode).graph, kind), output)


def _render(typed: Any, kind: str) -> str:
    from ..compiler import view

    if kind == "json":
        from ..compiler.view.schema import to_json

        return to_json(typed)
    return {"svg": view.render_svg, "dot": view.render_dot, "mmd": view.render_mermaid}[kind](typed)
