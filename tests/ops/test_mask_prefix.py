"""A mask that compares the position of a key with one number cuts the keys off: values, gradients, and where it stays a mask."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn
from attn.compiler.lower import runtime_attention
from attn.compiler.lower.lowering import lower
from attn.compiler.ops.attend_way import attend_way
from attn.compiler.passes.rewriting import everything

HEAD = """block t(q: [*, h, M, d], k: [*, h, N, d], v: [*, h, N, e], n: int [], m: int [M], x: [], keep: bool [N]) -> [*, h, M, e] {{
    return attend(q, k, v, over=N, dot=d, where={0})
}}
"""
MASKS = {
    "pos(N) <= n": 1,
    "pos(N) < n": 0,
    "n >= pos(N)": 1,
    "n > pos(N)": 0,
    "pos(N) <= n, bias=0.1 * pos(N) * pos(M)": 1,
    "pos(N) < n, bias=0.5 * pos(M)": 0,
}
LEFT = (
    "pos(N) <= m", "pos(N) <= x", "pos(N) <= n and keep", "pos(N) >= n", "pos(N) != n", "pos(N) <= 3", "pos(N) <= n, sink_logit=0.5",
    "pos(N) <= n, dropout=0.1", "pos(N) <= n, by=sigmoid",
)  # fmt: skip


def built(mask: str) -> Any:
    return lower(attn.load(attn.text(HEAD.format(mask))).graph({}), dtype=torch.float64)


def given(last: int, keys: int = 7) -> list[Tensor]:
    source = torch.Generator().manual_seed(keys)
    sizes = ((2, 3, 2, 4), (2, 3, keys, 4), (2, 3, keys, 5))
    q, k, v = (torch.randn(size, generator=source, dtype=torch.float64, requires_grad=True) for size in sizes)
    return [q, k, v, torch.tensor(last), torch.zeros(2, dtype=torch.long), torch.zeros((), dtype=torch.float64), torch.ones(keys) > 0]


def by_hand(inputs: list[Tensor], mask: str) -> Tensor:
    """Softmax over the keys that are there; zero where there are none."""
    q, k, v, last = inputs[:4]
    count = max(0, min(k.shape[2], int(last) + MASKS[mask]))
    rows, keys = torch.arange(2.0, dtype=q.dtype)[:, None], torch.arange(float(count), dtype=q.dtype)
    bias = 0.1 * keys * rows if "0.1" in mask else 0.5 * rows if "0.5" in mask else 0
    return torch.softmax(q @ k[:, :, :count].mT * 0.5 + bias, -1) @ v[:, :, :count]


def gradients(y: Tensor, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(y, inputs[:3], torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y), materialize_grads=True)


@pytest.mark.parametrize("mask", MASKS)
def test_keys_behind_the_number_are_cut_off(mask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = built(mask)
    assert "prefix_attention" in module.code
    for last in (-2, 0, 1, 3, 6, 7, 50):
        inputs = given(last)
        y, wanted = module(*inputs), by_hand(inputs, mask)
        assert_close(y, wanted)
        found = gradients(y, inputs)
        assert_close(found, gradients(wanted, inputs))
        with monkeypatch.context() as patch:
            patch.setattr(runtime_attention, "may_be_read", lambda x: False)
            masked = module(*inputs)
            assert_close(masked, y)
            assert_close(gradients(masked, inputs), found)
    assert_close(module(*given(0, keys=0)), torch.zeros(2, 3, 2, 5, dtype=torch.float64))


@pytest.mark.parametrize("mask", LEFT)
def test_what_says_more_stays_a_mask(mask: str) -> None:
    graph = attn.load(attn.text(HEAD.format(mask))).graph({})
    (node,) = [node for node in everything(graph) if node.op == "attend"]
    layout = attend_way(node).layout
    assert layout is None or layout.planned is None


def test_a_traced_graph_has_the_mask() -> None:
    module, inputs = built("pos(N) <= n"), given(3)
    exported: Any = torch.export.export(module, tuple(inputs)).module()
    for last in (-1, 2, 5):
        inputs[3] = torch.tensor(last)
        assert_close(exported(*inputs), module(*inputs))


def test_a_transform_has_the_mask() -> None:
    module, inputs = built("pos(N) <= n"), [x.detach() for x in given(3)]
    lasts = torch.tensor([-1, 2, 5])
    found = torch.func.vmap(lambda n: module(*inputs[:3], n, *inputs[4:]))(lasts)
    assert_close(found, torch.stack([module(*inputs[:3], n, *inputs[4:]) for n in lasts]))


def test_explain_says_it() -> None:
    (one,) = attn.explain(attn.text(HEAD.format("pos(N) <= n"))).attention
    assert (one.way, one.function) == ("fused", "prefix_attention")
    assert "`where=` allows the keys up to a number: in each run those behind it are not read" in one.remarks
