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
"""Rows and keys in the smallest block."""
LARGER = (1, 2, 4)
"""Blocks of so many times as many are compared."""
COPY = 64
"""A key that a block of rows meets takes as long as so many rows more: it is copied, and PyTorch is slower with few rows."""
SHORTEST = 512
"""Blocks are not looked for among fewer rows or keys."""
LIVE = 0.6
"""The largest part of the blocks for which that is worth it."""
MOST = 1 << 22
"""So many numbers of keys, or of values, are copied for one call, a key as often as blocks of rows meet it: glibc keeps that memory."""
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
    block, order, groups, some = plan
    q, k, v = (as_blocks(x, block) for x in (q, k, v))
    most = MOST // max(1, *(x[..., 0, :, :].numel() for x in (k, v)))
    found = [one_block_group((q, k, v), piece, scale) for group in groups for piece in in_pieces(group, most)]
    y = torch.cat(found, -3).index_select(-3, order).flatten(-3, -2)[..., :rows, :]
    return y if some is None else torch.where(some, y, 0)


def as_blocks(x: Tensor, block: int) -> Tensor:
    """[.., positions, features] as [.., blocks, block, features], with zeros behind the last position."""
    x = torch.nn.functional.pad(x, (0, 0, 0, -x.shape[-2] % block))
    return x.reshape(*x.shape[:-2], -1, block, x.shape[-1])


def in_pieces(group: tuple[Tensor, Tensor, Tensor | None], most: int) -> list[tuple[Tensor, Tensor, Tensor | None]]:
    """A group in parts for which no more than `most` blocks of keys are copied, or those of one block of rows."""
    rows, keys, where = group
    size = max(1, most // keys.shape[-1])
    if where is None or where.shape[1] == 1:
        return [(rows[at : at + size], keys[at : at + size], where) for at in range(0, len(rows), size)]
    return [(rows[at : at + size], keys[at : at + size], where[:, at : at + size]) for at in range(0, len(rows), size)]


def one_block_group(blocks: Sequence[Tensor], group: tuple[Tensor, Tensor, Tensor | None], scale: float) -> Tensor:
    """Blocks of queries [group], each with its blocks of keys [group, many], under a mask [1, group or 1, block, many * block]."""
    (q, k, v), (rows, keys, where) = blocks, group
    batch, heads, count = q.shape[0], q.shape[1], len(rows)
    asked = q.index_select(-3, rows).flatten(0, 1)
    met, taken = (x.index_select(-3, keys.flatten()).view(batch * heads, count, -1, x.shape[-1]) for x in (k, v))
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
    """The size of a block, where each block of rows comes to lie, the groups, and which rows have a key (None: all).

    None where most blocks have a pair. A group is its blocks of rows, their blocks of keys, and the mask in these (None: all is allowed).
    """
    with torch.inference_mode(False), torch.no_grad():
        found: list[tuple[Tensor, Tensor]] = []
        total, most = 0, LIVE * (-(-rows // block)) * (-(-keys // block))
        for start in range(0, rows, block):
            found.append(live_blocks(mask_strip(mask, given, (start, min(start + block, rows)), keys, block)))
            total += len(found[-1][0])
            if total > most:
                return None
        times = larger_blocks([live for live, _ in found], -(-keys // block), block)
        if times > 1:
            found = joined_blocks(found, -(-keys // block), times)
        return block * times, *planned_groups(found, rows)


def mask_strip(mask: Callable[..., Tensor], given: tuple[Any, ...], ends: tuple[int, int], keys: int, block: int) -> Tensor:
    """The mask of some rows as [block, key blocks, block], false where there is no row or key."""
    at = torch.arange(*ends, device="cpu").unsqueeze(-1)
    where = mask(0, 0, at, torch.arange(keys, device="cpu"), *given).expand(ends[1] - ends[0], keys)
    where = torch.nn.functional.pad(where, (0, -keys % block, 0, block - where.shape[0]))
    return where.reshape(block, -1, block)


def live_blocks(where: Tensor) -> tuple[Tensor, Tensor]:
    """The blocks of keys that a mask [block, key blocks, block] allows a pair of, the first where it allows none, and the mask in them."""
    live = where.any(0).any(-1).nonzero().flatten()
    live = live if len(live) else live.new_zeros(1)
    return live, where.index_select(1, live)


def larger_blocks(lives: Sequence[Tensor], wide: int, block: int) -> int:
    """How many times as many rows and keys a block has best; `wide` blocks of keys there are, of which `lives` are met."""
    most = max(LARGER)
    lit = torch.zeros(len(lives) + -len(lives) % most, wide + -wide % most, dtype=torch.bool, device="cpu")
    for row, live in zip(lit, lives, strict=False):
        row[live] = True

    def cost(times: int) -> int:
        larger = lit.reshape(lit.shape[0] // times, times, -1, times).any(1).any(-1)
        return int(larger.sum()) * times * (times * block + COPY)

    return min(LARGER, key=cost)


def joined_blocks(found: Sequence[tuple[Tensor, Tensor]], wide: int, times: int) -> list[tuple[Tensor, Tensor]]:
    """The same mask in blocks of `times` as many rows and keys."""
    made: list[tuple[Tensor, Tensor]] = []
    block = found[0][1].shape[0]
    for start in range(0, len(found), times):
        where = torch.zeros(times, block, wide + -wide % times, block, dtype=torch.bool, device="cpu")
        for strip, (live, allowed) in zip(where, found[start : start + times], strict=False):
            strip[:, live] = allowed
        made.append(live_blocks(where.view(times * block, -1, times * block)))
    return made


def planned_groups(found: Sequence[tuple[Tensor, Tensor]], rows: int) -> Any:
    """The plan of blocks that meet equally many blocks of keys. Rows without a key look at all that their block meets."""
    alike: dict[int, list[int]] = {}
    for index, (live, _) in enumerate(found):
        alike.setdefault(len(live), []).append(index)
    groups: list[tuple[Tensor, Tensor, Tensor | None]] = []
    for group in alike.values():
        where = torch.stack([found[index][1].flatten(1) for index in group])
        where = (where | ~where.any(-1, keepdim=True)).unsqueeze(0)
        where = where[:, :1] if bool((where == where[:, :1]).all()) else where
        keys = torch.stack([found[index][0] for index in group])
        groups.append((torch.tensor(group, device="cpu"), keys, None if bool(where.all()) else where))
    order = torch.cat([numbers for numbers, _, _ in groups]).argsort()
    some = torch.cat([where.flatten(1).any(-1, keepdim=True) for _, where in found])[:rows]
    return order, groups, None if bool(some.all()) else some
