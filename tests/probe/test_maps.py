"""A map of attention in part and in blocks is that of the whole map, and a block costs no more than the block."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest
import torch
from torch import Tensor

import attn
from attn.compiler.lower.maps import Function, row_runs

NET = """
block f(x: [*, N, D=8]) -> [*, N, h, d] {{
    axis h = 2, d = 4
    {more}
    q, k, v = linear(x, D -> h d) as q, linear(x, D -> h d) as k, linear(x, D -> h d) as v
    y = attend(q, k, v, over=N, dot=d{options})
    return y
}}"""
KINDS = {
    "causal": "where=pos(N') < pos(N)",
    "biased": "bias=0.1 * (pos(N') - pos(N))",
    "capped": "softcap=2.0",
    "sink": "sink_logit=logit",
    "sparsemax": "by=sparsemax",
    "sigmoid": "by=sigmoid",
}


def seen_of(text: str, *inputs: Tensor) -> Any:
    """The weights of the only attention of a program."""
    torch.manual_seed(0)
    module = attn.compile(attn.text(text), dtype="float64")
    with module.probe("weights") as seen:
        module(*inputs)
    return seen["weights"]


@pytest.mark.parametrize("kind", KINDS)
def test_some_keys_of_some_rows_are_those_of_the_whole_map(kind: str) -> None:
    text = NET.format(more="param logit: [h] = 0.5" if kind == "sink" else "", options=", " + KINDS[kind])
    weights = seen_of(text, torch.randn(2, 6, 8, dtype=torch.float64))
    whole = weights.tensor
    assert whole.sum(-1).max() > 0.1
    torch.testing.assert_close(weights.at({"h": 1, "N": slice(0, 6, 2), "N'": slice(1, 4)}), whole[:, 1, ::2, 1:4])
    torch.testing.assert_close(weights.at({"N'": 0}), whole[..., 0])
    torch.testing.assert_close(weights.pooled(2, {"N'": slice(2, 6)})[..., 0, 1], whole[..., 0:3, 4:6].mean((-1, -2)))


def test_a_second_block_of_the_same_rows_costs_only_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    call = Function.__call__

    def counted(self: Function, *args: Any) -> Tensor:
        done = call(self, *args)
        made.append(done.numel() if done.dim() == 4 else prod(done.shape) * 64)  # sums of rows look at all 64 keys
        return done

    monkeypatch.setattr(Function, "__call__", counted)
    monkeypatch.setattr("attn.compiler.lower.maps.BLOCK", 2 * 64 * 8)  # eight rows of both heads at a time
    weights = seen_of(NET.format(more="", options=""), torch.randn(1, 64, 8, dtype=torch.float64))
    first = weights.at({"N": slice(0, 16), "N'": slice(0, 4)})
    assert made == [2 * 8 * 64, 2 * 8 * 64, 2 * 16 * 4]
    made.clear()
    again = weights.at({"h": 1, "N": slice(4, 8), "N'": slice(10, 12)})
    assert made == [4 * 2]
    whole = weights.tensor
    torch.testing.assert_close(first, whole[..., :16, :4])
    torch.testing.assert_close(again, whole[:, 1, 4:8, 10:12])


def test_several_axes_of_rows_are_pooled_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    text = NET.format(more="", options="").replace("[*, N, ", "[B, H, W, ").replace("over=N", "over=H W")
    x = torch.randn(2, 3, 5, 8, dtype=torch.float64)
    weights = seen_of(text, x)
    assert weights.axes == ("B", "h", "H", "W", "H'", "W'")
    monkeypatch.setattr("attn.compiler.lower.maps.BLOCK", 2 * 2 * 15 * 2)  # two rows at a time
    pooled, whole = weights.pooled(5), weights.tensor.flatten(4).flatten(2, 3)
    assert pooled.shape == (2, 2, 5, 5)
    torch.testing.assert_close(pooled, whole.unflatten(-1, (5, 3)).mean(-1).unflatten(2, (5, 3)).mean(3))
    assert weights.pooled(5, B=0, H=1, W=2).shape == (2, 5)


def test_rows_come_in_order_and_in_parts_of_a_size() -> None:
    for most in (1, 2, 4, 7, 100):
        order: list[tuple[int, ...]] = []
        for run in row_runs({"H": range(3), "W": range(1, 8, 2)}, most):
            places = torch.cartesian_prod(torch.arange(3)[run["H"]], torch.arange(8)[run["W"]]).reshape(-1, 2).tolist()
            assert len(places) <= max(most, 1)
            order += [tuple(place) for place in places]
        assert order == [(h, w) for h in range(3) for w in range(1, 8, 2)]
    assert list(row_runs({}, 3)) == [{}]
    assert list(row_runs({"N": range(0)}, 3)) == [{"N": slice(0, 0)}]


def test_a_map_of_all_steps_of_a_loop_is_made_from_what_is_below_it() -> None:
    text = """
    block f(x: [B, N, D], memory: [B, M, D]) -> [B, N, D] {
        return scan N (s: [B, D] = 0) {
            s = s + attend(s + x, memory, memory, over=M, dot=D, where=pos(M) <= pos(N))
            yield s
        }
    }"""
    x, memory = torch.randn(2, 5, 4, dtype=torch.float64), torch.randn(2, 6, 4, dtype=torch.float64)
    weights = seen_of(text, x, memory)
    assert (weights.axes, weights.rows) == (("B", "N", "M"), ("N",))
    s, whole = torch.zeros(2, 4, dtype=torch.float64), list[Tensor]()
    for step in range(5):
        scores = torch.einsum("bd,bmd->bm", s + x[:, step], memory) / 2
        whole.append(scores.masked_fill(torch.arange(6) > step, -torch.inf).softmax(-1))
        s = s + torch.einsum("bm,bmd->bd", whole[-1], memory)
    torch.testing.assert_close(weights.tensor, torch.stack(whole, 1))
    torch.testing.assert_close(weights.at(N=slice(2, 4), M=slice(1, 3)), torch.stack(whole, 1)[:, 2:4, 1:3])
    assert all(set(node.tensor.names) != {"B", "N", "M"} for node in weights.region.leaves)  # never the map itself
