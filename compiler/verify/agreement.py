"""A compiled module against the reference interpreter: the lowering is right where the two agree."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ...dsl.diagnostics import AttnError
from ..graph import Graph, Weight
from ..lower.compiling import compile_program
from ..lower.module import AttnModule
from ..passes.base import Mode
from ..program import BlockProgram, load
from ..reference import Result, run
from ..types import is_tuple
from .differences import Answer, Difference, difference, missing, slopes_of, value_names
from .rounding import Rounding
from .settings import Setting, inputs_for

REFUSALS = (AttnError, ValueError, IndexError, RuntimeError, ArithmeticError)
"""What a computation may end with where it has no answer."""


class Disagreement(AssertionError):
    """Two computations of one program do not say the same."""


def compiled(program: Any, setting: Setting, level: int = 2, mode: Mode = "train") -> AttnModule:
    """The module in float64, with random weights and running statistics."""
    block: BlockProgram = load(program)
    made = compile_program(block, setting.bind, setting.given, dtype=torch.float64, level=level, mode=mode)
    randomise(made, setting.seed)
    return made.train(setting.training)


def randomise(made: AttnModule, seed: int) -> None:
    """Random numbers for everything that can be trained or saved; running variances stay positive."""
    source = torch.Generator().manual_seed(seed)
    constants = {weight.path for weight in made.attn_graph.weights if weight.kind == "const"}
    with torch.no_grad():
        for name, value in (*made.named_parameters(), *made.named_buffers()):
            if value.is_floating_point() and name not in constants:
                new = torch.randn(value.shape, generator=source, dtype=torch.float64)
                value.copy_(new.abs() + 0.5 if name.endswith("var") else new * 0.5)


def stored(made: AttnModule) -> dict[str, Tensor]:
    """A copy of what the module holds, wide; constants are left to the reference, where it knows their formula."""
    held: dict[str, Tensor] = {**dict(made.named_parameters()), **dict(made.named_buffers())}
    found: dict[str, Tensor] = {}
    for weight in made.attn_graph.weights:
        if not is_derived(weight):
            value = wide(held[weight.path].detach()).clone()
            found[weight.path] = value.requires_grad_(weight.kind == "param" and (value.is_floating_point() or value.is_complex()))
    return found


def is_derived(weight: Weight) -> bool:
    """Whether a weight is a constant that follows from the program's text."""
    return weight.kind == "const" and (weight.init.node is not None or weight.init.kind in ("zeros", "ones", "constant", "list"))


def wide(x: Tensor) -> Tensor:
    """The same numbers in float64."""
    return x.double() if x.is_floating_point() else x.to(torch.complex128) if x.is_complex() else x


def attempt(action: Callable[[], Any]) -> Any:
    """What an action gives, or the error it ends with. Warnings (a spread of one number) are no matter here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return action()
    except REFUSALS as error:
        return error


def outputs(graph: Graph, result: Any) -> dict[str, Tensor]:
    """The results of a module by name."""
    parts = result if is_tuple(result) else (result,)
    return dict(zip([output.name for output in graph.outputs], parts, strict=True))


# ---------------------------------------------------------------- comparing


def compare(program: Any, setting: Setting, sizes: Mapping[str, int], level: int = 2, mode: Mode = "train") -> str:
    """Run both sides. `same`, or `refused` where both end with an error. Raises Disagreement."""
    made = compiled(program, setting, level, mode)
    inputs = inputs_for(made.attn_graph, sizes, setting)
    for x in inputs.values():
        x.requires_grad_(setting.gradients and (x.is_floating_point() or x.is_complex()))
    return agree(made, inputs, setting.slack, setting.gradients)


def agree(made: AttnModule, inputs: Mapping[str, Tensor], slack: float = 1.0, gradients: bool = True) -> str:
    """As `compare`, of a module that is compiled already, on these inputs."""
    graph = made.attn_graph
    held, rounding = stored(made), Rounding()
    wanted = attempt(lambda: run(graph, inputs, held, made.training, rounding.watch))
    found = attempt(lambda: made(**inputs))
    if isinstance(wanted, Exception) and isinstance(found, Exception):
        return "refused"
    if isinstance(wanted, Exception) or isinstance(found, Exception):
        shown = found if isinstance(found, Exception) else wanted
        raise Disagreement(f"only one of the two fails ({'compiled' if shown is found else 'reference'}): {type(shown).__name__}: {shown}")
    own = dict(made.named_parameters())
    trained = {name: value for name, value in own.items() if gradients and held[name].requires_grad}
    mine = module_answer(made, outputs(graph, found), {**_leaves(inputs), **trained})
    theirs = reference_answer(wanted, {**_leaves(inputs), **{name: held[name] for name in trained}})
    first = next(differences(mine, theirs, slack * rounding.bound(), slack * rounding.slope_bound(_largest(theirs))), None)
    if first is not None:
        raise Disagreement(first.text)
    return "same"


def _leaves(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: x for name, x in inputs.items() if x.requires_grad}


def _largest(answer: Answer) -> float:
    return max((float(x.abs().max()) for x in answer.slopes.values() if x.numel()), default=1.0)


def module_answer(made: AttnModule, results: Mapping[str, Tensor], leaves: Mapping[str, Tensor]) -> Answer:
    """What a module said, with the states it holds now."""
    graph = made.attn_graph
    buffers = dict(made.named_buffers())
    named = dict(zip(value_names([*results]), results.values(), strict=True))
    states = {f"state {graph.weights[slot].path}": buffers[graph.weights[slot].path] for slot, _ in graph.updates}
    return Answer({name: x.detach() for name, x in {**named, **states}.items()}, slopes_of(results, leaves))


def reference_answer(result: Result, leaves: Mapping[str, Tensor]) -> Answer:
    """What the interpreter said."""
    named = dict(zip(value_names([*result.outputs]), result.outputs.values(), strict=True))
    states = {f"state {path}": x for path, x in result.updates.items()}
    return Answer({name: x.detach() for name, x in {**named, **states}.items()}, slopes_of(result.outputs, leaves))


def differences(found: Answer, wanted: Answer, bound: float, slope_bound: float) -> Iterator[Difference]:
    """Everything in which two answers part by more than the bounds."""
    for left, right, allowed in ((found.values, wanted.values, bound), (found.slopes, wanted.slopes, slope_bound)):
        lacking = missing(left, right)
        if lacking is not None:
            yield lacking
        for name in left:
            apart = difference(name, left[name], right[name], allowed) if name in right else None
            if apart is not None:
                yield apart
