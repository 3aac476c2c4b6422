"""A program as a module at every level, against the reference and against each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

import attn
from attn.compiler.lower import runtime_attention, runtime_blocks, runtime_parts, runtime_routed, runtime_shifts
from attn.compiler.ops import pairs
from attn.compiler.passes import Mode
from attn.compiler.passes.distances import distances

from .answers import Answer, Case, Difference, slopes, unlike
from .metamorphic import DRAWS
from .program import Program

LEVELS = (0, 1, 2)
COARSE = ("hardsigmoid", "hardswish")
"""PyTorch's own gradients of these hold 1/6 in float32 only, also for float64."""


REFUSED = (
    "Expected more than 1 value per channel when training",
    "Kernel size can't be greater than actual input size",
    "0.0 cannot be raised to a negative power",
    "degrees of freedom is <= 0",
    "MKL FFT error",
)
"""What is said of a batch norm in training that has one number for a channel, of a convolution over nothing, of the scale of attention
along an empty axis, of a variance of nothing, and of no Fourier transforms at all."""


def compiled_differences(program: Program, mode: Mode, case: Case, wanted: Answer) -> list[Difference] | None:
    """Where a module of levels 0, 1 or 2 has another answer; level 1 must have the bits of level 0. None where random numbers are drawn,
    and where PyTorch refuses the program as it stands."""
    if any(word in program.text for word in DRAWS):
        return None
    with small_groups():
        return _compared(program, mode, case, wanted)


@contextmanager
def small_groups() -> Iterator[None]:
    """Attention looks for groups, parts and distances among however few rows."""
    small = (
        (runtime_attention, {"SCORES": 0}),
        (runtime_parts, {"PART": 1, "FEWEST": 1, "CALL": 0}),
        (pairs, {"LEAST": 1}),
        (runtime_blocks, {"BLOCK": 2, "COPY": 1, "SHORTEST": 1, "LIVE": 2, "MOST": 16}),
        (runtime_routed, {"SHORTEST": 1, "SPARSE": 2}),
        (runtime_shifts, {"KEYS": 1, "STRIP": 2}),
        (distances, {"LEAST": 1}),
    )
    kept = [(module, name, getattr(module, name)) for module, values in small for name in values]
    for module, values in small:
        vars(module).update(values)
    try:
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)


def _compared(program: Program, mode: Mode, case: Case, wanted: Answer) -> list[Difference] | None:
    read = attn.load(attn.text(program.text))
    try:
        answers = [_answer(program, read, mode, LEVELS[0], case)]
    except (ValueError, RuntimeError, ZeroDivisionError, UserWarning) as error:
        if any(words in str(error) for words in REFUSED):
            return None
        raise
    answers += [_answer(program, read, mode, level, case) for level in LEVELS[1:]]
    found = [one for given in answers for one in unlike(wanted, given)]
    plain, exact = answers[0].values, answers[1].values
    unequal = [name for name in plain if not _same_bits(plain[name], exact[name])]
    return found + [Difference(name, float("inf"), 0.0, f"{name or 'the result'}: level 1 has other bits than level 0") for name in unequal]


def _same_bits(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | ((a != a) & (b != b))).all())


def _answer(program: Program, read: attn.BlockProgram, mode: Mode, level: int, case: Case) -> Answer:
    """What the module says, with the weights of the case. Half of those of the last level take the keys of most attentions in chunks."""
    memory = 128 if level == max(LEVELS) and program.seed % 2 else None
    made = attn.compile(read, bind=program.bind, mode=mode, level=level, dtype=torch.float64, memory=memory)
    held = dict(made.state_dict(keep_vars=True))
    held.update(made.named_buffers())
    with torch.no_grad():
        for path, value in case.weights.items():
            held[path].copy_(value)
    made.train(case.training)
    inputs = {name: x.detach().requires_grad_(x.requires_grad) for name, x in case.inputs.items()}
    with torch.set_grad_enabled(case.gradients):
        given: Any = made(**inputs)
    parts = given if isinstance(given, tuple) else (given,)
    values: dict[str, Tensor] = dict(zip([output.name for output in program.graph.outputs], parts, strict=True))
    return Answer({name: x.detach() for name, x in values.items()}, _slopes(program, case, made, inputs, values))


def _slopes(program: Program, case: Case, made: torch.nn.Module, inputs: dict[str, Tensor], values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gradients in the names of the case; none where states take part, which a module does not give out, or where they are coarse."""
    if not case.gradients or program.graph.updates or any(word in program.text for word in COARSE):
        return {}
    own = dict(made.named_parameters())
    leaves = {name: inputs[name] if name in inputs else own[name] for name in case.leaves()}
    return slopes(values, {name: x for name, x in leaves.items() if x.requires_grad})
