"""PyTorch's FlexAttention with block masks from what is known of a mask.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

BLOCK = 128
"""Queries and keys in a block, as PyTorch's kernels have it."""


def flex_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Callable[..., Tensor] | None,
    mask_given: Sequence[Any],
    bias: Callable[..., Tensor] | None,
    bias_given: Sequence[Any],
    told: Sequence[Sequence[Any]] | None,
    scale: float,
) -> Tensor:
    """Attention on [batch, heads, rows, features] where `mask(batch, head, query, key, *mask_given)` holds, of the scores that
    `bias(score, batch, head, query, key, *bias_given)` makes. Rows without any key give zeros.

    `told` is what is known of the mask: see `live_blocks`; None: it is looked at whole, once for every pair.
    """
    blocks = block_mask(q, k, mask, mask_given, told) if mask is not None else None

    def scored(s: Tensor, b: Any, h: Any, i: Any, j: Any) -> Tensor:
        return s if bias is None else bias(s, b, h, i, j, *bias_given)

    score = None if bias is None else scored
    result: Tensor = flex_kernel(q.device.type)(q, k, v, score_mod=score, block_mask=blocks, scale=scale)
    return result


@functools.cache
def flex_kernel(device: str) -> Any:
    """FlexAttention, compiled where that makes a kernel of it; elsewhere it holds all scores."""
    from torch.nn.attention import flex_attention as flex

    untyped: Any = torch
    return untyped.compile(flex.flex_attention) if device == "cuda" else flex.flex_attention


def block_mask(q: Tensor, k: Tensor, mask: Callable[..., Tensor], given: Sequence[Any], told: Sequence[Sequence[Any]] | None) -> Any:
    """PyTorch's description of a mask by blocks: which have allowed pairs, and in which all are."""
    from torch.nn.attention import flex_attention as flex

    rows, keys = q.shape[-2], k.shape[-2]

    def allowed(b: Any, h: Any, i: Any, j: Any) -> Tensor:
        return mask(b, h, i, j, *given)

    if told is None:
        untyped: Any = flex
        return untyped.create_block_mask(allowed, q.shape[0], q.shape[1], rows, keys, device=str(q.device), BLOCK_SIZE=BLOCK)
    live, full = live_blocks(rows, keys, told, BLOCK, q.device)
    some, every = block_lists(live & ~full), block_lists(full)
    return flex.BlockMask.from_kv_blocks(*some, *every, BLOCK_SIZE=BLOCK, mask_mod=allowed, seq_lengths=(rows, keys))


def block_lists(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """How many key blocks every query block has, and which, those first."""
    order = blocks.int().argsort(dim=-1, descending=True, stable=True)
    return blocks.sum(-1).int(), order.int()


def live_blocks(rows: int, keys: int, told: Sequence[Sequence[Any]], block: int, device: Any) -> tuple[Tensor, Tensor]:
    """Which blocks of pairs may hold an allowed one, and in which all are allowed: bool [batch, heads, query blocks, key blocks].

    `told` are conditions that must all hold. `("band", low, high)`: low <= key - query <= high, None where there is no limit;
    `("residue", step)`: their distance is a multiple; `("segment", size)`: both are in the same block of so many;
    `("same", queries, keys)`: the numbers [batch, heads, positions] of both are equal; `("unknown",)`: nothing is known of blocks.
    """
    query, key = block_ends(rows, block, device), block_ends(keys, block, device)
    first, last = (side.unsqueeze(-1) for side in query)
    live = torch.ones(1, 1, first.shape[0], key[0].shape[0], dtype=torch.bool, device=device)
    full = live.clone()
    for fact in told:
        may, must = block_facts(fact, (first, last), key, block)
        live, full = live & may, full & must
    return live, full & live


def block_ends(count: int, block: int, device: Any) -> tuple[Tensor, Tensor]:
    """The first and the last position of every block."""
    first = torch.arange(0, count, block, device=device)
    return first, (first + block - 1).clamp(max=count - 1)


def block_facts(fact: Sequence[Any], query: tuple[Tensor, Tensor], key: tuple[Tensor, Tensor], block: int) -> tuple[Any, Any]:
    """Whether one condition may hold for some pair of a block, and whether it does for all."""
    near, far = key[0] - query[1], key[1] - query[0]
    if fact[0] == "band":
        low, high = (-(2**40) if fact[1] is None else fact[1]), (2**40 if fact[2] is None else fact[2])
        return (far >= low) & (near <= high), (near >= low) & (far <= high)
    if fact[0] == "residue":
        return far // fact[1] * fact[1] >= near, near.new_full((), fact[1] == 1, dtype=torch.bool)
    if fact[0] == "segment":
        return ranges_meet(tuple(x // fact[1] for x in query), tuple(x // fact[1] for x in key))
    if fact[0] == "same":
        asked, known = number_ends(fact[1], block), number_ends(fact[2], block)
        return ranges_meet((asked[0].unsqueeze(-1), asked[1].unsqueeze(-1)), (known[0].unsqueeze(-2), known[1].unsqueeze(-2)))
    return near == near, near != near


def ranges_meet(one: Any, other: Any) -> tuple[Tensor, Tensor]:
    """Whether two ranges have a number in common, and whether both are that number alone."""
    return (one[0] <= other[1]) & (other[0] <= one[1]), (one[0] == one[1]) & (other[0] == other[1]) & (one[0] == other[0])


def number_ends(x: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """The least and the largest number of every block of the last dimension: [batch, heads, blocks]."""
    x = x.long()
    more = -x.shape[-1] % block
    pad = torch.cat([x, x[..., -1:].expand(*x.shape[:-1], more)], -1) if more else x
    cut = pad.reshape(*pad.shape[:-1], pad.shape[-1] // block, block)
    return cut.amin(-1), cut.amax(-1)
