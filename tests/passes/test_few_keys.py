"""Attention to few keys is products: the same numbers and gradients, where PyTorch's fused attention would be slower."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn
from attn.compiler.explain import attention
from attn.compiler.lower import runtime_attention
from attn.compiler.passes.few_keys import FEATURES, KEYS

HEAD = """block t(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e], keep: bool [*, N], near: [h, N, N']) -> [*, h, N, e] {{
    param table: [h, K=6] = normal(0.5)
    return attend(q, k, v, over=N, dot=d{0})
}}
"""
TAKEN = {
    "alone": "",
    "padding": ", where=rename(keep, N -> N')",
    "a bias of weights": ", bias=table[K = (pos(N) * pos(N')) % 6]",
    "both": ", bias=table[K = (pos(N) * pos(N')) % 6], where=rename(keep, N -> N')",
    "a known mask": ", where=(pos(N) // 3 == 0) == (pos(N') // 3 == 0)",
    "rows without keys": ", where=pos(N) % 2 == 0 and rename(keep, N -> N')",
    "a scale for each head": ", scale=sum(table, K)",
}
LEFT = {
    "a bias that is given": ", bias=near",
    "a bias that may refuse": ", bias=where(pos(N) * pos(N') % 4 == 3, -inf, 0)",
    "causal": ", where=pos(N') <= pos(N)",
    "in chunks": ", chunk=4",
    "no softmax": ", by=sigmoid",
    "a sink": ", sink_logit=sum(table, K)",
}


def made(options: str, level: int = 2, mode: Any = "train", dtype: Any = torch.float64, **bind: int) -> Any:
    torch.manual_seed(1)
    return attn.compile(attn.text(HEAD.format(options)), bind={"h": 2, "N": 7, "d": 3, "e": 5, **bind}, mode=mode, level=level, dtype=dtype)


def given(dtype: Any = torch.float64) -> list[Tensor]:
    source = torch.Generator().manual_seed(3)
    q, k, v = (torch.randn(4, 2, 7, width, generator=source, dtype=torch.float64) for width in (3, 3, 5))
    keep = torch.rand(4, 7, generator=source) < 0.6
    near = torch.randn(2, 7, 7, generator=source, dtype=torch.float64)
    return [q.to(dtype).requires_grad_(), k.to(dtype).requires_grad_(), v.to(dtype).requires_grad_(), keep, near.to(dtype)]


def with_gradients(module: Any) -> tuple[Tensor, ...]:
    inputs = given()
    y = module(*inputs)
    leaves = [*inputs[:3], *(one for one in module.parameters() if one.requires_grad)]
    return (y, *torch.autograd.grad(y, leaves, torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y), allow_unused=True))


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """Products are taken for however few scores; the shapes of those that were."""
    shapes: list[torch.Size] = []
    product = torch.baddbmm

    def counted(*args: Any, **kwargs: Any) -> Tensor:
        shapes.append(args[1].shape)
        return product(*args, **kwargs)

    monkeypatch.setattr(runtime_attention, "SCORES", 0)
    monkeypatch.setattr(torch, "baddbmm", counted)
    return shapes


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("name", TAKEN)
def test_products_say_the_same(name: str, mode: str, always: list[torch.Size]) -> None:
    module, plain = made(TAKEN[name], mode=mode), made(TAKEN[name], level=0)
    plain.load_state_dict(module.state_dict())
    if mode == "infer":
        found, wanted = (one(*(x.detach() for x in given())) for one in (module, plain))
    else:
        found, wanted = with_gradients(module), with_gradients(plain)
    assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    assert always == [(8, 7, 5)]  # queries and keys are padded for the other way


@pytest.mark.parametrize("name", LEFT)
def test_what_is_told_otherwise_stays(name: str, always: list[torch.Size]) -> None:
    made(LEFT[name])(*given())
    assert not always


@pytest.mark.parametrize("bind", [{"N": KEYS + 1}, {"d": FEATURES + 1}, {"e": FEATURES + 1}])
def test_many_keys_or_features_stay(bind: dict[str, int]) -> None:
    assert "few_keys_attention" not in made("", **bind).code


def test_few_scores_and_half_precision_are_one_call_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    module, half = made(""), made("", dtype=torch.bfloat16)
    assert "few_keys_attention" in module.code
    monkeypatch.delattr(torch, "baddbmm")
    module(*given())
    monkeypatch.setattr(runtime_attention, "SCORES", 0)
    half(*given(torch.bfloat16))
    with pytest.raises(AttributeError, match="baddbmm"):
        module(*given())


def test_compiled_and_exported_it_is_products_too() -> None:
    module = made(TAKEN["both"], mode="infer", dtype=torch.float32)
    inputs = tuple(x.detach() for x in given(torch.float32))
    wanted = module(*inputs)
    assert_close(torch.compile(module)(*inputs), wanted)
    batch = torch.export.Dim("batch", min=2, max=100)
    shapes = ({0: batch}, {0: batch}, {0: batch}, {0: batch}, None)
    exported = torch.export.export(module, inputs, dynamic_shapes=shapes)
    assert "bmm" in str(exported.graph)
    twice = tuple(torch.cat([x, x]) if index < 4 else x for index, x in enumerate(inputs))
    assert_close(exported.module()(*twice), torch.cat([wanted, wanted]))


def test_explain_tells_it_with_the_number_of_the_runtime() -> None:
    assert attention.SCORES == runtime_attention.SCORES
    told = " ".join(str(attn.explain(attn.load(attn.text(HEAD.format(""))), bind={"h": 2, "N": 7, "d": 3, "e": 5})).split())
    assert "are held" in told
    assert "fewer than 131,072 scores" in told
