"""What the record of memory-efficient attention asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as fn
from torch.testing import assert_close

import attn

from .support import Case, built, compare

SHAPE = (2, 19, 6)
PLAIN = """attn 1
block plain(q: [N, d], k: [N, d], v: [N, d]) -> [N, d] {{
    return attend(q, k, v, over=N, dot=d, where=pos(N') <= pos(N){options})
}}
"""


def torchs(w: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return fn.scaled_dot_product_attention(q, k, v)


@pytest.mark.system(
    "memory-efficient-attention",
    "It equals torch's scaled_dot_product_attention for five sizes of chunks, also where they do not divide 19.",
)
@pytest.mark.parametrize(("queries", "keys"), [(4, 5), (19, 19), (16, 8), (1, 19), (32, 3)])
def test_it_is_torchs_attention(queries: int, keys: int) -> None:
    case = Case("std.online", "memory_efficient_attend", torchs, (SHAPE, SHAPE, SHAPE), {"queries": queries, "keys": keys})
    compare(case, case.module())


@pytest.mark.system(
    "memory-efficient-attention", "Scores of 10,000 overflow nothing in float32: values and gradients are finite, and those of torch."
)
def test_large_scores_do_not_overflow() -> None:
    made = attn.compile("std.online", "memory_efficient_attend", queries=4, keys=5)
    q, k, v = (torch.randn(SHAPE, generator=torch.Generator().manual_seed(i)) for i in range(3))
    q, k = 100 * q, 100 * k
    assert float((q @ k.mT / 6**0.5).abs().max()) > 1e4
    found, wanted = ([x.clone().requires_grad_() for x in (q, k, v)] for _ in range(2))
    y, z = made(*found), fn.scaled_dot_product_attention(wanted[0], wanted[1], wanted[2])
    assert_close(y, z, rtol=1e-4, atol=1e-4)
    for got, want in zip(torch.autograd.grad(y.sum(), found), torch.autograd.grad(z.sum(), wanted), strict=True):
        assert bool(got.isfinite().all())
        assert_close(got, want, rtol=1e-3, atol=1e-2)


def kept(options: str, length: int) -> int:
    """Bytes that the forward pass keeps for the gradients, beyond its inputs."""
    made = attn.compile(attn.text(PLAIN.format(options=options)))
    inputs = [torch.randn(length, 8, requires_grad=True) for _ in range(3)]
    own = {x.untyped_storage().data_ptr() for x in inputs}
    found: dict[int, int] = {}

    def pack(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage.data_ptr() not in own and x.is_floating_point():
            found[storage.data_ptr()] = storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        made(*inputs)
    return sum(found.values())


@pytest.mark.system(
    "memory-efficient-attention",
    "With `chunk=` gradients need no scores: twice the length keeps at most twice the bytes, and a sixteenth of what scores take.",
)
def test_gradients_need_no_scores() -> None:
    chunked = [kept(", chunk=64", length) for length in (256, 512)]
    assert chunked[1] <= 2 * chunked[0]
    assert 16 * chunked[1] <= 512 * 512 * 4


@pytest.mark.system(
    "memory-efficient-attention",
    "With `chunk=` the peak of a run grows with the length, not its square: 2.0 for twice 8,192, where written out it is 4.0.",
)
def test_the_peak_grows_with_the_length() -> None:
    def peak(options: str, length: int) -> int:
        text = PLAIN.format(options=options).replace(", where=pos(N') <= pos(N)", "")
        found = attn.explain(attn.text(text), N=length, d=64).cost.peak_memory.after.value
        assert found is not None
        return found

    assert peak(", chunk=1024", 16_384) / peak(", chunk=1024", 8192) == pytest.approx(2.0, rel=1e-2)
    assert peak(", softcap=1000.0", 16_384) / peak(", softcap=1000.0", 8192) == pytest.approx(4.0, rel=5e-2)


@pytest.mark.system(
    "memory-efficient-attention",
    "A softmax written out becomes torch's fused call, which holds no scores; the result is that of the program in chunks.",
)
def test_attention_written_out_holds_no_scores() -> None:
    text = """attn 1
block spelled(q: [*, N, d], k: [*, M, d], v: [*, M, e]) -> [*, N, e] {
    return dot(softmax(dot(q, k, over=d) * d ** -0.5, M), v, over=M)
}
"""
    made = attn.compile(attn.text(text), dtype=torch.float64)
    assert "scaled_dot_product_attention" in made.code
    q, k, v = torch.randn(3, *SHAPE, dtype=torch.float64)
    assert_close(made(q, k, v), built("std.online", "memory_efficient_attend", queries=4, keys=5)(q, k, v), rtol=1e-10, atol=1e-10)
