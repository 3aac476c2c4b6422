"""A compiled program against the reference interpreter: inputs that fit, the comparison, and how far rounding may take the two apart."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor

import attn
from attn.compiler.graph import Graph, Node
from attn.compiler.reference import Result, run
from attn.compiler.reference.named import Named
from attn.compiler.sizes import Size

EPS = 2.0**-52
STAR = "*"


class Disagreement(AssertionError):
    """The compiled program and the reference do not say the same."""


@dataclass(frozen=True)
class Setting:
    """How a program is run. `bind` and `given` are for compiling; `free` are the sizes of axes that stay dynamic, `lead` what `*` stands
    for; an integer input `x` is below `below["x"]` (2 unless said). `loose`: memory that is not contiguous. `gradients` are compared too.
    `slack` is how far the program itself blows up rounding.
    """

    bind: Mapping[str, Any] = field(default_factory=dict[str, Any])
    given: tuple[str, ...] = ()
    free: Mapping[str, int] = field(default_factory=dict[str, int])
    lead: tuple[int, ...] = (2,)
    below: Mapping[str, int] = field(default_factory=dict[str, int])
    seed: int = 1
    loose: bool = False
    gradients: bool = False
    positive: bool = False
    training: bool = False
    slack: float = 1.0


# ---------------------------------------------------------------- sizes and inputs


def symbols(graph: Graph) -> list[str]:
    """The sizes that the inputs of a graph leave open."""
    return sorted({name for node in _present(graph) for axis in node.axes for name in axis.size.free()})


def _present(graph: Graph) -> list[Node]:
    return [node for node in graph.inputs if not node.options.get("absent", False)]


def fits(graph: Graph, sizes: Mapping[str, int]) -> bool:
    """Whether every input has whole sizes that are not negative, and every guard that these sizes decide holds."""
    for node in _present(graph):
        for axis in node.axes:
            value = axis.size.evaluate(sizes)
            if value.denominator != 1 or value < 0:
                return False
    return all(_holds(guard.kind, guard.left, guard.right, sizes) for guard in graph.guards)


def _holds(kind: str, left: Size, right: Size, sizes: Mapping[str, int]) -> bool:
    if not left.free() | right.free() <= sizes.keys():
        return True
    a, b = left.evaluate(sizes), right.evaluate(sizes)
    if kind == "divides":
        return a != 0 and (b / a).denominator == 1
    return a == b if kind == "equal" else a >= b


def fitting(graph: Graph, choices: Sequence[int], seed: int, fixed: Mapping[str, int]) -> dict[str, int] | None:
    """Sizes drawn from `choices` that the graph takes; None where none were found."""
    source = random.Random(seed)
    names = [name for name in symbols(graph) if name not in fixed]
    for _ in range(300):
        sizes = {**fixed, **{name: source.choice(list(choices)) for name in names}}
        if fits(graph, sizes):
            return sizes
    return None


def drawn(shape: Sequence[int], kind: str, setting: Setting, below: int, source: torch.Generator) -> Tensor:
    """A random tensor; a loose one lies in memory in another order, with gaps."""
    laid = [2 * size for size in reversed(shape)] if setting.loose else list(shape)
    if kind == "bool":
        x = torch.rand(laid, generator=source, dtype=torch.float64) < 0.6
    elif kind == "int":
        x = torch.randint(0, max(below, 1), laid, generator=source)
    elif kind == "complex":
        x = torch.randn(laid, generator=source, dtype=torch.complex128)
    else:
        x = torch.randn(laid, generator=source, dtype=torch.float64)
        x = x.abs() + 0.1 if setting.positive else x
    return x[(slice(None, None, 2),) * len(laid)].permute(*range(len(laid) - 1, -1, -1)) if setting.loose else x


def inputs_for(graph: Graph, sizes: Mapping[str, int], setting: Setting) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(setting.seed)
    found: dict[str, Tensor] = {}
    for node in _present(graph):
        shape: list[int] = []
        for name in node["order"]:
            shape.extend(setting.lead if name == STAR else (int(node.tensor.size(name).evaluate(sizes)),))
        found[node["name"]] = drawn(shape, node.dtype, setting, setting.below.get(node["name"], 2), source)
    return found


# ---------------------------------------------------------------- the two sides


def compiled(program: Any, setting: Setting) -> Any:
    """The module in float64, with random weights and running statistics."""
    made = attn.compile(program, bind=dict(setting.bind), inputs=setting.given, dtype=torch.float64)
    source = torch.Generator().manual_seed(setting.seed)
    constants = {weight.path for weight in made.attn_graph.weights if weight.kind == "const"}
    with torch.no_grad():
        for name, value in (*made.named_parameters(), *made.named_buffers()):
            if value.is_floating_point() and name not in constants:
                new = torch.randn(value.shape, generator=source, dtype=torch.float64)
                value.copy_(new.abs() + 0.5 if name.endswith("var") else new * 0.5)
    return made.train(setting.training)


def stored(made: Any) -> dict[str, Tensor]:
    """A copy of what the module holds; constants are left to the reference, where it knows their formula."""
    held = {**dict(made.named_parameters()), **dict(made.named_buffers())}
    found: dict[str, Tensor] = {}
    for weight in made.attn_graph.weights:
        fixed = weight.init.node is not None or weight.init.kind in ("zeros", "ones", "constant", "list")
        if weight.kind != "const" or not fixed:
            value = held[weight.path].detach().clone()
            found[weight.path] = value.requires_grad_(weight.kind == "param" and value.is_floating_point())
    return found


def attempt(action: Callable[[], Any]) -> Any:
    """What an action gives, or the error it ends with."""
    try:
        return action()
    except (attn.AttnError, ValueError, IndexError, RuntimeError) as error:
        return error


def outputs(graph: Graph, result: Any) -> dict[str, Tensor]:
    parts = result if isinstance(result, tuple) else (result,)
    return dict(zip([output.name for output in graph.outputs], parts, strict=True))


@dataclass
class Rounding:
    """Gathers how long the sums of a program are, and how large its numbers."""

    length: int = 0
    largest: float = 1.0

    def watch(self, node: Node, value: Named) -> None:
        sizes: dict[str, int] = dict(value.sizes)
        kept = prod(sizes.values())
        self.length += max(prod(self._all(node, sizes).values()) // max(kept, 1), 1)
        if value.data.is_floating_point() or value.data.is_complex():
            finite = value.data.detach().abs()
            finite = finite[finite.isfinite()]
            self.largest = max(self.largest, float(finite.max()) if finite.numel() else 0.0)

    def _all(self, node: Node, sizes: dict[str, int]) -> dict[str, int]:
        known = dict(sizes)
        for source in node.inputs:
            for axis in source.tensor.axes if hasattr(source.type, "axes") else ():
                whole = axis.size.integer()
                known.setdefault(axis.name, whole if whole is not None else 8)
        return known

    def bound(self) -> float:
        """Every addition and function may be off by some ulps of the largest number."""
        return 64 * EPS * self.length * self.largest


def _same(name: str, left: Tensor, right: Tensor, bound: float) -> None:
    if left.shape != right.shape or left.dtype != right.dtype:
        raise Disagreement(f"{name}: {left.dtype} {tuple(left.shape)}, the reference has {right.dtype} {tuple(right.shape)}")
    if left.dtype in (torch.int64, torch.bool):
        if not torch.equal(left, right):
            raise Disagreement(f"{name}: {left.tolist()}, the reference has {right.tolist()}")
        return
    strange = ~(left.isfinite() & right.isfinite())
    alike = (left == right) | (left.isnan() & right.isnan())
    if bool((strange & ~alike).any()):
        raise Disagreement(f"{name}: {left.tolist()}, the reference has {right.tolist()}")
    away = torch.where(strange, 0, left - right).abs()
    if away.numel() and float(away.max()) > bound:
        raise Disagreement(f"{name}: off by {float(away.max()):.3g}, allowed are {bound:.3g}")


def _gradients(
    made: Any, found: dict[str, Tensor], wanted: Result, inputs: Mapping[str, Tensor], held: Mapping[str, Tensor], bound: float
) -> None:
    own = dict(made.named_parameters())
    leaves = [x for x in inputs.values() if x.requires_grad]
    names = [*(name for name, x in inputs.items() if x.requires_grad), *(name for name in own if held[name].requires_grad)]
    toward = torch.Generator().manual_seed(9)
    seeds = {name: torch.randn(x.shape, generator=toward, dtype=torch.float64).to(x.dtype) for name, x in wanted.outputs.items()}
    mine = [*leaves, *(own[name] for name in own if held[name].requires_grad)]
    theirs = [*leaves, *(held[name] for name in own if held[name].requires_grad)]
    got, expected = _slopes(found, mine, seeds), _slopes(wanted.outputs, theirs, seeds)
    size = max([1.0, *(float(x.abs().max()) for x in expected if x is not None and x.numel())])
    for name, leaf, left, right in zip(names, mine, got, expected, strict=True):
        zero = torch.zeros_like(leaf)
        _same(f"gradient of {name}", zero if left is None else left, zero if right is None else right, 64 * bound * size)


def _slopes(results: Mapping[str, Tensor], leaves: Sequence[Tensor], seeds: Mapping[str, Tensor]) -> Sequence[Tensor | None]:
    """The gradients of the results, weighed with `seeds`; None where nothing depends on a leaf."""
    names = [name for name, x in results.items() if x.requires_grad]
    if not names or not leaves:
        return [None] * len(leaves)
    return torch.autograd.grad([results[name] for name in names], leaves, [seeds[name] for name in names], allow_unused=True)


def compare(program: Any, setting: Setting, sizes: Mapping[str, int]) -> str:
    """Run both sides. `same`, or `refused` where both end with an error. Raises Disagreement."""
    made = compiled(program, setting)
    inputs = inputs_for(made.attn_graph, sizes, setting)
    for x in inputs.values():
        x.requires_grad_(setting.gradients and (x.is_floating_point() or x.is_complex()))
    return agree(made, inputs, setting.slack, setting.gradients)


def agree(made: Any, inputs: Mapping[str, Tensor], slack: float = 1.0, gradients: bool = True) -> str:
    """As `compare`, of a module that is compiled already, on these inputs."""
    graph: Graph = made.attn_graph
    held, rounding = stored(made), Rounding()
    wanted = attempt(lambda: run(graph, inputs, held, made.training, rounding.watch))
    found = attempt(lambda: made(**inputs))
    if isinstance(wanted, Exception) or isinstance(found, Exception):
        if isinstance(wanted, Exception) and isinstance(found, Exception):
            return "refused"
        shown = found if isinstance(found, Exception) else wanted
        raise Disagreement(f"only one of the two fails ({'compiled' if shown is found else 'reference'}): {type(shown).__name__}: {shown}")
    results, bound = outputs(graph, found), slack * rounding.bound()
    for name, value in wanted.outputs.items():
        _same(name or "the result", results[name].detach(), value.detach(), bound)
    buffers = dict(made.named_buffers())
    for path, value in wanted.updates.items():
        _same(path, buffers[path].detach(), value.detach(), bound)
    if gradients:
        _gradients(made, results, wanted, inputs, held, bound)
    return "same"
