"""`attn graph` and `attn view`: commands that draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..compiler.program import load
from .shared import bind_options, emit, level_options, read_target

if TYPE_CHECKING:
    from ..compiler.graph import Graph
    from ..compiler.passes.base import Mode

_FORMATS = ("svg", "dot", "mmd", "json", "onnx")
_output = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write; its ending says what: .svg .dot .mmd .json .onnx",
)


@click.command()
@click.argument("target", metavar="FILE[:BLOCK]")
@bind_options
@partial(level_options, level=0)
@_output
@click.option("--format", "format", type=click.Choice(_FORMATS), help="What to write, where the file's ending does not say it.")
@click.option(
    "--depth", type=click.IntRange(min=0), help="Draw blocks that are nested deeper as one box; 0 draws every block so. svg, dot, mmd."
)
def graph(
    target: str,
    bind: dict[str, Any],
    inputs: tuple[str, ...],
    level: int,
    mode: Mode,
    output: Path | None,
    format: str | None,
    depth: int | None,
) -> None:
    """Draw a block: blocks as groups, axes on the edges. Nothing needs to be bound. It is drawn as written, or as the optimiser leaves it.

    An .onnx file holds the structure for programs such as Netron to show; it cannot be run.

    \b
    Example: attn graph se.attn -o se.svg
             attn graph std.layers:encoder --bind heads=8 --depth 1 -o encoder.svg
             attn graph std.linear:linformer -O2 -o linformer.svg
    """
    kind = format or (output.suffix.lstrip(".") if output is not None else "svg")
    if kind not in _FORMATS:
        raise click.UsageError(f"cannot tell from {output} what to write; use .svg, .dot, .mmd, .json or .onnx, or --format")
    if depth is not None and kind in ("json", "onnx"):
        raise click.UsageError(f"--depth closes blocks of a picture; {kind} holds the whole graph")
    from ..compiler.passes import optimise

    typed = load(*read_target(target)).graph(bind, inputs, checking=True)
    emit(_render(optimise(typed, level, mode).graph, kind, depth), output)


def _render(typed: Graph, kind: str, depth: int | None) -> str | bytes:
    from ..compiler import view

    pictures: Mapping[str, Callable[[Graph, int | None], str]] = {
        "svg": view.render_svg,
        "dot": view.render_dot,
        "mmd": view.render_mermaid,
    }
    if kind in pictures:
        return pictures[kind](typed, depth)
    return view.to_json(typed) if kind == "json" else view.to_onnx(typed)


@click.command("view")
@click.argument("target", metavar="FILE[:BLOCK]")
@bind_options
@level_options
@click.option("--profile", type=click.Path(path_type=Path, dir_okay=False), help="A JSON file of seconds by name, to colour by time.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write; standard output without.")
def view_command(
    target: str, bind: dict[str, Any], inputs: tuple[str, ...], level: int, mode: Mode, profile: Path | None, output: Path | None
) -> None:
    """Write one HTML file to look at a block: its text, and its graph as written and after every pass. It needs no network.

    \b
    Example: attn view std.heads:mha -o mha.html
             attn view net.attn:encoder --bind D=384,heads=12 --mode infer -o encoder.html
    """
    from ..compiler.view.viewing import view_program

    program = load(*read_target(target))
    emit(view_program(program, bind, inputs, level=level, mode=mode, profile=profile).html, output)
