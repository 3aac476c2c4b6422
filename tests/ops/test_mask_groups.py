"""A mask that compares numbers of query and key is an attention for each number: values, gradients, and where it stays a mask."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn
from attn.compiler.lower import runtime_parts
from attn.compiler.lower.lowering import lower
from attn.compiler.ops.attend_way import attend_way
from attn.compiler.passes.rewriting import everything

HEAD = """block t(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e], doc: int {0}, keep: bool [*, N], x: [N], m: int [N]) -> [*, h, N, e] {{
    return attend(q, k, v, over=N, dot=d, {1})
}}
"""
OTHER = "rename(doc, N -> N')"
SAME = f"doc == {OTHER}"
BACK = "pos(N') <= pos(N)"
MASKS = {
    "documents": ("[*, N]", SAME),
    "the same for every batch": ("[N]", SAME),
    "for each head": ("[*, h, N]", SAME),
    "causal": ("[*, N]", f"{SAME} and {BACK}"),
    "padded": ("[N]", f"{SAME} and rename(keep, N -> N')"),
    "causal and padded": ("[*, N]", f"{BACK} and {OTHER} == doc and rename(keep, N -> N')"),
    "computed": ("[h, N]", f"doc // 2 == {OTHER} // 2"),
    "of truth values": ("[N]", "(doc > 2) == (rename(doc, N -> N') > 2)"),
}
LEFT = {
    "a window too": f"{SAME} and pos(N) - pos(N') < 5",
    "of floats": "x == rename(x, N -> N')",
    "another number": "doc == rename(m, N -> N')",
    "one computed": f"doc == {OTHER} // 2",
    "not the same": f"doc != {OTHER}",
    "queries refused": f"{SAME} and keep",
    "two numbers": f"{SAME} and m == rename(m, N -> N')",
    "with a bias": f"{SAME}, bias=0.1 * pos(N')",
    "with a sink": f"{SAME}, sink_logit=0.5",
    "no softmax": f"{SAME}, by=sigmoid",
}


def built(axes: str, mask: str) -> Any:
    return lower(attn.load(attn.text(HEAD.format(axes, f"where={mask}"))).graph({}), dtype=torch.float64)


def given(n: int, axes: str, sorted: bool) -> list[Tensor]:
    source = torch.Generator().manual_seed(n)
    q, k, v = (torch.randn(2, 3, n, width, generator=source, dtype=torch.float64, requires_grad=True) for width in (2, 2, 3))
    sizes = {"[*, N]": (2, n), "[N]": (n,), "[h, N]": (3, n), "[*, h, N]": (2, 3, n)}[axes]
    doc = torch.randint(0, 5, sizes, generator=source)
    keep, x = torch.rand(2, n, generator=source) < 0.5, torch.rand(n, generator=source, dtype=torch.float64)
    return [q, k, v, doc.sort(-1).values if sorted else doc, keep, x, torch.zeros(n, dtype=torch.long)]


def found(module: Any, inputs: list[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
    y = module(*inputs)
    return y, torch.autograd.grad(y, inputs[:3], torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y))


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Groups are looked for among however few rows; gives how many there were."""
    for name in ("FEWEST", "CALL"):
        monkeypatch.setattr(runtime_parts, name, 0)
    counts: list[int] = []
    one = runtime_parts.one_group
    monkeypatch.setattr(runtime_parts, "one_group", lambda *args: counts.append(1) or one(*args))
    return counts


@pytest.mark.parametrize("name", MASKS)
def test_groups_say_what_the_mask_says(name: str, always: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    axes, mask = MASKS[name]
    module = built(axes, mask)
    assert "grouped_attention" in module.code
    for n in (1, 12, 13):
        for sorted in (True, False):
            inputs = given(n, axes, sorted)
            grouped, count = found(module, inputs), len(always)
            with monkeypatch.context() as patch:
                patch.setattr(runtime_parts, "FEWEST", 1000)
                assert_close(grouped, found(module, inputs), rtol=1e-10, atol=1e-10)
            assert len(always) == count > 0
    assert module(*given(0, axes, True)).shape == (2, 3, 0, 3)


@pytest.mark.parametrize("name", ["documents", "causal and padded"])
def test_the_mask_is_the_one_of_the_text(name: str, always: list[int]) -> None:
    axes, mask = MASKS[name]
    inputs = given(12, axes, False)
    doc, keep = inputs[3], inputs[4]
    allowed = doc[:, :, None] == doc[:, None, :]
    if "causal" in name:
        allowed = allowed & torch.ones(12, 12, dtype=torch.bool).tril() & keep[:, None, :]
    scores = (inputs[0] @ inputs[1].mT * 2**-0.5).masked_fill(~allowed[:, None], float("-inf"))
    weights = torch.where(allowed.any(-1)[:, None, :, None], scores.softmax(-1), 0.0)
    assert_close(built(axes, mask)(*inputs), weights @ inputs[2], rtol=1e-10, atol=1e-10)
    assert always


@pytest.mark.parametrize("name", LEFT)
def test_what_says_more_stays_a_mask(name: str) -> None:
    graph = attn.load(attn.text(HEAD.format("[N]", f"where={LEFT[name]}"))).graph({})
    (node,) = [node for node in everything(graph) if node.op == "attend"]
    layout = attend_way(node).layout
    assert layout is None or layout.planned is None


def test_a_traced_graph_has_the_mask() -> None:
    module = built(*MASKS["causal"])
    inputs = given(140, "[*, N]", True)
    exported: Any = torch.export.export(module, tuple(inputs)).module()
    assert "unique_consecutive" not in exported.code
    assert_close(exported(*inputs), module(*inputs))


def test_few_groups_are_a_mask_and_many_are_not() -> None:
    ids = torch.arange(1024)
    assert runtime_parts.group_sizes(ids // 256) == [256] * 4
    assert runtime_parts.group_sizes(ids) is None
    assert not runtime_parts.is_planned(ids[:100])
    assert runtime_parts.is_planned(ids)


def test_explain_says_when_groups_are_looked_for() -> None:
    text = str(attn.explain(attn.text(HEAD.format("[N]", f"where={SAME}"))))
    assert "one call for each number" in " ".join(text.split())
