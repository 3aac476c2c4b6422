"""A forward that torch.compile makes kernels of, and whether it can here."""

from __future__ import annotations

import functools
import importlib.util
import warnings
from collections.abc import Callable
from typing import Any, cast

import torch

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.render import render_all
from ...dsl.source import NOWHERE
from ..backends.rule import Choice, chosen_backend
from ..backends.target import Device, Half, Target, Wanted
from ..graph import Graph
from ..passes.base import Mode
from ..passes.choosing import chosen_optimiser
from ..passes.memory_limit import MemoryLimit
from ..passes.pipeline import Optimised
from .handed import Handed


def compiled(straight: Callable[..., Any], outside: Handed | None = None) -> Callable[..., Any]:
    """The same forward, compiled at its first call and again where sizes, devices or modes ask for it. What is prepared is made `outside`,
    unless it takes part in gradients.

    It is the generated function that is compiled, and not the module's call, of which PyTorch would keep eight for all modules together.
    """
    whole = _kernels(straight)
    rest = whole if outside is None else _kernels(outside.run)

    @functools.wraps(straight)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return straight(self, *args, **kwargs)  # inside another torch.compile, or an export, the text is a part of theirs
        if outside is None or outside.has_gradients(self):
            return whole(self, *args, **kwargs)
        return rest(self, outside.values(self), *args, **kwargs)

    return forward


def _kernels(text: Callable[..., Any]) -> Callable[..., Any]:
    """What torch.compile makes of a text: for open sizes where these change, for fixed ones where it fails at that."""
    from torch._dynamo.exc import BackendCompilerFailed

    ways = [cast(Any, torch).compile(text), cast(Any, torch).compile(text, dynamic=False)]

    def run(*args: Any, **kwargs: Any) -> Any:
        if len(ways) > 1:
            try:
                return ways[0](*args, **kwargs)
            except BackendCompilerFailed:  # inductor has mistakes where sizes are open: from now on they are fixed
                del ways[0]
        return ways[0](*args, **kwargs)

    return run


def optimiser_for(
    graph: Graph,
    wanted: Wanted,
    level: int,
    mode: Mode,
    half: Half | None = None,
    limit: MemoryLimit | None = None,
    device: Device = "cpu",
) -> Callable[[Graph], Optimised]:
    """The optimiser of a level and mode, for the backend that is asked for or that pays; eager under a memory limit. Raises AttnError, as
    `usable_backend` does."""
    plain = chosen_optimiser(level, mode, target=Target("eager", device, half), limit=limit)
    if wanted == "eager" or (wanted == "auto" and limit is not None and limit.limit is not None):
        return plain
    choice = usable_backend(wanted, plain(graph).graph, device)
    return chosen_optimiser(level, mode, target=Target(choice.backend, device, half, choice.kernels))


def usable_device(device: Any) -> Device:
    """The kind of device that the text is written for. Raises AttnError (E0610) for CUDA where there is none."""
    if device is None or torch.device(device).type != "cuda":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    raise AttnError([Diagnostic("E0610", "PyTorch finds no CUDA device here", NOWHERE, help="leave out device='cuda'")])


def usable_backend(wanted: Wanted, graph: Graph, device: Device = "cpu") -> Choice:
    """The backend for an optimised graph. Raises AttnError (E0610) where inductor is asked for and cannot work; `auto` warns
    then, and is eager."""
    choice = chosen_backend(wanted, graph)
    if choice.backend == "eager" and not choice.kernels:
        return choice
    missing = missing_compiler() if device == "cpu" else missing_triton()
    if missing is None:
        return choice
    if wanted == "inductor":
        raise AttnError([missing])
    warnings.warn(render_all([Diagnostic("W0805", missing.title, NOWHERE, help=missing.help)], color=False), stacklevel=4)
    return Choice("eager", f"{missing.title}; without that: {choice.text}")


def missing_triton() -> Diagnostic | None:
    """What keeps inductor from making kernels for a GPU."""
    if importlib.util.find_spec("triton") is not None:
        return None
    return Diagnostic("E0610", "inductor needs the package triton for a GPU, and it is not there", NOWHERE, help="pip install triton")


def missing_compiler() -> Diagnostic | None:
    """What keeps inductor from making kernels for the CPU."""
    from torch._inductor import cpp_builder, exc

    try:
        cpp_builder.get_cpp_compiler()
    except exc.InvalidCxxCompiler:
        help = "install g++ or clang++, or name one in the variable CXX; backend='eager' needs none"
        return Diagnostic("E0610", "inductor needs a C++ compiler, and there is none", NOWHERE, help=help)
    return None
