"""`attn graph`, `attn view` and `attn diff`: commands that draw."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..compiler.program import load
from .shared import TEXT_OR_JSON, bind_options, emit, level_options, read_target

if TYPE_CHECKING:
    from ..compiler.graph import Graph
    from ..compiler.passes.base import Mode
    from ..compiler.view.stages import Stage

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


@click.command("diff")
@click.argument("targets", metavar="A[:BLOCK] [B[:BLOCK]]", nargs=-1, required=True)
@bind_options
@partial(level_options, level=None)
@click.option("--stages", metavar="FIRST..SECOND", help="Compare one program at two stages: `written`, or after a pass.")
@click.option("--format", "format", type=TEXT_OR_JSON, default="text", help="How to print it.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Also write both graphs side by side, as HTML.")
@click.pass_context
def diff(
    ctx: click.Context,
    targets: tuple[str, ...],
    bind: dict[str, Any],
    inputs: tuple[str, ...],
    level: int | None,
    mode: Mode,
    stages: str | None,
    format: str,
    output: Path | None,
) -> None:
    """How two blocks differ in structure, or one block at two stages of the optimiser. Names of values do not count.

    Two blocks are compared as written, or with -O as the optimiser leaves them. Leaves with 0 where they are the same, with 1 where they
    differ, and with 2 where one of them has mistakes or cannot be read.

    \b
    Example: attn diff old.attn new.attn
             attn diff std.heads:mha std.heads:mqa -o diff.html
             attn diff std.linear:linformer --stages written..plan
    """
    ctx.meta.update({"attn.format": format, "attn.wrong": 2})
    if len(targets) != (1 if stages else 2):
        raise click.UsageError("give two blocks to compare, or one block and --stages")
    programs = [load(*read_target(target)) for target in targets]
    graphs = [program.graph(bind, inputs, checking=True) for program in programs]
    from ..compiler.view.comparing import compare
    from ..compiler.view.viewer import view_stages

    if stages:
        pair = _two_stages(graphs[0], stages, 2 if level is None else level, mode)
    else:
        pair = _two_programs(graphs, targets, level or 0, mode)
    found = compare(pair[0].graph, pair[1].graph, (pair[0].name, pair[1].name))
    click.echo(json.dumps(found.record(), indent=2, ensure_ascii=False) if format == "json" else str(found))
    if output is not None:
        emit(view_stages(f"{pair[0].name} and {pair[1].name}", pair, mode, compare=True).html, output)
    ctx.exit(0 if found.same else 1)


def _two_programs(graphs: Sequence[Graph], names: Sequence[str], level: int, mode: Mode) -> list[Stage]:
    from ..compiler.passes import optimise
    from ..compiler.view.stages import Stage

    return [Stage(name, "", optimise(one, level, mode).graph) for name, one in zip(names, graphs, strict=True)]


def _two_stages(typed: Graph, stages: str, level: int, mode: Mode) -> list[Stage]:
    """The two stages that `FIRST..SECOND` names."""
    from ..compiler.passes import optimise
    from ..compiler.view.stages import stages_of

    known = {stage.name.removeprefix("as "): stage for stage in stages_of(optimise(typed, level, mode))}
    names = stages.split("..")
    wrong = [name for name in names if name not in known]
    if len(names) != 2 or wrong:
        told = f"there is no stage {wrong[0]!r} at -O{level} in mode {mode}" if wrong else f"{stages!r} is not FIRST..SECOND"
        raise click.UsageError(f"{told}; the stages are {', '.join(known)}")
    return [known[name] for name in names]
