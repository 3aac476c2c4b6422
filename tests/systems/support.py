"""A mechanism as a program and as plain PyTorch, and what has to hold between the two.

`Case` is one program at one setting, `compare` and `stacked` are what holds for every case. The systems of the catalogue have their cases
in tests/systems/cases/, one file a system; tests/mechanisms/ has those of mechanisms that are not in the library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.testing import assert_close

import attn
from attn.compiler.cost import Cost, graph_cost
from attn.compiler.graph import Graph
from attn.compiler.passes import optimise
from attn.compiler.reference.evaluator import run
from attn.compiler.types import TensorType

MECHANISMS = Path(__file__).parents[1] / "mechanisms"
CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
Weights = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Case:
    """One block of a program at one setting.

    `file` is a module of the library (`std.channel`, `std.systems.davit`), or the name of a file in tests/mechanisms; `program` is a text
    instead of a file, for what only a caller can set. `reference(weights, *inputs)` is the same in plain PyTorch.
    `inputs` are shapes without leading dimensions, or with one where the program declares it (a Tensor stands for itself), `bind` the
    parameters and the sizes that weights need, `free` the other sizes. `given` are the optional tensors that are passed, by name.
    `lead` says that inputs may have more leading dimensions, `half` that bfloat16 comes near; `scale` is how large the weights are.
    `larger` makes larger sizes of the free axes from those of the case, where it takes more than adding a little to each.
    """

    file: str
    block: str
    reference: Callable[..., Any]
    inputs: tuple[Any, ...]
    bind: Mapping[str, Any] = field(default_factory=dict[str, Any])
    free: Mapping[str, Any] = field(default_factory=dict[str, Any])
    lead: bool = True
    half: bool = True
    given: tuple[str, ...] = ()
    scale: float = 0.5
    program: str = ""
    larger: Callable[[dict[str, int]], dict[str, int]] | None = None

    @property
    def name(self) -> str:
        shown = "-".join(f"{key}={value}" for key, value in self.bind.items() if isinstance(value, str | bool))
        return f"{self.file.removeprefix('std.')}:{self.block}" + (f":{shown}" if shown else "")

    def source(self) -> Any:
        """What `attn.compile` takes."""
        if self.program:
            return attn.text(self.program)
        return self.file if self.file.startswith("std.") else MECHANISMS / f"{self.file}.attn"

    def text(self) -> str:
        return self.program or attn.load(self.source()).unit.source.text

    def tensors(self, dtype: torch.dtype = torch.float64, seed: int = 1) -> list[Tensor]:
        source = torch.Generator().manual_seed(seed)
        return [
            given if isinstance(given, Tensor) else torch.randn(given, generator=source, dtype=torch.float64).to(dtype).requires_grad_()
            for given in self.inputs
        ]

    def module(self, text: str | None = None, dtype: torch.dtype = torch.float64, **options: Any) -> Any:
        """The block, compiled, with random weights; `options` are sizes, or options of `attn.compile`."""
        source = self.source() if text is None else attn.text(text)
        made = attn.compile(source, self.block, bind=dict(self.bind), inputs=self.given, dtype=dtype, **options)
        return randomised(made, self.scale)


def randomised(made: nn.Module, scale: float) -> nn.Module:
    """Random weights, and running statistics away from their initial values; in inference mode."""
    source = torch.Generator().manual_seed(0)
    constants = constant_names(made)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(scale * torch.randn(weight.shape, generator=source, dtype=torch.float64).to(weight.dtype))
        for name, buffer in made.named_buffers():
            if buffer.is_floating_point() and name not in constants:
                drawn = torch.randn(buffer.shape, generator=source, dtype=torch.float64).to(buffer.dtype)
                buffer.copy_(drawn.abs() + 0.5 if name.endswith("var") else drawn)
    return made.eval()


def built(file: str, block: str, *given: str, **bind: Any) -> Any:
    """A block in float64 with random weights, for a test that needs no reference; `given` are the optional tensors that are passed."""
    return Case(file, block, several, (), bind, given=given).module()


def constant_names(made: Any) -> set[str]:
    return {weight.path for weight in made.attn_graph.weights if weight.kind == "const"}


def leaves(made: nn.Module) -> dict[str, Tensor]:
    """A copy of everything stored; the parameters take part in gradients."""
    weights = {name: value.detach().clone() for name, value in made.state_dict().items()}
    for name, value in made.named_parameters():
        weights[name] = value.detach().clone().requires_grad_()
    return weights


def part(weights: Weights, path: str) -> dict[str, Tensor]:
    """The weights below a path, under their names there."""
    return {name.removeprefix(f"{path}."): value for name, value in weights.items() if name.startswith(f"{path}.")}


def several(value: Any) -> tuple[Tensor, ...]:
    return (value,) if isinstance(value, Tensor) else tuple(value)


def gradients(results: tuple[Tensor, ...], leaves: list[Tensor]) -> list[Tensor | None]:
    source = torch.Generator().manual_seed(5)
    total = sum(
        ((item * torch.randn(item.shape, generator=source, dtype=item.dtype)).sum() for item in results if item.is_floating_point()),
        torch.zeros(()),
    )
    return list(torch.autograd.grad(total, leaves, allow_unused=True)) if leaves else []


def compare(case: Case, made: Any) -> None:
    """Values and all gradients of the module are those of the reference."""
    weights, inputs = leaves(made), case.tensors()
    found, wanted = several(made(*inputs)), several(case.reference(weights, *inputs))
    assert_close(found, wanted, **CLOSE)
    taking = [value for value in inputs if value.requires_grad]
    own = dict(made.named_parameters())
    got = gradients(found, [*taking, *own.values()])
    expected = gradients(wanted, [*taking, *(weights[name] for name in own)])
    for place, (left, right) in enumerate(zip(got, expected, strict=True)):
        if left is None or right is None:
            assert left is None or not left.any(), f"gradient {place} should be nothing"
            assert right is None or not right.any(), f"gradient {place} is missing"
        else:
            assert_close(left, right, **CLOSE)


def stacked(case: Case, made: Any) -> None:
    """Two leading dimensions give what single calls give."""
    parts = [case.tensors(seed=seed) for seed in range(6)]
    wanted = [several(made(*part)) for part in parts]
    joined = [torch.stack(pieces).unflatten(0, (2, 3)) for pieces in zip(*parts, strict=True)]
    found = several(made(*joined))
    for place, item in enumerate(found):
        assert_close(item, torch.stack([each[place] for each in wanted]).unflatten(0, (2, 3)), **CLOSE)


def near_in_half(case: Case) -> None:
    """In bfloat16 results stay bfloat16, and near those in float64."""
    half, wide = case.module(dtype=torch.bfloat16), case.module()
    narrow = half.state_dict()
    wide.load_state_dict({name: narrow[name].to(value.dtype) for name, value in wide.state_dict().items()})
    inputs = [value.to(torch.bfloat16) if value.is_floating_point() else value for value in case.tensors()]
    found = several(half(*inputs))
    wanted = several(wide(*[value.double() if value.is_floating_point() else value for value in inputs]))
    for got, want in zip(found, wanted, strict=True):
        assert got.dtype == (torch.bfloat16 if want.is_floating_point() else want.dtype)
        assert_close(got.double(), want.double(), rtol=0.1, atol=0.1 * max(1.0, float(want.detach().abs().max())))


def counted(file: str, block: str, inputs: tuple[str, ...] = (), **bind: Any) -> Cost:
    """Parameters, FLOPs and bytes of a block as formulas, numbers where all is bound; no tensor is made."""
    return graph_cost(attn.load(file, block).graph(bind, inputs, checking=True))


def parameters(file: str, block: str, **bind: Any) -> int:
    """How many numbers a block learns; whatever its size, this makes no tensor. What is left open has to be none of its business."""
    found = counted(file, block, **bind).parameters.integer()
    assert found is not None, f"the parameters of {block} depend on a size that is not bound"
    return found


def named_values(case: Case, made: Any, *inputs: Tensor) -> dict[str, Any]:
    """What the names of a program stand for when it runs as it is written: tensors with named axes (`attn.compiler.reference.named.Named`).
    A name that is bound again has its last value."""
    graph = attn.load(case.source(), case.block).graph(dict(case.bind), case.given)
    found: dict[str, Any] = {}

    def keep(node: Any, value: Any) -> None:
        if node.name:
            found[node.name] = value

    names = [node["name"] for node in graph.inputs if not node.options.get("absent", False)]
    run(graph, dict(zip(names, inputs, strict=True)), dict(made.state_dict()), watch=keep)
    return found


def optimised(file: str, block: str, inputs: tuple[str, ...] = (), **bind: Any) -> Graph:
    """The graph of a block after all passes; no tensor is made."""
    return optimise(attn.load(file, block).graph(bind, inputs)).graph


def flops(graph: Graph, **sizes: int) -> Fraction:
    """The operations of a graph at these sizes, for one batch."""
    return graph_cost(graph).flops.evaluate({"*": 1, **sizes})


def holding(graph: Graph, *axes: str) -> list[str]:
    """The values of a graph that have all of these axes."""
    return [str(node.type) for node in graph.nodes if isinstance(node.type, TensorType) and {*axes} <= {*node.type.names}]
