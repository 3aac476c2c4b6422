"""Attention that needs more than a few calls: a sink among the logits, and keys taken a chunk at a time.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def sink_softmax(x: Tensor, sink: Tensor) -> Tensor:
    """Softmax over the last dimension of `x` [.., keys] with `sink` [.., 1] (may broadcast) as one more logit, whose weight is left out."""
    logits = torch.cat([x, sink.expand(*x.shape[:-1], 1)], -1)
    return torch.softmax(logits, -1).narrow(-1, 0, x.shape[-1])


def masked_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    where: Tensor,
    bias: Tensor | None,
    scale: float,
    dropout_p: float = 0.0,
) -> Tensor:
    """PyTorch's attention on [batch, heads, rows, features] where `where` holds; rows without any key give zeros and no gradients.

    Not every kernel keeps such rows from being NaN, so they look at everything and are zeroed afterwards.
    """
    some = where.any(-1, keepdim=True)
    mask = where | ~some
    if bias is not None:
        mask = torch.where(mask, bias, float("-inf"))
    y = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout_p, scale=scale)
    return torch.where(some, y, 0)


def triangular_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, scale: float, dropout_p: float = 0.0) -> Tensor:
    """PyTorch's attention on [batch, heads, rows, features], where keys lie in reverse and `bias` refuses those after a query.

    So row i has a use for the last i + 1 keys alone. The rows are taken in a few parts, each with the keys that its last one needs.
    """
    count, attention = q.shape[-2], torch.nn.functional.scaled_dot_product_attention
    parts = 1 if torch.compiler.is_compiling() else min(8, count // 128)
    if parts < 2:
        return attention(q, k, v, attn_mask=bias, dropout_p=dropout_p, scale=scale)
    ends = [count * part // parts for part in range(parts + 1)]
    sizes = [ends[part + 1] - ends[part] for part in range(parts)]
    found: list[Tensor] = []
    for rows, size, end in zip(torch.split(q, sizes, -2), sizes, ends[1:], strict=True):
        keys, values, mask = k[..., count - end :, :], v[..., count - end :, :], bias[..., end - size : end, count - end :]
        found.append(attention(rows, keys, values, attn_mask=mask, dropout_p=dropout_p, scale=scale))
    return torch.cat(found, -2)


def sink_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    sink: Tensor,
    where: Tensor | None,
    bias: Tensor | None,
    scale: float,
    dropout_p: float = 0.0,
) -> Tensor:
    """PyTorch's attention on [batch, heads, rows, features] with `sink` (may broadcast to [batch, heads, rows, 1]) as one more logit.

    The sink is a feature of the queries that one more key alone has; its value is zero. All have as many features, which kernels want.
    """
    pad = torch.nn.functional.pad
    asked, read = q.shape[-1], v.shape[-1]
    width = max(asked + 1, read)
    one = pad(k.new_ones(1), (asked, width - asked - 1))
    q = pad(torch.cat([q * scale, sink.expand(*q.shape[:-1], 1)], -1), (0, width - asked - 1))
    if where is not None:
        where = pad(where.expand(*where.shape[:-1], k.shape[-2]), (0, 1), value=True)
    if bias is not None:
        bias = pad(bias.expand(*bias.shape[:-1], k.shape[-2]), (0, 1))
    k = torch.cat([pad(k, (0, width - asked)), one.expand(*k.shape[:-2], 1, width)], -2)
    v = pad(v, (0, width - read, 0, 1))
    mask = bias if where is None else where if bias is None else torch.where(where, bias, float("-inf"))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout_p, scale=1.0)[..., :read]


def attention_equations(rows: int) -> tuple[str, str]:
    """einsum equations over `rows` dimensions in common: scores of q [rows.., d] and k [rows.., keys, d]; reading v [rows.., keys, e]."""
    head = "abcdefghijklmnopqrstuvwxyz"[:rows]
    return f"{head}D,{head}KD->{head}K", f"{head}K,{head}KE->{head}E"


def key_slice(x: Tensor | None, start: int, end: int) -> Tensor | None:
    """Keys `start` to `end` of the last dimension; all of it where it is one number for every key."""
    return x if x is None or x.dim() == 0 or x.shape[-1] == 1 else x[..., start:end]


def chunk_scores(
    q: Sequence[Tensor],
    k: Sequence[Tensor],
    equation: str,
    scale: Any,
    softcap: float | None,
    bias: Tensor | None,
    where: Tensor | None,
) -> Tensor:
    """The scores of some keys in float32 or wider, -inf where they are not allowed."""
    s = torch.einsum(equation, q[0], k[0])
    for left, right in zip(q[1:], k[1:], strict=True):
        s = s + torch.einsum(equation, left, right)
    s = s * scale
    if softcap is not None:
        s = torch.tanh(s / softcap) * softcap
    if bias is not None:
        s = s + bias
    if where is not None:
        s = torch.where(where, s, float("-inf"))
    return s.float() if s.dtype in (torch.float16, torch.bfloat16) else s


def chunked_attention(
    q: Sequence[Tensor],
    k: Sequence[Tensor],
    v: Tensor,
    chunk: int,
    scale: Any,
    softcap: float | None = None,
    bias: Tensor | None = None,
    where: Tensor | None = None,
    sink: Tensor | None = None,
    by: str = "softmax",
    dropout: float = 0.0,
) -> Tensor:
    """Attention over `chunk` keys at a time, with the softmax of all of them: `[rows.., features]`.

    q[i]: [rows.., dots], k[i]: [rows.., keys, dots], v: [rows.., keys, features]; scale, bias and where broadcast to [rows.., keys], sink
    to [rows.., 1]. `rows` are the same dimensions everywhere, of size 1 where a tensor lacks one. `by`: softmax, sigmoid or relu2.
    """
    rows, count = v.dim() - 2, v.shape[-2]
    scoring, reading = attention_equations(rows)
    pieces: list[Any] = []
    for start in range(0, max(count, 1), chunk):
        end = min(start + chunk, count)
        size = key_slice(scale, start, end) if isinstance(scale, Tensor) else scale
        keys, values = [x.narrow(rows, start, end - start) for x in k], v.narrow(rows, start, end - start)
        pieces.append((values, (q, keys, scoring, size, softcap, key_slice(bias, start, end), key_slice(where, start, end))))
    logit = sink.float() if sink is not None and sink.dtype in (torch.float16, torch.bfloat16) else sink
    top: Any = None if logit is None else logit.detach()
    again = recomputes(len(pieces))
    if again and by == "softmax":
        with torch.no_grad():
            for _, given in pieces:
                top, _, _ = next_weights(chunk_scores(*given), top)
    total: Any = 0.0 if logit is None else torch.exp(logit - torch.where(top == float("-inf"), 0, top))
    acc: Any = 0.0
    for values, given in pieces:
        if again:
            told = (chunk_sums, given, values, reading, by, dropout, top)
            utilities: Any = torch.utils
            read, weight = utilities.checkpoint.checkpoint(*told, use_reentrant=False)
        elif by == "softmax":
            top, weights, keep = next_weights(chunk_scores(*given), top)
            acc, total = acc * keep, total * keep
            read, weight = read_chunk(weights, values, reading, dropout)
        else:
            read, weight = chunk_sums(given, values, reading, by, dropout, None)
        acc, total = acc + read, total + weight
    if by == "softmax":
        acc = acc / torch.where(total == 0, 1, total)
    result: Tensor = acc.to(v.dtype)
    return result


def recomputes(count: int) -> bool:
    """Whether the gradients work out the scores of `count` chunks again, and nothing of them is kept: not in a graph that is traced."""
    if count < 2 or not torch.is_grad_enabled():
        return False
    inside: Any = torch  # PyTorch has no public word for it
    return not torch.compiler.is_compiling() and not inside._C._are_functorch_transforms_active()


def chunk_sums(given: Any, v: Tensor, reading: str, by: str, dropout: float, top: Tensor | None) -> tuple[Tensor, Tensor]:
    """What is read of some keys, and the sum of their weights; of a softmax both without the exponential of `top`, its largest score.

    `given` are the arguments of `chunk_scores`.
    """
    s = chunk_scores(*given)
    if by == "softmax" and top is not None:
        weights = torch.exp(s - torch.where(top == float("-inf"), 0, top))
    else:
        weights = torch.sigmoid(s) if by == "sigmoid" else torch.square(torch.relu(s))
    return read_chunk(weights, v, reading, dropout)


def read_chunk(weights: Tensor, v: Tensor, reading: str, dropout: float) -> tuple[Tensor, Tensor]:
    """The weighted sum of some values, and the sum of the weights."""
    total = weights.sum(-1, keepdim=True)
    weights = torch.nn.functional.dropout(weights, dropout) if dropout else weights
    return torch.einsum(reading, weights.to(v.dtype), v).to(weights.dtype), total


def next_weights(s: Tensor, top: Tensor | None) -> tuple[Tensor, Tensor, Any]:
    """The largest score so far, exp(s - largest), and what the sums made with the largest one before are multiplied with.

    No gradient is lost by holding the largest score fixed: it cancels in the quotient.
    """
    scores = s.detach()
    now = scores.amax(-1, keepdim=True) if s.shape[-1] else scores.new_full((*s.shape[:-1], 1), float("-inf"))
    now = now if top is None else torch.maximum(now, top)
    safe = torch.where(now == float("-inf"), 0, now)
    keep = 0.0 if top is None else torch.exp(top - safe)
    return now, torch.exp(s - safe), keep
