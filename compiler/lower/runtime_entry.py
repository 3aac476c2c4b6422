"""The checks at the entry of a compiled module. Each fact about the inputs is looked at once, before anything is computed.

An input is described by `(name, axes, sizes, kind, place)`: its axes in declared order, for each a number it must have, the name of a
size it shares with others, or None; and where it is declared.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .errors import InputError
from .runtime_prepared import is_traced


def check_inputs(
    inputs: Sequence[Any],
    weight: Tensor | None,
    specs: Sequence[tuple[str, Sequence[str], Sequence[Any], str, Any]],
    half: torch.dtype | None = None,
) -> None:
    """Raise InputError where an input has a wrong kind, rank, size or device. `weight` is a float weight of the module, if it has one;
    `half` the dtype that is worked in, if that is another."""
    known: dict[str, tuple[int, str]] = {}
    for x, spec in zip(inputs, specs, strict=True):
        check_kind(x, *spec)
        check_rank(x, *spec)
        check_sizes(x, known, *spec)
    check_leading(inputs, specs)
    check_alike(inputs, weight, specs, half)


def remembering(check: Callable[..., None]) -> Callable[..., None]:
    """The check of inputs, left out where they are like those of the call before: shapes, kinds of number and devices tell all of it.

    What is no plain tensor is always looked at, and so is everything under automatic mixed precision, which allows more.
    """
    last: list[Any] = [None]

    @functools.wraps(check)
    def call(inputs: Sequence[Any], weight: Tensor | None) -> None:
        if is_traced() or torch._C._is_any_autocast_enabled():  # pyright: ignore[reportPrivateUsage]
            check(inputs, weight)
            return
        now = [(x.shape, x.dtype, x.device) if type(x) is Tensor else None for x in inputs]
        if weight is not None:
            now.append((weight.shape, weight.dtype, weight.device))
        if now != last[0]:
            check(inputs, weight)
            last[0] = None if None in now else now

    return call


def check_absent(x: Any, name: str, place: Any) -> None:
    """An optional input that the module was made without is not given."""
    if x is not None:
        help = "compile the program again for the inputs it will get"
        raise InputError("E0605", f"this was made without `{name}`", place, "declared here", help)


def written(axes: Sequence[str], sizes: Sequence[Any]) -> str:
    """`[*, C=64, N]`."""
    return "[" + ", ".join(f"{axis}={size}" if isinstance(size, int) else axis for axis, size in zip(axes, sizes, strict=True)) + "]"


def check_kind(x: Any, name: str, axes: Sequence[str], sizes: Sequence[Any], kind: str, place: Any) -> None:
    """A tensor of float, int, bool or complex numbers, as declared."""
    if not isinstance(x, Tensor):
        raise InputError("E0603", f"`{name}` must be a tensor, not {type(x).__name__}", place, "declared here")
    actual = "float" if x.is_floating_point() else "complex" if x.is_complex() else "bool" if x.dtype == torch.bool else "int"
    if actual != ("float" if kind == "wide" else kind):
        fix = {"float": "float()", "wide": "float()", "int": "long()", "bool": "bool()", "complex": "to(torch.complex64)"}[kind]
        raise InputError("E0603", f"`{name}` holds {x.dtype}, and {kind} is expected", place, "declared here", f"convert it: {name}.{fix}")


def check_rank(x: Tensor, name: str, axes: Sequence[str], sizes: Sequence[Any], kind: str, place: Any) -> None:
    """As many dimensions as axes, or at least as many as there are beside `*`."""
    least = len(axes) - ("*" in axes)
    if x.dim() == least or (x.dim() > least and "*" in axes):
        return
    wanted = f"at least {least}" if "*" in axes else f"{least}"
    title = f"`{name}` has {x.dim()} dimensions, and {written(axes, sizes)} needs {wanted}"
    raise InputError("E0602", title, place, "declared here", f"its shape is {list(x.shape)}")


def check_sizes(
    x: Tensor, known: dict[str, tuple[int, str]], name: str, axes: Sequence[str], sizes: Sequence[Any], kind: str, place: Any
) -> None:
    """Bound axes have their size; an axis that several inputs have is as long in each. `known` gathers those seen so far."""
    for i, (axis, size) in enumerate(zip(axes, sizes, strict=True)):
        if axis == "*" or size is None:
            continue
        actual = x.shape[i - len(axes) if "*" in axes[:i] else i]
        if isinstance(size, int):
            if actual != size:
                title = f"`{name}` has size {actual} along `{axis}`, and the module was compiled for {axis}={size}"
                raise InputError("E0601", title, place, "declared here", f"its shape is {list(x.shape)}, declared {written(axes, sizes)}")
            continue
        first, where = known.setdefault(size, (actual, f"`{name}`"))
        if actual != first:
            title = f"axis `{axis}` has size {actual} in `{name}` and {first} in {where}"
            help = f"the shape of `{name}` is {list(x.shape)}, declared {written(axes, sizes)}"
            raise InputError("E0601", title, place, "these two disagree", help)


def check_leading(inputs: Sequence[Tensor], specs: Sequence[tuple[str, Sequence[str], Sequence[Any], str, Any]]) -> None:
    """The dimensions that `*` stands for broadcast together."""
    longest: list[tuple[int, str]] = []
    for x, (name, axes, _, _, place) in zip(inputs, specs, strict=True):
        if "*" not in axes:
            continue
        before = list(axes).index("*")
        own = list(x.shape[before : x.dim() - (len(axes) - before - 1)])
        for i in range(1, len(own) + 1):
            if i > len(longest):
                longest.append((own[-i], name))
            elif longest[i - 1][0] == 1:
                longest[i - 1] = (own[-i], name)
            elif own[-i] != 1 and own[-i] != longest[i - 1][0]:
                size, other = longest[i - 1]
                title = f"the dimensions `*` of `{name}` and `{other}` do not broadcast: {own[-i]} and {size}"
                raise InputError("E0601", title, place, "these two disagree", f"`*` is {own} in `{name}`")


def check_alike(
    inputs: Sequence[Tensor],
    weight: Tensor | None,
    specs: Sequence[tuple[str, Sequence[str], Sequence[Any], str, Any]],
    half: torch.dtype | None = None,
) -> None:
    """One device, and one float dtype (which automatic mixed precision sees to where it is on), or `half`."""
    device, dtype, owner, typist = None, None, "", ""
    if weight is not None:
        device, dtype, owner, typist = weight.device, weight.dtype, "the module's weights", "the module's weights"
    for x, (name, _, _, kind, place) in zip(inputs, specs, strict=True):
        if device is None:
            device, owner = x.device, f"`{name}`"
        if x.device != device:
            title = f"`{name}` is on {x.device}, and {owner} on {device}"
            raise InputError("E0604", title, place, "declared here", f"move it: {name}.to({str(device)!r})")
        if kind != "float" or x.dtype == half:
            continue
        if dtype is None:
            dtype, typist = x.dtype, f"`{name}`"
        if x.dtype != dtype and not torch.is_autocast_enabled(x.device.type):
            title = f"`{name}` holds {x.dtype}, and {typist} {dtype}"
            raise InputError("E0603", title, place, "declared here", f"convert one of them: {name}.to({dtype})")


def check_size(actual: int, expected: int, name: str, axis: str, text: str, place: Any) -> None:
    """An axis whose declared size is an expression has that size."""
    if actual != expected:
        title = f"`{name}` has size {actual} along `{axis}`, which is not {text}"
        raise InputError("E0601", title, place, "declared here", f"{text} gives {expected}")


def check_fact(kind: str, left: int, right: int, scale: int, reason: str, text: str, place: Any) -> None:
    """A guard on sizes: `equal` and `at_least` compare left with right, `divides` wants right / left whole.

    Both numbers carry the common factor `scale`, so that they are whole; `text` has places for them.
    """
    if kind == "equal":
        holds = left == right
    elif kind == "at_least":
        holds = left >= right
    else:
        holds = left != 0 and right % left == 0
    if not holds:
        shown = [f"{size // scale}" if size % scale == 0 else f"{size}/{scale}" for size in (left, right)]
        raise InputError("E0605", f"{reason}: {text.format(*shown)}", place, "these sizes do not fit")
