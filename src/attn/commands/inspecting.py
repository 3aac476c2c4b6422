"""`attn inspect`: a report on what a module attends to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .pruning import read_json
from .shared import bind_option, emit, read_target

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("inspect")
@click.argument("target", metavar="FILE[:BLOCK]")
@bind_option
@click.option("--weights", type=click.Path(path_type=Path), help="A checkpoint as safetensors, or a folder with model.safetensors in it.")
@click.option("--names", type=FILE, help="JSON from the checkpoint's names to the program's, as for attn.load_weights.")
@click.option("--ignore", multiple=True, metavar="PATTERN", help="Names in the checkpoint to leave out.")
@click.option("--input", "-i", "inputs", multiple=True, metavar="FILE", help="Tensors (.safetensors, .npz), texts (.txt), an image.")
@click.option("--text", multiple=True, metavar="TEXT", help="A text, for the tokenizer; repeat for several.")
@click.option("--tokenizer", type=FILE, help="A tokenizer.json; without it, the one beside the weights.")
@click.option("--normalise", type=click.Choice(["none", "half", "imagenet"]), default="none", help="What is taken out of colours.")
@click.option("--importance", type=click.Choice(["norm", "gradient", "none"]), default="norm", help="Of heads, as for attn prune.")
@click.option("--sinks", type=float, default=3.0, show_default=True, metavar="TIMES", help="How many even shares make a token a sink.")
@click.option("--flow", metavar="TOKENS", help="Flow to these: positions or words, by commas; all; none. Else to those that take seconds.")
@click.option("--samples", type=click.IntRange(1), default=8, show_default=True, help="At most so many samples.")
@click.option("-o", "--output", "outputs", multiple=True, type=FILE, help="Where to write, .html or .json; repeat for both.")
@click.option("--format", "format", type=click.Choice(["html", "json"]), default="html", help="What to print where nothing is written.")
@click.pass_context
def inspect_command(ctx: click.Context, /, target: str, outputs: tuple[Path, ...], format: str, names: Path | None, **options: Any) -> None:
    """Look at attention: maps, entropies, distances, sinks, likeness and importance of heads, rollout, flow, and gates, in one HTML file.

    \b
    Example: attn inspect vit.attn --bind D=384,K=1000 --weights vit.safetensors --input cat.png -o report.html
             attn inspect encoder.attn --weights model/ --text "It was too tired." -o report.html
    """
    from ..inspecting import inspect

    ctx.meta["attn.format"] = "json" if format == "json" and not outputs else "text"
    for output in outputs:
        if output.suffix not in (".html", ".json"):
            raise click.UsageError(f"cannot tell from {output} what to write; use .html or .json")
    source, block = read_target(target)
    options["importance"] = None if options["importance"] == "none" else options["importance"]
    mapped = None if names is None else read_json(names)
    found = inspect(source, options.pop("inputs"), block, names=mapped, **options)
    for output in outputs:
        emit(found.json() if output.suffix == ".json" else found.html(), output)
    if not outputs:
        emit(found.json() if format == "json" else found.html(), None)
