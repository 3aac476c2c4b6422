"""Moving axes about: products, sums, names, borders; each against plain PyTorch on the same numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import attn
from attn.compiler.ops import OPERATORS
from attn.dsl.diagnostics import AttnError

NAMES = ("split", "merge", "rename", "expand", "pad", "roll", "shift", "flip", "concat", "stack", "unstack")


def module(body: str, head: str, result: str, **bind: Any) -> Any:
    lines = body if "\n" in body or body.startswith("return") else f"return {body}"
    return attn.compile(attn.text(f"block t({head}) -> {result} {{\n    {lines}\n}}"), bind=bind)


def fault(body: str, head: str, result: str = "[*]", **bind: Any) -> str:
    with pytest.raises(AttnError) as caught:
        module(body, head, result, **bind)
    return str(caught.value)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- products


@pytest.mark.parametrize("shape", [(2, 5, 6, 3), (1, 1, 6, 1), (6, 3)])
def test_a_split_has_its_left_part_outer(shape: tuple[int, ...]) -> None:
    x = randn(*shape)
    m = module("split(x, H -> Y u=3)", "x: [*, H, D]", "[*, Y, u, D]")
    assert torch.equal(m(x), x.unflatten(-2, (-1, 3)))


def test_the_left_part_may_be_the_one_that_is_given() -> None:
    x = randn(2, 6, 5)
    assert torch.equal(module("split(x, H -> Y=3 u)", "x: [*, H, D]", "[*, Y, u, D]")(x), x.unflatten(1, (3, 2)))


def test_a_size_at_the_place_wins_over_one_that_is_only_known() -> None:
    text = "y = sum(split(x, H -> Y u=2), u)\n    return split(y, Y -> Z u=3)"
    x = randn(12, 5)
    assert torch.equal(module(text, "x: [*, H, D]", "[*, Z, u, D]")(x), x.unflatten(0, (6, 2)).sum(1).unflatten(0, (2, 3)))


def test_declared_axes_split_without_sizes() -> None:
    m = module("axis h = heads, d = D / heads\n    return split(x, D -> h d)", "x: [*, N, D], heads: int = 3", "[*, h, N, d]", D=15)
    x = randn(2, 4, 15)
    assert torch.equal(m(x), x.unflatten(-1, (3, 5)).transpose(1, 2))


def test_three_parts() -> None:
    x = randn(4, 24)
    assert torch.equal(module("split(x, D -> a=2 b c=3)", "x: [*, D]", "[*, a, b, c]")(x), x.unflatten(-1, (2, 4, 3)))


def test_two_axes_split_at_once() -> None:
    x = randn(2, 3, 4, 6)
    m = module("split(x, H -> Y u=2, W -> X v=3)", "x: [*, C, H, W]", "[*, Y, X, C, u, v]")
    assert torch.equal(m(x), x.reshape(2, 3, 2, 2, 2, 3).permute(0, 2, 4, 1, 3, 5))


def test_arrows_act_at_once_where_names_cross() -> None:
    x = randn(2, 4, 6)
    m = module("split(x, H -> W u=2, W -> H v=3) |> rename(H -> X, W -> Y)", "x: [B, H, W]", "[B, Y, u, X, v]")
    assert torch.equal(m(x), x.reshape(2, 2, 2, 2, 3))


@pytest.mark.parametrize("size", [1, 6, 7, 8])
def test_a_ragged_tail_is_filled(size: int) -> None:
    x = randn(2, size, 3)
    missing = -size % 3
    expected = functional.pad(x, (0, 0, 0, missing), value=0.5).unflatten(1, (-1, 3))
    assert torch.equal(module("split(x, H -> Y u=3, fill=0.5)", "x: [*, H, D]", "[*, Y, u, D]")(x), expected)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 1), (3, 4, 5)])
def test_merge_is_the_inverse_of_split(shape: tuple[int, ...]) -> None:
    x = randn(*shape)
    m = module("merge(x, Y u -> H) |> split(H -> Y u=size(x, u))", "x: [*, Y, u, D]", "[*, Y, u, D]")
    assert torch.equal(m(x), x)


def test_merge_moves_parts_together() -> None:
    x = randn(2, 3, 4, 5)
    assert torch.equal(module("merge(x, h d -> D)", "x: [*, h, N, d]", "[*, N, D]")(x), x.transpose(1, 2).reshape(2, 4, 15))
    assert torch.equal(module("merge(x, d h -> D)", "x: [*, h, N, d]", "[*, N, D]")(x), x.permute(0, 2, 3, 1).reshape(2, 4, 15))


def test_parts_meet_where_the_inner_one_stands() -> None:
    m = module("merge(x, h d -> D)", "x: [*, h, N, d]", "[*, N, D]")
    assert m.code.count("transpose(") == 1  # and none after, which a group in the place of the outer part would need


def test_windows_come_back_in_one_piece() -> None:
    x = randn(2, 6, 8, 3)
    text = "w = split(x, H -> Y u=2, W -> X v=4) * 1\n    return merge(w, Y u -> H, X v -> W)"
    m = module(text, "x: [*, H, W, C]", "[*, H, W, C]")
    assert torch.equal(m(x), x)
    windows = module("merge(x, Y u -> H, X v -> W)", "x: [*, Y, X, u, v, C]", "[*, H, W, C]")
    x = randn(2, 3, 2, 4, 5, 6)
    assert torch.equal(windows(x), x.permute(0, 1, 3, 2, 4, 5).reshape(2, 12, 10, 6))
    assert windows.code.count(".reshape(") == 1


def test_a_size_that_does_not_divide_names_both_numbers_and_what_works() -> None:
    told = fault("split(x, D -> h=8 d)", "x: [*, D]", D=510)
    assert "E0203" in told
    assert "`D` of size 510 does not divide into 8 (`h`)" in told
    assert "504 or 512" in told
    assert "6 or 10" in told


def test_a_dynamic_size_that_does_not_divide_is_told_at_the_entry() -> None:
    m = module("split(x, H -> Y u=3)", "x: [*, H]", "[*, Y, u]")
    with pytest.raises(AttnError, match="7"):
        m(randn(2, 7))


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("split(x, D -> h d)", "E0206", "`h` and `d` have no size"),
        ("split(x, D -> h=2 d=5)", "E0203", "h=2 * d=5 = 10"),
        ("split(x, D -> N d=3)", "E0204", "already has an axis `N`"),
        ("split(x, E -> a b=3)", "E0201", "no axis `E`"),
        ("split(x, N D -> a b=3)", "E0209", "one axis apart"),
        ("merge(x, N D -> a b)", "E0209", "makes one axis"),
        ("merge(x, N N -> D)", "E0204", "`N`"),
        ("rename(x, N -> D)", "E0204", "already has an axis `D`"),
        ("rename(x, N -> a b)", "E0209", "one name on each side"),
        ("expand(x, N)", "E0204", "already has an axis `N`"),
        ("expand(x, M)", "E0206", "`M` has no size"),
        ("merge(x, N D -> E=7)", "E0202", "the size given for `E`"),
    ],
)
def test_mistakes_with_products_and_names(body: str, code: str, words: str) -> None:
    told = fault(body, "x: [*, N, D]", N=2, D=12)
    assert code in told
    assert words in told


# ---------------------------------------------------------------- sums


def test_a_sum_takes_neighbouring_pieces() -> None:
    x = randn(2, 7, 3)
    m = module("l, p = split(x, A -> L=3 + P)\n    return l, p", "x: [*, A, D]", "(l: [*, L, D], p: [*, P, D])")
    left, right = m(x)
    assert torch.equal(left, x[:, :3])
    assert torch.equal(right, x[:, 3:])


def test_the_missing_piece_may_stand_anywhere() -> None:
    x = randn(9)
    m = module("a, b, c = split(x, A -> L=2 + P + Q=3)\n    return a, b, c", "x: [A]", "(a: [L], b: [P], c: [Q])")
    assert [list(part.shape) for part in m(x)] == [[2], [4], [3]]
    assert torch.equal(torch.cat(list(m(x))), x)


def test_a_piece_written_one_loses_its_axis() -> None:
    x = randn(2, 5, 3)
    first, rest = module("c, r = split(x, M -> 1 + N)\n    return c, r", "x: [*, M, D]", "(c: [*, D], r: [*, N, D])")(x)
    assert torch.equal(first, x[:, 0])
    assert torch.equal(rest, x[:, 1:])


def test_a_dynamic_rest_that_would_be_negative_is_told_at_the_entry() -> None:
    m = module("l, p = split(x, A -> L=3 + P)\n    return l, p", "x: [*, A]", "(l: [*, L], p: [*, P])")
    assert m(randn(3))[1].shape == (0,)
    with pytest.raises(AttnError, match="longer"):
        m(randn(2))


def test_concat_names_every_part() -> None:
    a, b = randn(2, 3, 5), randn(2, 4, 5, seed=1)
    assert torch.equal(module("concat(a, b, L + P -> A)", "a: [*, L, D], b: [*, P, D]", "[*, A, D]")(a, b), torch.cat([a, b], 1))


def test_a_class_token_is_put_before() -> None:
    text = "param cls: [D] = 0.5\n    return concat(cls, x, 1 + N -> M)"
    x = randn(2, 4, 5)
    expected = torch.cat([torch.full((2, 1, 5), 0.5, dtype=x.dtype), x], 1)
    assert torch.equal(module(text, "x: [*, N, D]", "[*, M, D]", D=5).double()(x), expected)
    kept = text.replace("-> M", "-> N").replace("return ", "y = ") + "\n    return rename(y, N -> M)"
    assert torch.equal(module(kept, "x: [*, N, D]", "[*, M, D]", D=5).double()(x), expected)


def test_over_keeps_the_name_for_any_number_of_parts() -> None:
    a, b = randn(3, 2), randn(5, 2, seed=1)
    m = module("rename(concat(a, rename(b, P -> N), a, over=N), N -> M)", "a: [N, D], b: [P, D]", "[M, D]")
    assert torch.equal(m(a, b), torch.cat([a, b, a]))


def test_parts_are_repeated_along_axes_they_lack() -> None:
    a, b = randn(2, 3, 5), randn(4, 5, seed=1)
    m = module("concat(a, b, L + P -> A)", "a: [B, L, D], b: [P, D]", "[B, A, D]")
    assert torch.equal(m(a, b), torch.cat([a, b.expand(2, 4, 5)], 1))
    number = module("concat(1, x, 1 + N -> M)", "x: [B, N]", "[B, M]")
    assert torch.equal(number(a[0]), torch.cat([torch.ones(3, 1, dtype=a.dtype), a[0]], 1))


def test_concat_of_positions_and_numbers_keeps_the_working_type() -> None:
    m = module("concat(pos(N) * 0.5, x, N + N -> M)", "x: [*, N]", "[*, M]")
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        assert m(torch.ones(2, 3, dtype=dtype)).dtype == dtype


def test_numbers_beside_tensors_keep_the_working_type() -> None:
    for text, result in (("concat(0.5, x, 1 + N -> M)", "[*, M]"), ("stack(0.5, x, 1, Z)", "[*, N, Z]")):
        assert module(text, "x: [*, N]", result)(torch.ones(2, 3, dtype=torch.float16)).dtype == torch.float16


def test_stack_and_unstack_are_inverse() -> None:
    a, b = randn(2, 3), randn(2, 3, seed=1)
    m = module("p, q = stack(a, b, Z) |> unstack(Z)\n    return p, q", "a: [*, N], b: [*, N]", "(p: [*, N], q: [*, N])")
    assert torch.equal(m(a, b)[0], a)
    assert torch.equal(m(a, b)[1], b)
    assert torch.equal(module("stack(a, b, a, Z)", "a: [*, N], b: [*, N]", "[*, Z, N]")(a, b), torch.stack([a, b, a], 1))


def test_a_stack_that_is_merged_interleaves() -> None:
    a, b = randn(2, 3), randn(2, 3, seed=1)
    m = module("stack(a, b, p) |> merge(f p -> d)", "a: [*, f], b: [*, f]", "[*, d]")
    assert torch.equal(m(a, b), torch.stack([a, b], -1).flatten(1))
    halves = module("stack(a, b, p) |> merge(p f -> d)", "a: [*, f], b: [*, f]", "[*, d]")
    assert torch.equal(halves(a, b), torch.cat([a, b], 1))


def test_a_stack_repeats_what_lacks_an_axis() -> None:
    a, b = randn(2, 3), randn(3, seed=1)
    assert torch.equal(module("stack(a, b, Z)", "a: [B, N], b: [N]", "[B, N, Z]")(a, b), torch.stack([a, b.expand(2, 3)], -1))


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("l, p = split(x, D -> L + P)\n    return l", "E0206", "`L` and `P` have no size"),
        ("l, p = split(x, D -> L=3 + P=4)\n    return l", "E0202", "L=3 + P=4 = 7"),
        ("l, p = split(x, D -> L=13 + P)\n    return l", "E0202", "longer"),
        ("l, p = split(x, D -> N=3 + P)\n    return l", "E0204", "already has an axis `N`"),
        ("l, p = split(x, D -> 2 + P)\n    return p", "E0209", "`2` cannot stand for an axis"),
        ("l, p = split(x, D -> L=3 + P, fill=0)\n    return p", "E0304", "`fill`"),
        ("concat(x, x, N + D -> N)", "E0204", "already has an axis `N`"),
        ("concat(x, rename(x, D -> E), N + N -> M, fill=0)", "E0103", "no option `fill`"),
        ("concat(x, x[D=1..], N + N -> M)", "E0202", "axis `D` has two sizes"),
        ("concat(x, x, N -> D)", "E0204", "already has an axis `D`"),
        ("concat(x, x, x, N + N -> M)", "E0209", "3 tensors, but 2 axes"),
        ("concat(x, 1, N + N -> M)", "E0201", "no axis `N`"),
        ("stack(x, x, N)", "E0204", "already has an axis `N`"),
        ("concat(x, x, N -> M=5)", "E0202", "must be the sum"),
        ("unstack(x, M)", "E0201", "no axis `M`"),
    ],
)
def test_mistakes_with_sums(body: str, code: str, words: str) -> None:
    told = fault(body, "x: [*, N, D]", N=2, D=12)
    assert code in told
    assert words in told


def test_unstack_needs_a_size_that_is_known() -> None:
    told = fault("a, b = unstack(x, N)\n    return a", "x: [*, N]")
    assert "E0206" in told
    assert "known when the module is built" in told


# ---------------------------------------------------------------- names


def test_rename_costs_nothing() -> None:
    m = module("rename(x, N -> M)", "x: [B, N]", "[B, M]")
    x = randn(2, 3)
    assert m(x) is x


def test_two_names_are_exchanged_at_once() -> None:
    x = randn(3, 3)
    m = module("x - 2 * rename(x, N -> M, M -> N)", "x: [N, M]", "[N, M]")
    assert torch.equal(m(x), x - 2 * x.T)
    with pytest.raises(AttnError, match="N"):
        m(randn(2, 3))


def test_expand_repeats_without_a_copy() -> None:
    x = randn(2, 3)
    y = module("expand(x, M=4)", "x: [*, N]", "[*, M, N]")(x)
    assert torch.equal(y, x.unsqueeze(1).expand(2, 4, 3))
    assert y.stride(1) == 0


def test_expand_takes_the_size_that_is_known() -> None:
    x, y = randn(2, 3), randn(5, seed=1)
    m = module("expand(x, M) * y", "x: [*, N], y: [M]", "[*, N, M]")
    assert torch.equal(m(x, y), x.unsqueeze(-1) * y)


# ---------------------------------------------------------------- borders


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("shape", [(2, 4, 3, 5), (3, 3, 3), (1, 4, 3, 3)])
def test_borders_are_copied(mode: str, shape: tuple[int, ...]) -> None:
    x = randn(*shape)
    images = x.reshape(-1, 1, *shape[-3:-1], shape[-1]).permute(0, 1, 4, 2, 3).flatten(0, 1) if len(shape) > 3 else x.permute(2, 0, 1)
    expected = functional.pad(images, (1, 1, 2, 1), mode=mode)
    got = module(f"pad(x, H=[2, 1], W=1, mode={mode}) |> rename(H -> Y, W -> X)", "x: [*, H, W, D]", "[*, D, Y, X]")(x)
    assert torch.equal(got.reshape(expected.shape), expected)


def test_four_axes_are_padded_in_circles() -> None:
    x = randn(2, 3, 2, 3)
    m = module("pad(x, A=1, B=1, C=1, D=1, mode=circular) |> rename(A -> P, B -> Q, C -> R, D -> S)", "x: [A, B, C, D]", "[P, Q, R, S]")
    places = torch.meshgrid(*(torch.arange(-1, n + 1) % n for n in x.shape), indexing="ij")
    assert torch.equal(m(x), x[places])


def test_constant_padding_fills() -> None:
    x = randn(2, 3, 4)
    m = module("pad(x, H=[5, 0], W=1, fill=-2.5) |> rename(H -> Y, W -> X)", "x: [*, H, W]", "[*, Y, X]")
    assert torch.equal(m(x), functional.pad(x, (1, 1, 5, 0), value=-2.5))
    ids = module("pad(x, N=[0, 2], fill=7) |> rename(N -> M)", "x: int [*, N]", "int [*, M]")
    assert ids(torch.tensor([1, 2])).tolist() == [1, 2, 7, 7]
    keep = module("pad(x, N=[1, 1], mode=circular) |> rename(N -> M)", "x: bool [*, N]", "bool [*, M]")
    assert keep(torch.tensor([True, False, False])).tolist() == [False, True, False, False, True]


def test_padding_to_a_multiple() -> None:
    m = module("pad(x, N=[0, -N % 4]) |> rename(N -> M)", "x: [*, N]", "[*, M]")
    assert [m(randn(n)).shape[0] for n in (1, 4, 5)] == [4, 4, 8]


def test_roll_goes_round() -> None:
    x = randn(2, 5, 3)
    assert torch.equal(module("roll(x, H=-2, W=1)", "x: [*, H, W]", "[*, H, W]")(x), torch.roll(x, (-2, 1), (1, 2)))
    assert torch.equal(module("roll(x, H=size(x, W))", "x: [*, H, W]", "[*, H, W]")(x), torch.roll(x, 3, 1))


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("by", [1, -1, 3, -3])
def test_shift_moves_and_fills(size: int, by: int) -> None:
    x = randn(2, size)
    expected = torch.full_like(x, 0.5)
    for n in range(size):
        if 0 <= n - by < size:
            expected[:, n] = x[:, n - by]
    assert torch.equal(module(f"shift(x, N={by}, fill=0.5)", "x: [*, N]", "[*, N]")(x), expected)


def test_flip_turns_the_axes_named() -> None:
    x = randn(2, 3, 4)
    assert torch.equal(module("flip(x, H W)", "x: [*, H, W]", "[*, H, W]")(x), x.flip(1, 2))


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("pad(x, N=[1, 2, 3])", "E0303", "needs two numbers"),
        ("pad(x, N=[-1, 0])", "E0207", "negative"),
        ("pad(x, N=4, mode=reflect)", "E0208", "too short for this reflect padding"),
        ("pad(x[N=4..], N=1, mode=replicate)", "E0208", "too short for this replicate padding"),
        ("pad(x, N=1, mode=reflct)", "E0105", "did you mean `reflect`"),
        ("roll(x, K=1)", "E0201", "no axis `K`"),
        ("flip(x, K)", "E0201", "no axis `K`"),
    ],
)
def test_mistakes_at_borders(body: str, code: str, words: str) -> None:
    told = fault(body, "x: [*, N, D]", "[*, N, D]", N=4, D=12)
    assert code in told
    assert words in told


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("text", [example for name in NAMES for example in OPERATORS[name].examples])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays(text: str, dtype: torch.dtype) -> None:
    told = text.split("\n")[0].removeprefix("# bind: ") if text.startswith("# bind: ") else ""
    bind = {pair.split("=")[0]: int(pair.split("=")[1]) for pair in told.split(", ") if pair and pair != "h=2"}
    m = attn.compile(attn.text(text), bind=bind).to(dtype)
    sizes = [[node.tensor.size(name).integer() or 6 for name in node["order"]] for node in m.attn_graph.inputs]
    assert m(*(torch.ones(shape, dtype=dtype) for shape in sizes)).dtype == dtype
