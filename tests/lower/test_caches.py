"""A state of which one position changes is written there alone, and says what the whole program says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn

STEP = """block step(q: [B, g, h, d], k: [B, g, d], v: [B, g, d], room: int = 6) -> [B, g, h, d] {
    axis N = room
    state keys: [B, g, N, d] = 0
    state values: [g, N, B, d] = 0
    state length: int [] = 0
    keys' = where(pos(N) == length, k, keys)
    values' = where(length != pos(N), values, v)
    next keys = keys'
    next values = values'
    next length = length + 1
    return attend(q, keys', values', over=N, dot=d, where=pos(N) <= length)
}
"""
SIZES = {"B": 2, "g": 2, "h": 3, "d": 4}
SHAPES = ((2, 2, 3, 4), (2, 2, 4), (2, 2, 4))


def made(text: str = STEP, level: int = 2, mode: Any = "infer", **bind: int) -> Any:
    return attn.compile(attn.text(text), bind={**SIZES, **bind}, level=level, mode=mode, dtype=torch.float64)


def tokens(seed: int) -> list[Tensor]:
    source = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=source, dtype=torch.float64) for shape in SHAPES]


@pytest.mark.parametrize("mode", ["infer", "train"])
def test_a_cache_is_written_at_one_place_and_says_the_same(mode: str) -> None:
    module, plain = made(mode=mode), made(level=0, mode=mode)
    assert module.code.count("runtime.put") == 2
    assert "runtime.put" not in plain.code
    for seed in range(8):  # two more than there is room for: these change nothing
        assert_close(module(*tokens(seed)), plain(*tokens(seed)))
        for name, value in plain.state_dict().items():
            assert_close(module.state_dict()[name], value)


def test_the_step_is_causal_attention_over_what_came() -> None:
    module = made()
    given = [tokens(seed) for seed in range(6)]
    q, k, v = (torch.stack(parts, -2) for parts in zip(*given, strict=True))
    wanted = torch.nn.functional.scaled_dot_product_attention(q, k[:, :, None], v[:, :, None], is_causal=True)
    assert_close(torch.stack([module(*one) for one in given], -2), wanted)


def test_memory_of_the_cache_stays_where_it_is_and_a_group_of_queries_is_rows() -> None:
    module = made()
    before = [module.keys.data_ptr(), module.values.data_ptr()]
    module(*tokens(0))
    assert [module.keys.data_ptr(), module.values.data_ptr()] == before
    assert "keys.clone" not in module.code
    assert "expand" not in module.code  # no key is repeated for a group


def test_gradients_reach_the_new_keys_and_outlive_the_next_call() -> None:
    module, plain = made(), made(level=0)
    first = [x.requires_grad_() for x in tokens(1)]
    results = [one(*first) for one in (module, plain)]
    module(*tokens(2))
    plain(*tokens(2))
    found, wanted = (torch.autograd.grad(y.sum(), first) for y in results)
    assert_close(found, wanted)


def test_a_state_that_something_else_sees_is_copied() -> None:
    shown = STEP.replace("-> [B, g, h, d]", "-> (y: [B, g, h, d], k: [B, g, N=room, d])").replace("<= length)", "<= length), keys'")
    assert made(shown).code.count("runtime.put") == 1
    read = STEP.replace("return attend(", "return sum(keys) + attend(").replace("sum(keys)", "mean(keys, N)")
    assert made(read).code.count("runtime.put") == 1
    module = made(shown)
    kept = module(*tokens(0)).k.clone(), module(*tokens(0)).k
    module(*tokens(1))
    assert_close(kept[1][:, :, 0], kept[0][:, :, 0])


def test_explain_counts_what_is_written_and_says_so() -> None:
    report, plain = (attn.explain(attn.text(STEP), bind=SIZES, mode="infer", level=level) for level in (2, 0))
    texts = [note.text for note in report.notes]
    assert texts == [
        f"`{name}` is written in place, at one position of N; where an input has a gradient, all of it is copied first"
        for name in ("keys", "values")
    ]
    assert plain.notes == []
    cache, token, positions = 4 * 2 * 2 * 6 * 4, 4 * 2 * 2 * 4, 8 * 6
    mask = 6 + positions + 8  # the condition: it reads positions and a number, and writes a truth value for each
    before, after = plain.cost.bytes.after.value, report.cost.bytes.after.value
    assert before is not None
    assert after is not None
    # each choice reads a cache, a token and a condition and writes a cache; now a token is read and written
    assert before - after == 2 * (mask + 6 + 2 * cache + token - 2 * token)
