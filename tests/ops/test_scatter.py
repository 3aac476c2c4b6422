"""Reductions that send entries to the places an index names, against loops."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn

EMPTY = {"sum": 0.0, "mean": 0.0, "max": float("-inf"), "min": float("inf")}
REDUCE: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda part: part.sum(0),
    "mean": lambda part: part.mean(0),
    "max": lambda part: part.amax(0),
    "min": lambda part: part.amin(0),
}


def run(signature: str, result: str, axes: str, *inputs: Tensor) -> Tensor:
    return attn.compile(attn.text(f"block t({signature}) -> {axes} {{\n    return {result}\n}}"))(*inputs)


def numbers(*shape: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def looped(name: str, y: Tensor, at: Tensor, size: int) -> Tensor:
    """`y` [K, ..] sent to the rows `at` [K] of a result with `size` rows."""
    rows = [REDUCE[name](y[at == t]) if (at == t).any() else torch.full_like(y[0], EMPTY[name]) for t in range(size)]
    return torch.stack(rows)


@pytest.mark.parametrize("name", REDUCE)
def test_entries_go_where_the_index_says(name: str) -> None:
    y, to = numbers(7, 3), torch.tensor([2, 0, 2, 4, 4, 2, 0])
    assert_close(run("y: [K, D], to: int [K]", f"{name}(y, K -> T=5, at=to)", "[T=5, D]", y, to), looped(name, y, to, 5))


@pytest.mark.parametrize("name", REDUCE)
def test_an_index_may_differ_along_other_axes(name: str) -> None:
    y, to = numbers(4, 6, 3), torch.randint(0, 3, (4, 6), generator=torch.Generator().manual_seed(1))
    expected = torch.stack([looped(name, y[b], to[b], 3) for b in range(4)])
    assert_close(run("y: [B, K, D], to: int [B, K]", f"{name}(y, K -> T=3, at=to)", "[B, T=3, D]", y, to), expected)


@pytest.mark.parametrize("name", REDUCE)
def test_several_axes_may_go(name: str) -> None:
    y, to = numbers(4, 3, 2), torch.tensor([[0, 1, 1], [2, 2, 0], [1, 0, 0], [2, 1, 0]])
    expected = looped(name, y.flatten(0, 1), to.flatten(), 3)
    assert_close(run("y: [K, J, D], to: int [J, K]", f"{name}(y, K J -> T=3, at=to)", "[T=3, D]", y, to.T.contiguous()), expected)
    row = to[:, 0]
    expected = looped(name, y.flatten(0, 1), row.repeat_interleave(3), 3)
    assert_close(run("y: [K, J, D], to: int [K]", f"{name}(y, K J -> T=3, at=to)", "[T=3, D]", y, row), expected)


def test_axes_of_the_index_alone_are_new() -> None:
    y, to = numbers(5, 2), torch.tensor([[0, 1, 0, 1, 2], [2, 2, 2, 2, 2]])
    expected = torch.stack([looped("sum", y, row, 3) for row in to])
    assert_close(run("y: [K, D], to: int [B, K]", "sum(y, K -> T=3, at=to)", "[B, T=3, D]", y, to), expected)


def test_a_vector_may_be_scattered_and_the_size_may_come_from_the_scope() -> None:
    y, x, to = numbers(5), numbers(4, 2), torch.tensor([3, -1, 0, 0, -4])
    assert_close(
        run("y: [K], x: [T, D], to: int [K]", "x + sum(y, K -> T, at=to)", "[T, D]", y, x, to), x + looped("sum", y, to % 4, 4)[:, None]
    )


def test_gathering_is_undone_where_every_place_is_written_once() -> None:
    x, at = numbers(5, 2), torch.tensor([3, 0, 4, 1, 2])
    assert_close(run("x: [N, D], at: int [N]", "sum(x[N=at], N -> N, at=at)", "[N, D]", x, at), x)


@pytest.mark.parametrize("name", REDUCE)
@pytest.mark.parametrize("signature", ["y: [K, D], to: int [K]", "y: [B, K, D], to: int [B, K]"])
def test_gradients_flow_back_to_the_entries(name: str, signature: str) -> None:
    batched = "B" in signature
    module = attn.compile(
        attn.text(f"block t({signature}) -> {'[B, T=2, D]' if batched else '[T=2, D]'} {{\n    return {name}(y, K -> T=2, at=to)\n}}")
    )
    y = numbers(3, 4, 2) if batched else numbers(4, 2)
    to = torch.tensor([[0, 1, 0, 1], [1, 1, 0, 1], [0, 0, 0, 1]]) if batched else torch.tensor([0, 1, 1, 0])
    assert torch.autograd.gradcheck(lambda values: module(values, to), (y,))


def test_kinds_of_number_are_kept() -> None:
    to = torch.tensor([0, 1, 0])
    signature = "y: int [K], to: int [K]"
    whole = torch.tensor([2**60, 5, 1])
    assert run(signature, "sum(y, K -> T=3, at=to)", "int [T=3]", whole, to).tolist() == [2**60 + 1, 5, 0]
    assert run(signature, "mean(y, K -> T=3, at=to)", "[T=3]", torch.tensor([1, 5, 2]), to).tolist() == [1.5, 5.0, 0.0]
    truth = torch.tensor([True, False, False])
    signature = "y: bool [K], to: int [K]"
    assert run(signature, "max(y, K -> T=3, at=to)", "bool [T=3]", truth, to).tolist() == [True, False, False]
    assert run(signature, "min(y, K -> T=3, at=to)", "bool [T=3]", truth, to).tolist() == [False, False, True]
    assert run(signature, "sum(y, K -> T=3, at=to)", "int [T=3]", truth, to).tolist() == [1, 0, 0]


def test_half_precision_adds_in_float32() -> None:
    y, to = torch.ones(3000, 1, dtype=torch.float16), torch.zeros(3000, dtype=torch.long)
    for name, expected in (("sum", 3000.0), ("mean", 1.0), ("max", 1.0)):
        out = run("y: [K, D], to: int [K]", f"{name}(y, K -> T=1, at=to)", "[T=1, D]", y, to)
        assert out.dtype == torch.float16
        assert out.item() == expected


def test_nothing_to_send_leaves_every_place_empty() -> None:
    y, to = torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)
    for name, value in EMPTY.items():
        out = run("y: [K, D], to: int [K]", f"{name}(y, K -> T=3, at=to)", "[T=3, D]", y, to)
        assert torch.equal(out, torch.full((3, 2), value))


@pytest.mark.parametrize("batch", ["", "B, "])
def test_a_place_that_is_not_there_is_an_error(batch: str) -> None:
    lead = (2,) if batch else ()
    y, to = torch.ones(*lead, 3, 2), torch.full((*lead, 3), 3)
    with pytest.raises((RuntimeError, IndexError, attn.AttnError), match=r"out of (bounds|range)"):
        run(f"y: [{batch}K, D], to: int [{batch}K]", "sum(y, K -> T=3, at=to)", f"[{batch}T=3, D]", y, to)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("sum(y, K -> T=3, at=pos(D))", "E0201"),
        ("sum(y, K -> T=3, at=y)", "E0310"),
        ("sum(y, K -> D=3, at=pos(K))", "E0204"),
        ("sum(y, K -> 1, at=pos(K))", "E0209"),
        ("sum(y, K -> T=2 U=2, at=pos(K))", "E0209"),
        ("sum(y, K -> T, at=pos(K))", "E0206"),
        ("sum(y, K, at=pos(K))", "E0305"),
    ],
)
def test_mistakes_have_their_codes(written: str, expected: str) -> None:
    with pytest.raises(attn.AttnError) as found:
        run("y: [K, D]", written, "[T, D]", torch.zeros(2, 2))
    assert [one.code for one in found.value.diagnostics] == [expected]
