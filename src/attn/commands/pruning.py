"""`attn prune`: a smaller program and a smaller checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..compiler.program import load
from ..dsl.diagnostics import AttnError, Diagnostic
from ..dsl.source import NOWHERE
from .shared import bind_options, read_target

if TYPE_CHECKING:
    from ..compiler.lower.pruning import Pruned

FILE = click.Path(path_type=Path, dir_okay=False)


def _keep(context: click.Context, param: click.Parameter, value: str | None) -> float | int | None:
    """`0.5` and `50%` are fractions, `36` a number of slices."""
    if value is None:
        return None
    try:
        if value.endswith("%"):
            return float(value[:-1]) / 100
        return float(value) if "." in value else int(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither a fraction such as 0.5 nor a number of slices such as 36", context, param) from None


@click.command("prune")
@click.argument("target", metavar="FILE[:BLOCK]")
@bind_options
@click.option("--axis", required=True, metavar="NAME", help="The axis whose slices go, such as h for heads.")
@click.option("--weights", type=FILE, required=True, help="The checkpoint, as safetensors.")
@click.option("--keep", callback=_keep, metavar="N", help="How many slices stay: 0.5 or 50% is half of them, 36 is that many.")
@click.option("--flops", type=float, metavar="PART", help="Instead: which part of the operations may be left; unbound sizes count as 64.")
@click.option(
    "--importance", default="norm", metavar="HOW", help="norm (of the weights), gradient (needs --data), or a JSON file of numbers."
)
@click.option("--data", type=FILE, help="Inputs by name as safetensors; entries along the first axis are samples.")
@click.option("--loss", type=click.Choice(["projection", "norm"]), default="projection", help="What gradients are of.")
@click.option("--normalise", type=click.Choice(["l2", "none"]), default="l2", help="How importances of different places become comparable.")
@click.option("--uniform", is_flag=True, help="Keep as many slices in each place.")
@click.option("--names", type=FILE, help="JSON from the checkpoint's names to the program's, as for attn.load_weights.")
@click.option("--ignore", multiple=True, metavar="PATTERN", help="Names in the checkpoint to leave out.")
@click.option("--importances-to", type=FILE, help="Write the importances as JSON, too.")
@click.option("-o", "--output", type=FILE, required=True, help="Where the smaller program goes.")
@click.option("--output-weights", type=FILE, required=True, help="Where its weights go, as safetensors.")
def prune_command(target: str, axis: str, output: Path, output_weights: Path, importances_to: Path | None, **options: Any) -> None:
    """Remove the least important slices of an axis: heads, hidden channels, groups.

    The smaller program with the smaller weights equals the original in which those slices are multiplied by zero.

    \b
    Example: attn prune vit.attn --weights vit.safetensors --axis h --keep 0.5 -o small.attn --output-weights small.safetensors
    """
    source, block = read_target(target)
    inputs = options.pop("inputs")
    pruned = _pruned(load(source, block), axis, inputs, options)
    extra = {importances_to: json.dumps(pruned.importances, indent=2) + "\n"} if importances_to is not None else {}
    try:
        pruned.save(output, output_weights, extra)
    except OSError as error:
        raise click.ClickException(f"cannot write {error.filename or output}: {error.strerror}") from None
    click.echo(summary(pruned))
    click.echo(f"wrote {', '.join(map(str, (output, output_weights, *extra)))}", err=True)


def _pruned(program: Any, axis: str, inputs: tuple[str, ...], options: dict[str, Any]) -> Pruned:
    from ..compiler.lower.checkpoint import read_file
    from ..compiler.lower.pruning import prune

    data, names = options.pop("data"), options.pop("names")
    importance = options.pop("importance")
    if importance not in ("norm", "gradient"):
        importance = read_json(Path(importance))
    return prune(
        program, axis, options.pop("weights"), importance=importance, data=None if data is None else read_file(data), inputs=inputs,
        names=None if names is None else read_json(names), **options,
    )  # fmt: skip


def read_json(path: Path) -> Any:
    """What a JSON file says. Raises AttnError (E0046) where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AttnError([Diagnostic("E0046", f"cannot read `{path}`: {error.strerror or error}", NOWHERE)]) from None
    except (ValueError, RecursionError) as error:
        raise AttnError([Diagnostic("E0802", f"`{path}` is not JSON: {error}", NOWHERE)]) from None


def summary(pruned: Pruned) -> str:
    """What stayed, a line for each place, and what that saves."""
    total = sum(map(len, pruned.importances.values()))
    lines = [f"{sum(map(len, pruned.kept.values()))} of {total} slices of `{pruned.axis}` stay"]
    width = max(map(len, pruned.kept))
    for name, positions in pruned.kept.items():
        shown = " ".join(map(str, positions[:24])) + (" ..." if len(positions) > 24 else "")
        lines.append(f"  {name:<{width}}  {len(positions)} of {len(pruned.importances[name])}: {shown}")
    (wide, small), (before, after) = pruned.parameters, pruned.operations
    lines.append(f"parameters  {wide:,} -> {small:,}")
    lines.append(f"operations  {after / before if before else 1:.1%} of before")
    return "\n".join(lines)
