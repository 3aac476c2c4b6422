"""Blocks of keys that every query chooses are read by the queries that chose them: values, gradients, and where that stays a mask."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn
from attn.compiler.lower import runtime_parts, runtime_routed
from attn.compiler.lower.lowering import lower
from attn.compiler.ops.attend_way import attend_way
from attn.compiler.passes.rewriting import everything

HEAD = """block t(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e], keep: bool {0}, doc: int [N]) -> [*, h, N, e] {{
    return attend(q, k, v, over=N, dot=d, {1})
}}
"""
BLOCK, BACK = "keep[J = pos(N') // 4]", "pos(N') <= pos(N)"
MASKS = {
    "for each head": ("[*, h, N, J]", BLOCK),
    "causal": ("[*, h, N, J]", f"{BLOCK} and {BACK}"),
    "the same for every head": ("[*, N, J]", f"{BACK} and {BLOCK}"),
    "the same for all": ("[J, N]", f"{BLOCK} and {BACK}"),
}
LEFT = {
    "for keys alone": ("[J]", BLOCK),
    "shifted": ("[N, J]", "keep[J = (pos(N') + 1) // 4]"),
    "another condition": ("[N, J]", f"{BLOCK} and doc == rename(doc, N -> N')"),
    "with a bias": ("[N, J]", f"{BLOCK}, bias=0.1 * pos(N')"),
    "no softmax": ("[N, J]", f"{BLOCK}, by=sigmoid"),
}


def built(axes: str, mask: str) -> Any:
    return lower(attn.load(attn.text(HEAD.format(axes, f"where={mask}"))).graph({}), dtype=torch.float64)


def given(n: int, axes: str, share: float = 0.4) -> list[Tensor]:
    source = torch.Generator().manual_seed(n)
    q, k, v = (torch.randn(2, 3, n, width, generator=source, dtype=torch.float64, requires_grad=True) for width in (2, 2, 3))
    sizes = {"*": 2, "h": 3, "N": n, "J": -(-n // 4)}
    keep = torch.rand([sizes[name] for name in axes.strip("[]").split(", ")], generator=source) < share
    return [q, k, v, keep, torch.zeros(n, dtype=torch.long)]


def found(module: Any, inputs: list[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
    y = module(*inputs)
    return y, torch.autograd.grad(y, inputs[:3], torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y))


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Blocks are read one by one however few and short they are; gives how often they were."""
    monkeypatch.setattr(runtime_parts, "FEWEST", 0)
    monkeypatch.setattr(runtime_routed, "SHORTEST", 0)
    monkeypatch.setattr(runtime_routed, "SPARSE", 2)
    counts: list[int] = []
    merge = runtime_routed.merge_rows
    monkeypatch.setattr(runtime_routed, "merge_rows", lambda *args: counts.append(1) or merge(*args))
    return counts


@pytest.mark.parametrize("share", [0.4, 0.0, 1.0])
@pytest.mark.parametrize("name", MASKS)
def test_blocks_that_are_chosen_say_what_the_mask_says(name: str, share: float, always: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    axes, mask = MASKS[name]
    module = built(axes, mask)
    assert "routed_attention" in module.code
    for n in (1, 8, 13):
        inputs = given(n, axes, share)
        routed, count = found(module, inputs), len(always)
        with monkeypatch.context() as patch:
            patch.setattr(runtime_parts, "FEWEST", 1000)
            assert_close(routed, found(module, inputs), rtol=1e-10, atol=1e-10)
        assert len(always) == count > 0
    assert module(*given(0, axes)).shape == (2, 3, 0, 3)


def test_the_mask_is_the_one_of_the_text(always: list[int]) -> None:
    inputs = given(13, "[*, h, N, J]")
    allowed = inputs[3].repeat_interleave(4, -1)[..., :13] & torch.ones(13, 13, dtype=torch.bool).tril()
    scores = (inputs[0] @ inputs[1].mT * 2**-0.5).masked_fill(~allowed, float("-inf"))
    weights = torch.where(allowed.any(-1, keepdim=True), scores.softmax(-1), 0.0)
    assert_close(built(*MASKS["causal"])(*inputs), weights @ inputs[2], rtol=1e-10, atol=1e-10)
    assert always


@pytest.mark.parametrize("name", LEFT)
def test_what_says_more_stays_a_mask(name: str) -> None:
    axes, mask = LEFT[name]
    graph = attn.load(attn.text(HEAD.format(axes, f"where={mask}"))).graph({})
    (node,) = [node for node in everything(graph) if node.op == "attend"]
    layout = attend_way(node).layout
    assert layout is None or layout.planned is None


def test_too_few_blocks_fail_and_further_ones_are_not_looked_at(always: list[int]) -> None:
    module, inputs = built(*MASKS["causal"]), given(13, "[*, h, N, J]")
    more = [*inputs[:3], torch.nn.functional.pad(inputs[3], (0, 2), value=True), inputs[4]]
    assert_close(module(*more), module(*inputs))
    with pytest.raises(IndexError):
        module(*inputs[:3], inputs[3][..., :2], inputs[4])


def test_the_library_routes_this_way(always: list[int]) -> None:
    q, k, v = given(29, "[N, J]")[:3]
    bind: dict[str, int] = {"size": 4, "top": 2}
    module = attn.load("std.sparse", "moba")(bind=bind, dtype=torch.float64)
    routed = module(q, k, v)
    assert always
    always.clear()
    exported: Any = torch.export.export(module, (q, k, v)).module()
    assert_close(exported(q, k, v), routed)
    assert not always


def test_many_blocks_are_a_mask() -> None:
    chosen = torch.zeros(1, 1, 256, 8, dtype=torch.bool)
    assert runtime_routed.is_worth_it(chosen, 32)
    assert not runtime_routed.is_worth_it(chosen, 8)
    assert not runtime_routed.is_worth_it(~chosen, 32)
    assert not runtime_routed.is_worth_it(chosen[:, :, :100], 32)
