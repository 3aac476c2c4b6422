"""Attention on blocks of rows and keys, forwards: only one block of scores is held at any time.

The tensors of a call are one list, so that all can be cut together: queries and keys of every term, values, scale, bias, mask, sink, and
what `told` makes biases and masks of. Rows are the same dimensions everywhere, of size 1 where a tensor lacks one, and keys the last.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""What einsum calls the dimensions of rows."""


def attention_equations(rows: int) -> tuple[str, str]:
    """einsum equations over `rows` dimensions in common: scores of q [rows.., d] and k [rows.., keys, d]; reading v [rows.., keys, e]."""
    head = LETTERS[:rows]
    return f"{head}D,{head}KD->{head}K", f"{head}K,{head}KE->{head}E"


def cut_keys(values: Sequence[Any], terms: int, start: int, end: int) -> list[Any]:
    """The tensors of a call at some keys; queries and sink have none, and what is one for all keys stays."""

    def cut(place: int, x: Any) -> Any:
        if not isinstance(x, Tensor) or x.dim() == 0 or place < terms or place == 2 * terms + 4:
            return x
        if place <= 2 * terms:
            return x.narrow(-2, start, end - start)
        return x if x.shape[-1] == 1 else x.narrow(-1, start, end - start)

    return [cut(place, x) for place, x in enumerate(values)]


def cut_rows(x: Any, at: Sequence[tuple[int, int]]) -> Any:
    """A view of some rows: `at` has the first one and the number of them for every dimension."""
    if not isinstance(x, Tensor) or x.dim() == 0:
        return x
    for place, (start, count) in enumerate(at):
        x = x if x.shape[place] == 1 else x.narrow(place, start, count)
    return x


def row_shape(values: Sequence[Any], terms: int) -> tuple[int, ...]:
    """The sizes of all rows together."""
    rows = values[2 * terms].dim() - 2
    shapes = [x.shape[:rows] for x in values if isinstance(x, Tensor) and x.dim()]
    return tuple(next((size for size in sizes if size != 1), 1) for sizes in zip(*shapes, strict=True))


def row_blocks(shape: Sequence[int], most: int) -> list[list[tuple[int, int]]]:
    """Rows in blocks of no more than `most`, the last dimensions together; for every dimension where a block starts, and its size."""
    steps: list[int] = []
    for size in reversed(shape):
        steps.insert(0, max(1, min(size, most)))
        most = most // max(size, 1)
    blocks: list[list[tuple[int, int]]] = [[]]
    for size, step in zip(shape, steps, strict=True):
        blocks = [[*block, (start, min(step, size - start))] for block in blocks for start in range(0, size, step)]
    return blocks


def rows_together(values: Sequence[Any], options: dict[str, Any]) -> list[list[tuple[int, int]]]:
    """The blocks of rows of a call, so that one with `chunk` keys has `block` scores."""
    keys = max(1, min(options["chunk"], values[2 * options["terms"]].shape[-2]))
    return row_blocks(row_shape(values, options["terms"]), max(1, options["block"] // keys))


def widest(x: Tensor) -> Tensor:
    """Half precision in float32."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def pair_values(values: Sequence[Any], options: dict[str, Any]) -> tuple[Any, Any]:
    """Bias and mask of these rows and keys; `told` makes those that `made` names of what lies along rows or keys alone."""
    place = 2 * options["terms"] + 2
    found = {"bias": values[place], "where": values[place + 1]}
    if options["told"] is not None:
        made = options["told"](*values[place + 3 :], *options["numbers"])
        found.update(zip(options["made"], made, strict=True))
    return found["bias"], found["where"]


def chunk_scores(values: Sequence[Any], options: dict[str, Any], bias: Any, where: Any) -> tuple[Tensor, Tensor, Tensor | None]:
    """The scores in float32 or wider, -inf where they are not allowed; the products before the scale; and the tanh of a cap."""
    terms: int = options["terms"]
    scoring, _ = attention_equations(values[0].dim() - 1)
    raw = torch.einsum(scoring, values[0], values[terms])
    for left, right in zip(values[1:terms], values[terms + 1 : 2 * terms], strict=True):
        raw = raw + torch.einsum(scoring, left, right)
    raw = widest(raw)
    s: Tensor = raw * values[2 * terms + 1]
    bent = None
    if options["softcap"] is not None:
        bent = torch.tanh(s / options["softcap"])
        s = bent * options["softcap"]
    if bias is not None:
        s = s + bias
    if where is not None:
        s = torch.where(where, s, float("-inf"))
    return s, raw, bent


def other_weights(s: Tensor, by: str) -> Tensor:
    """Weights that need no other score of the row."""
    return torch.sigmoid(s) if by == "sigmoid" else torch.square(torch.relu(s))


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


def dropped(weights: Tensor, rate: float, source: torch.Generator | None) -> Tensor:
    """What the weights are multiplied with in dropout, from a source of random numbers that can be asked again."""
    return torch.empty_like(weights).bernoulli_(1 - rate, generator=source).div_(1 - rate if rate < 1 else 1)


def attended(values: Sequence[Any], options: dict[str, Any], source: torch.Generator | None = None) -> tuple[Tensor, Any, Any]:
    """All that is read, for all rows together, some keys at a time; the largest score of each row, and the sum of its weights."""
    terms: int = options["terms"]
    v, sink = values[2 * terms], values[2 * terms + 4]
    _, reading = attention_equations(v.dim() - 2)
    top: Any = None if sink is None else widest(sink).detach()
    total: Any = 0.0 if sink is None else torch.exp(widest(sink) - torch.where(top == float("-inf"), 0, top))
    acc: Any = 0.0
    for start in range(0, max(v.shape[-2], 1), options["chunk"]):
        piece = cut_keys(values, terms, start, min(start + options["chunk"], v.shape[-2]))
        s, _, _ = chunk_scores(piece, options, *pair_values(piece, options))
        if options["by"] == "softmax":
            top, weights, keep = next_weights(s, top)
            acc, total = acc * keep, total * keep
        else:
            weights = other_weights(s, options["by"])
        total = total + weights.sum(-1, keepdim=True)
        if options["dropout"]:
            weights = weights * dropped(weights, options["dropout"], source)
        acc = acc + torch.einsum(reading, weights.to(v.dtype), piece[2 * terms]).to(weights.dtype)
    if options["by"] == "softmax":
        acc = acc / torch.where(total == 0, 1, total)
    return acc.to(v.dtype), top, total
