"""Running products and linear recurrences in chunks are what was written: values, gradients, accuracy, memory, and what is told."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.testing import assert_close

import attn
from attn.compiler.lower.lowering import lower
from attn.compiler.passes import optimise, passes
from attn.compiler.passes.chunks import Chunks
from attn.compiler.passes.rewriting import everything

HEAD = "block t(q: [*, N, d], k: [*, N, d], v: [*, N, e], g: [*, N], w: [*, N, d], a: [d]) -> [*, N, e] {{\n    {0}\n}}\n"
PAIRS = "s = dot(q, rename(k, N -> M), over=d, where={0})\n    return dot(s, rename(v, N -> M), over=M)"
LOOP = "return scan N{1} (s: [*, d, e] = {2}) {{\n        s = {0}\n        yield dot(q, s, over=d)\n    }}"
OUTER = "expand(k, e) * v"
SPELLINGS = {
    "a sum of outer products": f"return dot(q, cumsum({OUTER}, N), over=d)",
    "from the end, without oneself": f"return dot(q, cumsum({OUTER}, N, reverse=true, exclusive=true), over=d)",
    "number by number": f"return sum(q * cumsum(-({OUTER}) / 2, N), d)",
    "divided by the sum of the keys": f"return dot(q, cumsum({OUTER}, N), over=d) / (2 + square(dot(q, cumsum(k, N), over=d)))",
    "pairs": PAIRS.format("pos(M) <= pos(N)"),
    "pairs before": PAIRS.format("pos(N) > pos(M)"),
    "pairs after": PAIRS.format("pos(M) >= pos(N)"),
    "three at once": "return dot(q, rename(k, N -> M), rename(v, N -> M), over=d M, where=pos(M) <= pos(N))",
    "divided by the sum": PAIRS.format("pos(M) <= pos(N)") + " / (1 + square(sum(s, M)))",
    "pairs with a decay": "away = pos(N) - pos(N')\n    left = where(away >= 0, 0.9 ** maximum(away, 0), 0.0)\n"
    "    return read(scores(q, k, over=N, dot=d, scale=0.5) * left, v, over=N)",
    "loop": LOOP.format(f"s + {OUTER}", "", 0),
    "loop from the end": LOOP.format(f"s - {OUTER}", " reverse", "0.5"),
    "loop with a number": LOOP.format(f"0.9 * s + {OUTER}", "", 0),
    "loop with a gate": LOOP.format(f"sigmoid(g) * s + {OUTER}", "", "0.5"),
    "loop with a gate from the end": LOOP.format(f"sigmoid(g) * (s + {OUTER})", " reverse", "0.5"),
    "loop with a rate for each feature": LOOP.format(f"sigmoid(a) * s + {OUTER}", "", 0),
    "loop with a gate for each feature": LOOP.format(f"sigmoid(w) * s + (1 - sigmoid(w)) * {OUTER}", "", "0.5"),
    "moving average": "return scan N (s: [*, e] = 0) {\n        s = sigmoid(g) * s + (1 - sigmoid(g)) * v * pos(N)\n"
    "        yield tanh(s)\n    }",
    "average from the end with a rate for each feature": "return scan N reverse (s: [*, e] = 0.5) {\n        s = s * sum(tanh(a), d) + v\n"
    "        yield s * v\n    }",
    "states for two axes": "return scan N (s: [*, d, e] = 0.1) {\n        s = exp(-expand(square(k), e) * tanh(v)) * s + expand(k, e) * v\n"
    "        yield dot(q, s, over=d)\n    }",
    "loop of two": "return scan N (s: [*, d, e] = 0, z: [*, d] = 1) {\n        s = s + expand(tanh(k), e) * v\n        z = g * z + k\n"
    "        yield dot(q, s, over=d) / (2 + square(dot(q, z, over=d)))\n    }",
}  # fmt: skip
SMALL = Chunks(rows=4, few=2, least=2)


def made(text: str, chunks: Chunks | None, dtype: torch.dtype = torch.float64, **bind: int) -> Any:
    """A module with this pass, or without."""
    chosen = [chunks if isinstance(one, Chunks) else one for one in passes(2, "train")]
    pipeline = [one for one in chosen if one is not None]
    graph = attn.load(attn.text(text)).graph(bind)
    return lower(graph, dtype=dtype, optimiser=partial(optimise, level=2, mode="train", pipeline=pipeline))


def told(module: Any) -> list[str]:
    return [change.text for step in module.optimised.steps if step.done.name == "chunks" for change in step.changes]


def line(n: int, d: int = 3, e: int = 2) -> list[Tensor]:
    source = torch.Generator().manual_seed(n)
    shapes = ((2, n, d), (2, n, d), (2, n, e), (2, n), (2, n, d), (d,))
    return [torch.randn(shape, generator=source, dtype=torch.float64) for shape in shapes]


def agree(blocks: Any, whole: Any, inputs: list[Tensor]) -> None:
    """Values and gradients of two modules."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    found, wanted = blocks(*leaves), whole(*leaves)
    assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    slope = torch.cos(wanted.detach())
    slopes = [torch.autograd.grad(y, leaves, slope, allow_unused=True) for y in (found, wanted)]
    for own, theirs in zip(*slopes, strict=True):
        assert (own is None) is (theirs is None)
        if own is not None:
            assert_close(own, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_chunks_say_what_was_written(spelling: str) -> None:
    text = HEAD.format(SPELLINGS[spelling])
    blocks, whole = made(text, SMALL, d=3, e=2), made(text, None, d=3, e=2)
    assert told(blocks), "the pass did nothing"
    for n in (1, 4, 11):
        agree(blocks, whole, line(n))
    agree(made(text, SMALL, N=12), whole, line(12))


def test_products_of_the_same_queries_and_keys_have_their_scores_in_common() -> None:
    """Two products with all pairs of a chunk: one for the scores, one for the values; the sum of the keys needs no more."""
    text = HEAD.format(SPELLINGS["divided by the sum of the keys"])
    loop = "return scan N (s: [*, d, e] = 0, z: [*, d] = 0) {\n        s = s + " + OUTER + "\n        z = z + k\n"
    loop += "        yield dot(q, s, over=d) / (2 + square(dot(q, z, over=d)))\n    }"
    for module in (made(text, SMALL, N=12), made(HEAD.format(loop), SMALL)):
        ways = [getattr(module, name).code for name, _ in module.named_children()] or [module.code]
        blocks = next(code for code in [module.code, *ways] if "sum_before" in code)
        assert blocks.count("torch.where") == 1
        assert blocks.count("sum_before(") == 2
        assert "cumsum" not in blocks


def test_large_states_are_added_up_call_by_call_as_in_a_running_sum() -> None:
    text = HEAD.format(SPELLINGS["a sum of outer products"])
    module, whole = made(text, SMALL), made(text, None)
    q, k, v, *rest = line(23, 64, 64)
    with torch.no_grad():
        by_calls = module(q, k, v, *rest)
    for inputs in ((q, k, v), (q.requires_grad_(), k, v)):
        assert_close(by_calls, whole(*inputs, *rest), rtol=1e-12, atol=1e-12)
        assert_close(by_calls, module(*inputs, *rest), rtol=1e-12, atol=1e-12)
    agree(module, whole, [q, k, v, *rest])
    with forward_ad.dual_level():
        slopes = [forward_ad.unpack_dual(one(forward_ad.make_dual(q.detach(), k), k, v, *rest)).tangent for one in (module, whole)]
    assert_close(*slopes, rtol=1e-10, atol=1e-10)


def test_a_step_and_a_sequence_are_one_program() -> None:
    """With a state between calls, one position at a time says what the whole sequence says at once, and so do two halves."""
    text = """block retention(q: [N, d=3], k: [N, d=3], v: [N, e=2], g: [N]) -> [N, e=2] {
    state kept: [d, e] = 0
    y, last = scan N (s: [d, e] = kept) {
        s = sigmoid(g) * s + expand(k, e) * v
        yield dot(q, s, over=d)
    }
    next kept = last
    return y
}"""
    inputs = [x[0] for x in line(11)[:4]]
    whole = made(text, SMALL)
    wanted = whole(*inputs)
    assert len(told(whole)) == 2  # the result, and the state it leaves
    for cuts in ([1] * 11, [6, 5]):
        stepped = made(text, SMALL)
        pieces = zip(*(x.split(cuts) for x in inputs), strict=True)
        assert_close(torch.cat([stepped(*piece) for piece in pieces]), wanted, rtol=1e-12, atol=1e-12)
        assert_close(stepped.state_dict()["kept"], whole.state_dict()["kept"], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("gate", [0.0, 1e-30, 0.3, 1.0, -1.0])
def test_float32_stays_near_float64_whatever_the_decay(gate: float) -> None:
    text = HEAD.format(SPELLINGS["loop with a gate"].replace("sigmoid(g)", "g"))
    inputs = line(200, 16, 16)
    inputs[3] = torch.full_like(inputs[3], gate)
    wanted = made(text, None)(*inputs)
    leaves = [x.float().requires_grad_() for x in inputs]
    found = made(text, Chunks(least=2), torch.float32, d=16, e=16)(*leaves)
    size = wanted.abs().max()
    assert float((found.detach() - wanted).abs().max() / size) < 32 * torch.finfo(torch.float32).eps
    slopes = torch.autograd.grad(found.sum(), leaves[:4])
    assert all(bool(torch.isfinite(x).all()) for x in slopes)


def test_nothing_is_held_for_every_pair_or_for_every_state() -> None:
    for spelling in ("a sum of outer products", "divided by the sum", "loop with a gate"):
        module = made(HEAD.format(SPELLINGS[spelling]), Chunks(), N=4096, d=64, e=64)
        largest = max(
            node.tensor.elements().substitute({"*": 1}).integer() or 0
            for node in everything(module.optimised.graph)
            if node.op not in ("scan", "input")
        )
        assert largest <= 4096 * 64, spelling


def test_what_is_not_a_running_product_stays() -> None:
    both = "s = dot(q, rename(k, N -> M), over=d, where={0})\n    return dot(s, rename(v, N -> M), over=M)"
    for mask in ("pos(M) <= pos(N) and pos(N) - pos(M) < 3", "pos(M) <= pos(N) + 1", "pos(M) != pos(N)"):
        assert told(made(HEAD.format(both.format(mask)), SMALL)) == []
    delta = LOOP.format("s + expand(k, e) * (v - dot(k, s, over=d))", "", 0)
    module = made(HEAD.format(delta), SMALL)
    left = [change.text for step in module.optimised.steps if step.done.name == "chunks" for change in step.left]
    assert left == ["the scan along N stays a loop: `dot` does more to a carried value than scaling it and adding to it"]


def test_few_positions_stay_as_they_are() -> None:
    text = HEAD.format(SPELLINGS["pairs"])
    assert told(made(text, Chunks(), N=48, d=64, e=64)) == []
    assert len(told(made(text, Chunks(), N=1000, d=64, e=64))) == 1
    (open,) = told(made(text, Chunks(), d=64, e=64))
    assert "where N >= " in open
