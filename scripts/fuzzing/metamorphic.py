"""Programs that must mean the same: every axis renamed, the batch permuted, an axis of size 1 more, inputs and results in another order."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from .answers import Answer, Case
from .program import Parts, Program, from_text

AXES = re.compile(r"\b(?:[NDHCTPQ]|[abugrk]\d+)\b")
EXTRA = "Z"
DRAWS = ("rand", "bernoulli", "drop")
Variant = tuple[Program, Case, Answer]
"""A program, what it is run on, and what it has to give."""


def renamed(program: Program, case: Case, wanted: Answer, rng: random.Random) -> Variant | None:
    """Every axis gets another name; the order of the names changes too."""
    names = sorted({*AXES.findall(program.text)})
    order = rng.sample(range(len(names)), len(names))
    new = {name: f"{rng.choice('Aqz')}{100 + order[i]}" for i, name in enumerate(names)}
    text = AXES.sub(lambda found: new[found.group()], program.text)
    bind = {new.get(name, name): size for name, size in program.bind.items()}
    free = {new.get(name, name): size for name, size in program.free.items()}
    return from_text(text, program.seed, bind, free), case, wanted


def permuted(program: Program, case: Case, wanted: Answer, rng: random.Random) -> Variant | None:
    """The batch in another order. Not where numbers are drawn or gathered along it."""
    parts = program.parts
    size = program.free["*"]
    if parts is None or size < 2 or any(word in program.text for word in (*DRAWS, "batchnorm", "state ")):
        return None
    order = rng.sample(range(size), size)
    places = {text.split(":")[0]: _place(text) for text in parts.inputs}
    inputs = {name: _taken(x, places[name], order) for name, x in case.inputs.items()}
    outputs = {name: axes.index("*") if "*" in axes else None for name, _, axes, _ in parts.results}
    values = {name: _taken(x, outputs.get(name), order) for name, x in wanted.values.items()}
    return program, replace(case, inputs=inputs, gradients=False), Answer(values)


def _place(declared: str) -> int | None:
    axes = [axis.strip() for axis in declared[declared.index("[") + 1 : -1].split(",")]
    return axes.index("*") if "*" in axes else None


def _taken(x: Tensor, place: int | None, order: list[int]) -> Tensor:
    return x.detach() if place is None else x.detach().index_select(place, torch.tensor(order))


def widened(program: Program, case: Case, wanted: Answer, rng: random.Random) -> Variant | None:
    """Wherever `*` stands, an axis of size 1 stands beside it."""
    parts = program.parts
    if parts is None or any(word in program.text for word in (*DRAWS, "state ")):
        return None
    wide = [text.replace("*", f"*, {EXTRA}") for text in parts.inputs]
    lines = [line.replace("(s: [*", f"(s: [*, {EXTRA}") for line in parts.lines]
    results = tuple((name, value, _with_extra(axes), kind) for name, value, axes, kind in parts.results)
    changed = Parts(tuple(wide), tuple(lines), results, parts.helpers)
    bound = rng.random() < 0.5
    bind, free = ({EXTRA: 1}, {}) if bound else ({}, {EXTRA: 1})
    made = from_text(changed.text, program.seed, {**program.bind, **bind}, {**program.free, **free})
    after = {text.split(":")[0]: _place(text) for text in parts.inputs}
    inputs = {name: _unsqueezed(x, after[name]) for name, x in case.inputs.items()}
    outputs = {name: axes.index("*") if "*" in axes else None for name, _, axes, _ in parts.results}
    values = {name: _unsqueezed(x, outputs.get(name)) for name, x in wanted.values.items()}
    return made, replace(case, inputs=inputs, gradients=False), Answer(values)


def _with_extra(axes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for axis in axes for name in ((axis, EXTRA) if axis == "*" else (axis,)))


def _unsqueezed(x: Tensor, place: int | None) -> Tensor:
    """With a dimension of size 1 behind those of `*`, which is one dimension here."""
    return x.detach() if place is None else x.detach().unsqueeze(place + 1)


def reordered(program: Program, case: Case, wanted: Answer, rng: random.Random) -> Variant | None:
    """The declared axes of inputs and results in another order, and their tensors with them."""
    parts = program.parts
    if parts is None:
        return None
    inputs: list[str] = []
    tensors: dict[str, Tensor] = {}
    for text in parts.inputs:
        head, axes = text[: text.index("[")], [axis.strip() for axis in text[text.index("[") + 1 : -1].split(",")]
        order = rng.sample(range(len(axes)), len(axes))
        inputs.append(f"{head}[{', '.join(axes[i] for i in order)}]")
        name = text.split(":")[0]
        tensors[name] = case.inputs[name].detach().permute(order)
    orders = {name: rng.sample(range(len(axes)), len(axes)) for name, _, axes, _ in parts.results}
    results = tuple((name, value, tuple(axes[i] for i in orders[name]), kind) for name, value, axes, kind in parts.results)
    values = {name: x.permute(orders[name]) if name in orders else x for name, x in wanted.values.items()}
    made = from_text(Parts(tuple(inputs), parts.lines, results, parts.helpers).text, program.seed, program.bind, program.free)
    return made, replace(case, inputs=tensors, gradients=False), Answer(values)


VARIANTS: dict[str, Callable[[Program, Case, Answer, random.Random], Variant | None]] = {
    "axes renamed": renamed, "batch permuted": permuted, "an axis of size 1": widened, "another order of axes": reordered,
}  # fmt: skip
