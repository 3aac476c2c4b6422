"""Small programs whose weights alone make values, lowered without any pass; and counting how often these values are worked out."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

import attn
from attn.compiler.lower.lowering import lower
from attn.compiler.passes import optimise

LOW_RANK = """block low_rank(x: [*, N, D]) -> [*, N, F] {
    param a: [D, E=4] = normal(1)
    param b: [E=4, F=3] = normal(1)
    w = dot(a, b, over=E)
    return linear(x, D -> F, weight=w, bias=false)
}
"""


def lowered(text: str, mode: Any = "infer", level: int = 1, dtype: Any = torch.float64, seed: int = 0, **bind: int) -> Any:
    """A module of the graph as it is written: no pass runs, but values of weights are prepared as at that level and mode."""
    torch.manual_seed(seed)
    optimiser: Any = partial(optimise, level=level, mode=mode, pipeline=())
    return lower(attn.load(attn.text(text)).graph(bind), dtype=dtype, optimiser=optimiser)


def low_rank(**options: Any) -> Any:
    return lowered(LOW_RANK, D=5, **options)


def expected(module: Any, x: torch.Tensor) -> torch.Tensor:
    """What `LOW_RANK` is for the weights of now."""
    return x @ (module.a @ module.b)


def count(module: Any) -> list[int]:
    """Grows by one entry each time the first prepared body runs."""
    calls: list[int] = []
    module.get_submodule("prepared_1").register_forward_hook(lambda *_: calls.append(1))
    return calls


def bodies(module: Any) -> list[str]:
    """The names of the bodies of prepared values that the forward calls."""
    return [name for name, _ in module.named_children() if name.startswith("prepared_")]
