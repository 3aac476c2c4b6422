"""Attention that a memory limit puts in chunks is the attention that was written: values, gradients, and what is told."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn
from attn.compiler.lower.standalone import standalone
from attn.compiler.memory import peak_memory
from attn.compiler.passes.limits import memory_limit, spoken_bytes
from attn.compiler.verify import verify

HEAD = "block t(q: [*, h, N, d], k: [*, {1}N, d], v: [*, {1}N, d], s: [h], doc: int [N], t: []) -> [*, h, N, d] {{\n    return {0}\n}}\n"
IMAGE = """block t(q: [*, H, W, d], k: [*, H, W, d], v: [*, H, W, d], s: [H, W], keep: bool [*, H, W]) -> [*, H, W, d] {
    return attend(q, k, v, over=H W, dot=d, by=sigmoid, where=abs(pos(W) - pos(W')) < 2 and rename(keep, H -> H', W -> W'),
                  bias=s * rename(s, H -> H', W -> W') + exp(-abs(pos(H) - pos(H'))))
}
"""
OPTIONS = {
    "a cap": "softcap=20.0",
    "a mask of data": "where=doc + rename(doc, N -> N') > 1",
    "a trained bias": "bias=-abs(pos(N) - pos(N')) * s * t * size(q, N) ** -0.5",
    "both": "softcap=9.0, bias=-abs(pos(N) - pos(N')) * s, where=doc + rename(doc, N -> N') > 1 and pos(N') > 0",
    "a sink": "softcap=9.0, sink_logit=s, bias=detach(s) * (pos(N) - pos(N'))",
    "other weights": "by=relu2, bias=s * (pos(N) - pos(N')), scale=0.3",
}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def agree(text: str, inputs: list[Tensor], **bind: int) -> Any:
    """Values and gradients with a limit and without; the module with one."""
    whole, chunked = (attn.compile(attn.text(text), dtype=torch.float64, memory=memory, bind=bind) for memory in (None, 128))
    assert "pairs_" in chunked.code or "choose_" in chunked.code or "chunked_attention" in chunked.code
    floating = [x for x in inputs if x.is_floating_point()]
    wanted, found = whole(*inputs), chunked(*inputs)
    assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    slopes = [torch.autograd.grad(y, floating, torch.ones_like(y).cumsum(-1), allow_unused=True) for y in (found, wanted)]
    assert_close(*slopes, rtol=1e-9, atol=1e-9)
    return chunked


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("options", OPTIONS)
def test_chunks_are_the_whole(options: str, shared: bool) -> None:
    """11 tokens: no chunk divides them. The keys of groups of heads are one."""
    text = HEAD.format(f"attend(q, k, v, over=N, dot=d, {OPTIONS[options]})", "" if shared else "h, ")
    keys = (2, 11, 4) if shared else (2, 3, 11, 4)
    inputs = [random(2, 3, 11, 4), random(*keys, seed=1), random(*keys, seed=2), random(3, seed=3), torch.arange(11) % 3, random(seed=4)]
    made = agree(text, inputs, N=11, h=3, d=4)
    agree(text, inputs)
    assert ("pairs_1" in made.code) is ("bias" in OPTIONS[options] or "where" in OPTIONS[options])


def test_keys_may_lie_along_several_axes() -> None:
    inputs = [random(2, 3, 4, 3), random(2, 3, 4, 3, seed=1), random(2, 3, 4, 3, seed=2), random(3, 4, seed=3)]
    agree(IMAGE, [*inputs, torch.arange(24).reshape(2, 3, 4) % 5 != 2], H=3, W=4)


def test_a_file_of_its_own_has_the_same_bits() -> None:
    text = HEAD.format(f"attend(q, k, v, over=N, dot=d, {OPTIONS['both']})", "h, ")
    made = attn.compile(attn.text(text), memory=128, N=11, h=3, d=4)
    scope: dict[str, Any] = {}
    exec(compile(standalone(made), "alone", "exec"), scope)
    inputs = [random(2, 3, 11, 4).float(), *(random(2, 3, 11, 4, seed=i).float() for i in (1, 2)), random(3).float(), torch.arange(11) % 3]
    assert torch.equal(scope["T"]()(*inputs, torch.ones(())), made(*inputs, torch.ones(())))


@pytest.mark.parametrize("options", ["both", "a sink"])
def test_the_passes_are_held_against_the_reference(options: str) -> None:
    text = HEAD.format(f"attend(q, k, v, over=N, dot=d, {OPTIONS[options]})", "h, ")
    report = verify(attn.text(text), memory=64, bind={"h": 2, "d": 2})
    assert report.ok
    assert any(row.name == "memory" and row.changes for row in report.rows)


def test_masks_of_full_size_are_never_held() -> None:
    """At 4,096 tokens a mask is 16 MiB, and arithmetic on positions takes 128."""
    text = HEAD.format(f"attend(q, k, v, over=N, dot=d, {OPTIONS['both']})", "h, ")
    graph = attn.load(attn.text(text)).graph({"N": 4096, "h": 1, "d": 8}, checking=True)
    report = attn.explain(attn.text(text), N=4096, h=1, d=8, memory="4MiB")
    before = peak_memory(graph).bytes.substitute({"*": 1}).integer()
    after = report.cost.peak_memory.after.formula
    assert before is not None
    assert before > 200 << 20
    assert (
        int(attn.explain(attn.text(text.replace("*, ", "")), N=4096, h=1, d=8, memory="4MiB").cost.peak_memory.after.value or 0) < 4 << 20
    )
    assert "batch" in after


@pytest.mark.parametrize(
    ("text", "count"), [("2GiB", 1 << 31), ("500 MB", 500_000_000), ("1.5k", 1536), (4096, 4096), ("7", 7), (None, None)]
)
def test_amounts_of_memory(text: Any, count: int | None) -> None:
    assert memory_limit(text) == count


@pytest.mark.parametrize("wrong", ["lots", "2 GiB 3", "-1", 0, -5, True, 1.5, "0.1"])
def test_what_is_no_amount_is_told(wrong: Any) -> None:
    with pytest.raises(attn.AttnError, match="is no amount of memory"):
        memory_limit(wrong)


def test_a_level_without_chunks_is_told() -> None:
    with pytest.raises(attn.AttnError, match="`memory=` makes no chunks at level 1"):
        attn.compile(attn.text(IMAGE), memory="1GiB", level=1)


def test_limits_are_told_in_round_numbers() -> None:
    assert [spoken_bytes(count) for count in (1 << 31, 3 << 20, 1024, 1000)] == ["2 GiB", "3 MiB", "1 KiB", "1000 bytes"]
