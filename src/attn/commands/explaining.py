"""`attn explain` and `attn passes`: what the compiler does, why, and what stands in its way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ..compiler.program import load
from .shared import TEXT_OR_JSON, backend_option, bind_options, dtype_option, level_options, memory_option, read_target

if TYPE_CHECKING:
    from ..compiler.passes.base import Mode


@click.command()
@click.argument("target", metavar="FILE[:BLOCK]")
@bind_options
@level_options
@backend_option
@dtype_option
@memory_option
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="What the text is written for.")
@click.option("--format", "format", type=TEXT_OR_JSON, default="text", help="How to print it.")
@click.option("--copies", is_flag=True, help="Compile and run it once, to find the copies that only change the order in memory.")
@click.option("--stop-after", metavar="PASS", help="Run no pass after this one.")
@click.option("--print-between-passes", "listings", is_flag=True, help="The graph as written and after each pass that changed it.")
@click.option("--time-passes", "timings", is_flag=True, help="How long each pass took.")
@click.pass_context
def explain(
    ctx: click.Context,
    target: str,
    bind: dict[str, Any],
    inputs: tuple[str, ...],
    level: int,
    mode: Mode,
    backend: str,
    dtype: str,
    memory: str | int | None,
    device: str,
    format: str,
    copies: bool,
    stop_after: str | None,
    listings: bool,
    timings: bool,
) -> None:
    """What the compiler makes of a block: every rewrite and its lines, costs before and after, how each attention is computed, and
    what stands in the way of a faster way.

    \b
    Example: attn explain std.heads:mha
             attn explain net.attn:encoder --bind D=384,heads=12 --mode infer
    """
    from ..compiler.explain import explain_program

    ctx.meta["attn.format"] = format
    program = load(*read_target(target))
    report = explain_program(
        program, bind, inputs, level=level, mode=mode, backend=backend, dtype=dtype, device=device, memory=memory,
        stop_after=stop_after, copies=copies,
        listings=listings, timings=timings,
    )  # fmt: skip
    click.echo(report.model_dump_json(indent=2) if format == "json" else str(report))


@click.command("passes")
@click.option("--format", "format", type=TEXT_OR_JSON, default="text", help="How to print it.")
def passes_command(format: str) -> None:
    """The passes of the optimiser in the order they run: name, lowest level, whether every bit stays, mode, promise.

    \b
    Example: attn passes
    """
    from ..compiler.passes.pipeline import pass_records

    records = pass_records()
    if format == "json":
        click.echo(json.dumps(records, indent=2))
        return
    width = max((len(record["name"]) for record in records), default=0)
    for record in records:
        kind = "exact" if record["exact"] else "reassociates"
        modes = "" if len(record["modes"]) > 1 else f" ({record['modes'][0]} only)"
        click.echo(f"{record['name']:<{width}}  -O{record['level']}  {kind:<12}  {record['promise']}{modes}")
