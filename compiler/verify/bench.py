"""Everything that is asked of the graphs of one program under one setting: the reference's answer, and that of compiled modules.

All sides get the same numbers: they are drawn, rounded to the working dtype, and widened from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..backends.target import Target, half_of
from ..graph import Graph, Node, Weight
from ..lower.lowering import lower
from ..lower.module import AttnModule
from ..passes.base import Mode
from ..passes.pipeline import Optimised
from ..passes.rewriting import everything
from ..reference import run
from ..reference.rules import Touch
from .agreement import attempt, is_derived, module_answer, outputs, randomise, reference_answer, stored
from .differences import Answer
from .rounding import Rounding
from .settings import Setting, inputs_for

WIDE = torch.float64
ALWAYS = frozenset({"rand", "randn", "bernoulli"})
"""Operators that draw random numbers in evaluation too."""


@dataclass(frozen=True)
class Told:
    """A side's answer, or the error it ended with; of the reference also how far rounding may go."""

    answer: Answer | None
    error: Exception | None = None
    rounding: Rounding = field(default_factory=Rounding)


class Workshop:
    """Compiled modules of the graphs that passes make of one source, each built once."""

    def __init__(self, source: Graph, mode: Mode, dtype: torch.dtype) -> None:
        self.source = source
        self.mode: Mode = mode
        self.dtype = dtype
        self.exact = 1 if mode == "infer" else 2
        """The level whose modules have equal bits where graphs have: in inference, level 2 calls a map as what is near it allows."""
        self._made: dict[tuple[int, torch.dtype, int], tuple[Graph, AttnModule]] = {}

    def module(self, graph: Graph, dtype: torch.dtype, level: int = 2) -> AttnModule:
        """The module of a graph, as the optimiser would have it lowered. The graph is kept, so that its identity stays its own."""
        key = (id(graph), dtype, level)
        if key not in self._made:
            self._made[key] = (graph, self.fresh(graph, dtype, level))
        return self._made[key][1]

    def fresh(self, graph: Graph, dtype: torch.dtype, level: int = 2) -> AttnModule:
        """The same, built anew."""
        half = half_of(str(dtype).removeprefix("torch."))
        kept = dtype if half is None else torch.float32
        return lower(self.source, dtype=kept, optimiser=lambda _: Optimised(self.source, graph, (), level, self.mode, Target(half=half)))


class Bench:
    """One setting. Answers are remembered, since what comes after one pass stands before the next."""

    def __init__(self, workshop: Workshop, setting: Setting) -> None:
        self.workshop = workshop
        self.setting = setting
        self.training = setting.training and workshop.mode == "train"
        drawn = inputs_for(workshop.source, setting.sizes, setting)
        self.inputs = {name: rounded(x, workshop.dtype) for name, x in drawn.items()}
        first = workshop.module(workshop.source, WIDE)
        first.reset_parameters()
        randomise(first, setting.seed)
        self.weights = {name: rounded(x, workshop.dtype) for name, x in stored(first).items()}
        self._references: dict[int, tuple[Graph, Told]] = {}
        self._modules: dict[tuple[int, torch.dtype, int], tuple[Graph, Told]] = {}

    # ------------------------------------------------ the reference

    def reference(self, graph: Graph) -> Told:
        key = id(graph)
        if key not in self._references:
            self._references[key] = (graph, self.interpreted(graph))
        return self._references[key][1]

    def interpreted(self, graph: Graph, touch: Touch | None = None) -> Told:
        """The answer of the interpreter, with gradients of inputs, and of weights where the mode trains them."""
        rounding = Rounding()
        inputs, weights = self._leaves(WIDE), {name: x.clone() for name, x in self.weights.items()}
        trained = [weight.path for weight in graph.weights if self._trains(weight)]
        for path in trained:
            weights[path].requires_grad_()
        leaves = {**_tracked(inputs), **{path: weights[path] for path in trained}}
        found = tried(
            lambda: reference_answer(run(graph, inputs, weights, self.training, rounding.watch, touch, self._draw), leaves),
        )
        return Told(None, found) if isinstance(found, Exception) else Told(found, None, rounding)

    def _draw(self, node: Node, shape: tuple[int, ...]) -> Tensor:
        """The random numbers of a node follow from its number, which passes keep, so that both graphs get the same."""
        source = torch.Generator().manual_seed(1000 * self.setting.seed + node["number"])
        make = torch.randn if node.op == "randn" else torch.rand
        return make(shape, generator=source, dtype=WIDE)

    def draws(self, graph: Graph) -> list[tuple[str, str]]:
        """The random draws of a graph under this setting, in the order they happen."""
        return [(node.op, str(node.type)) for node in everything(graph) if node.op in ALWAYS or (self.training and _drops(node))]

    def _trains(self, weight: Weight) -> bool:
        x = self.weights.get(weight.path)
        return self.workshop.mode == "train" and weight.kind == "param" and x is not None and floats(x)

    def _leaves(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """The inputs in a dtype, laid out in memory as they were drawn."""
        made = {name: _into(x, dtype).detach() for name, x in self.inputs.items()}
        for x in made.values():
            x.requires_grad_(self.setting.gradients and floats(x))
        return made

    # ------------------------------------------------ modules

    def module(self, graph: Graph, dtype: torch.dtype, level: int = 2) -> Told:
        key = (id(graph), dtype, level)
        if key not in self._modules:
            made = tried(lambda: self.workshop.module(graph, dtype, level))
            self._modules[key] = (graph, Told(None, made) if isinstance(made, Exception) else self.ask(made, dtype))
        return self._modules[key][1]

    def ask(self, made: AttnModule, dtype: torch.dtype) -> Told:
        """What a module says with this setting's weights, which are loaded into it now."""
        load(made, self.weights, through_file=self.setting.seed % 2 == 0)
        made.train(self.training)
        inputs = self._leaves(dtype)
        torch.manual_seed(self.setting.seed)  # pyright: ignore[reportUnknownMemberType]
        own = dict(made.named_parameters())
        trained = {weight.path: own[weight.path] for weight in made.attn_graph.weights if self._trains(weight)}

        def answer() -> Answer:
            return module_answer(made, outputs(made.attn_graph, made(**inputs)), {**_tracked(inputs), **trained})

        found = tried(answer)
        return Told(None, found) if isinstance(found, Exception) else Told(found)


def tried(action: Callable[[], Any]) -> Any:
    """What an action gives, or the error it ends with: whatever a graph ends with that a pass made, it is the pass that is told."""
    try:
        return attempt(action)
    except Exception as error:  # noqa: BLE001
        return error


def _drops(node: Node) -> bool:
    """Whether a node draws random numbers in training."""
    return node.op in ("dropout", "droppath") or (node.op == "attend" and bool(node.options.get("dropout")))


def load(made: AttnModule, weights: Mapping[str, Tensor], through_file: bool) -> None:
    """Give a module these weights and states, by `load_state_dict` or in place; constants that follow from a formula keep their value."""
    held: dict[str, Tensor] = {**dict(made.named_parameters()), **dict(made.named_buffers())}
    given = {weight.path: weights[weight.path] for weight in made.attn_graph.weights if not is_derived(weight)}
    if through_file:
        saved = {name: given[name].to(x.dtype) for name, x in made.state_dict().items()}
        made.load_state_dict(saved)
    with torch.no_grad():
        for path, x in given.items():
            if not through_file or path not in made.state_dict():
                held[path].copy_(x)


def rounded(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The numbers that the working dtype can hold, wide; other kinds as they are. Memory keeps its order."""
    return _into(_into(x.detach(), dtype), WIDE)


def _into(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Numbers with a point in this dtype, strides kept, gaps in memory as well."""
    if x.is_complex():
        kind = torch.complex128 if dtype == WIDE else torch.complex64
    elif x.is_floating_point():
        kind = dtype
    else:
        return x
    return torch.empty_strided(x.shape, x.stride(), dtype=kind).copy_(x)


def floats(x: Tensor) -> bool:
    """Whether gradients can reach it."""
    return x.is_floating_point() or x.is_complex()


def _tracked(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: x for name, x in inputs.items() if x.requires_grad}
