"""Attention in which few pairs attend: causal, windows, documents, distances. The inputs are queries, keys and values themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from harness.row import Program, Ratios, Row, Run, Weights, Work, drawn
from torch import Tensor, nn
from torch.nn import functional as fn

import attn

from .plain import See, exact_attention

TEXT = """block masked(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, d]{more}) -> [*, h, N, d] {{
    return attend(q, k, v, over=N, dot=d, where={where}{bias})
}}
"""


@dataclass(frozen=True)
class Scheme:
    """Which pairs attend: as attn says it, and as a function of positions. `more` are further inputs of the program, with their values;
    `bias` is what is added to the scores, as text and as a function."""

    where: str
    see: See
    more: str = ""
    values: tuple[Tensor, ...] = ()
    bias_text: str = ""
    bias: See | None = None

    @property
    def text(self) -> str:
        return TEXT.format(where=self.where, more=self.more, bias=f", bias={self.bias_text}" if self.bias_text else "")


class NaiveMasked(nn.Module):
    """Scores, a bias, `masked_fill`, softmax: the usual text. Mask [N, M] and bias [h, N, M] are made once."""

    def __init__(self, mask: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.mask, self.bias = mask, bias

    def forward(self, q: Tensor, k: Tensor, v: Tensor, *_: Tensor) -> Tensor:
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
        if self.bias is not None:
            scores = scores + self.bias.to(q.dtype)
        return scores.masked_fill(~self.mask, float("-inf")).softmax(dim=-1) @ v


class MaskedSDPA(nn.Module):
    """PyTorch's fused attention with a mask of all pairs, or with mask and bias in one."""

    def __init__(self, mask: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.mask = mask if bias is None else bias.masked_fill(~mask, float("-inf"))

    def forward(self, q: Tensor, k: Tensor, v: Tensor, *_: Tensor) -> Tensor:
        mask = self.mask if self.mask.dtype == torch.bool else self.mask.to(q.dtype)
        return fn.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def causal_flag(_: Weights) -> Run:
    return lambda q, k, v, *_: fn.scaled_dot_product_attention(q, k, v, is_causal=True)


def no_mask(_: Weights) -> Run:
    return lambda q, k, v, *_: fn.scaled_dot_product_attention(q, k, v)


def flexible(scheme: Scheme, tokens: int, _: Weights) -> Run:
    """FlexAttention with a block mask, compiled, which it has to be."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    blocks = create_block_mask(lambda b, h, i, j: scheme.see(i, j), None, None, tokens, tokens, device="cpu")
    bias = scheme.bias
    score = None if bias is None else (lambda s, b, h, i, j: s + bias(i, j, h))
    run: Any = torch.compile(flex_attention)
    return lambda q, k, v, *_: run(q, k, v, score_mod=score, block_mask=blocks)


Made = Callable[[int], Scheme]
PEERS = ("masked SDPA", "FlexAttention")


def masked(made: Callable[..., Scheme], author: str, others: tuple[str, ...], heads: int, tokens: int, width: int, **sizes: int) -> Work:
    """Attention of [1, heads, tokens, width] under a scheme; `author` writes it out (`naive`) or calls SDPA with a mask (`sdpa`)."""
    scheme = made(heads=heads, tokens=tokens, **sizes)
    at = torch.arange(tokens)
    mask = scheme.see(at[:, None], at)
    bias = None if scheme.bias is None else scheme.bias(at[:, None], at)
    peers: Mapping[str, Callable[[Weights], Run]] = {
        "masked SDPA": lambda _: MaskedSDPA(mask, bias),
        "FlexAttention": partial(flexible, scheme, tokens),
        "causal flag": causal_flag,
        "dense SDPA": no_mask,
    }
    live = int(mask.sum())
    return Work(
        program=Program(attn.text(scheme.text)),
        author=lambda: (NaiveMasked if author == "naive" else MaskedSDPA)(mask, bias),
        inputs=(*(drawn(1, heads, tokens, width, at=i) for i in range(3)), *scheme.values),
        peers={name: peers[name] for name in others},
        exact=lambda _, q, k, v, *more: exact_attention(q, k, v, scheme.see, scheme.bias),
        flops=4 * heads * live * width,
        apart=("dense SDPA",),
    )


# ---------------------------------------------------------------- schemes


def causal(**_: int) -> Scheme:
    return Scheme("pos(N') <= pos(N)", lambda i, j: j <= i)


def window(size: int, **_: int) -> Scheme:
    return Scheme(f"pos(N') <= pos(N) and pos(N) - pos(N') < {size}", lambda i, j: (j <= i) & (i - j < size))


def documents(tokens: int, length: int, **_: int) -> Scheme:
    """Documents of half to one and a half times `length` tokens, one after the other."""
    source = torch.Generator().manual_seed(3)
    lengths = torch.randint(length // 2, 3 * length // 2, (2 * tokens // length + 2,), generator=source)
    of = torch.repeat_interleave(torch.arange(len(lengths)), lengths)[:tokens]
    return Scheme("doc == rename(doc, N -> N')", lambda i, j: of[i] == of[j], ", doc: int [N]", (of,))


def alibi(heads: int, **_: int) -> Scheme:
    """ALiBi (Press, Smith, Lewis, 2022): the slope of head h is 2 ** (-8 (h + 1) / heads)."""
    slopes = 2.0 ** (-8.0 * torch.arange(1, heads + 1) / heads)

    def bias(i: Any, j: Any, h: Any = None) -> Any:
        return slopes[h] * (j - i) if h is not None else slopes[:, None, None] * (j - i)

    text = "-slope * (pos(N) - pos(N'))"
    return Scheme("pos(N') <= pos(N)", lambda i, j: j <= i, ", slope: [h]", (slopes,), text, bias)


def dilated(step: int, **_: int) -> Scheme:
    return Scheme(f"(pos(N) - pos(N')) % {step} == 0", lambda i, j: (i - j) % step == 0)


def power(i: Any, j: Any) -> Any:
    back = i - j
    return (back >= 0) & ((back & (back - 1)) == 0)


def power_tokens(**_: int) -> Scheme:
    return Scheme("pos(N') <= pos(N) and (pos(N) == pos(N') or is_pow2(pos(N) - pos(N')))", power)


def power_blocks(size: int, **_: int) -> Scheme:
    back = f"(pos(N) // {size} - pos(N') // {size})"
    where = f"pos(N') <= pos(N) and ({back} == 0 or is_pow2{back})"
    return Scheme(where, lambda i, j: (j <= i) & power(i // size, j // size))


def row(name: str, title: str, made: Callable[..., Scheme], tokens: int, wanted: Ratios, **more: Any) -> Row:
    """`more`: sizes of the scheme, full and small, as pairs; `author`, `others` and `raised`."""
    author, others, raised = more.pop("author", "naive"), more.pop("others", PEERS), more.pop("raised", {})
    full = {"heads": 8, "tokens": tokens, "width": 64, **{key: pair[0] for key, pair in more.items()}}
    small = {"heads": 2, "tokens": 40, "width": 4, **{key: pair[1] for key, pair in more.items()}}
    return Row(name, "masked", title, partial(masked, made, author, others), full, small, wanted, raised)


def both(eager: float, comp: float) -> Ratios:
    return {"author": eager, "compile": comp}


FLAG = ("causal flag", *PEERS)
ROWS = (
    row("causal-2k", "causal, 2,048", causal, 2048, {}, raised=both(4.0, 4.7), others=FLAG),
    row("causal-4k", "causal, 4,096", causal, 4096, both(8.9, 6.0), others=FLAG),
    row("window-2k", "window 256, 2,048", window, 2048, {}, raised=both(9.7, 10.7), size=(256, 6)),
    row("window-4k", "window 256, 4,096", window, 4096, both(36, 24), size=(256, 6)),
    row("window-16k", "window 256, 16,384", window, 16384, {"author": 36}, author="sdpa", others=("FlexAttention",), size=(256, 6)),
    row("document-2k", "documents of 512, 2,048", documents, 2048, {}, raised=both(9.1, 10.2), length=(512, 9)),
    row("document-4k", "documents of 512, 4,096", documents, 4096, both(35, 23), length=(512, 9)),
    row("alibi-4k", "ALiBi, causal, 4,096", alibi, 4096, both(9.1, 6.0), raised=both(6.0, 6.0)),
    row("dilated-4k", "every fourth, 4,096", dilated, 4096, {"masked SDPA": 4.3}, step=(4, 3)),
    row("power-4k", "powers of two, 4,096", power_tokens, 4096, {"masked SDPA": 26}),
    row(
        "power-blocks-16k",
        "blocks at powers of two, 16,384",
        power_blocks,
        16384,
        {"dense SDPA": 8.9},
        author="sdpa",
        others=("dense SDPA", "FlexAttention"),
        size=(128, 5),
    ),
)
