"""`attn show`, `attn list` and `attn doc`: what there is."""

from __future__ import annotations

import json
from typing import Any

import click

from ..compiler.program import BlockProgram, load
from .shared import TEXT_OR_JSON, bind_options, read_target


@click.command()
@click.argument("target", metavar="FILE[:BLOCK]")
@bind_options
@click.option("--format", "format", type=TEXT_OR_JSON, default="text", help="How to print it.")
@click.pass_context
def show(ctx: click.Context, target: str, bind: dict[str, Any], inputs: tuple[str, ...], format: str) -> None:
    """What a block is: signature, documentation, axes, weights; operations and bytes as formulas, as numbers once bound. A block that is a
    published system names its paper, and the systems it is built from or resembles.

    \b
    Example: attn show std.channel:se
             attn show se.attn --bind C=64 --bind H=56 --bind W=56
    """
    from ..compiler.describe import show_block, show_text

    ctx.meta["attn.format"] = format
    source, block = read_target(target)
    program = load(source, block)
    records = [{**show_block(one, bind, inputs), "system": _cited(one)} for one in _shown(program, block, bind)]
    click.echo(json.dumps(records, indent=2) if format == "json" else "\n\n".join(show_text(record) for record in records))


def _shown(program: BlockProgram, block: str | None, bind: dict[str, Any]) -> list[BlockProgram]:
    """The named block; without a name every block of the file, or the last one where sizes are bound."""
    if block is not None or bind:
        return [program]
    return [BlockProgram(program.unit, one, program.diagnostics) for one in program.unit.blocks.values()]


def _cited(program: BlockProgram) -> dict[str, Any] | None:
    """The published system that a library block is, with its paper."""
    if not program.unit.source.library:
        return None
    from ..catalogue.shown import cited

    return cited(f"{program.unit.source.name}:{program.name}")


@click.command("list")
@click.option("--format", "format", type=TEXT_OR_JSON, default="text", help="How to print it.")
def list_command(format: str) -> None:
    """The blocks of the library.

    \b
    Example: attn list
    """
    from ..compiler.describe import list_library

    rows = list_library()
    if format == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    width = max((len(row["module"]) + len(row["name"]) + 1 for row in rows), default=0)
    for row in rows:
        click.echo(f"{row['module'] + ':' + row['name']:<{width}}  {row['summary']}")


@click.command()
@click.argument("name", required=False)
@click.option("--format", "format", type=TEXT_OR_JSON, default="text", help="How to print it.")
def doc(name: str | None, format: str) -> None:
    """What an operator does, or what a code such as E0203 means; without a name, all operators.

    \b
    Example: attn doc attend
             attn doc E0203
    """
    from ..compiler import describe
    from ..dsl.closest import closest
    from ..dsl.codes import CODES

    if name is None:
        _all_operators(format)
    elif name in CODES:
        click.echo(json.dumps(vars(CODES[name]), indent=2) if format == "json" else str(CODES[name]), nl=format == "json")
    else:
        rows = {operator.name: operator for operator in describe.operators()}
        if name not in rows:
            near = closest(name, [*rows, *CODES])
            raise click.UsageError(f"there is no operator `{name}`" + (f"; did you mean `{near}`?" if near else ""))
        record = describe.doc_operator(rows[name])
        click.echo(json.dumps(record, indent=2) if format == "json" else describe.doc_text(record))


def _all_operators(format: str) -> None:
    from ..compiler import describe

    rows = describe.operators()
    if format == "json":
        click.echo(json.dumps([describe.doc_operator(row) for row in rows], indent=2))
        return
    family = ""
    for row in rows:
        if row.family != family:
            family = row.family
            click.echo(f"\n{family}" if row is not rows[0] else family)
        click.echo(f"  {row.name:<16} {describe.summary(row.doc)}")
