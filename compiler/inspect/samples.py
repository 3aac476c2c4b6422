"""What a module is looked at with: tensors, texts or images, cut into samples with labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from ..graph import Graph, Node
from ..probe.weights import batch_axis
from ..types import STAR

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
LONGEST = 512
"""Word pieces of a text, where the tokenizer's file says nothing."""
NORMALISE = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Means and standard deviations that are taken out of the colours, which are from 0 to 1."""


@dataclass(frozen=True)
class Sample:
    """One sample: the tensors of a call, a batch of one. `tokens` are labels; `image` [3, H, W] is a picture of it, from 0 to 1."""

    name: str
    inputs: Mapping[str, Tensor]
    tokens: tuple[str, ...] = ()
    image: Tensor | None = None


def refused(title: str, help: str = "") -> AttnError:
    return AttnError([Diagnostic("E0608", title, NOWHERE, help=help)])


def inputs_of(graph: Graph, kind: str = "") -> list[Node]:
    """The inputs of a graph in their order; of one kind of number if one is named."""
    return [node for node in graph.inputs if not kind or node.dtype == kind]


def required(graph: Graph) -> list[str]:
    return [node["name"] for node in graph.inputs if not node.options.get("optional", False)]


# ---------------------------------------------------------------- tensors


def from_tensors(graph: Graph, tensors: Mapping[str, Tensor], most: int) -> list[Sample]:
    """Samples of tensors by name, cut along the axis of the batch, unless its size is bound: then the first is looked at.

    Raises AttnError (E0608) for a name that is no input, or is missing."""
    known = {node["name"]: node for node in graph.inputs}
    strange = [name for name in tensors if name not in known]
    missing = [name for name in required(graph) if name not in tensors]
    if strange or missing:
        what = f"there is no input `{strange[0]}`" if strange else f"the input `{missing[0]}` is missing"
        raise refused(f"{what} of block `{graph.name}`", f"its inputs: {', '.join(known)}")
    batch = batch_axis(graph)
    fixed = any(axis.name == batch and axis.size.integer() is not None for node in graph.inputs for axis in node.axes)
    counts = [] if fixed else [len(x) for name, x in tensors.items() if _is_batched(known[name], x, batch)]
    if not counts:
        return [Sample("sample 1", dict(tensors))]
    return [
        Sample(f"sample {i + 1}", {name: _entry(known[name], x, batch, i) for name, x in tensors.items()})
        for i in range(min(max(counts), most))
    ]


def _is_batched(node: Node, x: Tensor, batch: str | None) -> bool:
    order = node["order"]
    return batch is not None and bool(order) and order[0] == batch and x.dim() >= len(order)


def _entry(node: Node, x: Tensor, batch: str | None, place: int) -> Tensor:
    return x[place : place + 1] if _is_batched(node, x, batch) and len(x) > 1 else x


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a .safetensors or .npz file; pickled arrays are not read."""
    if path.suffix == ".safetensors":
        from ..lower.checkpoint import read_file

        return dict(read_file(path))
    try:
        import numpy
    except ImportError:
        raise refused(f"`{path}` needs a package to be read", "python -m pip install numpy, or write safetensors") from None
    try:
        with numpy.load(path, allow_pickle=False) as file:
            return {name: cast(Any, torch).from_numpy(file[name]) for name in file.files}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise refused(f"`{path}` cannot be read as .npz: {error}") from None


# ---------------------------------------------------------------- texts


def from_texts(graph: Graph, texts: Sequence[str], tokenizer: Path | None, most: int) -> list[Sample]:
    """Samples of texts: the first whole-number input of several gets the word pieces, others of its axes zeros, truth values all true."""
    ids = next((node for node in inputs_of(graph, "int") if node["order"]), None)
    if ids is None:
        raise refused(f"block `{graph.name}` has no input for a text", "a text becomes whole numbers: ids: int [B, N]")
    if tokenizer is None:
        raise refused("a text needs a tokenizer", "name its file: --tokenizer tokenizer.json")
    encoder = _tokenizer(tokenizer)
    return [_text_sample(graph, ids, text, encoder.encode(text)) for text in list(texts)[:most]]


def _tokenizer(path: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise refused("the tokenizer needs a package", "python -m pip install tokenizers") from None
    if not path.is_file():
        raise refused(f"there is no file `{path}`", "a tokenizer is one JSON file, as the package `tokenizers` writes it")
    try:
        encoder: Any = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  # tokenizers has no narrower class
        raise refused(f"`{path}` cannot be read as a tokenizer: {error}") from None
    encoder.no_padding()
    if encoder.truncation is None:
        encoder.enable_truncation(LONGEST)
    return encoder


def _text_sample(graph: Graph, ids: Node, text: str, encoded: Any) -> Sample:
    pieces = torch.tensor(encoded.ids)
    inputs: dict[str, Tensor] = {}
    for node in graph.inputs:
        if node is ids:
            inputs[node["name"]] = _shaped(pieces, node)
        elif node["order"] == ids["order"] and node.dtype in ("int", "bool") and not node.options.get("absent", False):
            like = torch.ones_like(pieces, dtype=torch.bool) if node.dtype == "bool" else torch.zeros_like(pieces)
            inputs[node["name"]] = _shaped(like, node)
    _need_all(graph, inputs, "a text")
    name = text if len(text) <= 60 else text[:57] + "..."
    return Sample(name, inputs, tuple(encoded.tokens))


def _shaped(x: Tensor, node: Node) -> Tensor:
    """With a dimension of 1 for each axis before the last."""
    return x.reshape(*(1 for _ in node["order"][:-1]), -1)


def _need_all(graph: Graph, inputs: Mapping[str, Tensor], what: str) -> None:
    missing = [name for name in required(graph) if name not in inputs]
    if missing:
        raise refused(f"{what} says nothing of the input `{missing[0]}`", "give tensors: --input inputs.safetensors")


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty, one text each."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise refused(f"cannot read `{path}`: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}") from None
    texts = [line for line in lines if line]
    if not texts:
        raise refused(f"`{path}` has no text")
    return texts


# ---------------------------------------------------------------- images


def from_image(graph: Graph, path: Path, name: str | None, normalise: str) -> Sample:
    """A sample of one image, for the named input or the only one with a channel axis and two more; sized as the program was bound."""
    node = _image_input(graph, name)
    channel, height, width = _image_axes(node)
    size = [node.tensor.size(axis).integer() for axis in (height, width)]
    picture = _read_image(path, (size[0], size[1]))
    mean, deviation = (torch.tensor(part).reshape(3, 1, 1) for part in NORMALISE[normalise])
    x = (picture - mean) / deviation
    x = x if node.tensor.size(channel).integer() != 1 else x.mean(0, keepdim=True)
    order = [axis for axis in node["order"] if axis in (channel, height, width)]
    x = x.permute(*((channel, height, width).index(axis) for axis in order))
    inputs = {node["name"]: x.reshape(*(1 for _ in range(len(node["order"]) - 3)), *x.shape)}
    _need_all(graph, inputs, "an image")
    return Sample(path.name, inputs, (), picture)


def _image_input(graph: Graph, name: str | None) -> Node:
    fitting = [node for node in inputs_of(graph, "float") if len([axis for axis in node["order"] if axis != STAR]) >= 3]
    found = [node for node in fitting if name is None or node["name"] == name]
    if not found:
        raise refused(f"block `{graph.name}` has no input for an image" + (f" called `{name}`" if name else ""), "one has [B, C, H, W]")
    return found[0]


def _image_axes(node: Node) -> tuple[str, str, str]:
    """The axes of colours, height and width: colours are 1 or 3, the others stand in their order."""
    axes = [axis for axis in node["order"] if axis != STAR][-3:]
    channel = next((axis for axis in axes if node.tensor.size(axis).integer() in (1, 3)), axes[0])
    height, width = (axis for axis in axes if axis != channel)
    return channel, height, width


def _read_image(path: Path, size: tuple[int | None, int | None]) -> Tensor:
    """[3, H, W] from 0 to 1, at this size where it is known."""
    try:
        from PIL import Image
    except ImportError:
        raise refused(f"`{path}` needs a package to be read", "python -m pip install pillow") from None
    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
            if size[0] is not None and size[1] is not None:
                image = image.resize((size[1], size[0]), Image.Resampling.BICUBIC)
            data = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
            return data.reshape(image.height, image.width, 3).permute(2, 0, 1).float() / 255
    except (OSError, ValueError, SyntaxError) as error:
        raise refused(f"`{path}` cannot be read as an image: {getattr(error, 'strerror', None) or error}") from None


# ---------------------------------------------------------------- all of them


def read_samples(
    graph: Graph, given: Sequence[str], texts: Sequence[str], tokenizer: Path | None, normalise: str = "none", most: int = 8
) -> list[Sample]:
    """The samples of a command line: `FILE` or `NAME=FILE` by their endings, and texts. Raises AttnError (E0608, E0701)."""
    samples: list[Sample] = []
    tensors: dict[str, Tensor] = {}
    lines = list(texts)
    for one in given:
        name, path = _split(one)
        kind = path.suffix.lower()
        if kind in IMAGES:
            samples.append(from_image(graph, path, name, normalise))
        elif kind == ".txt":
            lines += read_lines(path)
        elif kind in (".safetensors", ".npz"):
            tensors.update(read_tensors(path))
        else:
            raise refused(f"`{path}` is of no kind that is known", f".safetensors, .npz, .txt, or an image ({', '.join(IMAGES)})")
    samples += from_texts(graph, lines, tokenizer, most) if lines else []
    samples += from_tensors(graph, tensors, most) if tensors else []
    if not samples:
        raise refused("there is nothing to look at the module with", "give --input FILE or --text TEXT")
    return samples[:most]


def _split(one: str) -> tuple[str | None, Path]:
    name, equals, path = one.partition("=")
    return (name, Path(path)) if equals and name.isidentifier() else (None, Path(one))
