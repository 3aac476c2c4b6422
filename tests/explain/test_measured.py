"""Peak memory as it is told, beside the peak of a run: every tensor that PyTorch makes is followed until it is freed."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import attn
from attn.compiler.memory import peak_memory
from attn.compiler.passes import optimise

SIZES = {"*": 2, "h": 4, "N": 64, "M": 48, "d": 16, "D": 64}
PROGRAMS = {
    "pointwise": ("x: [*, N, D]", "[*, N, D]", "a = exp(x); b = sin(a) * x; return a + b * 2"),
    "softcap": ("q: [*, h, N, d], k: [*, h, M, d], v: [*, h, M, d]", "[*, h, N, d]", "return attend(q, k, v, over=M, dot=d, softcap=5.0)"),
    "sigmoid": ("q: [*, h, N, d], k: [*, h, M, d], v: [*, h, M, d]", "[*, h, N, d]", "return attend(q, k, v, over=M, dot=d, by=sigmoid)"),
    "products": ("x: [*, N, D]", "[*, N, D]", "s = dot(x, rename(x, N -> M), over=D); return dot(s, rename(x, N -> M), over=M)"),
    "mlp": ("x: [*, N, D]", "[*, N, D]", "return x + (layernorm(x, D) |> linear(D -> E=256) as up |> gelu |> linear(E -> D) as down)"),
}


class Followed(TorchDispatchMode):
    """Counts the bytes of the storages that are alive."""

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[int, int] = {}
        self.peak = 0

    def follow(self, x: Any) -> None:
        if isinstance(x, torch.Tensor) and x.untyped_storage()._cdata not in self.live:
            storage = x.untyped_storage()
            key = storage._cdata
            self.live[key] = storage.nbytes()
            weakref.finalize(storage, self.live.pop, key, None)
        self.peak = max(self.peak, sum(self.live.values()))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for x in made if isinstance(made, tuple | list) else (made,):
            self.follow(x)
        return made


def measured(module: Any, inputs: list[torch.Tensor]) -> int:
    """The largest sum of bytes in one run, weights apart."""
    with torch.no_grad(), Followed() as followed:
        for weight in module.parameters():
            followed.live[weight.untyped_storage()._cdata] = 0
        for x in inputs:
            followed.follow(x)
        module(*inputs)
    return followed.peak


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_peak_that_is_told_is_that_of_a_run_or_little_more(name: str) -> None:
    head, result, body = PROGRAMS[name]
    lines = "\n".join(f"    {line}" for line in body.split("; "))
    program = attn.load(attn.text(f"block t({head}) -> {result} {{\n{lines}\n}}"))
    module = program(bind={"D": SIZES["D"]} if "linear" in body else {})
    inputs = [torch.randn([SIZES[axis] for axis in node["order"]]) for node in module.attn_graph.inputs]
    told = peak_memory(optimise(module.attn_graph).graph).bytes.evaluate(SIZES)
    found = measured(module, inputs)
    assert found <= told <= 1.2 * found
