"""Group generalised mean pooling in plain PyTorch."""

from __future__ import annotations

from torch import Tensor

from ..plain import norm
from ..support import Case, Weights


def ggem(w: Weights, x: Tensor, where: str = "off", skip: int = 1) -> Tensor:
    x = norm(w, "norm", x) if where == "before" else x
    p = w["p"]
    y = x[:, skip:].clamp(min=1e-6).unflatten(-1, (len(p), -1))
    y = ((y ** p[:, None]).mean(1) ** (1 / p[:, None])).flatten(1)
    return norm(w, "norm", y) if where == "after" else y


def case(where: str, skip: int, groups: int) -> Case:
    return Case("std.pooling", "ggem", lambda w, x: ggem(w, x, where, skip), ((2, 8, 12),),
                {"D": 12, "groups": groups, "norm": where, "skip": skip}, {"N": 8})  # fmt: skip


CASES = [case("off", 1, 3), *[case(where, skip, 4) for where in ("off", "before", "after") for skip in (0, 2)], case("off", 1, 1),
         case("off", 1, 12)]  # fmt: skip
