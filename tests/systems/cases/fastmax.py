"""Fastmax in plain PyTorch: the quadratic form."""

from __future__ import annotations

from functools import partial
from itertools import product

from torch import Tensor

from ..support import Case, Weights


def ball(x: Tensor, centre: str) -> Tensor:
    if centre == "raw":
        return x
    if centre != "nothing":
        x = x - x.mean(-2 if centre == "tokens" else -1, keepdim=True)
    return x / x.norm(dim=-1, keepdim=True).amax(-2, keepdim=True)


def weights(q: Tensor, k: Tensor, order: int = 2, causal: bool = False, centre: str = "nothing") -> Tensor:
    s = ball(q, centre) @ ball(k, centre).mT
    f = 1 + s + s * s / 2 if order == 2 else 1 + s
    f = f.tril() if causal else f
    return f / f.sum(-1, keepdim=True)


def fastmax(w: Weights, q: Tensor, k: Tensor, v: Tensor, order: int = 2, causal: bool = False, centre: str = "nothing") -> Tensor:
    return weights(q, k, order, causal, centre) @ v


def case(form: str, order: int, causal: bool, centre: str) -> Case:
    known = {"order": order, "causal": causal, "centre": centre}
    inputs = ((2, 3, 7, 4), (2, 3, 7, 4), (2, 3, 7, 5))
    return Case("std.linear", "fastmax", partial(fastmax, **known), inputs, {"form": form, **known}, {"N": 7, "d": 4, "e": 5})


HEADLESS = ((2, 7, 4), (2, 7, 4), (2, 7, 5))

CASES = [
    *[case(form, order, causal, "nothing") for form, order, causal in product(("factorised", "quadratic"), (2, 1), (False, True))],
    *[case("factorised", 2, causal, centre) for causal in (False, True) for centre in ("tokens", "features", "raw")],
    Case("std.linear", "ball", lambda w, x: ball(x, "nothing"), ((2, 3, 7, 4),), {}, {"N": 7, "d": 4}),
    Case("std.linear", "weighted", lambda w, q, k, v: q @ k.mT @ v, HEADLESS, {}, {"N": 7, "d": 4, "e": 5}),
    Case("std.linear", "weighted", lambda w, q, k, v: (q @ k.mT).tril() @ v, HEADLESS, {"causal": True}, {"N": 7, "d": 4, "e": 5}),
]
