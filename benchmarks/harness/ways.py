"""The ways in which a row is computed, each ready to be called: attn, the author's text, torch.compile of both, and the peers."""

from __future__ import annotations

import copy
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from .row import Program, Run, Weights, Work, filled

OURS, INDUCTOR, AUTHOR, COMPILED, FLEX = "attn", "attn, inductor", "author", "compile", "FlexAttention"
COMPILING = (INDUCTOR, COMPILED, FLEX)


@dataclass(frozen=True)
class Way:
    """One way of computing a row. `seconds` is how long it took to be made ready, first call included; `trouble` says why it cannot run."""

    name: str
    run: Callable[[], Any] | None
    seconds: float
    trouble: str = ""


class TooLong(BaseException):
    """Something takes longer than it may. It is no Exception, because compilers catch these."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Ends what runs inside after so many seconds. Compiled code that does not come back to Python is not interrupted."""

    def end(_: int, __: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def cast(tensors: tuple[Tensor, ...], dtype: torch.dtype) -> tuple[Tensor, ...]:
    return tuple(one.to(dtype) if one.is_floating_point() else one for one in tensors)


def own(program: Program, mode: str, dtype: torch.dtype, backend: str = "eager") -> tuple[Run, Weights]:
    """attn's module, put back to the same state before every call, and its weights."""
    module = program.module(mode, dtype, backend=backend)
    weights = {name: value.detach().clone() for name, value in module.state_dict().items()}
    buffers = {name: (module.get_buffer(name), value) for name, value in program.reset.items()}
    if not buffers:
        return module, weights

    def step(*inputs: Tensor) -> Any:
        for buffer, value in buffers.values():
            buffer.fill_(value)
        return module(*inputs)

    return step, weights


def author(work: Work, weights: Weights) -> nn.Module:
    """The author's module with our weights, or with its own where the program takes those."""
    made = copy.deepcopy(work.author()) if work.program.weights is not None else filled(work.author(), weights)
    kind = next((one.dtype for one in weights.values() if one.is_floating_point()), None)
    made = made if kind is None else made.to(kind)
    return made.train(work.backward)


def step(run: Run, inputs: tuple[Tensor, ...], backward: bool) -> Callable[[], Any]:
    """A call that gives the result, or the result and the gradient of the first input.

    Inference runs without gradients. Gradients are those of the mean square of the result, for all weights and the first input.
    """
    if not backward:

        def infer() -> Any:
            with torch.no_grad():
                return run(*inputs)

        return infer
    first = inputs[0].detach().clone().requires_grad_()

    def train() -> Any:
        first.grad = None
        found = run(first, *inputs[1:])
        found.square().mean().backward()
        return torch.cat((found.detach().flatten(), first.grad.flatten() * found.numel())) if first.grad is not None else found

    return train


def made(name: str, make: Callable[[], Run], inputs: tuple[Tensor, ...], backward: bool, limit: float) -> Way:
    """A way that has run once, or the reason why it has not."""
    start = time.perf_counter()
    try:
        with limited(limit):
            call = step(make(), inputs, backward)
            call()
    except TooLong:
        return Way(name, None, time.perf_counter() - start, f"over {limit:.0f} s")
    except Exception as error:  # noqa: BLE001  # whatever a peer raises is a result of the row
        return Way(name, None, time.perf_counter() - start, f"{type(error).__name__}: {str(error).strip().splitlines()[0][:120]}")
    return Way(name, call, time.perf_counter() - start)


def ways(work: Work, dtype: torch.dtype, skip: tuple[str, ...] = (), limit: float = 60.0) -> list[Way]:
    """All ways of a row but those in `skip`, ours first."""
    inputs = cast(work.inputs, dtype)
    mode = "train" if work.backward else "infer"
    if {INDUCTOR, COMPILED} - set(skip):
        torch.compile(torch.sin)(torch.ones(64))  # what inductor needs the first time belongs to no row
    start = time.perf_counter()
    ours, weights = own(work.program, mode, dtype)
    built = time.perf_counter() - start
    first = made(OURS, lambda: ours, inputs, work.backward, 10 * limit)
    makers: dict[str, Callable[[], Run]] = {
        AUTHOR: lambda: author(work, weights),
        INDUCTOR: lambda: own(work.program, mode, dtype, "inductor")[0],
        COMPILED: lambda: torch.compile(author(work, weights)),
    }
    for name, peer in work.peers.items():
        makers[name] = lambda peer=peer: trained(peer(weights), work.backward)
    found = [made(name, make, inputs, work.backward, limit) for name, make in makers.items() if name not in skip]
    return [Way(OURS, first.run, built, first.trouble), *found]


def trained(run: Run, backward: bool) -> Run:
    return run.train(backward) if isinstance(run, nn.Module) else run


def chosen(work: Work) -> str:
    """The way that `backend="auto"` takes."""
    module: Any = work.program.module("train" if work.backward else "infer", backend="auto")
    target = module.optimised.target
    return INDUCTOR if target.backend == "inductor" or target.kernels else OURS


def exact(work: Work) -> Tensor:
    """The result in float64, by the author's text or by what the row gives for it."""
    program = work.program
    mode = "train" if work.backward else "infer"
    weights = {name: value.double() if value.is_floating_point() else value for name, value in own(program, mode, torch.float32)[1].items()}
    inputs = cast(work.inputs, torch.float64)
    if work.exact is not None and not work.backward:
        with torch.no_grad():
            return work.exact(weights, *inputs)
    return step(author(work, weights), inputs, work.backward)()


def error(found: Any, wanted: Tensor) -> float:
    """The largest difference, as a share of the largest number."""
    value = found if isinstance(found, Tensor) else found[0]
    return float((value.detach().double() - wanted).abs().max() / wanted.abs().max())
