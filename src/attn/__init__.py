"""attn: a small language for attention, and its compiler to PyTorch.

`check` and `load` need no torch; `compile` imports it when it is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .compiler.program import BlockProgram, Text, check, load, std, text
from .dsl.diagnostics import AttnError, Diagnostic
from .inspecting import inspect
from .pruning import importances, prune

if TYPE_CHECKING:
    from .compiler.explain import Explanation
    from .compiler.lower.module import AttnModule
    from .compiler.lower.package import Package
    from .compiler.passes.base import Mode
    from .compiler.view.viewer import View

__version__ = "0.1.0"

__all__ = [
    "AttnError", "BlockProgram", "Diagnostic", "Text", "check", "compile", "explain", "importances", "inspect", "load", "load_package",
    "load_weights", "prune", "save_weights", "std", "text", "times", "view",
]  # fmt: skip


def compile(
    source: Any,
    block: str | None = None,
    *,
    bind: dict[str, Any] | None = None,
    inputs: tuple[str, ...] = (),
    dtype: Any = None,
    device: Any = None,
    mode: Mode = "train",
    level: int = 2,
    verify: bool = False,
    backend: str = "eager",
    memory: Any = None,
    weights: Any = None,
    names: Any = None,
    ignore: Sequence[str] = (),
    **sizes: Any,
) -> AttnModule:
    """A PyTorch module from a program.

    `source` is a path, a library module (`std.channel`), `attn.text("block ...")`, or what `attn.load` gives; `block` names the block (the
    only one, or the last, without). Sizes of axes and values of parameters are keywords (`C=64`), or stand in `bind`. `inputs` are the
    optional inputs the module is made for (another set is compiled when it is first called with one). `dtype` is that of the weights, and
    so of the inputs; with `bfloat16` or `float16` weights stay float32, and what is computed is in that; `device="cuda"` writes the text
    for a GPU and puts the module there (docs/backends.md).
    `level` is how much is optimised: 0 nothing, 1 what keeps every bit, 2 all. `mode="infer"` makes a module that always works as after
    `.eval()` and gives its weights no gradients, so that what depends on weights and positions alone is worked out once.

    `weights` (a safetensors file or tensors by name; `names` and `ignore` as for `load_weights`) are loaded. With `mode="infer"` slices
    that they make zero are left out; where weights are changed later, the module notices and runs without that.

    `backend`: `eager` runs call by call; `inductor` makes kernels of the module when it is first called (seconds, with a C++ compiler);
    `auto` takes inductor where an estimate says that it pays, which `explain` tells.

    `memory` ("2GiB", or bytes) is a limit for each attention: one that would hold more for its scores and masks takes its keys in chunks,
    and holds a block of scores at any time, forwards and backwards. Where that depends on a size, the module compares in each run.

    `verify=True` first runs every pass against an independent interpreter, in values and gradients, on small inputs of many kinds.

    Raises AttnError with every mistake found, and one that names the pass (E0901) where verifying finds that the optimiser is wrong.
    """
    from .compiler.lower.compiling import compile_program

    program, fixed = load(source, block), {**(bind or {}), **sizes}
    chosen: dict[str, Any] = {"dtype": dtype, "device": device, "mode": mode, "level": level, "backend": backend, "memory": memory}
    return compile_program(program, fixed, inputs, **chosen, verify=verify, weights=weights, names=names, ignore=ignore)


def explain(
    source: Any,
    block: str | None = None,
    *,
    bind: dict[str, Any] | None = None,
    inputs: tuple[str, ...] = (),
    mode: Mode = "train",
    level: int = 2,
    backend: str = "eager",
    dtype: Any = None,
    memory: Any = None,
    device: Any = None,
    stop_after: str | None = None,
    copies: bool = False,
    **sizes: Any,
) -> Explanation:
    """What the compiler makes of a program: every rewrite and the lines it touched, costs before and after, how each attention is
    computed and what stands in the way of a faster way.

    The arguments are those of `compile`; what is not bound stays a formula, and torch is not imported. `stop_after` names the last pass
    to run; `copies` asks for the copies that only change the order in memory, for which the block is compiled and run once, with torch.
    `str()` of the report is its text, `model_dump()` and `model_dump_json()` have the same as data. Raises AttnError.
    """
    from .compiler.explain import explain_program

    return explain_program(
        load(source, block), {**(bind or {}), **sizes}, inputs,
        level=level, mode=mode, backend=backend, dtype=dtype, device=device, memory=memory, stop_after=stop_after, copies=copies,
    )  # fmt: skip


def view(
    source: Any,
    block: str | None = None,
    *,
    bind: dict[str, Any] | None = None,
    inputs: tuple[str, ...] = (),
    mode: Mode = "train",
    level: int = 2,
    profile: Any = None,
    **sizes: Any,
) -> View:
    """A page to look at a program: its text, and its graph as written and after every pass. A notebook shows it; `.save(path)` writes it.

    The arguments are those of `compile`; what is not bound stays a symbol, and torch is not imported. `profile`: seconds by name (or the
    path of a JSON file of these), to colour by time; names are paths of blocks, of what owns weights, or of named values. Raises AttnError.
    """
    from .compiler.view.viewing import view_program

    return view_program(load(source, block), {**(bind or {}), **sizes}, inputs, level=level, mode=mode, profile=profile)


def times(module: AttnModule, *args: Any, runs: int = 5, **kwargs: Any) -> dict[str, float]:
    """Seconds by name of a run of a compiled module on these tensors, for `view(..., profile=...)`.

    The module is run call by call, without gradients, once to warm up and then `runs` times, of which the median is given; on a GPU every
    call is waited for. A name has the time of its own calls; that of a block, of everything in it. Raises what the module raises.
    """
    from .compiler.lower.timing import times as measured

    return measured(module, args, kwargs, runs)


def load_weights(module: AttnModule, source: Any, names: Any = None, ignore: Sequence[str] = ()) -> None:
    """Fill a module from a safetensors file or from tensors by name, under its own names or a foreign model's.

    `names` maps foreign names to the module's, `ignore` lists names to leave out; both may hold patterns such as `layer.{i}.weight`:
    see `attn.compiler.lower.checkpoint.load_weights`. Raises AttnError (E0701), and writes nothing, unless everything fits.
    """
    from .compiler.lower.checkpoint import load_weights as load_them

    load_them(module, source, names, ignore)


def load_package(path: Any) -> Package:
    """What `attn compile FILE -o NAME.pt2` wrote: called with tensors it gives what the block gives, named results as a named tuple.

    The file holds machine code: load only files that you trust. Raises AttnError (E0705) where it is no package.
    """
    from .compiler.lower.package import read_package

    return read_package(path)


def save_weights(module: AttnModule, path: Any) -> None:
    """Write the module's weights as safetensors, whole or not at all."""
    from .compiler.lower.checkpoint import save_weights as save_them

    save_them(module, path)
