"""In inference chains of linear maps work on one matrix of rows, and parts that move alike are moved together; values stay the same."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn

FEED = """block feed(x: [*, N, D]) -> [*, N, D] {
    h = layernorm(x, D) |> linear(D -> E=6) as up |> gelu() |> linear(E -> D) as down
    return RESULT
}
"""
CASES = {
    "x + h": 2,
    "(x + h) * 2": 2,
    "h * mean(h, N)": 2,
    "x + h + (layernorm(h, D) |> linear(D -> D) as more)": 2,
    "x + (h |> linear(N -> M=5) as mixed |> linear(M -> N) as back)": 4,
}
"""Results, and how often something becomes rows or is one no more."""
ATTENTION = """block layer(x: [*, N, D], heads: int = 2) -> [*, N, D] {
    axis h = heads, d = D / heads
    q = linear(x, D -> h d)
    k = linear(x, D -> h d)
    v = linear(x, D -> h d)
    return x + (attend(q, k, v, over=N, dot=d) |> linear(h d -> D) as out)
}
"""
SHAPES = ((3, 4), (2, 3, 4), (2, 1, 3, 4), (0, 3, 4))


def made(text: str, level: int = 2, **options: Any) -> Any:
    torch.manual_seed(3)
    return attn.compile(
        attn.text(text), bind={"D": 4, **options.pop("bind", {})}, dtype=torch.float64, level=level, backend="eager", **options
    )


def tokens(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def alike(text: str, **options: Any) -> tuple[Any, Any]:
    """The module, and one of the program as written with the same weights."""
    module, plain = made(text, mode="infer", **options), made(text, 0, mode="infer", **options)
    plain.load_state_dict(module.state_dict())
    return module, plain


@pytest.mark.parametrize("result", CASES)
def test_a_chain_becomes_rows_once(result: str) -> None:
    bind = {"N": 3} if "N ->" in result else {}
    text = FEED.replace("RESULT", result)
    module, plain = alike(text, bind=bind)
    assert len(re.findall(r"\.reshape(_as)?\(", module.code)) == CASES[result]
    assert ".reshape(" not in made(text, mode="train", bind=bind).code
    for shape in SHAPES:
        assert_close(module(tokens(*shape)), plain(tokens(*shape)))
    turned = tokens(2, 4, 3).mT
    assert_close(module(turned), plain(turned))
    assert_close(module(turned.contiguous()), module(turned))


def test_weights_lie_as_products_read_them_and_follow_every_change() -> None:
    module, plain = alike(FEED.replace("RESULT", "x + h"))
    body = module.code.split("def prepared")[1]
    assert (module.code.count("torch.addmm("), body.count(".contiguous()")) == (2, 2)
    assert "F.linear(" not in module.code
    x = tokens(2, 3, 4)
    for change in (lambda one: one.down.weight.mul_(2), lambda one: one.up.weight[1].zero_(), lambda one: one.down.bias.add_(1)):
        assert_close(module(x), plain(x))
        with torch.no_grad():
            change(module)
            change(plain)
    assert_close(module(x), plain(x))
    module.down.weight.requires_grad_()
    plain.down.weight.requires_grad_()
    assert_close(*(torch.autograd.grad(one(x).square().sum(), one.down.weight)[0] for one in (module, plain)))


def test_one_map_alone_stays_as_it_is() -> None:
    assert ".reshape(" not in made("block one(x: [*, N, D]) -> [*, N, D] {\n    return gelu(linear(x, D -> D))\n}", mode="infer").code


def test_the_input_gives_rows_and_its_shape_to_the_result() -> None:
    module, plain = alike(FEED.replace("RESULT", "x + h"))
    assert "leading_count(x, 2)" not in module.code  # nothing asks for it
    assert "_leading(" not in module.code
    assert "leading_count(x, 2)" in made(ATTENTION, mode="infer").code
    other, as_written = alike(
        "block wide(x: [*, H, W, D]) -> [*, H, W, E=3] {\n    return x |> linear(D -> D) as a |> linear(D -> E) as b\n}"
    )
    for shape in ((2, 3, 4), (5, 2, 3, 4), (2, 2, 1, 3, 4)):
        assert_close(other(tokens(*shape)), as_written(tokens(*shape)))
        assert_close(module(tokens(*shape)), plain(tokens(*shape)))


def test_queries_keys_and_values_are_moved_together() -> None:
    module, plain = alike(ATTENTION)
    assert len(re.findall(r"\.transpose\(", module.code.split("def prepared")[0])) == 2  # of all three, and back
    assert "flatten" not in module.code.split("def prepared")[0]
    for shape in SHAPES:
        assert_close(module(tokens(*shape)), plain(tokens(*shape)))


def test_gradients_transforms_and_export_find_what_they_need() -> None:
    module, plain = alike(FEED.replace("RESULT", "x + h"))
    x = tokens(2, 3, 4)
    ours, theirs = (torch.autograd.grad(one(given := x.clone().requires_grad_()).square().sum(), given)[0] for one in (module, plain))
    assert_close(ours, theirs)
    assert_close(torch.func.vmap(module)(x), plain(x))
    many = {name: torch.stack([value, value * 2]) for name, value in module.state_dict().items()}
    found = torch.func.vmap(lambda weights: torch.func.functional_call(module, weights, x))(many)
    assert_close(found[1], torch.func.functional_call(plain, {name: value[1] for name, value in many.items()}, x))
    tokens_of = torch.export.Dim("tokens", min=2, max=64)
    exported = torch.export.export(module, (x,), dynamic_shapes={"x": {1: tokens_of}})
    assert_close(exported.module()(tokens(2, 7, 4)), plain(tokens(2, 7, 4)))


def test_a_small_gelu_gives_what_a_large_one_does() -> None:
    from attn.compiler.lower.runtime_small import SMALL

    module, plain = alike("block t(x: [*, N, D]) -> [*, N, D] {\n    return gelu(x)\n}")
    assert "runtime.gelu(" in module.code
    for rows in (1, 5, SMALL // 4):
        x = tokens(rows, 4).requires_grad_()
        y = module(x)
        assert_close(y, plain(x))
        assert y.is_contiguous()
        assert_close(*(torch.autograd.grad(one(x).sum(), x)[0] for one in (module, plain)))
