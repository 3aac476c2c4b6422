"""Moving axes about, and indexing by name."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from language_support import codes, module, randn
from torch.testing import assert_close

from attn.compiler.lower.errors import InputError
from attn.dsl.diagnostics import AttnError

X = randn(2, 6, 5)


@pytest.mark.parametrize(
    ("body", "result", "wanted"),
    [
        ("split(x, N -> Y u=2)", "[*, Y, u, D]", X.unflatten(1, (3, 2))),
        ("split(x, N -> Y=2 u)", "[*, Y, u, D]", X.unflatten(1, (2, 3))),
        ("merge(x, N D -> M)", "[*, M]", X.flatten(1)),
        ("merge(x, D N -> M)", "[*, M]", X.mT.flatten(1)),
        ("concat(x, x * 2, over=N) |> rename(N -> M)", "[*, M, D]", torch.cat([X, 2 * X], 1)),
        ("concat(x, rename(x, N -> P) * 2, N + P -> M)", "[*, M, D]", torch.cat([X, 2 * X], 1)),
        ("concat(sum(x, N), x, 1 + N -> M)", "[*, M, D]", torch.cat([X.sum(1, keepdim=True), X], 1)),
        ("stack(x, x * 2, Z)", "[*, N, D, Z]", torch.stack([X, 2 * X], -1)),
        ("rename(x, N -> A, D -> B)", "[*, A, B]", X),
        ("expand(x, M=3)", "[*, N, D, M]", X[..., None].expand(2, 6, 5, 3)),
        ("pad(x, N=[5, 0], fill=0) |> rename(N -> M)", "[*, M, D]", F.pad(X, (0, 0, 5, 0))),
        ("roll(x, N=-3)", "[*, N, D]", X.roll(-3, 1)),
        ("flip(x, N)", "[*, N, D]", X.flip(1)),
        ("shift(x, N=1)", "[*, N, D]", F.pad(X, (0, 0, 1, 0))[:, :6]),
        ("unfold(x, N -> Y u=3, stride=2, padding=1)", "[*, Y, u, D]", F.pad(X, (0, 0, 1, 1)).unfold(1, 3, 2).mT),
        ("x[N=0]", "[*, D]", X[:, 0]),
        ("x[N=-1]", "[*, D]", X[:, -1]),
        ("x[N=1..4] |> rename(N -> M)", "[*, M, D]", X[:, 1:4]),
        ("x[N=..-2] |> rename(N -> M)", "[*, M, D]", X[:, :-2]),
        ("x[N=2, D=1]", "[*]", X[:, 2, 1]),
    ],
)
def test_what_is_written_is_what_is_done(body: str, result: str, wanted: torch.Tensor) -> None:
    assert_close(module("x: [*, N, D]", f"return {body}", result)(X), wanted)


def test_resize_reads_between_positions() -> None:
    m = module("x: [*, N]", "return resize(x, N -> U=9)", "[*, U]")
    assert_close(m(X[0]), F.interpolate(X[0][:, None], size=9, mode="linear")[:, 0])


def test_a_split_into_a_sum_is_the_inverse_of_concat() -> None:
    m = module(
        "a: [*, A, D]", "l, p = split(a, A -> L=2 + P); return concat(l, p, L + P -> A), l, p", "(a: [*, A, D], l: [*, L, D], p: [*, P, D])"
    )
    a, left, rest = m(X)
    assert_close(a, X)
    assert_close(left, X[:, :2])
    assert_close(rest, X[:, 2:])


def test_a_ragged_tail_needs_a_fill() -> None:
    with pytest.raises((InputError, AttnError)):
        module("x: [*, N]", "return split(x, N -> Y u=4)", "[*, Y, u]")(X)
    m = module("x: [*, N]", "return split(x, N -> Y u=4, fill=7)", "[*, Y, u]")
    assert_close(m(X), F.pad(X, (0, 3), value=7.0).unflatten(2, (2, 4)))


def test_unstack_gives_a_name_to_each_position() -> None:
    m = module("x: [*, Z=3, N]", "a, b, c = unstack(x, Z); return a + 2 * b + 3 * c", "[*, N]")
    x = randn(2, 3, 4)
    assert_close(m(x), (x * torch.tensor([1.0, 2, 3])[:, None]).sum(1))
    assert "E0306" in codes("x: [*, Z=3, N]", "a, b = unstack(x, Z); return a + b", "[*, N]")


# ---------------------------------------------------------------- gather


def test_an_integer_tensor_gathers_and_its_own_axes_are_new() -> None:
    m = module("x: [*, T, D], at: int [K]", "return x[T=at]", "[*, K, D]")
    at = torch.tensor([3, 0, 0])
    assert_close(m(X, at), X[:, at])


def test_axes_that_the_index_shares_line_up() -> None:
    m = module("x: [B, T, D], at: int [B, K]", "return x[T=at]", "[B, K, D]")
    at = torch.tensor([[1, 2, 3], [0, 5, 5]])
    assert_close(m(X, at), torch.stack([X[b, at[b]] for b in range(2)]))


def test_one_index_for_each_row() -> None:
    m = module("x: [B, T, D], at: int [B]", "return x[T=at]", "[B, D]")
    assert_close(m(X, torch.tensor([4, 1])), torch.stack([X[0, 4], X[1, 1]]))


def test_two_indices_at_once_are_pairs() -> None:
    m = module("x: [B, T, D], i: int [K], j: int [K]", "return x[T=i, D=j]", "[B, K]")
    i, j = torch.tensor([0, 5, 2]), torch.tensor([4, 0, 1])
    assert_close(m(X, i, j), X[:, i, j])


def test_a_table_is_looked_up_by_name() -> None:
    m = module("ids: int [B, N], V: axis, D: axis", "param e: [V, D] = normal(1.0); return e[V=ids]", "[B, N, D]", V=10, D=4)
    ids = torch.randint(0, 10, (2, 3))
    assert_close(m(ids), m.e[ids])


# ---------------------------------------------------------------- the inverse of gather


TO = torch.tensor([1, 0, 1, 3, 3, 3])


@pytest.mark.parametrize("how", ["sum", "max", "mean"])
def test_a_reduction_with_an_arrow_goes_where_the_index_says(how: str) -> None:
    m = module("y: [B, K, D], to: int [K]", f"return {how}(y, K -> T=4, at=to)", "[B, T, D]")
    found = m(X, TO)
    for place in (0, 1, 3):
        there = X[:, place == TO]
        assert_close(found[:, place], {"sum": there.sum(1), "max": there.amax(1), "mean": there.mean(1)}[how])
    if how == "sum":
        assert_close(found[:, 2], torch.zeros(2, 5, dtype=torch.float64))


def test_a_softmax_within_groups() -> None:
    m = module("e: [E, h], to: int [E]", "return softmax(e, over=E, at=to)", "[E, h]")
    e = randn(6, 2)
    groups = torch.zeros(4, 2, dtype=torch.float64).index_add(0, TO, e.exp())
    assert_close(m(e, TO), e.exp() / groups[TO])


def test_an_index_beyond_the_axis_is_told() -> None:
    assert "E0211" in codes("x: [*, s=3, D]", "return x[s=3]", "[*, D]")
    assert "E0217" in codes("x: [*, N]", "return x[0]", "[*]")
    assert "E0201" in codes("x: [*, N]", "return x[Q=0]", "[*]")
