"""Programs for the tests of contraction planning, and holding both ways of every choice against the program as written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

import attn
from attn.compiler.graph import Graph, Node
from attn.compiler.lower.lowering import lower
from attn.compiler.passes.base import Mode, Outcome
from attn.compiler.passes.making import Make
from attn.compiler.passes.plan import Plan
from attn.compiler.passes.rewriting import everything, rewrite
from attn.compiler.reference import run
from attn.compiler.sizes import Size
from attn.compiler.verify import Setting, inputs_for
from attn.compiler.verify.rounding import Rounding


@dataclass(frozen=True)
class Program:
    """A text, what is bound, sizes of what is not, and whether the pass changes it (in training and in inference)."""

    text: str
    bind: Mapping[str, int] = field(default_factory=dict[str, int])
    sizes: tuple[Mapping[str, int], ...] = ({},)
    fires: tuple[bool, bool] = (True, True)

    def graph(self) -> Graph:
        return attn.load(attn.text(self.text)).graph(dict(self.bind))

    def outcome(self, mode: Mode) -> Outcome:
        return Plan().run(self.graph(), mode)


def ways(graph: Graph) -> Iterator[Graph]:
    """The graph with every choice made for it, one way and the other; the graph itself where there is none."""
    if not any(node.op == "choose" for node in everything(graph)):
        yield graph
        return
    for first in (True, False):

        def forced(make: Make, node: Node, first: bool = first) -> Node | None:
            if node.op != "choose":
                return None
            left, right = (0, 1) if first else (1, 0)
            return make.again(node, [make.new(source) for source in node.inputs], left=Size.of(left), right=Size.of(right))

        yield rewrite(graph, forced)


def weights_of(graph: Graph) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(3)
    found: dict[str, Tensor] = {}
    for weight in graph.weights:
        shape = [size.integer() or 0 for size in weight.shape]
        found[weight.path] = torch.randn(shape, generator=source, dtype=torch.float64).requires_grad_()
    return found


def held_against(source: Graph, made: Graph, sizes: Mapping[str, int], lead: tuple[int, ...] = (2,)) -> None:
    """Values and gradients of the reference on both graphs, and of the compiled new one, agree up to rounding."""
    inputs = inputs_for(source, sizes, Setting(lead=lead))
    weights = weights_of(source)
    leaves = [x.requires_grad_() for x in inputs.values() if x.is_floating_point()] + list(weights.values())
    rounding = Rounding()
    wanted = run(source, inputs, weights, watch=rounding.watch).outputs
    bound = 64 * rounding.bound()
    module = lower(made, dtype=torch.float64)
    module.load_state_dict({path: value.detach() for path, value in weights.items()})
    results = module(**inputs)
    found = run(made, inputs, weights).outputs
    for name, value in wanted.items():
        direct = results if isinstance(results, Tensor) else getattr(results, name)
        torch.testing.assert_close(direct, value, rtol=0, atol=bound, equal_nan=True)
        torch.testing.assert_close(found[name], value, rtol=0, atol=bound, equal_nan=True)
    for own, theirs in zip(_slopes(found, leaves), _slopes(wanted, leaves), strict=True):
        scale = max(1.0, float(theirs.abs().nan_to_num().max()) if theirs.numel() else 0.0)
        torch.testing.assert_close(own, theirs, rtol=0, atol=64 * bound * scale, equal_nan=True)


def _slopes(results: Mapping[str, Tensor], leaves: list[Tensor]) -> list[Tensor]:
    toward = torch.Generator().manual_seed(9)
    seeds = [torch.randn(x.shape, generator=toward, dtype=torch.float64) for x in results.values()]
    found = torch.autograd.grad(list(results.values()), leaves, seeds, allow_unused=True)
    return [torch.zeros_like(leaf) if slope is None else slope for slope, leaf in zip(found, leaves, strict=True)]
