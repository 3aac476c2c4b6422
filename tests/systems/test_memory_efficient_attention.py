"""What the record of memory-efficient attention asks for, as far as it takes no training."""

from __future__ import annotations

import subprocess
import sys
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
    "With `chunk=` the peak of a run grows with the length, not its square: 1.9 for twice 8,192, where written out it is 4.0.",
)
def test_the_peak_grows_with_the_length() -> None:
    def peak(options: str, length: int) -> int:
        text = PLAIN.format(options=options).replace(", where=pos(N') <= pos(N)", "")
        found = attn.explain(attn.text(text), N=length, d=64).cost.peak_memory.after.value
        assert found is not None
        return found

    assert peak(", chunk=1024", 16_384) / peak(", chunk=1024", 8192) == pytest.approx(1.94, rel=1e-2)
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


WRITTEN = {
    "a softmax with a cap": "dot(softmax(s, M), v, over=M)",
    "with a causal mask": "dot(softmax(s, M, where=pos(M) <= pos(N)), v, over=M)",
    "with a mask of data": "dot(softmax(s, M, where=i + rename(i, N -> M) > 1), v, over=M)",
    "with a trained bias": "dot(softmax(s - t * abs(pos(N) - pos(M)), M), v, over=M)",
    "with both": "dot(softmax(s - t * abs(pos(N) - pos(M)), M, where=i + rename(i, N -> M) > 0), v, over=M)",
}
SPELLED = """attn 1
block spelled(q: [*, N, d], k: [*, M, d], v: [*, M, d], t: [], i: int [N]) -> [*, N, d] {{
    s = 9.0 * tanh(dot(q, k, over=d) * d ** -0.5 / 9.0)
    return {0}
}}
"""


def limited(text: str, memory: Any, **sizes: Any) -> Any:
    return attn.compile(attn.text(text), dtype=torch.float64, memory=memory, **sizes)


@pytest.mark.system(
    "memory-efficient-attention",
    "The option `memory=` rewrites a softmax that is written out, with five masks and biases, to chunks that divide no length: values and "
    "gradients are equal to 1e-10.",
)
@pytest.mark.parametrize("spelled", WRITTEN)
def test_a_pass_puts_chunks_into_attention(spelled: str) -> None:
    text = SPELLED.format(WRITTEN[spelled])
    source = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(SHAPE, dtype=torch.float64, generator=source, requires_grad=True) for _ in range(3))
    given = [q, k, v, torch.tensor(0.3, dtype=torch.float64, requires_grad=True), torch.arange(19) % 3]
    sizes = {"N": 19, "M": 19, "d": 6}
    chunked, whole = limited(text, 256, **sizes), limited(text, None, **sizes)
    assert "chunked_attention" in chunked.code
    assert "chunked_attention" not in whole.code
    slopes: list[Any] = []
    for made in (chunked, whole):
        y = made(*given)
        slopes.append([y, *torch.autograd.grad(y, given[:4], torch.ones_like(y).cumsum(-1), allow_unused=True)])
    assert_close(*slopes, rtol=1e-10, atol=1e-10)


NETWORK = """attn 1
block layer(x: [N, D], heads: int = 2) -> [N, D] {
    axis h = heads, d = D / heads
    q = linear(x, D -> h d)
    k = linear(x, D -> h d)
    v = linear(x, D -> h d)
    y = attend(q, k, v, over=N, dot=d, softcap=20.0, where=pos(N') % 5 != pos(N) % 3)
    return x + linear(y, h d -> D)
}
block network(x: [N, D]) -> [N, D] {
    x = layer(x) as a
    x = layer(x) as b
    return layer(x) as c
}
"""


@pytest.mark.system(
    "memory-efficient-attention",
    "It puts chunks into each of three attentions of a network, and says of each how many keys, what it held, and the limit.",
)
def test_it_reaches_every_attention_of_a_program() -> None:
    report = attn.explain(attn.text(NETWORK), D=8, N=4096, memory="64MiB")
    told = [one.text for one in report.rewrites if one.pass_name == "memory"]
    assert len(told) == 3
    assert all("takes 256 keys at a time" in text and "more than 64 MiB" in text for text in told)
    assert {one.way for one in report.attention} == {"chunked"}
    assert not [one for one in attn.explain(attn.text(NETWORK), D=8, N=64, memory="64MiB").rewrites if one.pass_name == "memory"]


FRESH = """
import sys
from pathlib import Path
import torch, attn

def status(word):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(word)).split()[1])

def run(length):
    made = attn.compile(attn.text(text), memory=memory or None, N=length, d=8)
    inputs = [torch.randn(length, 8, requires_grad=backward) for _ in range(3)]
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    y = made(*inputs)
    if backward:
        y.sum().backward()
    return (status("VmHWM") - before) / 1024

text, memory, backward = sys.argv[1], sys.argv[2], sys.argv[3] == "True"
torch.set_num_threads(1)
run(256)
print(run(3072))
"""


def peak(memory: str, backward: bool) -> float:
    """MiB that a run takes at most, beyond what there is: as Linux counts them, in a process that has nothing left from before."""
    text = PLAIN.format(options=", softcap=20.0, bias=-0.1 * abs(pos(N) - pos(N'))")
    command = [sys.executable, "-c", FRESH, text, memory, str(backward)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.system(
    "memory-efficient-attention",
    "The memory that a run takes, as Linux counts it, with a cap and a bias at 3,072 tokens: a tenth and less with `memory=4MiB`, "
    "forward, and forward and backward.",
)
@pytest.mark.parametrize("backward", [False, True])
def test_the_memory_of_the_process_is_lower(backward: bool) -> None:
    chunked, whole = peak("4MiB", backward), peak("", backward)
    assert whole > 72  # two squares of 36 MiB
    assert chunked < whole / 10
