"""`attn systems` and `attn new`: the catalogue of published systems, and a copy of one to start from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from .shared import TEXT_OR_JSON, emit, write_new

KINDS = click.Choice(["analysis", "block", "network", "rule", "survey", "training"])
STATES = click.Choice(["works", "partly", "not yet"])


@click.command("systems")
@click.argument("id", required=False)
@click.option("--kind", type=KINDS, help="Only those of a kind.")
@click.option("--state", type=STATES, help="Only those in a state.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Draw the system into this .svg file.")
@click.option("--format", "format", type=TEXT_OR_JSON, default="text", help="How to print it.")
@click.pass_context
def systems_command(ctx: click.Context, id: str | None, kind: str | None, state: str | None, output: Path | None, format: str) -> None:
    """The published systems: which work here, their programs, and what was verified. With an id, all about one.

    \b
    Example: attn systems --state works
             attn systems cbam
             attn systems cbam -o cbam.svg
    """
    ctx.meta["attn.format"] = format
    if id is None and output is not None:
        raise click.UsageError("-o draws one system; name it: attn systems ID -o FILE.svg")
    if id is None:
        _print_rows(kind, state, format)
    elif output is not None:
        _draw(id, output)
    else:
        from ..catalogue import shown

        record = shown.one(id)
        click.echo(json.dumps(record, indent=2) if format == "json" else shown.one_text(record))


def _print_rows(kind: str | None, state: str | None, format: str) -> None:
    from ..catalogue import shown

    rows = shown.rows(kind, state)
    if format == "json":
        click.echo(json.dumps(rows, indent=2))
    elif sys.stdout.isatty():
        _print_table(rows, whole=kind is None and state is None)
    else:
        click.echo(shown.rows_text(rows))


def _print_table(rows: list[dict[str, Any]], whole: bool) -> None:
    """As wide as the terminal, with the sum of the whole catalogue below; only here is rich imported."""
    from rich.console import Console
    from rich.table import Table

    from ..catalogue import shown

    table = Table(*shown.COLUMNS, box=None, header_style="bold")
    colours = {"works": "green", "partly": "yellow", "not yet": "dim"}
    for row in rows:
        table.add_row(*shown.cells(row), style=colours[row["state"]])
    console = Console(highlight=False, markup=False)
    console.print(table)
    if whole:
        console.print(shown.tally(rows))


def _draw(id: str, output: Path) -> None:
    from ..catalogue import shown
    from ..catalogue.entries import worked

    if output.suffix != ".svg":
        raise click.UsageError(f"cannot draw into {output}: use a file that ends with .svg")
    emit(shown.picture(worked(id)), output)


@click.command("new")
@click.argument("name")
@click.option("--from", "source", required=True, metavar="SOURCE", help="The id of a system, a block of the library, or FILE[:BLOCK].")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write; NAME.attn without.")
def new(name: str, source: str, output: Path | None) -> None:
    """Write your own copy of a block to start from: renamed, with its comment and all that it calls. No file is overwritten.

    \b
    Example: attn new my_block --from cbam
             attn new mixer --from std.layers:encoder -o net.attn
    """
    from ..catalogue.copying import copy_of, origin_of

    path = output or Path(f"{name}.attn")
    copy = copy_of(origin_of(source), name, path.parent)
    write_new(path, copy.text)
    click.echo(f"wrote {path}: `{name}`, from {copy.origin}", err=True)
