"""The command line. Exit codes: 0 all is well, 1 the program is wrong, 2 the call is wrong, 3 attn itself failed."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from . import __version__
from .commands import building, drawing, explaining, inspecting, looking, pruning, sources, systems, verifying
from .commands.shared import fail
from .dsl.diagnostics import AttnError


class Commands(click.Group):
    """Turns a mistake in a program into its rendering and exit code, whichever command met it."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """`-:block` is standard input and a block of it, not an option."""
        given = sys.argv[1:] if args is None else args
        return super().main([f"<stdin>{arg[1:]}" if arg.startswith("-:") else arg for arg in given], *rest, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        click.ClickException.exit_code = 2
        try:
            return super().invoke(ctx)
        except AttnError as error:
            fail(error.diagnostics, ctx.meta.get("attn.format", "text"), ctx.meta.get("attn.wrong", 1))
        except Exception as error:
            if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort | OSError):
                raise
            _our_mistake(error)


def _our_mistake(error: Exception) -> NoReturn:
    """An error that is attn's own: say so in a line, and keep what a report of it needs in a file."""
    import traceback

    handle, name = tempfile.mkstemp(prefix="attn-error-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"attn {__version__}, {' '.join(sys.argv)}\n\n{''.join(traceback.format_exception(error))}")
    click.echo(f"attn made a mistake of its own ({type(error).__name__}); please report it with {name}", err=True)
    sys.exit(3)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="attn")
def main() -> None:
    """attn: a small language for attention, and its compiler to PyTorch.

    \b
    attn check se.attn                      look for mistakes
    attn show std.channel:se --bind C=64    what a block is and costs
    attn graph se.attn -o se.svg            draw it
    attn view se.attn -o se.html            look at it, and at what every pass does
    attn diff old.attn new.attn             how they differ in structure
    attn explain std.heads:mha              what the compiler makes of it, and why
    attn verify std.heads:mha               whether that kept its meaning
    attn compile se.attn --bind C=64 -o se.py
    attn systems                            published systems, and what works
    attn new my_block --from cbam           a copy of one to start from
    attn prune vit.attn --axis h --keep 0.5 ...    a smaller program without its least important heads
    attn inspect vit.attn --weights vit.safetensors --input cat.png -o report.html    what it attends to
    """


# In the order of a program's life; `attn --help` sorts them.
COMMANDS: tuple[click.Command, ...] = (
    sources.check,
    sources.fmt,
    building.compile_command,
    drawing.graph,
    drawing.view_command,
    drawing.diff,
    verifying.verify,
    looking.show,
    explaining.explain,
    explaining.passes_command,
    pruning.prune_command,
    inspecting.inspect_command,
    looking.list_command,
    looking.doc,
    systems.systems_command,
    systems.new,
)
for command in COMMANDS:
    main.add_command(command)
