"""Aggregated attention and its gated feed-forward (TransNeXt) in plain PyTorch, on maps [H, W, C]."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as fn

from .references_tokens import Weights, heads_of, joined, lin, norm


def aggregated(w: Weights, x: Tensor, path: str = "", heads: int = 2, ratio: int = 2) -> Tensor:
    height, width, channels = x.shape
    n, pooled = height * width, (height // ratio, width // ratio)
    d = channels // heads

    def look(image: Tensor) -> Tensor:
        """[H, W, C] to 3 x 3 windows [h, N, d, L]."""
        found = fn.unfold(image.permute(2, 0, 1)[None], 3, padding=1)[0]
        return found.view(heads, d, 9, n).permute(0, 3, 1, 2)

    flat = x.reshape(n, channels)
    qn = fn.normalize(heads_of(lin(w, f"{path}q", flat), heads), dim=-1)
    cells = fn.unfold(torch.ones(1, 1, height, width, dtype=x.dtype), 3, padding=1)[0]
    slen = torch.log(cells.sum(0) + pooled[0] * pooled[1])
    qs = (qn + w[f"{path}qe"][:, None]) * fn.softplus(w[f"{path}tau"])[:, None, None] * slen[:, None]

    k, v = lin(w, f"{path}kv", x).unflatten(-1, (2, heads, d)).unbind(2)
    kl, vl = look(fn.normalize(k, dim=-1).flatten(2)), look(v.flatten(2))
    sl = torch.einsum("hnd,hndl->hnl", qs, kl) + w[f"{path}local"].flatten(1)[:, None]
    sl = sl.masked_fill((cells.T < 0.5)[None], -torch.inf)

    p = fn.adaptive_avg_pool2d(fn.gelu(lin(w, f"{path}reduce", x)).permute(2, 0, 1), pooled).flatten(1).T
    kp, vp = lin(w, f"{path}kv", norm(w, f"{path}norm", p)).unflatten(-1, (2, heads, d)).unbind(1)
    kp, vp = fn.normalize(kp, dim=-1).transpose(0, 1), vp.transpose(0, 1)

    def steps(size: int, cut: int) -> Tensor:
        at = torch.arange(size, dtype=x.dtype)
        return (at[:, None] - fn.adaptive_avg_pool1d(at[None], cut)) / 6 * 8

    dy, dx = steps(height, pooled[0]), steps(width, pooled[1])
    r = torch.stack([dy[:, None, :, None].expand(-1, width, -1, pooled[1]), dx[None, :, None, :].expand(height, -1, pooled[0], -1)], -1)
    r = torch.sign(r) * torch.log2(r.abs() + 1) / 3
    cpb = lin(w, f"{path}cpb2", fn.relu(lin(w, f"{path}cpb1", r))).view(n, -1, heads).permute(2, 0, 1)
    a = torch.cat([sl, qs @ kp.transpose(1, 2) + cpb], -1).softmax(-1)
    al, ap = a.split([9, pooled[0] * pooled[1]], -1)
    wl = qn @ w[f"{path}tokens"] + w[f"{path}token_bias"][:, None] + al
    y = torch.einsum("hnl,hndl->hnd", wl, vl) + ap @ vp
    return lin(w, f"{path}out", joined(y)).view(x.shape)


def conv_glu(w: Weights, x: Tensor, path: str = "") -> Tensor:
    a, v = lin(w, f"{path}fc1", x).chunk(2, -1)
    weight = w[f"{path}dwconv.weight"]
    a = fn.conv2d(a.permute(2, 0, 1), weight, w[f"{path}dwconv.bias"], padding=1, groups=len(weight)).permute(1, 2, 0)
    return lin(w, f"{path}fc2", fn.gelu(a) * v)


def transnext_stage(w: Weights, x: Tensor) -> Tensor:
    x = x + aggregated(w, norm(w, "norm1", x), "attention.")
    return x + conv_glu(w, norm(w, "norm2", x), "glu.")
