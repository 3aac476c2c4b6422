"""Masks of positions that have no form of their own: which blocks of pairs they leave is worked out once for each size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn
from attn.compiler.lower import runtime_blocks, runtime_parts
from attn.compiler.lower.lowering import lower
from attn.compiler.lower.standalone import standalone

HEAD = """block t(q: [*, h, N, d], k: [*, h, M, d], v: [*, h, M, e], keep: bool [M]) -> [*, h, N, e] {{
    return attend(q, k, v, over=M, dot=d, where={0})
}}
"""
APART = "pos(N) - pos(M)"
MASKS = {
    "window and global tokens": f"abs({APART}) <= 2 or pos(N) < 1 or pos(M) < 1",
    "causal, window and sink": f"pos(M) <= pos(N) and ({APART} < 3 or pos(M) == 0)",
    "rows without keys": f"pos(M) <= pos(N) - 2 and (is_pow2({APART}) or pos(M) // 3 == 1)",
    "no pair at all": "pos(M) * pos(N) < 0",
    "every pair": "pos(M) * pos(N) >= 0",
    "blocks of eight": "pos(M) // 8 == pos(N) // 8 or pos(M) // 8 == 1 and pos(N) % 3 > 0",
    "blocks of sixteen without keys": "pos(M) // 16 < pos(N) // 16",
    "floats": "cos(0.3 * pos(N) * pos(M)) > 0.5",
}
LEFT = {
    "keys that are given": f"keep or {APART} == 1",
    "for each head": f"pos(h) < {APART} or pos(M) == 0",
    "with a bias": f"{APART} == 1 or pos(M) == 0, bias=0.1 * pos(M) * pos(N)",
    "no softmax": f"{APART} == 1 or pos(M) == 0, by=sigmoid",
    "keys alone": "pos(M) % 3 == 0",
}


def built(mask: str) -> Any:
    return lower(attn.load(attn.text(HEAD.format(mask))).graph({}), dtype=torch.float64)


def given(n: int, m: int) -> list[Tensor]:
    source = torch.Generator().manual_seed(n)
    shapes = ((2, 3, n, 2), (2, 3, m, 2), (2, 3, m, 3))
    q, k, v = (torch.randn(shape, generator=source, dtype=torch.float64, requires_grad=True) for shape in shapes)
    return [q, k, v, torch.ones(m, dtype=torch.bool)]


def found(module: Any, inputs: list[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
    y = module(*inputs)
    return y, torch.autograd.grad(y, inputs[:3], torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y))


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Blocks are taken however short and many they are; gives the number of calls of each run that took them."""
    small = {"SHORTEST": 1, "BLOCK": 4, "COPY": 1, "LIVE": 2, "MOST": 200}
    for name, value in small.items():
        monkeypatch.setattr(runtime_blocks, name, value)
    monkeypatch.setattr(runtime_parts, "FEWEST", 1)
    counts: list[int] = []
    plan, call = runtime_blocks.kept_plan, runtime_blocks.one_block_group

    def planned(*args: Any) -> Any:
        counts.append(0)
        return plan(*args)

    def counted(*args: Any) -> Tensor:
        counts[-1] += 1
        return call(*args)

    monkeypatch.setattr(runtime_blocks, "kept_plan", planned)
    monkeypatch.setattr(runtime_blocks, "one_block_group", counted)
    return counts


@pytest.mark.parametrize("name", MASKS)
def test_blocks_say_what_the_mask_says(name: str, always: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    module = built(MASKS[name])
    assert "block_attention" in module.code
    for n, m in ((1, 1), (13, 13), (5, 14), (14, 5), (37, 70)):
        inputs, count = given(n, m), len(always)
        blocks = found(module, inputs)
        assert len(always) == count + 1
        with monkeypatch.context() as patch:
            patch.setattr(runtime_blocks, "SHORTEST", 1000)
            assert_close(blocks, found(module, inputs), rtol=1e-10, atol=1e-10)
        assert len(always) == count + 1
    assert module(*given(0, 0)).shape == (2, 3, 0, 3)


def test_the_mask_is_the_one_of_the_text(always: list[int]) -> None:
    inputs = given(13, 13)
    at = torch.arange(13)
    far = at.unsqueeze(-1) - at
    allowed = (far >= 0) & ((far < 3) | (at == 0))
    weights = (inputs[0] @ inputs[1].mT * 2**-0.5).masked_fill(~allowed, float("-inf")).softmax(-1)
    assert_close(built(MASKS["causal, window and sink"])(*inputs), weights @ inputs[2], rtol=1e-10, atol=1e-10)
    assert always == [4]


@pytest.mark.parametrize("name", LEFT)
def test_what_says_more_stays_a_mask(name: str) -> None:
    assert "block_attention" not in built(LEFT[name]).code


def test_a_plan_is_made_once_for_each_size_and_holds_for_gradients_too(monkeypatch: pytest.MonkeyPatch) -> None:
    module, inputs, counts = built(MASKS["window and global tokens"]), given(600, 515), list[tuple[int, int]]()
    plan = runtime_blocks.block_plan
    monkeypatch.setattr(runtime_blocks, "block_plan", lambda *args: counts.append(args[2:4]) or plan(*args))
    monkeypatch.setattr(runtime_blocks, "KEPT", 2)
    with torch.inference_mode():
        first = module(*inputs)
    assert_close(found(module, inputs)[0], first)
    for keys in (520, 515, 530, 515):
        module(*given(600, keys))
    assert counts == [(600, 515), (600, 520), (600, 530), (600, 515)]


def test_a_file_of_its_own_keeps_plans_too() -> None:
    program = attn.load("std.sparse", "power_attend")(bind={"size": 32, "local": 1})
    text = standalone(program)
    made: dict[str, Any] = {"__name__": "made"}
    exec(text, made)
    q = torch.randn(1, 2, 520, 4)
    assert torch.equal(made["PowerAttend"]()(q, q, q), program(q, q, q))
    assert len(vars(made["kept_plan"])["plans"]) == 1


def test_many_blocks_are_a_mask() -> None:
    def mask(b: Any, h: Any, i: Tensor, j: Tensor, far: int) -> Tensor:
        return (i - j).abs() <= far

    assert runtime_blocks.block_plan(mask, (64,), 640, 640, 64) is not None
    assert runtime_blocks.block_plan(mask, (400,), 640, 640, 64) is None


@pytest.mark.parametrize(("size", "block"), [(64, 64), (128, 128), (192, 64), (256, 256), (512, 256)])
def test_blocks_are_as_large_as_the_mask_lets_them_be(size: int, block: int) -> None:
    def mask(b: Any, h: Any, i: Tensor, j: Tensor) -> Tensor:
        back = i // size - j // size
        return (j <= i) & ((back == 0) | (back == 2))

    rows = 10 * size - 3
    found, order, groups, some = runtime_blocks.block_plan(mask, (), rows, rows, 64)
    assert (found, len(order), some) == (block, -(-rows // block), None)
    at = torch.arange(len(order) * block)
    said = torch.zeros(len(at), len(at), dtype=torch.bool)
    for numbers, keys, where in groups:
        for place, (number, met) in enumerate(zip(numbers, keys, strict=True)):
            columns = at.view(-1, block)[met].flatten()
            said[at.view(-1, block)[number].unsqueeze(-1), columns] = True if where is None else where[0, min(place, where.shape[1] - 1)]
    assert torch.equal(said[:rows, :rows], mask(0, 0, at[:rows, None], at[:rows]))
    assert not said[:rows, rows:].any()


def test_the_library_has_it_exported_as_a_mask(always: list[int]) -> None:
    program = attn.load("std.sparse", "power_attend")
    module = program(bind={"size": 4, "local": 1}, dtype=torch.float64)
    q, k, v = (x.detach() for x in given(29, 29)[:3])
    blocks = module(q, k, v)
    assert len(always) == 1
    n = torch.export.Dim("n", min=2, max=5000)
    exported: Any = torch.export.export(module, (q, k, v), dynamic_shapes=({2: n}, {2: n}, {2: n})).module()
    assert_close(exported(q, k, v), blocks)
    assert len(always) == 1
    assert "which blocks of pairs it leaves" in " ".join(str(attn.explain(program)).split())


def test_sizes_that_are_known_decide() -> None:
    program = attn.load("std.sparse", "power_attend")
    for size, taken in ((400, False), (4000, True)):
        module = attn.compile(program, bind={"N": size}, mode="infer")
        assert ("block_attention" in module.code) is taken
