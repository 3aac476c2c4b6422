"""A program as an ahead-of-time package: a `.pt2` file with kernels and weights inside, which needs neither attn nor a compiler."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
from collections import namedtuple
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from ..backends.target import Half, Target
from ..graph import Graph, Node
from ..passes.choosing import chosen_optimiser
from ..types import STAR
from .checkpoint import Names, load_weights
from .copies import example_input
from .entry import is_absent, pure_symbol
from .errors import InputError
from .handed import handed
from .inductor import missing_compiler
from .lowering import lower
from .module import AttnModule
from .names import field_names, identifiers
from .runtime_entry import check_inputs

ABOUT = "attn"
"""The entry of a package's metadata that says what goes in and comes out."""
LEADING = "batch"
"""The one dimension that `*` is."""
BASES = (16, 24, 48, 32, 64, 96, 13, 7)
"""What sizes that are not bound are multiples of while the program is traced; different ones, so that none are taken for the same."""


class _Plain(nn.Module):
    """A module whose inputs are those that it was made with, whose results are a plain tuple, which a package can hold, and in which what
    is prepared is a weight."""

    def __init__(self, module: AttnModule, names: Sequence[str]) -> None:
        super().__init__()
        self.module = module
        self.names = tuple(names)
        self.outside = handed(module)
        for place, value in enumerate(self.outside.values(module) if self.outside is not None else ()):
            self.register_buffer(f"prepared_{place}", value)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(self.names, inputs, strict=True))
        made = self.module(**given) if self.outside is None else self.outside.run(self.module, tuple(self._buffers.values()), **given)
        return (made,) if isinstance(made, Tensor) else tuple(made)


def write_package(
    graph: Graph,
    path: Path,
    *,
    level: int = 2,
    half: Half | None = None,
    weights: Any = None,
    names: Names | None = None,
    ignore: Sequence[str] = (),
) -> None:
    """Compile a graph for inference and write it with its weights (initial ones unless `weights` are given), whole or not at all.

    `*` is one leading dimension. It and the axes that are not bound stay open. Raises AttnError: E0705 for what a package cannot hold,
    E0610 without a C++ compiler, E0701 for weights that do not fit. OSError where the file cannot be written.
    """
    _refuse(graph, path)
    module = lower(
        graph,
        dtype=None if half is None else torch.float32,
        optimiser=chosen_optimiser(level, "infer", target=Target("package", half=half)),
    )
    if weights is not None:
        load_weights(module, weights, names, ignore)
    present = [node for node in graph.inputs if not is_absent(node)]
    exported = _exported(_Plain(module, _called(graph)), present, _example(module, present))
    about = {"block": graph.name, "results": [output.name for output in graph.outputs], "inputs": _specs(graph, present)}
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        made = Path(folder) / "package.pt2"
        _inductor().aoti_compile_and_package(
            exported, package_path=str(made), inductor_configs={"aot_inductor.metadata": {ABOUT: json.dumps(about)}}
        )
        os.replace(made, path)


def _inductor() -> Any:
    """PyTorch's compiler, which has no public name yet."""
    return importlib.import_module("torch._inductor")


def _refuse(graph: Graph, path: Path) -> None:
    """What can be told before any work."""
    if graph.updates:
        state = graph.weights[graph.updates[0][0]]
        raise _fault(
            f"the state `{state.path}` changes from call to call", "a package has the weights that it was written with", state.span
        )
    if path.suffix != ".pt2":
        raise _fault(f"a package is a .pt2 file, and {path.name} is not", f"write {path.stem}.pt2")
    missing = missing_compiler()
    if missing is not None:
        raise AttnError([missing])


def _fault(title: str, help: str, span: Any = NOWHERE) -> AttnError:
    return AttnError([Diagnostic("E0705", title, span, help=help)])


def _specs(graph: Graph, present: Sequence[Node]) -> list[tuple[Any, ...]]:
    """What a package checks of each input: its name, axes, sizes (numbers, or names of those that are open) and kind of number."""
    found: list[tuple[Any, ...]] = []
    for name, node in zip(_called(graph), present, strict=True):
        sizes = [node.tensor.size(axis) for axis in node["order"]]
        known = [size.integer() if size.integer() is not None else pure_symbol(size) for size in sizes]
        found.append((name, [LEADING if axis == STAR else axis for axis in node["order"]], known, node.dtype))
    return found


def _called(graph: Graph) -> list[str]:
    """The names of the inputs that a package takes, in order."""
    names = identifiers(node["name"] for node in graph.inputs)
    return [name for name, node in zip(names, graph.inputs, strict=True) if not is_absent(node)]


def _example(module: AttnModule, present: Sequence[Node]) -> tuple[Tensor, ...]:
    """Inputs at sizes that the program takes."""
    open = sorted({name for node in present for axis in node.axes for name in axis.size.free() if name != STAR})
    weight = next((one for one in module.parameters() if one.is_floating_point()), torch.empty(0))
    plain = _Plain(module, _called(module.attn_graph))
    for base in BASES:
        sizes = {name: base * (place + 1) for place, name in enumerate(open)}
        inputs = tuple(example_input(node, sizes, (3,), weight) for node in present)
        try:
            with torch.no_grad():
                plain(*inputs)
        except (InputError, ValueError, IndexError, RuntimeError):
            continue
        return inputs
    raise _fault(
        f"no sizes were found for {', '.join(open) or 'the inputs'} that `{module.attn_graph.name}` takes", "bind them when compiling"
    )


def _exported(plain: _Plain, present: Sequence[Node], inputs: Sequence[Tensor]) -> Any:
    """The traced program, every open size open. Raises AttnError where tracing fixed one."""
    dynamic = cast(Any, torch.export).Dim.AUTO
    shapes = tuple({place: dynamic for place, axis in enumerate(node["order"]) if _is_open(node, axis)} for node in present)
    with torch.no_grad():
        exported: Any = torch.export.export(plain, tuple(inputs), dynamic_shapes=(shapes,), strict=False)
    seen = {node.name: node.meta["val"] for node in exported.graph.nodes if node.op == "placeholder"}
    for node, name in zip(present, exported.graph_signature.user_inputs, strict=True):
        for place, axis in enumerate(node["order"]):
            if _is_open(node, axis) and isinstance(seen[name].shape[place], int):
                size = seen[name].shape[place]
                raise _fault(
                    f"the size `{axis}` of `{node['name']}` cannot stay open: PyTorch traces it as {size}", f"bind it: {axis} = ..."
                )
    return exported


def _is_open(node: Node, axis: str) -> bool:
    return node.tensor.size(axis).integer() is None


# ---------------------------------------------------------------- reading


class Package:
    """A package that was read: call it with tensors in the declared order or by name; several results come as a named tuple."""

    def __init__(self, runner: Any, about: Mapping[str, Any]) -> None:
        self.runner = runner
        self.block: str = about["block"]
        self.specs = [(*spec, NOWHERE) for spec in about["inputs"]]
        self.inputs: tuple[str, ...] = tuple(str(spec[0]) for spec in self.specs)
        self.results: tuple[str, ...] = tuple(about["results"])

    def __call__(self, *args: Tensor, **kwargs: Tensor) -> Any:
        """What the block gives. InputError where an input does not fit, TypeError where one is missing or not known."""
        given = dict(zip(self.inputs, args, strict=False)) | kwargs
        if len(args) + len(kwargs) != len(self.inputs) or set(given) != set(self.inputs):
            raise TypeError(f"{self.block} takes {', '.join(self.inputs)}")
        inputs = [given[name] for name in self.inputs]
        check_inputs(inputs, torch.empty(0), self.specs)
        made = self.runner(*inputs)
        if len(self.results) == 1:
            return made[0]
        fields = field_names(name or f"y{i}" for i, name in enumerate(self.results))
        return namedtuple("Result", fields)(*made)  # pyright: ignore[reportUntypedNamedTuple]

    def __repr__(self) -> str:
        return f"<package {self.block}({', '.join(self.inputs)})>"


def read_package(path: str | os.PathLike[str]) -> Package:
    """A package that `attn compile -o` wrote. It holds machine code: read only files that you trust. Raises AttnError (E0705)."""
    if not Path(path).is_file():
        raise _fault(f"there is no file {path}", "`attn compile FILE -o NAME.pt2` writes one")
    try:
        runner = _inductor().aoti_load_package(str(path))
        about = json.loads(runner.get_metadata()[ABOUT])
    except (RuntimeError, KeyError, ValueError) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise _fault(f"{path} is no package of attn: {why}", "`attn compile FILE -o NAME.pt2` writes one") from None
    return Package(runner, about)
