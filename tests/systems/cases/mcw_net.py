"""MCW-Net in plain PyTorch."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import attention, conv, dense, mixed
from ..support import Case, Weights, part


def act(w: Weights, name: str, x: Tensor) -> Tensor:
    return fn.prelu(x, w[f"{name}.slope"])


def non_local(w: Weights, x: Tensor, rows: int = 1, columns: int = 1) -> Tensor:
    def block(t: Tensor) -> Tensor:
        q = mixed(w, "theta", t)
        k, g = (fn.max_pool2d(mixed(w, name, t), 2) for name in ("phi", "g"))
        y = attention(q.flatten(2).mT, k.flatten(2).mT, g.flatten(2).mT, scale=1).mT.reshape(q.shape)
        return mixed(w, "out", y) + t

    return torch.cat([torch.cat([block(t) for t in row.chunk(columns, 3)], 3) for row in x.chunk(rows, 2)], 2)


def haar_down(x: Tensor) -> Tensor:
    a, b, c, d = (x[:, :, i::2, j::2] / 2 for i, j in ((0, 0), (1, 0), (0, 1), (1, 1)))
    return torch.cat((a + b + c + d, -a - b + c + d, -a + b - c + d, a - b - c + d), 1)


def haar_up(x: Tensor) -> Tensor:
    low, across, along, both = (part / 2 for part in x.chunk(4, 1))
    y = x.new_zeros(x.shape[0], x.shape[1] // 4, 2 * x.shape[2], 2 * x.shape[3])
    y[:, :, 0::2, 0::2] = low - across - along + both
    y[:, :, 1::2, 0::2] = low - across + along - both
    y[:, :, 0::2, 1::2] = low + across - along - both
    y[:, :, 1::2, 1::2] = low + across + along + both
    return y


def dense_residual(w: Weights, x: Tensor) -> Tensor:
    a = act(w, "act1", conv(w, "conv1", x))
    b = act(w, "act2", conv(w, "conv2", torch.cat((x, a), 1)))
    return x + act(w, "act3", conv(w, "conv3", torch.cat((x, a, b), 1)))


def down(w: Weights, x: Tensor) -> Tensor:
    return act(w, "act", mixed(w, "conv", haar_down(x)))


def up(w: Weights, x: Tensor) -> Tensor:
    return haar_up(act(w, "act", mixed(w, "conv", x)))


def carried(w: Weights, x: Tensor, steps: int) -> Tensor:
    for i in range(abs(steps)):
        x = down(part(w, f"down.{i}"), x) if steps > 0 else up(part(w, f"up.{i}"), x)
    return x


def connection(w: Weights, *maps: Tensor) -> Tensor:
    z = torch.cat(maps, 1)
    z = z * dense(w, "gate.fc2", dense(w, "gate.fc1", z.mean((2, 3))).relu()).sigmoid()[..., None, None] + z
    return act(w, "act", mixed(w, "conv", z))


def level(w: Weights, x: Tensor, rows: int, columns: int) -> Tensor:
    for i in range(2 if "dense.1.conv1.weight" in w else 1):
        x = dense_residual(part(w, f"dense.{i}"), x)
    return non_local(part(w, "attention"), x, rows, columns)


def network(w: Weights, image: Tensor, rows: list[int], columns: list[int]) -> tuple[Tensor, Tensor]:
    x = act(w, "head_act", mixed(w, "head", image))
    skip: list[Tensor] = []
    for i in range(3):
        x = down(part(w, f"down.{i}"), x) if i else x
        x = level(part(w, f"encoder.{i}"), x, rows[i], columns[i])
        skip.append(x)
    x = down(part(w, "down.3"), x)
    for i in (3, 2, 1, 0):
        x = up(part(w, f"up.{i}"), x) if i < 3 else x
        seen = [carried(part(w, f"carried.{i}.{s}"), z, i - s) for s, z in enumerate(skip)]
        x = connection(part(w, f"connections.{i}"), *seen, x)
        y = level(part(w, f"decoder.{i}"), x, rows[i], columns[i])
        x = x + y if i == 3 else y
    added = act(w, "tail_act", mixed(w, "tail", dense_residual(part(w, "last"), x)))
    return image + added, added


GRIDS = {"rows": [2, 2, 1, 1], "columns": [1, 2, 1, 1]}
EVEN = (2, 8, 8, 12)

CASES = [
    Case("std.systems.mcw_net", "mcw_net", partial(network, **GRIDS), ((1, 3, 16, 16),), {"width": 4, "reduction": 4, "blocks": 1, **GRIDS},
         {"H": 16, "W": 16}, lead=False, half=False, scale=0.1, larger=lambda sizes: {**sizes, "H": sizes["H"] + 16, "W": 2 * sizes["W"]}),
    Case("std.systems.mcw_net", "level", partial(level, rows=2, columns=3), ((2, 4, 8, 12),), {"C": 4, "rows": 2, "columns": 3},
         {"H": 8, "W": 12}, scale=0.2),
    *[Case("std.non_local", "non_local", partial(non_local, rows=r, columns=c), (EVEN,), {"C": 8, "rows": r, "columns": c},
           {"H": 8, "W": 12}) for r, c in ((4, 2), (1, 1), (2, 6))],
    Case("std.non_local", "non_local", non_local, ((2, 6, 7, 5),), {"C": 6, "reduction": 3}, {"H": 7, "W": 5}),
    Case("std.wavelets", "haar", lambda w: haar_up(torch.eye(4, dtype=torch.float64)[..., None, None])[:, 0], (), lead=False, half=False),
    Case("std.wavelets", "haar_down", lambda w, x: haar_down(x), (EVEN,), {}, {"H": 8, "W": 12, "C": 8}),
    Case("std.wavelets", "haar_up", lambda w, x: haar_up(x), (EVEN,), {}, {"H": 8, "W": 12, "C": 8}),
    Case("std.systems.mcw_net", "dense_residual", dense_residual, ((2, 8, 5, 7),), {"C": 8}, {"H": 5, "W": 7}),
    Case("std.systems.mcw_net", "connection", connection, ((2, 4, 5, 7),) * 4, {"C": 4, "reduction": 2}, {"H": 5, "W": 7}),
    Case("std.pointwise", "prelu", lambda w, x: fn.prelu(x, w["slope"]), ((2, 7),)),
]  # fmt: skip
