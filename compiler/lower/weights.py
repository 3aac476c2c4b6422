"""The tensors a module owns: made in containers that follow their paths, and found in checkpoints of another cut."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

import torch
from torch import Tensor, nn

from ...dsl.diagnostics import AttnError, Diagnostic
from ..graph import Weight

SEGMENT = re.compile(r"[A-Za-z0-9_'-]+")


def tensor_dtype(kind: str, dtype: torch.dtype) -> torch.dtype:
    """The torch dtype of a kind of number in a module that works in `dtype`."""
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    pairs = torch.complex128 if wide == torch.float64 else torch.complex64
    return {"float": dtype, "wide": wide, "int": torch.int64, "bool": torch.bool, "complex": pairs}[kind]


def stored_shape(weight: Weight) -> tuple[int, ...]:
    """The stored shape in numbers; AttnError where a size is not known when the module is built."""
    shape = [size.integer() for size in weight.shape]
    unknown = [axis for axis in weight.axes if axis.size.integer() is None]
    if unknown:
        axis = unknown[0]
        title = f"the weight `{weight.path}` has an axis `{axis.name}` whose size is not known"
        help = f"bind it when compiling: {', '.join(sorted(axis.size.free()))} = ..."
        raise AttnError([Diagnostic("E0206", title, weight.span, f"its size is {axis.size}", help=help)])
    return tuple(size for size in shape if size is not None)


def make_weights(root: nn.Module, weights: Sequence[Weight], dtype: torch.dtype, device: torch.device | None) -> None:
    """Register every weight under its path, uninitialised: params, buffers (`state`, `buffer`), and unsaved buffers (`const`)."""
    refused: dict[str, Diagnostic] = {}  # one message for a name, however many weights are under it
    folders = _folders(weights)
    for weight in weights:
        problem = _refusal(root, weight, folders)
        if problem is not None:
            refused.setdefault(problem.label or problem.title, problem)
    if refused:
        raise AttnError(list(refused.values()))
    for weight in weights:
        tensor = torch.empty(stored_shape(weight), dtype=tensor_dtype(weight.dtype, dtype), device=device)
        add_weight(root, weight.path, tensor, weight.kind)


def add_weight(root: nn.Module, path: str, tensor: Tensor, kind: str) -> None:
    """Register a tensor under a path, with plain modules on the way: a parameter, or a buffer that is saved unless it is a `const`."""
    *folders, leaf = path.split(".")
    owner = root
    for name in folders:
        if name not in owner._modules:  # pyright: ignore[reportPrivateUsage]
            owner.add_module(name, nn.Module())
        owner = owner.get_submodule(name)
    if kind == "param":
        owner.register_parameter(leaf, nn.Parameter(tensor, requires_grad=tensor.is_floating_point() or tensor.is_complex()))
    else:
        owner.register_buffer(leaf, tensor, persistent=kind != "const")


def stored(root: nn.Module, path: str) -> Tensor:
    """The tensor under a path."""
    owner, _, leaf = path.rpartition(".")
    return root.get_submodule(owner).__getattr__(leaf)  # type: ignore[return-value]


def _folders(weights: Sequence[Weight]) -> dict[str, Weight]:
    """Every folder that a path leads through, and the first weight under it."""
    found: dict[str, Weight] = {}
    for weight in weights:
        path = weight.path
        while "." in path:
            path = path.rpartition(".")[0]
            found.setdefault(path, weight)
    return found


@cache
def _plain_names() -> frozenset[str]:
    """What every module of PyTorch has."""
    return frozenset(dir(nn.Module()))


def _refusal(root: nn.Module, weight: Weight, folders: Mapping[str, Weight]) -> Diagnostic | None:
    """Why a path cannot be one: a segment that modules use themselves, or a weight that stands where a folder must be."""
    help = "give it another name with `as`"
    plain = _plain_names()
    for i, name in enumerate(weight.path.split(".")):
        if not SEGMENT.fullmatch(name):
            return Diagnostic("E0403", f"the weight name {weight.path!r} is not made of letters, digits and `_`", weight.span, help=help)
        taken = hasattr(root, name) if i == 0 else name in plain
        if taken:
            title = f"the weight `{weight.path}` cannot be called so: every PyTorch module has a `{name}` of its own"
            return Diagnostic("E0403", title, weight.span, f"`{name}` is taken", help=f"{help}, for example `as {name}_`")
    inside = folders.get(weight.path)
    if inside is not None:
        title = f"`{weight.path}` is a weight, and `{inside.path}` would be inside it"
        return Diagnostic("E0403", title, weight.span, help=help).also(inside.span, "the other one")
    return None


def cuts(shape: Sequence[int]) -> list[int]:
    """The products of the first 1, 2, ... sizes, those of 1 left out."""
    total, found = 1, list[int]()
    for size in shape:
        if size != 1:
            total *= size
            found.append(total)
    return found


def same_cut(left: Sequence[int], right: Sequence[int]) -> bool:
    """Whether two shapes differ only by sizes of 1 and by merging or splitting neighbours.

    Between two places where both are cut, one of them must be in one piece; so `[6, 4]` and `[4, 6]` are not the same.
    """
    a, b = cuts(left), cuts(right)
    if 0 in left or 0 in right:
        return [size for size in left if size != 1] == [size for size in right if size != 1]
    if (a or [1])[-1] != (b or [1])[-1]:
        return False
    common = sorted(set(a) & set(b))
    low = 1
    for high in common:
        inner_a = [cut for cut in a if low < cut < high]
        inner_b = [cut for cut in b if low < cut < high]
        if inner_a and inner_b:
            return False
        low = high
    return True


def recut(source: Tensor, target: Tensor) -> Tensor:
    """`source` in the shape of `target` where they are the same but for the cut; else unchanged."""
    if source.shape != target.shape and same_cut(source.shape, target.shape):
        return source.reshape(target.shape)
    return source
