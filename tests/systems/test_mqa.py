"""What the record of multi-query attention asks for, as far as it takes no training."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn

from .cases.mqa import CAUSAL, mqa, window
from .support import CLOSE, Case, Weights, built, compare, parameters


def made_of(block: str, **bind: Any) -> Any:
    return built("std.heads", block, D=12, heads=4, **bind)


def tied(weights: Weights, heads: int = 4) -> dict[str, Tensor]:
    """The weights of multi-head attention whose heads all have the one key and value."""
    return {name: value.repeat(heads, 1) if name[0] in "kv" else value for name, value in weights.items()}


@pytest.mark.system("mqa", "Multi-head attention whose key heads and value heads are all the same equals it.")
@pytest.mark.parametrize("options", [{}, {"causal": True, "window": 3}])
def test_it_is_attention_with_tied_heads(options: dict[str, Any]) -> None:
    one, many = made_of("mqa", **options), made_of("mha", bias=False, **options)
    many.load_state_dict(tied(one.state_dict()))
    x = torch.randn(2, 7, 12, dtype=torch.float64)
    assert_close(one(x), many(x), **CLOSE)


@pytest.mark.system("mqa", "Grouped attention with one group equals it; with as many groups as heads it is multi-head attention.")
@pytest.mark.parametrize(("groups", "block"), [(1, "mqa"), (4, "mha")])
def test_it_is_the_end_of_grouped_attention(groups: int, block: str) -> None:
    grouped, plain = made_of("gqa", groups=groups), made_of(block, bias=False)
    plain.load_state_dict(grouped.state_dict())
    x = torch.randn(2, 7, 12, dtype=torch.float64)
    assert_close(grouped(x), plain(x), **CLOSE)


@pytest.mark.system("mqa", "Nine steps of decoding through the cache equal the causal pass over nine tokens, with a window and without.")
@pytest.mark.parametrize("options", [{}, {"window": 3}, {"width": 5, "scale": 0.7, "bias": True}])
def test_decoding_step_by_step_is_the_whole_at_once(options: dict[str, Any]) -> None:
    step, whole = made_of("mqa_step", B=2, room=16, **options), made_of("mqa", causal=True, **options)
    for state in ("keys", "values", "length"):
        step.get_buffer(state).zero_()
    step.load_state_dict({**step.state_dict(), **whole.state_dict()})
    x = torch.randn(2, 9, 12, dtype=torch.float64)
    assert_close(torch.stack([step(x[:, n]) for n in range(9)], 1), whole(x), **CLOSE)


@pytest.mark.system("mqa", "The cache keeps k + v numbers for a token, 256 at k = v = 128; eight heads of their own would keep 2,048.")
def test_the_cache_has_no_heads() -> None:
    graph = attn.load("std.heads", "mqa_step").graph({"D": 1024, "heads": 8, "B": 1, "room": 1}, checking=True)
    kept = [weight.shape for weight in graph.weights if weight.kind == "state" and weight.dtype == "float"]
    assert [str(shape[-1]) for shape in kept] == ["128", "128"]
    assert {len(shape) for shape in kept} == {3}
    own = parameters("std.heads", "mha", D=1024, heads=8, bias=False) - 2 * 1024**2
    shared = parameters("std.heads", "mqa", D=1024, heads=8) - 2 * 1024**2
    assert (own // 1024, shared // 1024) == (2048, 256)


@pytest.mark.system(
    "mqa", "At the paper's sizes it saves what widening the hidden layers from 4,096 to 5,440 costs: both have 176,160,768."
)
def test_the_wider_hidden_layers_of_the_paper_keep_the_size() -> None:
    def size(kind: str, hidden: int) -> int:
        one = parameters("std.heads", kind, D=1024, heads=8, bias=False)
        return 18 * one + 12 * parameters("std.feedforward", "mlp", D=1024, hidden=hidden, bias=False)

    assert size("mha", 4096) == size("mqa", 5440) == 176_160_768


@pytest.mark.system("mqa", "It equals the attention of GPTBigCode in transformers after copying weights, in values and gradients.")
def test_it_is_the_one_of_gpt_bigcode() -> None:
    from transformers import GPTBigCodeConfig
    from transformers.models.gpt_bigcode.modeling_gpt_bigcode import GPTBigCodeAttention

    settings: dict[str, Any] = {"n_embd": 12, "n_head": 4, "attn_pdrop": 0.0, "resid_pdrop": 0.0, "attn_implementation": "sdpa"}
    config: Any = GPTBigCodeConfig(**settings)
    other: Any = GPTBigCodeAttention(config, layer_idx=0).double().eval()
    mask = torch.zeros(7, 7, dtype=torch.float64).masked_fill(~CAUSAL, -torch.inf)[None, None]

    def reference(w: Weights, x: Tensor) -> Any:
        theirs = {f"c_attn.{kind}": torch.cat([w[f"{name}.{kind}"] for name in "qkv"]) for kind in ("weight", "bias")}
        theirs |= {f"c_proj.{kind}": w[f"out.{kind}"] for kind in ("weight", "bias")}
        return torch.func.functional_call(other, theirs, (x,), {"attention_mask": mask})[0]

    case = Case("std.heads", "mqa", reference, ((2, 7, 12),), {"D": 12, "heads": 4, "bias": True, "causal": True})
    compare(case, case.module())


@pytest.mark.system("mqa", "Local attention sees itself and the 31 positions before, as the paper's window of 32.")
def test_a_window_is_that_many_positions() -> None:
    case = Case(
        "std.heads", "mqa", partial(mqa, heads=2, seen=window(40, 32)), ((1, 40, 4),), {"D": 4, "heads": 2, "causal": True, "window": 32}
    )
    compare(case, case.module())
