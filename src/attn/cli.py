"""The command line. Exit codes: 0 all is well, 1 the program is wrong, 2 the call is wrong, 3 attn itself failed.

Nothing here imports torch until a command compiles.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import __version__
from .compiler.program import BlockProgram, Text, is_module, load
from .compiler.program import check as check_source
from .dsl.diagnostics import AttnError, Diagnostic

if TYPE_CHECKING:
    from .compiler.passes.base import Mode

CALL_CODES = frozenset(("E0046", "E0501", "E0502", "E0503"))
"""Mistakes of the call: a file that is not there, a size that is not given."""
MODULES_CALLED = frozenset(("E0040", "E0104", "E0514"))
TEXT_OR_JSON = click.Choice(["text", "json"])


def _color() -> bool:
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ


def _fail(diagnostics: tuple[Diagnostic, ...] | list[Diagnostic], format: str = "text") -> NoReturn:
    """Print the diagnostics and leave with the code they mean."""
    from .dsl.render import as_json, render_all

    if format == "json":
        click.echo(json.dumps([as_json(diagnostic) for diagnostic in diagnostics], indent=2))
    else:
        click.echo(render_all(diagnostics, color=_color()), err=True)
    called = all(d.code in CALL_CODES or (d.code in MODULES_CALLED and not d.span.text) for d in diagnostics if d.severity == "error")
    sys.exit(2 if called else 1)


def _target(target: str) -> tuple[str | Text, str | None]:
    """`FILE[:BLOCK]`; `-` is standard input."""
    source, colon, block = target.rpartition(":")
    if not colon or not block.isidentifier() or (len(source) == 1 and source.isalpha()):
        source, block = target, ""
    if source in ("-", "<stdin>"):
        return _stdin(), block or None
    return source, block or None


def _stdin() -> Text:
    from .dsl.parser import decode

    source, diagnostics = decode(sys.stdin.buffer.read(), "<stdin>")
    if diagnostics:
        raise AttnError(diagnostics)
    return Text(source.text, source.name)


def _value(text: str) -> Any:
    """A bound value as written on the command line: a number, true, false, none, a list, or a word."""
    words = {"true": True, "false": False, "none": None}
    if text in words:
        return words[text]
    if text.startswith("[") and text.endswith("]"):
        return [_value(part.strip()) for part in text[1:-1].split(",") if part.strip()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _bindings(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for value in values:
        for part in _split(value):
            name, equals, text = part.partition("=")
            if not equals or not name.strip() or not text.strip():
                raise click.BadParameter(f"{part!r} is not NAME=VALUE, such as C=64", context, param)
            found[name.strip()] = _value(text.strip())
    return found


def _split(text: str) -> list[str]:
    """At commas, but not at those inside a list."""
    parts, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]


def bind_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--bind` and `--input`, for every command that takes a block."""
    command = click.option(
        "--bind",
        "-b",
        multiple=True,
        callback=_bindings,
        metavar="NAME=VALUE",
        help="Size of an axis or value of a parameter; repeat, or part with commas.",
    )(command)
    return click.option("--input", "-i", "inputs", multiple=True, metavar="NAME", help="An optional tensor that will be passed.")(command)


def level_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`-O0` to `-O2` and `--mode`, for every command that optimises."""
    kind = click.Choice(["train", "infer"])
    command = click.option("--mode", type=kind, default="train", help="infer: for use without training; weights are fixed.")(command)
    return click.option(
        "-O", "--level", "level", type=click.IntRange(0, 2), default=2, help="0 optimises nothing, 1 what keeps every bit, 2 all."
    )(command)


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        os.chmod(name, mode)
        os.replace(name, path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _emit(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        write_whole(output, text)
        click.echo(f"wrote {output}", err=True)


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
            _fail(error.diagnostics, ctx.meta.get("attn.format", "text"))
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
    attn compile se.attn --bind C=64 -o se.py
    """


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--format", "format", type=TEXT_OR_JSON, default="text", help="How to print what is found.")
@click.pass_context
def check(ctx: click.Context, files: tuple[str, ...], format: str) -> None:
    """Look for mistakes: syntax, names, axes, sizes. Every mistake of every file in one run.

    \b
    Example: attn check se.attn
             cat se.attn | attn check -
    """
    from .dsl.render import as_json, render_all

    ctx.meta["attn.format"] = format
    found: list[Diagnostic] = []
    for name in files:
        try:
            found += check_source(_stdin() if name == "-" else name)
        except AttnError as error:
            found += error.diagnostics
    errors = [diagnostic for diagnostic in found if diagnostic.severity == "error"]
    if errors:
        _fail(found, format)
    if format == "json":
        click.echo(json.dumps([as_json(diagnostic) for diagnostic in found], indent=2))
    elif found:
        click.echo(render_all(found, color=_color()), err=True)
    else:
        click.echo(f"{', '.join(files)}: no mistakes")


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit with 1 where a file is not formatted.")
def fmt(files: tuple[str, ...], only_check: bool) -> None:
    """Format programs in place, in the one style; `-` reads standard input and writes standard output.

    \b
    Example: attn fmt se.attn
             attn fmt - < se.attn
    """
    from .compiler.program import read_source
    from .dsl.format import format_text

    unformatted: list[str] = []
    for name in files:
        source = read_source(_stdin() if name == "-" else name)
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


@main.command("compile")
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
    program = load(*_target(target))
    graph = program.graph(bind, inputs)
    from .compiler.lower.compiling import chosen_optimiser
    from .compiler.lower.standalone import standalone

    _emit(standalone(graph, chosen_optimiser(level, mode)), output)


@main.command()
@click.argument("target", metavar="FILE[:BLOCK]")
@bind_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write; its ending says what: .svg .dot .mmd .json"
)
@click.option(
    "--format", "format", type=click.Choice(["svg", "dot", "mmd", "json"]), help="What to write, where the file's ending does not say it."
)
def graph(target: str, bind: dict[str, Any], inputs: tuple[str, ...], output: Path | None, format: str | None) -> None:
    """Draw a block: blocks as groups, axes on the edges. Nothing needs to be bound.

    \b
    Example: attn graph se.attn -o se.svg
             attn graph std.layers:encoder --bind heads=8 -o encoder.svg
    """
    kind = format or (output.suffix.lstrip(".") if output is not None else "svg")
    if kind not in ("svg", "dot", "mmd", "json"):
        raise click.UsageError(f"cannot tell from {output} what to write; use .svg, .dot, .mmd or .json, or --format")
    typed = load(*_target(target)).graph(bind, inputs, checking=True)
    _emit(_render(typed, kind), output)


def _render(typed: Any, kind: str) -> str:
    from .compiler import view

    if kind == "json":
        from .compiler.view.schema import to_json

        return to_json(typed)
    return {"svg": view.render_svg, "dot": view.render_dot, "mmd": view.render_mermaid}[kind](typed)


@main.command()
@click.argument("target", metavar="FILE[:BLOCK]")
@bind_options
@click.option("--format", "format", type=TEXT_OR_JSON, default="text", help="How to print it.")
@click.pass_context
def show(ctx: click.Context, target: str, bind: dict[str, Any], inputs: tuple[str, ...], format: str) -> None:
    """What a block is: signature, documentation, axes, weights; operations and bytes as formulas, as numbers once bound.

    \b
    Example: attn show std.channel:se
             attn show se.attn --bind C=64 --bind H=56 --bind W=56
    """
    from .compiler.describe import show_block, show_text

    ctx.meta["attn.format"] = format
    source, block = _target(target)
    program = load(source, block)
    records = [show_block(one, bind, inputs) for one in _shown(program, block, bind)]
    click.echo(json.dumps(records, indent=2) if format == "json" else "\n\n".join(show_text(record) for record in records))


def _shown(program: BlockProgram, block: str | None, bind: dict[str, Any]) -> list[BlockProgram]:
    """The named block; without a name every block of the file, or the last one where sizes are bound."""
    if block is not None or bind:
        return [program]
    return [BlockProgram(program.unit, one, program.diagnostics) for one in program.unit.blocks.values()]


@main.command("list")
@click.option("--format", "format", type=TEXT_OR_JSON, default="text", help="How to print it.")
def list_command(format: str) -> None:
    """The blocks of the library.

    \b
    Example: attn list
    """
    from .compiler.describe import list_library

    rows = list_library()
    if format == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    width = max((len(row["module"]) + len(row["name"]) + 1 for row in rows), default=0)
    for row in rows:
        click.echo(f"{row['module'] + ':' + row['name']:<{width}}  {row['summary']}")


@main.command()
@click.argument("name", required=False)
@click.option("--format", "format", type=TEXT_OR_JSON, default="text", help="How to print it.")
def doc(name: str | None, format: str) -> None:
    """What an operator does, or what a code such as E0203 means; without a name, all operators.

    \b
    Example: attn doc attend
             attn doc E0203
    """
    from .compiler import describe
    from .dsl.closest import closest
    from .dsl.codes import CODES

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
    from .compiler import describe

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


__all__ = ["is_module", "main"]
