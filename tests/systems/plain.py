"""What the plain formulations share: layers by the names of their weights, and tensors cut into heads."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as fn

from .support import Weights


def dense(p: Weights, name: str, x: Tensor, dim: int = -1) -> Tensor:
    """A linear layer along one dimension."""
    return fn.linear(x.movedim(dim, -1), p[f"{name}.weight"], p.get(f"{name}.bias")).movedim(-1, dim)


def mixed(p: Weights, name: str, x: Tensor) -> Tensor:
    """A linear layer over the channels of an image [B, C, H, W]."""
    return dense(p, name, x, 1)


def conv(p: Weights, name: str, x: Tensor, **options: int) -> Tensor:
    """A convolution of [B, C, H, W] that keeps an odd kernel's size where nothing else is said."""
    weight = p[f"{name}.weight"]
    options.setdefault("padding", weight.shape[-1] // 2)
    return fn.conv2d(x, weight, p.get(f"{name}.bias"), **options)


def norm(p: Weights, name: str, x: Tensor, dim: int = -1, eps: float = 1e-5) -> Tensor:
    """A layer norm along one dimension."""
    weight = p[f"{name}.weight"]
    return fn.layer_norm(x.movedim(dim, -1), weight.shape, weight, p[f"{name}.bias"], eps).movedim(-1, dim)


def rms(x: Tensor, weight: Tensor | None = None, eps: float = 1e-6) -> Tensor:
    y = x * (x.square().mean(-1, keepdim=True) + eps).rsqrt()
    return y if weight is None else y * weight


def batch_norm(p: Weights, name: str, x: Tensor) -> Tensor:
    """A batch norm over the channels of [B, C, ...], with the running statistics, as in inference."""
    return fn.batch_norm(x, p[f"{name}.running_mean"], p[f"{name}.running_var"], p[f"{name}.weight"], p[f"{name}.bias"], False)


def one_norm(p: Weights, name: str, x: Tensor) -> Tensor:
    """A batch norm with one number for everything."""
    return batch_norm(p, name, x.reshape(-1, 1)).reshape(x.shape)


def heads(x: Tensor, count: int) -> Tensor:
    """[.., N, D] to [.., h, N, d]."""
    return x.unflatten(-1, (count, -1)).transpose(-2, -3)


def joined(x: Tensor) -> Tensor:
    """[.., h, N, d] to [.., N, D]."""
    return x.transpose(-2, -3).flatten(-2)


def causal(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool).tril()


def attention(
    q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None = None, scale: float | None = None, bias: Tensor | None = None
) -> Tensor:
    """softmax(q k * scale + bias) v over the last two dimensions."""
    s = q @ k.mT * (q.shape[-1] ** -0.5 if scale is None else scale)
    s = s if bias is None else s + bias
    s = s if seen is None else s.masked_fill(~seen, -torch.inf)
    return s.softmax(-1) @ v


def turned(x: Tensor, base: float, half: bool = False) -> Tensor:
    """Rotary positions of [.., N, d]: neighbours are a pair, or the halves are."""
    n, d = x.shape[-2:]
    freq = torch.as_tensor(base, dtype=x.dtype) ** (-2 * torch.arange(d // 2, dtype=x.dtype) / d)
    t = torch.arange(n, dtype=x.dtype)[:, None] * freq
    a, b = (x[..., : d // 2], x[..., d // 2 :]) if half else (x[..., ::2], x[..., 1::2])
    c, e = a * t.cos() - b * t.sin(), a * t.sin() + b * t.cos()
    return torch.cat((c, e), -1) if half else torch.stack((c, e), -1).flatten(-2)
