"""Attention on blocks of rows and keys with its own gradients: forwards and backwards only one block of scores is held at any time.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .runtime_chunks import (
    LETTERS,
    attended,
    chunk_scores,
    cut_keys,
    cut_rows,
    dropped,
    other_weights,
    pair_values,
    row_shape,
    rows_together,
    widest,
)

BLOCK = 1 << 16
"""How many scores are held together."""


def is_traced() -> bool:
    """Whether the operations are recorded, not run: then gradients come from the operations themselves."""
    inside: Any = torch  # PyTorch has no public word for it
    return torch.compiler.is_compiling() or inside._C._are_functorch_transforms_active()


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
    block: int | None = None,
    told: Callable[..., Sequence[Tensor]] | None = None,
    made: Sequence[str] = (),
    given: Sequence[Tensor] = (),
    numbers: Sequence[Any] = (),
) -> Tensor:
    """Attention over `chunk` keys at a time, with the softmax of all of them: `[rows.., features]`. No more than `block` scores are held at
    any time.

    q[i]: [rows.., dots], k[i]: [rows.., keys, dots], v: [rows.., keys, features]; scale, bias and where broadcast to [rows.., keys], sink
    to [rows.., 1]. `rows` are the same dimensions everywhere, of size 1 where a tensor lacks one. `by`: softmax, sigmoid or relu2.
    `told(*given, *numbers)` makes what `made` names (`bias`, `where`) of tensors that broadcast to [rows.., keys].
    """
    options: dict[str, Any] = {"terms": len(q), "chunk": chunk, "softcap": softcap, "by": by, "dropout": dropout, "block": block or BLOCK}
    options.update(told=told, made=made, numbers=numbers)
    values = [*q, *k, v, scale, bias, where, sink, *given]
    if is_traced():
        return attended(values, options)[0]
    options["seed"] = int(torch.randint(1 << 62, ())) if dropout else None
    operation: Any = ChunkedAttention
    result: Tensor = operation.apply(options, *values)
    return result


def random_source(options: dict[str, Any], like: Tensor) -> torch.Generator | None:
    """A generator of its own, which gives the same numbers forwards and backwards; None where none are drawn."""
    return None if options["seed"] is None else torch.Generator(like.device).manual_seed(options["seed"])


class ChunkedAttention(torch.autograd.Function):
    """Attention on blocks whose gradients work out the scores of each block again (Rabe, Staats, 2021): all that is kept of a row are
    its result, its largest score and the sum of its weights."""

    @staticmethod
    def forward(ctx: Any, options: dict[str, Any], *values: Any) -> Tensor:
        terms: int = options["terms"]
        v, shape = values[2 * terms], row_shape(values, terms)
        y: Tensor = v.new_empty((*shape, v.shape[-1]))
        softmax = options["by"] == "softmax"
        top, total = (widest(y[..., :1]).new_zeros((*shape, 1)) for _ in range(2)) if softmax else (None, None)
        source = random_source(options, v)
        for at in rows_together(values, options):
            read, highest, weight = attended([cut_rows(x, at) for x in values], options, source)
            cut_rows(y, at).copy_(read)
            if top is not None and total is not None:
                cut_rows(top, at).copy_(torch.where(highest == float("-inf"), 0, highest))
                cut_rows(total, at).copy_(torch.where(weight == 0, 1, weight))
        ctx.options, ctx.cast = options, (torch.is_autocast_enabled(v.device.type), torch.get_autocast_dtype(v.device.type))
        ctx.others = [None if isinstance(x, Tensor) else x for x in values]
        kept = (y, top, total) if softmax else (None, None, None)
        ctx.save_for_backward(*(x if isinstance(x, Tensor) else None for x in values), *kept)
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of every tensor, one block after another."""
        (slope,) = grad_outputs
        saved = ctx.saved_tensors
        values = [x if x is not None else other for x, other in zip(saved[:-3], ctx.others, strict=True)]
        enabled, dtype = ctx.cast
        with torch.autocast(slope.device.type, dtype, enabled=enabled):
            told = attention_slopes_again if torch.is_grad_enabled() else attention_slopes
            return (None, *told(values, ctx.needs_input_grad[1:], ctx.options, slope, saved[-3:]))


def attention_slopes_again(
    values: Sequence[Any], wanted: Sequence[bool], options: dict[str, Any], slope: Tensor, kept: Sequence[Any]
) -> list[Any]:
    """Gradients that have gradients: from the operations themselves, for all rows together."""
    result, _, _ = attended(values, options, random_source(options, slope))
    leaves = [x for x, is_wanted in zip(values, wanted, strict=True) if is_wanted]
    found = iter(torch.autograd.grad(result, leaves, slope, create_graph=True, allow_unused=True))
    return [next(found) if is_wanted else None for is_wanted in wanted]


def attention_slopes(
    values: Sequence[Any], wanted: Sequence[bool], options: dict[str, Any], slope: Tensor, kept: Sequence[Any]
) -> list[Any]:
    """The gradients of the tensors of a call, added up block by block; `kept`: the result, the largest scores, the sums of weights."""
    wide = widest(slope).dtype
    made = [x.new_zeros(x.shape, dtype=wide) if is_wanted else None for x, is_wanted in zip(values, wanted, strict=True)]
    source = random_source(options, slope)
    for at in rows_together(values, options):
        rows, into, (dy, y, top, total) = ([cut_rows(x, at) for x in group] for group in (values, made, (slope, *kept)))
        mean = None if y is None else (widest(dy) * widest(y)).sum(-1, keepdim=True)
        row_slopes(rows, into, options, (dy, mean, top, total), source)
    return [None if x is None else x.to(value.dtype) for x, value in zip(made, values, strict=True)]


def row_slopes(
    values: Sequence[Any], into: Sequence[Any], options: dict[str, Any], given: Sequence[Any], source: torch.Generator | None
) -> None:
    """Adds the gradients of some rows. `given`: the slope of the result, its product with the result, largest scores, sums of weights."""
    terms: int = options["terms"]
    for start in range(0, values[2 * terms].shape[-2], options["chunk"]):
        end = min(start + options["chunk"], values[2 * terms].shape[-2])
        block_slopes(cut_keys(values, terms, start, end), cut_keys(into, terms, start, end), options, given, source)
    place = 2 * terms + 4
    if into[place] is not None:
        _, mean, top, total = given
        into[place].add_(summed_to(-torch.exp(widest(values[place]) - top) / total * mean, into[place]))


def block_slopes(
    values: Sequence[Any], into: Sequence[Any], options: dict[str, Any], given: Sequence[Any], source: torch.Generator | None
) -> None:
    """Adds the gradients of one block of scores."""
    terms, by = options["terms"], options["by"]
    dy, mean, top, total = given
    leaves, bias, where = pairs_with_slopes(values, into, options)
    s, raw, bent = chunk_scores(values, options, None if bias is None else bias.detach(), where)
    weights = torch.exp(s - top) / total if by == "softmax" else other_weights(s, by)
    head = LETTERS[: s.dim() - 1]
    ds = widest(torch.einsum(f"{head}E,{head}KE->{head}K", dy, values[2 * terms]))
    kept = weights
    if options["dropout"]:
        keep = dropped(weights, options["dropout"], source)
        kept, ds = weights * keep, ds * keep
    if into[2 * terms] is not None:
        into[2 * terms].add_(product_to(f"{head}K,{head}E", kept.to(dy.dtype), dy, into[2 * terms], "KE"))
    ds = score_slopes(ds, s, weights, by, mean)
    if bias is not None:
        add_pair_slopes(values, into, options, leaves, bias, ds)
    if bent is not None:
        ds = ds * (1 - bent * bent)
    if into[2 * terms + 1] is not None:
        into[2 * terms + 1].add_(summed_to(ds * raw, into[2 * terms + 1]))
    ds = (ds * values[2 * terms + 1]).to(values[0].dtype)
    for i in range(terms):
        if into[i] is not None:
            into[i].add_(product_to(f"{head}K,{head}KD", ds, values[terms + i], into[i], "D"))
        if into[terms + i] is not None:
            into[terms + i].add_(product_to(f"{head}K,{head}D", ds, values[i], into[terms + i], "KD"))


def score_slopes(slopes: Tensor, s: Tensor, weights: Tensor, by: str, mean: Any) -> Tensor:
    """The slopes of scores from those of weights; `mean` is what a softmax takes off."""
    if by == "softmax":
        shifted: Tensor = weights * (slopes - mean)
        return shifted
    return slopes * (weights * (1 - weights) if by == "sigmoid" else 2 * torch.relu(s))


def pairs_with_slopes(values: Sequence[Any], into: Sequence[Any], options: dict[str, Any]) -> tuple[list[Any], Any, Any]:
    """Bias and mask, and the tensors that a bias is made of where these have gradients."""
    place = 2 * options["terms"] + 5
    leaves = [x.detach().requires_grad_(slot is not None) for x, slot in zip(values[place:], into[place:], strict=True)]
    with torch.enable_grad():
        bias, where = pair_values([*values[:place], *leaves], options)
    return leaves, bias, where


def add_pair_slopes(
    values: Sequence[Any], into: Sequence[Any], options: dict[str, Any], leaves: list[Any], bias: Tensor, ds: Tensor
) -> None:
    """Adds the gradients of a bias, or of what it is made of."""
    place = 2 * options["terms"] + 2
    if into[place] is not None:
        into[place].add_(summed_to(ds, into[place]))
    wanted = [i for i, x in enumerate(leaves) if x.requires_grad]
    if not wanted or not bias.requires_grad or "bias" not in options["made"]:
        return
    found: Any = torch.autograd.grad(bias, [leaves[i] for i in wanted], summed_to(ds, bias).to(bias.dtype), allow_unused=True)
    for i, x in zip(wanted, found, strict=True):
        if x is not None:
            into[place + 3 + i].add_(x)


def summed_to(x: Tensor, like: Tensor) -> Tensor:
    """The sum along everything that `like` has one of."""
    return x.sum() if like.dim() == 0 else x.sum_to_size(like.shape)


def product_to(equation: str, a: Tensor, b: Tensor, like: Tensor, tail: str) -> Tensor:
    """A product added up along the rows that `like` has one of, in its shape; `tail` are the letters after those of rows."""
    rows = like.dim() - len(tail)
    head = "".join(letter for letter, size in zip(LETTERS, like.shape[:rows], strict=False) if size != 1)
    return torch.einsum(f"{equation}->{head}{tail}", a, b).reshape(like.shape)
