"""Attention under a mask of positions: the blocks of pairs in which it allows one, worked out once for each size.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .runtime_attention import masked_attention
from .runtime_parts import is_planned

BLOCK = 64
"""Rows and keys in a block."""
SHORTEST = 512
"""Blocks are not looked for among fewer rows or keys."""
LIVE = 0.6
"""The largest part of the blocks for which that is worth it."""
MOST = 1 << 14
"""So many keys are copied for one call, a key as often as blocks of rows meet it."""
KEPT = 32
"""So many plans are kept, each of one mask at one size."""


def block_attention(q: Tensor, k: Tensor, v: Tensor, mask: Callable[..., Tensor], given: Sequence[Any], scale: float) -> Tensor:
    """PyTorch's attention on [batch, heads, rows, features] where `mask(0, 0, row, key, *given)` holds, a function of positions alone.

    Blocks of rows that meet equally many blocks of keys are one call. Rows without any key give zeros.
    """
    rows, keys = q.shape[-2], k.shape[-2]
    plan = None
    if is_planned(k.transpose(-1, -2)) and min(rows, keys) >= SHORTEST:
        plan = kept_plan(mask, tuple(given), rows, keys, BLOCK)
    if plan is None:
        at, to = (torch.arange(count, device=q.device) for count in (rows, keys))
        where = mask(0, 0, at.unsqueeze(-1), to, *given)
        return masked_attention(q, k, v, where.expand(rows, keys)[None, None], None, scale)
    order, groups, some = plan
    q, k, v = (as_blocks(x, BLOCK) for x in (q, k, v))
    found = [one_block_group((q, k, v), some_rows, met, where, scale) for some_rows, met, where in groups]
    y = torch.cat(found, -3).index_select(-3, order).flatten(-3, -2)[..., :rows, :]
    return y if some is None else torch.where(some, y, 0)


def as_blocks(x: Tensor, block: int) -> Tensor:
    """[.., positions, features] as [.., blocks, block, features], with zeros behind the last position."""
    x = torch.nn.functional.pad(x, (0, 0, 0, -x.shape[-2] % block))
    return x.reshape(*x.shape[:-2], -1, block, x.shape[-1])


def one_block_group(blocks: Sequence[Tensor], rows: Tensor, keys: Tensor, where: Tensor | None, scale: float) -> Tensor:
    """The blocks `rows` [group] of queries, each with its blocks of `keys` [group * many] and a mask [1, group, block, many * block]."""
    q, k, v = blocks
    batch, heads, count = q.shape[0], q.shape[1], len(rows)
    asked = q.index_select(-3, rows).flatten(0, 1)
    met, taken = (x.index_select(-3, keys).view(batch * heads, count, -1, x.shape[-1]) for x in (k, v))
    y = torch.nn.functional.scaled_dot_product_attention(asked, met, taken, attn_mask=where, scale=scale)
    return y.reshape(batch, heads, *y.shape[1:])


def kept_plan(mask: Callable[..., Tensor], *said: Any) -> Any:
    """`block_plan` of the same, made once: the last `KEPT` are kept."""
    kept: dict[Any, Any] = vars(kept_plan).setdefault("plans", {})
    if (mask, said) not in kept:
        while len(kept) >= KEPT:
            kept.pop(next(iter(kept)), None)
        kept[mask, said] = block_plan(mask, *said)
    return kept[mask, said]


def block_plan(mask: Callable[..., Tensor], given: tuple[Any, ...], rows: int, keys: int, block: int) -> Any:
    """Where each block of rows comes to lie, the groups, and which rows have a key (None: all); None where most blocks have a pair.

    A group is its blocks of rows, their blocks of keys one after the other, and the mask in these (None: all is allowed).
    """
    with torch.inference_mode(False), torch.no_grad():
        alike: dict[int, list[Any]] = {}
        total, most = 0, LIVE * (-(-rows // block)) * (-(-keys // block))
        for index, start in enumerate(range(0, rows, block)):
            where = mask_strip(mask, given, (start, min(start + block, rows)), keys, block)
            live: Any = where.any(0).any(-1).nonzero().flatten()
            live = live if len(live) else live.new_zeros(1)
            total += len(live)
            if total > most:
                return None
            alike.setdefault(len(live), []).append((index, live, where.index_select(1, live).flatten(1)))
        return planned_groups(in_pieces(alike, block), rows)


def in_pieces(alike: dict[int, list[Any]], block: int) -> list[list[Any]]:
    """Blocks of rows by how many blocks of keys they meet, so many together that no more than `MOST` keys are copied."""
    made: list[list[Any]] = []
    for many, group in alike.items():
        size = max(1, MOST // (many * block))
        made += [group[start : start + size] for start in range(0, len(group), size)]
    return made


def mask_strip(mask: Callable[..., Tensor], given: tuple[Any, ...], ends: tuple[int, int], keys: int, block: int) -> Tensor:
    """The mask of some rows as [block, key blocks, block], false where there is no row or key."""
    at = torch.arange(*ends, device="cpu").unsqueeze(-1)
    where = mask(0, 0, at, torch.arange(keys, device="cpu"), *given).expand(ends[1] - ends[0], keys)
    where = torch.nn.functional.pad(where, (0, -keys % block, 0, block - where.shape[0]))
    return where.reshape(block, -1, block)


def planned_groups(groups: list[list[tuple[int, Tensor, Tensor]]], rows: int) -> Any:
    """The plan of blocks that meet equally many blocks of keys. Rows without a key look at all that their block meets."""
    made: list[tuple[Tensor, Tensor, Tensor | None]] = []
    for group in groups:
        where = torch.stack([one for _, _, one in group])
        where = (where | ~where.any(-1, keepdim=True)).unsqueeze(0)
        numbers = torch.tensor([index for index, _, _ in group], device="cpu")
        made.append((numbers, torch.cat([live for _, live, _ in group]), None if bool(where.all()) else where))
    order = torch.cat([numbers for numbers, _, _ in made]).argsort()
    blocks = sorted([(index, where.any(-1, keepdim=True)) for group in groups for index, _, where in group], key=lambda one: one[0])
    some = torch.cat([one for _, one in blocks])[:rows]
    return order, made, None if bool(some.all()) else some
