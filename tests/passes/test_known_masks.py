"""Masks that are known before any run, in inference: one bias with -inf, made once; and which masks leave every query a key."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.testing import assert_close

import attn
from attn.compiler.lower.lowering import evaluate
from attn.compiler.ops.attend_way import roles
from attn.compiler.ops.mask_rows import always_sees
from attn.compiler.passes.distances import known

HEAD = """block t(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e], keep: bool [*, N], x: [N]) -> [*, h, N, e] {{
    param table: [h, K=6] = normal(0.5)
    return attend(q, k, v, over=N, dot=d, {0})
}}
"""
BLOCKS = "where=(pos(N) // 3 == 0) == (pos(N') // 3 == 0)"
APART = "pos(N) // 3 == 0 or pos(N) * pos(N') % 4 == 0"
BIAS = "bias=table[K = (pos(N) * pos(N')) % 6]"


def made(options: str, level: int = 2, **settings: Any) -> Any:
    torch.manual_seed(1)
    return attn.compile(attn.text(HEAD.format(options)), bind={"h": 2, "N": 7}, mode="infer", level=level, dtype=torch.float64, **settings)


def given() -> list[torch.Tensor]:
    q, k, v = (torch.randn(3, 2, 7, width, dtype=torch.float64) for width in (2, 2, 4))
    return [q, k, v, torch.rand(3, 7) < 0.7, torch.randn(7, dtype=torch.float64)]


def told(module: Any) -> bool:
    return any("known before any run" in change.text for step in module.optimised.steps for change in step.changes)


@pytest.mark.parametrize("options", [f"{BIAS}, {BLOCKS}", f"where={APART}", f"bias=pos(N) * pos(N') / 9, {BLOCKS}"])
def test_bias_and_mask_are_one_tensor_made_once(options: str) -> None:
    module, plain = made(options), made(options, level=0)
    assert told(module)
    forward, prepared = module.code.split("def prepared_1")
    assert "torch.where" in prepared
    for one in ("torch.where", "arange", "masked_attention", "reshape(1, "):
        assert one not in forward
    inputs = given()
    plain.load_state_dict(module.state_dict())
    for _ in range(2):
        assert_close(module(*inputs), plain(*inputs), rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        module.table.mul_(-2)
        plain.table.mul_(-2)
    assert_close(module(*inputs), plain(*inputs), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        f"{BIAS}, where=pos(N') < pos(N)",
        f"{BIAS}, where=rename(keep, N -> N') or pos(N) == pos(N')",
        f"bias=x * rename(x, N -> N'), {BLOCKS}",
        "where=pos(N') <= pos(N)",
        f"{BIAS}, {BLOCKS}, softcap=3.0",
        f"{BIAS}, {BLOCKS}, sink_logit=0.5",
    ],
)
def test_what_a_run_may_change_or_a_row_lacks_stays(options: str) -> None:
    module, plain = made(options), made(options, level=0)
    assert not told(module)
    inputs = given()
    assert_close(module(*inputs), plain(*inputs), rtol=1e-12, atol=1e-12)


def test_it_is_left_in_training_with_open_sizes_and_where_it_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    text = attn.text(HEAD.format(f"{BIAS}, {BLOCKS}"))
    assert not told(attn.compile(text, bind={"h": 2, "N": 7}))
    assert not told(attn.compile(text, bind={"h": 2}, mode="infer"))
    monkeypatch.setattr(known, "LARGEST", 2 * 7 * 7 - 1)
    assert not told(made(f"{BIAS}, {BLOCKS}"))


MASKS = {
    "blocks": "pos(N) // 2 == rename(pos(N) // 2, N -> N') and pos(M) // 2 == rename(pos(M) // 2, M -> M')",
    "before": "pos(N') < pos(N)",
    "not too far": "pos(N') - pos(N) < 2 and pos(N) - pos(N') < 2",
    "neither of two": "pos(N') == 0 and pos(N') == 1",
    "queries": "pos(N) > 0",
    "one key for all": "pos(N') == 2 and pos(M') == 1",
    "far ahead": "pos(N') >= pos(N) + 3 and pos(M') == pos(M)",
    "last alone": "pos(N) + pos(N') == 3 and pos(M) + pos(M') == 2",
}


@pytest.mark.parametrize("name", MASKS)
def test_every_row_is_looked_at(name: str) -> None:
    """Against the mask as a tensor."""
    text = f"block t(x: [N, M, d]) -> [N, M, d] {{\n    return attend(x, x, x, over=N M, dot=d, where={MASKS[name]})\n}}"
    graph = attn.load(attn.text(text)).graph({"N": 4, "M": 3})
    mask = next(roles(node).extras["where"] for node in graph.nodes if node.op == "attend")
    own = tuple(axis for axis in ("N", "M", "N'", "M'") if mask.tensor.has(axis))
    shape = [size if axis in own else 1 for axis, size in zip(("N", "M", "N'", "M'"), (4, 3, 4, 3), strict=True)]
    rows = evaluate(mask, own).reshape(shape).any((-1, -2))
    assert always_sees(mask, ("N'", "M'")) is bool(rows.all())
