"""How weights start. Draws come from torch's global generator, in the order of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def fan_in(x: Tensor) -> int:
    """How many numbers each output sums over, from the stored shape `[out, in, kernel...]`; all of them for a vector."""
    return x[0].numel() if x.dim() > 1 and len(x) else x.numel()


def fill(x: Tensor, kind: str, values: Sequence[Any] = ()) -> None:
    """Fill a weight in place. `kind` and `values` are those of the program; ValueError for a kind there is none of."""
    init = torch.nn.init
    number = float(values[0]) if values and kind != "list" else None
    deviation = 0.02 if number is None else number
    with torch.no_grad():
        if kind in ("zeros", "ones", "constant"):
            x.fill_({"zeros": 0, "ones": 1}.get(kind, values[0] if values else 0))
        elif kind == "normal":
            init.normal_(x, std=1.0 if number is None else number)
        elif kind == "uniform":
            low, high = (float(value) for value in values) if len(values) == 2 else (0.0, 1.0 if number is None else number)
            init.uniform_(x, low, high)
        elif kind == "trunc_normal":
            init.trunc_normal_(x, std=deviation)
        elif kind in ("torch_linear", "torch_bias"):
            fill_like_linear(x, fan_in(x) if number is None else int(number), kind == "torch_bias")
        elif kind == "list":
            x.copy_(torch.tensor(values[0], dtype=x.dtype).reshape(x.shape))
        elif kind in ("xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal", "eye"):
            fill_matrix(x, kind, () if number is None else (number,))
        else:
            raise ValueError(f"there is no initial value called {kind}")


def fill_like_linear(x: Tensor, fan: int, bias: bool) -> None:
    """Uniform between -1/sqrt(fan) and 1/sqrt(fan): what PyTorch gives linear and convolution, rounded as PyTorch rounds it."""
    bound = 0.0 if fan <= 0 else 1 / fan**0.5 if bias else 3**0.5 * ((2 / 6) ** 0.5 / fan**0.5)
    torch.nn.init.uniform_(x, -bound, bound)


def fill_matrix(x: Tensor, kind: str, values: Sequence[float]) -> None:
    """Those of PyTorch's functions that see a matrix `[out, in, kernel...]`; a vector counts as one row.

    `values`: the gain, or kaiming's slope.
    """
    init = torch.nn.init
    matrix = x if x.dim() > 1 else x.reshape(1, -1)
    if kind == "eye":
        matrix.zero_()
        matrix.reshape(len(matrix), -1).fill_diagonal_(1)
    elif kind.startswith("kaiming"):
        kaiming = init.kaiming_uniform_ if kind == "kaiming_uniform" else init.kaiming_normal_
        kaiming(matrix, a=values[0] if values else 0.0)
    else:
        gain = values[0] if values else 1.0
        draw = {"orthogonal": init.orthogonal_, "xavier_uniform": init.xavier_uniform_, "xavier_normal": init.xavier_normal_}[kind]
        draw(matrix, gain=gain)


def assign(x: Tensor, value: Tensor) -> None:
    """Fill a weight with the value of its formula."""
    with torch.no_grad():
        x.copy_(value.reshape(x.shape))
