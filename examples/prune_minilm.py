"""How many of MiniLM's heads are needed: importances of all heads from real sentences, and smaller programs that run by themselves.

    python examples/prune_minilm.py [--model FOLDER] [--sentences FILE] [--keep N ...] [--importance norm|gradient] [--folder FOLDER]

Prints how important each head is, and how near the embeddings of each smaller encoder are to those of the whole one. The last one is
written: a program, and weights under the program's names. Exit codes: 0 all is well, 1 something does not fit, 2 the call is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import minilm
import torch
from torch import Tensor

import attn

KEEP = (72, 60, 48, 36, 24)


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        run(minilm.model_folder(options.model), options.sentences, options.keep, options.importance, options.folder)
    except minilm.CallError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except attn.AttnError as error:
        print(str(error).strip(), file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Smaller encoders without the least important heads, and how near they stay to the whole.")
    made.add_argument("--model", type=Path, metavar="FOLDER", help=f"where {' and '.join(minilm.NEEDED)} are")
    made.add_argument("--sentences", type=Path, metavar="FILE", default=minilm.HERE / "sentences.txt", help="one sentence a line")
    made.add_argument("--keep", type=int, nargs="+", metavar="N", default=KEEP, help="how many of the 72 heads stay")
    made.add_argument("--importance", choices=("norm", "gradient"), default="gradient", help="of the weights, or of what the heads do")
    made.add_argument("--folder", type=Path, default=Path("build"), help="where the last one is written")
    return made


def run(model: Path, sentences: Path, keep: Sequence[int], importance: str, folder: Path) -> None:
    checkpoint = model / "model.safetensors"
    ids, known = minilm.tokenize(model, minilm.read_sentences(sentences))
    data = {"ids": ids, "keep": known}
    numbers = measured(checkpoint, importance, data)
    print(f"{importance} importances of the heads of each layer\n{table(numbers)}\n")

    whole = embed(minilm.load(model), data)
    print("heads  of each layer            parameters  operations  cosine  worst")
    pruned = None
    for count in keep:
        pruned = attn.prune(
            minilm.PROGRAM, axis="h", weights=checkpoint, keep=count, importance=numbers, normalise=None, names=minilm.NAMES,
            ignore=minilm.IGNORE,
        )  # fmt: skip
        print(line(count, pruned, (embed(compiled(pruned), data) * whole).sum(1)))
    if pruned is not None:
        write(pruned, folder)


def measured(checkpoint: Path, importance: str, data: Mapping[str, Tensor]) -> dict[str, tuple[float, ...]]:
    """Numbers for the 12 heads of each of the 6 layers; those of a layer have length 1 as a vector."""
    return attn.importances(
        minilm.PROGRAM, axis="h", weights=checkpoint, importance=importance, data=data, names=minilm.NAMES, ignore=minilm.IGNORE
    )


def compiled(pruned: Any) -> torch.nn.Module:
    """The smaller program with its weights. It needs nothing of the old one."""
    module = attn.compile(attn.text(pruned.text))
    attn.load_weights(module, pruned.weights)
    return module.eval()


def embed(module: torch.nn.Module, data: Mapping[str, Tensor]) -> Tensor:
    """Vectors [B, D] of length 1."""
    with torch.inference_mode():
        vectors: Tensor = module(**data)
    return vectors


def write(pruned: Any, folder: Path) -> None:
    program, weights = folder / "small_minilm.attn", folder / "small_minilm.safetensors"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pruned.save(program, weights)
    except OSError as error:
        raise minilm.CallError(f"cannot write {error.filename or program}: {error.strerror}") from None
    print(f"\nthe last one is in {program} and {weights}")


# ---------------------------------------------------------------- texts


def table(numbers: Mapping[str, Sequence[float]]) -> str:
    return "\n".join(f"  {name.split('.')[1]}  {' '.join(f'{value:.2f}' for value in row)}" for name, row in numbers.items())


def line(count: int, pruned: Any, cosines: Tensor) -> str:
    heads = " ".join(f"{len(positions):2}" for positions in pruned.kept.values())
    before, after = pruned.operations
    share = f"{after / before:.1%}"
    return f"{count:>5}  {heads:<23}  {pruned.parameters[1]:>10,}  {share:>10}  {cosines.mean():6.3f}  {cosines.min():5.3f}"


if __name__ == "__main__":
    sys.exit(main())
