"""`attn check` and `attn fmt`: commands on the text of programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ..compiler.program import check as check_source
from ..dsl.diagnostics import AttnError, Diagnostic
from .shared import TEXT_OR_JSON, colored, fail, stdin, write_whole


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--format", "format", type=TEXT_OR_JSON, default="text", help="How to print what is found.")
@click.pass_context
def check(ctx: click.Context, files: tuple[str, ...], format: str) -> None:
    """Look for mistakes: syntax, names, axes, sizes. Every mistake of every file in one run.

    \b
    Example: attn check se.attn
             cat se.attn | attn check -
    """
    from ..dsl.render import as_json, render_all

    ctx.meta["attn.format"] = format
    found: list[Diagnostic] = []
    for name in files:
        try:
            found += check_source(stdin() if name == "-" else name)
        except AttnError as error:
            found += error.diagnostics
    errors = [diagnostic for diagnostic in found if diagnostic.severity == "error"]
    if errors:
        fail(found, format)
    if format == "json":
        click.echo(json.dumps([as_json(diagnostic) for diagnostic in found], indent=2))
    elif found:
        click.echo(render_all(found, color=colored()), err=True)
    else:
        click.echo(f"{', '.join(files)}: no mistakes")


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit with 1 where a file is not formatted.")
def fmt(files: tuple[str, ...], only_check: bool) -> None:
    """Format programs in place, in the one style; `-` reads standard input and writes standard output.

    \b
    Example: attn fmt se.attn
             attn fmt - < se.attn
    """
    from ..compiler.program import read_source
    from ..dsl.format import format_text

    unformatted: list[str] = []
    for name in files:
        source = read_source(stdin() if name == "-" else name)
        text = format_text(source)
        if only_check:
            unformatted += [name] if text != source.text else []
        elif name == "-":
            click.echo(text, nl=False)
        elif text != source.text:
            write_whole(Path(name), text)
            click.echo(f"formatted {name}", err=True)
    if unformatted:
        click.echo(f"not formatted: {', '.join(unformatted)}", err=True)
        sys.exit(1)
