"""Looking at attention from Python. Nothing here imports torch before it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .compiler.program import load
from .dsl.diagnostics import AttnError

if TYPE_CHECKING:
    from .compiler.inspect.report import Inspection
    from .compiler.inspect.samples import Sample
    from .compiler.lower.module import AttnModule

CHECKPOINT, TOKENIZER = "model.safetensors", "tokenizer.json"


def inspect(
    source: Any,
    inputs: Mapping[str, Any] | str | Path | Sequence[str | Path] = (),
    block: str | None = None,
    *,
    text: str | Sequence[str] = (),
    tokenizer: str | Path | None = None,
    bind: Mapping[str, Any] | None = None,
    weights: Any = None,
    names: Any = None,
    ignore: Sequence[str] = (),
    importance: str | None = "norm",
    sinks: float = 3.0,
    samples: int = 8,
    normalise: str = "none",
    flow: str | None = None,
    **sizes: Any,
) -> Inspection:
    """What a module attends to, on samples: maps, entropies, distances, sinks, likeness and importance of heads, rollout, flow, gates.

    `source` is a compiled module, or a program as for `compile`, compiled with `bind` and `sizes` and filled with `weights` (`names`,
    `ignore`: see `load_weights`; a folder stands for the model.safetensors in it). `inputs` are tensors by name, or files: .safetensors and
    .npz of tensors by name, .txt with a text in each line, an image; `NAME=FILE` says for which input an image is. `text` goes through the
    `tokenizer`, a file of the package tokenizers: its pieces become the first whole-number input, true the truth values beside it. An
    image gets the size the program was bound to, its colours from 0 to 1, `normalise`d (none, half, imagenet).

    Each of the first `samples` entries of the batch is looked at by itself. A token that is read `sinks` times as much as its even share
    is a sink. `flow` names the tokens to which flow is shown, positions or words with commas between them, `all` or `none`; without it all,
    where that takes seconds. `importance` of heads is that of `importances` (norm, gradient, None), and needs a program with weights.

    The result shows itself in notebooks, `save(path)` writes .html or .json, `report` has every number. Raises AttnError: E0608 for inputs
    that cannot be read or do not fit, E0609 where there is nothing to look at, and those of `compile` and `load_weights`.
    """
    from .compiler.inspect.inspecting import inspect_module
    from .compiler.inspect.report import Inspection
    from .compiler.lower.module import AttnModule

    checkpoint, known = _checkpoint(weights, tokenizer)
    module = source if isinstance(source, AttnModule) else _compiled(source, block, {**(bind or {}), **sizes}, checkpoint, names, ignore)
    found = _samples(module, inputs, [text] if isinstance(text, str) else list(text), known, normalise, samples)
    notes: list[str] = []
    numbers: Mapping[str, Sequence[float]] = {}
    if importance is not None and not isinstance(source, AttnModule) and checkpoint is not None:
        options = {"weights": checkpoint, "names": names, "ignore": ignore, "bind": {**(bind or {}), **sizes}}
        numbers = _importances(load(source, block), module, found, importance, options, notes)
    said = f"By {importance}, a vector of length 1 for each attention."
    if checkpoint is None and not isinstance(source, AttnModule) and module.state_dict():
        notes.append("there is no checkpoint: the weights are the first ones, which are random")
    return Inspection(inspect_module(module, found, numbers, said, sinks, notes, flow))


def _checkpoint(weights: Any, tokenizer: str | Path | None) -> tuple[Any, Path | None]:
    """The checkpoint and the tokenizer; a folder has both."""
    known = None if tokenizer is None else Path(tokenizer)
    if not isinstance(weights, str | Path) or not Path(weights).is_dir():
        return weights, known
    beside = Path(weights) / TOKENIZER
    return Path(weights) / CHECKPOINT, known or (beside if beside.is_file() else None)


def _compiled(source: Any, block: str | None, bind: Mapping[str, Any], weights: Any, names: Any, ignore: Sequence[str]) -> AttnModule:
    from .compiler.lower.compiling import compile_program

    return compile_program(load(source, block), bind, (), weights=weights, names=names, ignore=ignore)


def _samples(module: AttnModule, inputs: Any, texts: Sequence[str], tokenizer: Path | None, normalise: str, most: int) -> list[Sample]:
    from .compiler.inspect.samples import from_tensors, read_samples

    if isinstance(inputs, Mapping):
        return from_tensors(module.attn_graph, cast("Mapping[str, Any]", inputs), most)
    files = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    return read_samples(module.attn_graph, list(map(str, files)), texts, tokenizer, normalise, most)


def _importances(
    program: Any, module: AttnModule, samples: Sequence[Sample], importance: str, options: Mapping[str, Any], notes: list[str]
) -> dict[str, Sequence[float]]:
    """Importances of heads by place, along every axis that heads stand on; where one cannot be had, a note says why."""
    from .compiler.inspect.sites import sites_of
    from .compiler.lower.pruning import importances

    axes = dict.fromkeys(site.heads[0] for site in sites_of(module.attn_graph) if len(site.heads) == 1)
    data = [sample.inputs for sample in samples] if importance == "gradient" else None
    found: dict[str, Sequence[float]] = {}
    for axis in axes:
        try:
            found.update(importances(program, axis, importance=importance, data=data, **options))
        except AttnError as error:
            notes.append(f"importance along `{axis}` is left out: {error.diagnostics[0].title}")
    return found
