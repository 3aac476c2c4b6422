"""Indexing by name against PyTorch's own indexing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import attn
from attn.compiler.ops.indexing import counts
from attn.dsl.diagnostics import AttnError


def module(text: str, head: str, result: str, **bind: Any) -> Any:
    return attn.compile(attn.text(f"block t({head}) -> {result} {{\n    return {text}\n}}"), bind=bind)


def fault(text: str, head: str, result: str, **bind: Any) -> str:
    with pytest.raises(AttnError) as caught:
        module(text, head, result, **bind)
    return str(caught.value)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def places(limit: int, *shape: int, least: int = 0) -> Tensor:
    return torch.randint(least, limit, shape, generator=torch.Generator().manual_seed(3))


def grad_ok(m: Any, x: Tensor, *others: Tensor) -> bool:
    return torch.autograd.gradcheck(lambda y: m(y, *others), (x.clone().requires_grad_(),))


# ---------------------------------------------------------------- positions and parts


@pytest.mark.parametrize(("index", "at"), [("0", 0), ("2", 2), ("-1", -1), ("-3", -3)])
def test_a_position_removes_its_axis(index: str, at: int) -> None:
    x = randn(2, 3, 5)
    m = module(f"x[s={index}]", "x: [*, s, D]", "[*, D]")
    assert torch.equal(m(x), x[:, at])
    assert grad_ok(m, x)


def test_a_position_may_be_a_size() -> None:
    x = randn(2, 5, 3)
    assert torch.equal(module("x[N=size(x, N) - 1]", "x: [*, N, D]", "[*, D]")(x), x[:, -1])
    assert torch.equal(module("x[N=size(x, D)]", "x: [*, N, D]", "[*, D]")(x), x[:, 3])


@pytest.mark.parametrize(
    ("part", "rows"),
    [
        ("1..", slice(1, None)),
        ("..-1", slice(None, -1)),
        ("1..3", slice(1, 3)),
        ("-2..", slice(-2, None)),
        ("-3..-1", slice(-3, -1)),
        ("2..2", slice(2, 2)),
    ],
)
def test_a_part_keeps_the_axis(part: str, rows: slice) -> None:
    x = randn(2, 5, 3)
    m = module(f"rename(x[N={part}], N -> M)", "x: [*, N, D]", "[*, M, D]")
    assert torch.equal(m(x), x[:, rows])
    bound = module(f"rename(x[N={part}], N -> M)", "x: [*, N, D]", "[*, M, D]", N=5)
    assert torch.equal(bound(x), x[:, rows])


def test_two_axes_at_once() -> None:
    x = randn(4, 5, 3)
    m = module("x[N=1, D=..-1] |> rename(D -> E)", "x: [*, N, D]", "[*, E]")
    assert torch.equal(m(x), x[:, 1, :-1])


def test_the_whole_axis_is_nothing_to_do() -> None:
    x = randn(2, 3)
    assert module("x[N=0..]", "x: [B, N]", "[B, N]")(x) is x


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("3", "index 3 is outside axis `N` of size 3"),
        ("-4", "index -4 is outside axis `N` of size 3"),
        ("1..4", "ends after the axis"),
        ("-4..", "begins before the axis"),
        ("2..1", "ends before it begins"),
    ],
)
def test_what_is_outside_is_told(index: str, words: str) -> None:
    told = fault(f"sum(x[N={index}], D)", "x: [N, D]", "[]", N=3)
    assert "E0211" in told
    assert words in told


@pytest.mark.parametrize("index", ["3", "-4", "1..4", "..4"])
def test_a_dynamic_axis_that_is_too_short_is_told_at_the_entry(index: str) -> None:
    m = module(f"sum(x[N={index}], *)", "x: [*, N]", "[]") if ".." not in index else module(f"sum(x[N={index}], * N)", "x: [*, N]", "[]")
    assert m(randn(2, 4)).shape == ()
    with pytest.raises(AttnError, match="N"):
        m(randn(2, 3) if index != "1..4" else randn(2, 2))


# ---------------------------------------------------------------- gather


def test_rows_are_looked_up() -> None:
    e, ids = randn(7, 3), places(7, 2, 4)
    m = module("e[V=ids]", "e: [V, D], ids: int [*, N]", "[*, N, D]")
    assert torch.equal(m(e, ids), e[ids])
    assert "F.embedding" in m.code
    assert grad_ok(m, e, ids)


def test_a_weight_is_looked_up_whatever_its_order() -> None:
    text = "block t(ids: int [*, N]) -> [*, N, D] {\n    param e: [D=3, V=7] = normal(1.0)\n    return e[V=ids]\n}"
    m: Any = attn.compile(attn.text(text))
    ids = places(7, 2, 4)
    assert torch.equal(m(ids), m.e.T[ids])


@pytest.mark.parametrize("shape", [(2, 5, 3), (1, 1, 1)])
def test_any_axis_is_indexed(shape: tuple[int, ...]) -> None:
    x, at = randn(*shape), places(shape[1], 4)
    m = module("x[T=at]", "x: [B, T, D], at: int [N]", "[B, N, D]")
    assert torch.equal(m(x, at), x[:, at])
    assert grad_ok(m, x, at)
    square = places(shape[1], 4, 2)
    m = module("x[T=at]", "x: [B, T, D], at: int [N, M]", "[B, N, M, D]")
    assert torch.equal(m(x, square), x[:, square])


def test_an_index_with_the_axis_itself_permutes() -> None:
    x = randn(2, 5, 3)
    at = torch.tensor([4, 2, 0, 1, 3])
    assert torch.equal(module("x[T=at]", "x: [B, T, D], at: int [T]", "[B, T, D]")(x, at), x[:, at])


def test_one_place_removes_the_axis() -> None:
    x = randn(2, 5, 3)
    assert torch.equal(module("x[T=at]", "x: [B, T, D], at: int []", "[B, D]")(x, torch.tensor(-2)), x[:, -2])


@pytest.mark.parametrize("shape", [(2, 5, 3), (1, 1, 1), (3, 2, 1)])
def test_shared_axes_line_up(shape: tuple[int, ...]) -> None:
    x, at = randn(*shape), places(shape[1], shape[0], 4)
    m = module("x[T=at]", "x: [B, T, D], at: int [B, K]", "[B, K, D]")
    assert torch.equal(m(x, at), x[torch.arange(shape[0])[:, None], at])
    assert grad_ok(m, x, at)


def test_several_shared_axes_and_several_new_ones() -> None:
    x, at = randn(2, 3, 5, 4), places(5, 3, 2, 2, 6)
    m = module("x[T=at]", "x: [A, B, T, D], at: int [B, K, A, L]", "[A, B, K, L, D]")
    expected = torch.stack([torch.stack([x[a, b][at[b, :, a]] for b in range(3)]) for a in range(2)])
    assert torch.equal(m(x, at), expected)
    assert grad_ok(m, x, at)


def test_all_axes_shared_picks_one_number_each() -> None:
    x, at = randn(2, 3, 5), places(5, 2, 3)
    m = module("x[T=at]", "x: [A, B, T], at: int [B, A]", "[A, B]")
    assert torch.equal(m(x, at.T), x.gather(-1, at.unsqueeze(-1)).squeeze(-1))
    several = places(5, 2, 3, 4)
    m = module("x[T=at]", "x: [A, B, T], at: int [A, B, K]", "[A, B, K]")
    assert torch.equal(m(x, several), x.gather(-1, several))
    assert grad_ok(m, x, several)


@pytest.mark.parametrize(
    ("head", "result", "shape"),
    [
        ("x: [T, D], at: int [N]", "[N, D]", ((5, 3), (4,))),
        ("x: [B, T, D], at: int [N]", "[B, N, D]", ((2, 5, 3), (4,))),
        ("x: [B, T, D], at: int [B, N]", "[B, N, D]", ((2, 5, 3), (2, 4))),
        ("x: [B, T], at: int [B, N]", "[B, N]", ((2, 5), (2, 4))),
    ],
)
def test_negative_places_count_from_the_end_everywhere(head: str, result: str, shape: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    x, at = randn(*shape[0]), places(5, *shape[1], least=-5)
    m = module("x[T=at]", head, result)
    assert torch.equal(m(x, at), m(x, at % 5))


def test_places_that_never_are_negative_need_no_care() -> None:
    m = module("x[T=pos(N) // 2]", "x: [B, T, D], y: [N]", "[B, N, D]")
    assert "from_end" not in m.code
    x = randn(2, 3, 4)
    assert torch.equal(m(x, randn(5)), x[:, torch.arange(5) // 2])
    assert "from_end" in module("x[T=pos(N) - 1]", "x: [B, T, D], y: [N]", "[B, N, D]").code


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("pos(N) % 3 + 2", True),
        ("pos(N) * pos(N)", True),
        ("-pos(N)", False),
        ("pos(N) - 1", False),
        ("at", False),
        ("at % 4", True),
        ("at % -4", False),
    ],
)
def test_what_is_known_about_signs(text: str, known: bool) -> None:
    graph = attn.load(attn.text(f"block t(at: int [N]) -> int [N] {{\n    return {text}\n}}")).graph({})
    assert counts(graph.outputs[0].node) is known


def test_masks_of_blocks_are_spread() -> None:
    keep = torch.rand(2, 6, 3, generator=torch.Generator().manual_seed(1)) > 0.5
    m = module("keep[J=pos(N') // 2]", "keep: bool [B, N, J]", "bool [B, N, N']")
    assert torch.equal(m(keep), keep[:, :, torch.arange(6) // 2])


def test_a_step_of_a_scan_is_a_place() -> None:
    text = """block t(x: [*, N, D], y: [*, K, D]) -> [*, N, D] {
    return scan N (s: [*, D] = 0) {
        s = s + x
        yield s + y[K=pos(N) - 1]
    }
}"""
    x, y = randn(2, 5, 3), randn(2, 5, 3, seed=1)
    torch.testing.assert_close(attn.compile(attn.text(text))(x, y), x.cumsum(1) + y.roll(1, 1))


def test_a_place_outside_is_an_error_when_the_module_runs() -> None:
    m = module("x[T=at]", "x: [B, T, D], at: int [B, N]", "[B, N, D]")
    with pytest.raises(IndexError):
        m(randn(2, 3, 4), torch.full((2, 2), 3))


@pytest.mark.parametrize(("kind", "words"), [("", "floating point"), ("bool", "true or false")])
def test_places_are_whole_numbers(kind: str, words: str) -> None:
    told = fault("x[T=at]", f"x: [B, T], at: {kind} [N]", "[B, N]")
    assert "E0310" in told
    assert words in told


def test_axes_that_line_up_have_one_size() -> None:
    told = fault("x[T=pos(B)[B=1..]]", "x: [B, T]", "[B]", B=3)
    assert "E0202" in told
    assert "`B`" in told


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_numbers_keep_their_kind(dtype: torch.dtype) -> None:
    x = torch.ones(2, 3, 4, dtype=dtype)
    for head, shape in (("at: int [N]", (5,)), ("at: int [B, N]", (2, 5))):
        assert module("x[T=at]", f"x: [B, T, D], {head}", "[B, N, D]")(x, places(3, *shape)).dtype == dtype
