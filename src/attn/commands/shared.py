"""What commands share: options, reading a target, printing results and mistakes, writing files whole."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from ..compiler.program import Text
from ..dsl.diagnostics import AttnError, Diagnostic

CALL_CODES = frozenset(("E0046", "E0501", "E0502", "E0503", "E0608", "E0609", "E0802", "E1001", "E1002"))
"""Mistakes of the call: a file that is not there, a size that is not given, a system that is not known."""
MODULES_CALLED = frozenset(("E0040", "E0104", "E0514"))
TEXT_OR_JSON = click.Choice(["text", "json"])


def colored() -> bool:
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ


def fail(diagnostics: tuple[Diagnostic, ...] | list[Diagnostic], format: str = "text", wrong: int = 1) -> NoReturn:
    """Print the diagnostics and leave with the code they mean; `wrong` is that of a wrong program."""
    from ..dsl.render import as_json, render_all

    if format == "json":
        click.echo(json.dumps([as_json(diagnostic) for diagnostic in diagnostics], indent=2))
    else:
        click.echo(render_all(diagnostics, color=colored()), err=True)
    called = all(d.code in CALL_CODES or (d.code in MODULES_CALLED and not d.span.text) for d in diagnostics if d.severity == "error")
    sys.exit(2 if called else wrong)


def read_target(target: str) -> tuple[str | Text, str | None]:
    """`FILE[:BLOCK]`; `-` is standard input."""
    source, colon, block = target.rpartition(":")
    if not colon or not block.isidentifier() or (len(source) == 1 and source.isalpha()):
        source, block = target, ""
    if source in ("-", "<stdin>"):
        return stdin(), block or None
    return source, block or None


def stdin() -> Text:
    from ..dsl.parser import decode

    source, diagnostics = decode(sys.stdin.buffer.read(), "<stdin>")
    if diagnostics:
        raise AttnError(diagnostics)
    return Text(source.text, source.name)


def bound_value(text: str) -> Any:
    """A bound value as written on the command line: a number, true, false, none, a list, or a word."""
    words = {"true": True, "false": False, "none": None}
    if text in words:
        return words[text]
    if text.startswith("[") and text.endswith("]"):
        return [bound_value(part.strip()) for part in text[1:-1].split(",") if part.strip()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _bindings(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for value in values:
        for part in split_bindings(value):
            name, equals, text = part.partition("=")
            if not equals or not name.strip() or not text.strip():
                raise click.BadParameter(f"{part!r} is not NAME=VALUE, such as C=64", context, param)
            found[name.strip()] = bound_value(text.strip())
    return found


def split_bindings(text: str) -> list[str]:
    """At commas, but not at those inside a list."""
    parts, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]


def bind_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--bind`, for every command that takes a block."""
    return click.option(
        "--bind",
        "-b",
        multiple=True,
        callback=_bindings,
        metavar="NAME=VALUE",
        help="Size of an axis or value of a parameter; repeat, or part with commas.",
    )(command)


def bind_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--bind`, and `--input` for the names of optional tensors."""
    command = bind_option(command)
    return click.option("--input", "-i", "inputs", multiple=True, metavar="NAME", help="An optional tensor that will be passed.")(command)


def level_options(command: Callable[..., Any], level: int | None = 2) -> Callable[..., Any]:
    """`-O0` to `-O2` and `--mode`, for every command that optimises; `level` is the usual one."""
    kind = click.Choice(["train", "infer"])
    command = click.option("--mode", type=kind, default="train", help="infer: for use without training; weights are fixed.")(command)
    help = "0 optimises nothing, 1 what keeps every bit, 2 all."
    return click.option("-O", "--level", type=click.IntRange(0, 2), default=level, show_default=True, help=help)(command)


def backend_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--backend`: who runs the text."""
    kind = click.Choice(["eager", "inductor", "auto"])
    help = "eager: call by call. inductor: kernels made by torch.compile. auto: inductor where that pays."
    return click.option("--backend", type=kind, default="eager", show_default=True, help=help)(command)


def dtype_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--dtype`: which numbers are computed with."""
    kind = click.Choice(["float32", "bfloat16", "float16"])
    help = "What is computed in; weights and statistics stay float32."
    return click.option("--dtype", type=kind, default="float32", show_default=True, help=help)(command)


def memory_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--memory`: what an attention may hold."""
    help = "Attention that would hold more, such as 2GiB, takes its keys in chunks."
    return click.option("--memory", metavar="SIZE", type=_amount, help=help)(command)


def _amount(text: str) -> str | int:
    return int(text) if text.isascii() and text.isdigit() else text


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all."""
    from ..compiler.files import write_whole as write

    try:
        write(path, content)
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from None


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, whole or not at all."""
    if path.exists() or path.is_symlink():
        raise click.ClickException(f"{path} is there already, and nothing is overwritten; name another file with -o")
    write_whole(path, text)


def emit(content: str | bytes, output: Path | None) -> None:
    if output is None:
        click.echo(content, nl=isinstance(content, str) and not content.endswith("\n"))
    else:
        write_whole(output, content)
        click.echo(f"wrote {output}", err=True)
