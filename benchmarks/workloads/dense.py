"""Dense multi-head attention, whose author writes it with einsum or with matmul."""

from __future__ import annotations

from functools import partial

from harness.row import Program, Row, Run, Weights, Work, drawn, filled, joined
from torch import nn

from . import x_layers
from .plain import EinsumMultiHead, FusedMultiHead, MultiHead, exact_multi_head

SPELLINGS = {"einsum": EinsumMultiHead, "matmul": MultiHead}


def attention(spelling: str, batch: int, tokens: int, width: int, heads: int) -> Work:
    """Multi-head attention of [batch, tokens, width]."""

    def fused(weights: Weights) -> Run:
        return filled(FusedMultiHead(width, heads), weights)

    def torchs(weights: Weights) -> Run:
        theirs = {f"in_proj_{name[4:]}": value for name, value in joined(weights).items()}
        made = filled(nn.MultiheadAttention(width, heads, batch_first=True), {**theirs, **rest(weights)})
        return lambda x: made(x, x, x, need_weights=False)[0]

    return Work(
        program=Program("std.heads", "mha", {"D": width, "heads": heads}),
        author=partial(SPELLINGS[spelling], width, heads),
        inputs=(drawn(batch, tokens, width),),
        peers={"SDPA": fused, "nn.MultiheadAttention": torchs, x_layers.NAME: partial(x_layers.attention, width, heads)},
        apart=(x_layers.NAME,),
        exact=exact_multi_head(heads),
        flops=batch * tokens * (8 * width**2 + 4 * tokens * width),
    )


def rest(weights: Weights) -> Weights:
    return {f"out_proj.{kind}": weights[f"out.{kind}"] for kind in ("weight", "bias")}


SMALL = {"batch": 2, "tokens": 9, "width": 16, "heads": 2}


def row(name: str, title: str, spelling: str, batch: int, tokens: int, eager: float, comp: float, raised: float | None = None) -> Row:
    full = {"batch": batch, "tokens": tokens, "width": 512, "heads": 8}
    wanted = {"author": eager, "compile": comp}
    return Row(name, "dense", title, partial(attention, spelling), full, SMALL, wanted, {} if raised is None else {"author": raised})


ROWS = (
    row("mha-1k", "MHA, einsum, 1,024", "einsum", 1, 1024, 2.7, 2.25, 1.5),
    row("mha-8x1k", "MHA, einsum, 8 x 1,024", "einsum", 8, 1024, 3.9, 3.0, 1.5),
    row("mha-4k", "MHA, einsum, 4,096", "einsum", 1, 4096, 3.6, 3.3, 1.8),
    row("mha-8k", "MHA, einsum, 8,192", "einsum", 1, 8192, 3.5, 2.8),
    row("mha-matmul-1k", "MHA, matmul, 1,024", "matmul", 1, 1024, 2.7, 1.0, 1.5),
    row("mha-matmul-4k", "MHA, matmul, 4,096", "matmul", 1, 4096, 3.6, 1.0, 1.8),
)
