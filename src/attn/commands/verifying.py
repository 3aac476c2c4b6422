"""`attn verify`: whether the optimiser kept the meaning of a program."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from .shared import bind_options, level_options, memory_option, read_target

if TYPE_CHECKING:
    from ..compiler.passes.base import Mode


@click.command()
@click.argument("target", metavar="FILE[:BLOCK]")
@bind_options
@level_options
@memory_option
@click.option("--dtype", type=click.Choice(["float32", "float64", "bfloat16", "float16"]), default="float32", help="The working dtype.")
def verify(
    target: str, bind: dict[str, Any], inputs: tuple[str, ...], level: int, mode: Mode, memory: str | int | None, dtype: str
) -> None:
    """Hold every pass of the optimiser against an independent interpreter: values, gradients, states. Unbound sizes are chosen.

    \b
    Example: attn verify se.attn
             attn verify std.heads:mha --bind D=64,heads=8 --mode infer
    """
    from ..compiler.verify import table
    from ..compiler.verify import verify as verified

    report = verified(*read_target(target), bind=bind, inputs=inputs or None, level=level, mode=mode, memory=memory, dtype=dtype)
    click.echo(table(report), nl=False)
    if not report.ok:
        sys.exit(1)
