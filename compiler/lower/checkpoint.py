"""Weights from and to safetensors files, and from checkpoints whose names are another project's. Pickled files are never read."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ...dsl.diagnostics import AttnError, Diagnostic
from ..graph import Weight
from .module import AttnModule
from .weights import recut, same_cut, stored

Target = str | Sequence[str] | None
"""Our name, several of ours (the tensor is cut along its first dimension), or None (ignored)."""

Names = Mapping[str, Target] | Sequence[tuple[str, Target]] | Callable[[str], Target]
"""From foreign names to ours: exact names or patterns with `{i}` placeholders, or a function of the foreign name."""


def load_weights(
    module: AttnModule, source: str | os.PathLike[str] | Mapping[str, Tensor], names: Names | None = None, ignore: Sequence[str] = ()
) -> None:
    """Fill a module from a safetensors file, or from tensors by name.

    `names` maps foreign names to the module's. Keys are names or patterns: `{i}` stands for one part between dots, or for a part of it,
    and comes back in the target, as in `"encoder.layer.{i}.attention.self.query.weight": "layers.{i}.attention.q.weight"`. A list as
    target cuts the tensor along its first dimension: `"attn.qkv.weight": ["q.weight", "k.weight", "v.weight"]`. A target of None, and any
    name that matches `ignore` (names or patterns), is left out. Names that nothing maps are taken as they are. Tensors may be cut
    differently (sizes of 1, merged or split neighbours), and are converted to the module's dtype and device.

    Nothing is written unless everything fits: one AttnError (E0701) lists every missing, unexpected and misshapen name.
    """
    _planned(module, source, names, ignore).write()


def fitting(
    module: AttnModule, source: str | os.PathLike[str] | Mapping[str, Tensor], names: Names | None = None, ignore: Sequence[str] = ()
) -> dict[str, Tensor]:
    """The tensors of a checkpoint under the module's names and in its shapes, in their own dtypes, where all of them fit."""
    plan = _planned(module, source, names, ignore)
    plan.require()
    return {name: recut(plan.found[name], slot) for name, slot in plan.slots.items()}


def _planned(
    module: AttnModule, source: str | os.PathLike[str] | Mapping[str, Tensor], names: Names | None, ignore: Sequence[str]
) -> _Plan:
    tensors = source if isinstance(source, Mapping) else read_file(Path(source))
    plan = _Plan(module)
    for name, tensor in tensors.items():
        if not any(match(pattern, name) is not None for pattern in ignore):
            plan.place(name, tensor, translate(name, names))
    return plan


def save_weights(module: AttnModule, path: str | os.PathLike[str]) -> None:
    """Write the state dict as safetensors, whole or not at all: to a file beside it first, which then takes its place."""
    from safetensors.torch import save

    data = save({name: tensor.detach().contiguous() for name, tensor in module.state_dict().items()})
    target = Path(path)
    handle, name = tempfile.mkstemp(prefix=target.name, suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def read_file(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU. AttnError for any other kind of file: pickles are not opened."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

    if path.suffix != ".safetensors":
        title = f"{path.name} is not a .safetensors file"
        raise AttnError([_failure(title, help="loading a pickled checkpoint runs code in it: convert it with safetensors first")])
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise AttnError([_failure(f"{path.name} cannot be read: {error}")]) from None


def _failure(title: str, notes: Sequence[str] = (), help: str = "", weight: Weight | None = None) -> Diagnostic:
    from ...dsl.source import NOWHERE

    return Diagnostic("E0701", title, weight.span if weight is not None else NOWHERE, notes=tuple(notes), help=help)


# ------------------------------------------------ names


def match(pattern: str, name: str) -> dict[str, str] | None:
    """The values of the placeholders, where the pattern fits the whole name. A placeholder written twice must be the same."""
    pieces = re.split(r"\{(\w+)\}", pattern)
    seen: set[str] = set()
    text = ""
    for i, piece in enumerate(pieces):
        if i % 2 == 0:
            text += re.escape(piece)
        else:
            text += f"(?P=_{piece})" if piece in seen else f"(?P<_{piece}>[^.]+?)"
            seen.add(piece)
    found = re.fullmatch(text, name)
    return None if found is None else {key[1:]: value for key, value in found.groupdict().items()}


def fill_in(target: str, values: Mapping[str, str]) -> str:
    """The target with the placeholders' values; others stay as they are written."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), target)


def translate(name: str, names: Names | None) -> tuple[str, ...]:
    """Our names for a foreign one; none where it is to be left out. An exact name goes before the patterns, which go in order."""
    if names is None:
        return (name,)
    if callable(names):
        return _as_names(names(name), {})
    pairs = list(names.items()) if isinstance(names, Mapping) else list(names)
    for pattern, target in pairs:
        if pattern == name:
            return _as_names(target, {})
    for pattern, target in pairs:
        values = match(pattern, name)
        if values is not None:
            return _as_names(target, values)
    return (name,)


def _as_names(target: Target, values: Mapping[str, str]) -> tuple[str, ...]:
    if target is None:
        return ()
    return tuple(fill_in(part, values) for part in ([target] if isinstance(target, str) else target))


# ------------------------------------------------ placing


@dataclass
class _Plan:
    """What will be written, and what does not fit."""

    module: AttnModule
    found: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    unexpected: list[str] = field(default_factory=list[str])
    misshapen: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.slots = {weight.path: stored(self.module, weight.path) for weight in self.module.attn_graph.weights if weight.kind != "const"}

    def place(self, foreign: str, tensor: Tensor, ours: tuple[str, ...]) -> None:
        """One tensor of the checkpoint, to one name or cut for several."""
        unknown = [name for name in ours if name not in self.slots]
        if unknown:
            self.unexpected.extend(foreign if name == foreign else f"{foreign} (as {name})" for name in unknown)
            return
        for name, piece in zip(ours, self._pieces(foreign, tensor, ours), strict=False):
            if name in self.found:
                self.unexpected.append(f"{foreign} ({name} is given twice)")
            elif not same_cut(piece.shape, self.slots[name].shape):
                here, there = list(self.slots[name].shape), list(piece.shape)
                self.misshapen.append(f"{name}: {here} here, {there} in the checkpoint" + _as(foreign, name))
            self.found[name] = piece

    def _pieces(self, foreign: str, tensor: Tensor, ours: tuple[str, ...]) -> Sequence[Tensor]:
        """Cut along the first dimension, each piece as long as its target needs."""
        if len(ours) < 2:
            return (tensor,)
        row = tensor[0].numel() if tensor.dim() and len(tensor) else 0
        lengths = [self.slots[name].numel() // row if row else 0 for name in ours]
        if not row or sum(lengths) != len(tensor) or any(self.slots[name].numel() % row for name in ours):
            shapes = ", ".join(f"{name} {list(self.slots[name].shape)}" for name in ours)
            self.misshapen.append(f"{foreign}: {list(tensor.shape)} cannot be cut into {shapes}")
            self.found.update({name: self.slots[name] for name in ours})
            return ()
        return torch.split(tensor, lengths)

    def write(self) -> None:
        """Copy everything, or raise with everything that is wrong."""
        self.require()
        with torch.no_grad():
            for name, slot in self.slots.items():
                slot.copy_(recut(self.found[name], slot))

    def require(self) -> None:
        """AttnError with everything that is wrong."""
        missing = [name for name in self.slots if name not in self.found]
        notes = [f"{title}: {name}" for title, names in
                 (("missing", missing), ("unexpected", self.unexpected), ("wrong shape", self.misshapen)) for name in names]  # fmt: skip
        if notes:
            counts = [(len(missing), "missing"), (len(self.unexpected), "unexpected"), (len(self.misshapen), "of the wrong shape")]
            title = "the checkpoint does not fit: " + ", ".join(f"{count} {what}" for count, what in counts if count)
            raise AttnError([_failure(title, notes, "map names with `names=`, and leave out what is not needed with `ignore=`")])


def _as(foreign: str, name: str) -> str:
    return "" if foreign == name else f" (as {foreign})"
