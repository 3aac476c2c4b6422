"""`dot` and `linear` against einsum and PyTorch's own layers, on odd sizes and sizes of one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.testing import assert_close

import attn
from attn.compiler.ops.products import operations, plan
from attn.compiler.sizes import Size


def module(head: str, body: str, result: str, **bind: Any) -> Any:
    lines = "\n".join(f"    {line}" for line in body.split("; "))
    return attn.compile(attn.text(f"block t({head}) -> {result} {{\n{lines}\n}}"), bind=bind, dtype=torch.float64)


def fault(head: str, body: str, result: str, **bind: Any) -> str:
    with pytest.raises(attn.AttnError) as caught:
        module(head, body, result, **bind)
    return str(caught.value)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def variable(*shape: int, seed: int = 0) -> Tensor:
    return randn(*shape, seed=seed).requires_grad_()


# ---------------------------------------------------------------- dot

DOTS = [
    ("a: [N, D], b: [M, D]", "dot(a, b, over=D)", "[N, M]", "nd,md->nm"),
    ("a: [N, D], b: [M, D]", "dot(a, b, over=D)", "[M, N]", "nd,md->mn"),
    ("a: [N, D], b: [N, D]", "dot(a, b, over=N D)", "[]", "nd,nd->"),
    ("a: [B, N, D], b: [N, D]", "dot(a, b, over=N)", "[D, B]", "bnd,nd->db"),
    ("a: [B, N, D], b: [D, E, B]", "dot(a, b, over=D)", "[N, B, E]", "bnd,deb->nbe"),
    ("a: [D], b: [D]", "dot(a, b, over=D)", "[]", "d,d->"),
    ("a: [D], b: [D, E, F]", "dot(a, b, over=D)", "[F, E]", "d,def->fe"),
    ("a: [B, D], b: [B, D]", "dot(a, b, over=D)", "[B]", "bd,bd->b"),
    ("a: [B, H, N, D], b: [B, N, D]", "dot(a, b, over=N D)", "[B, H]", "bhnd,bnd->bh"),
    ("a: [H, N, D], b: [M, H, E]", "dot(a, b, over=H)", "[N, E, D, M]", "hnd,mhe->nedm"),
    ("a: [H, N, D], b: [H, M, D], c: [H, M, E]", "dot(a, b, c, over=D M)", "[N, H, E]", "hnd,hmd,hme->nhe"),
    ("a: [N, D], b: [D, E], c: [E, F], d: [F, N]", "dot(a, b, c, d, over=D E F N)", "[]", "nd,de,ef,fn->"),
    ("a: [N, D], b: [N, D], c: [N, D]", "dot(a, b, c, over=N)", "[D]", "nd,nd,nd->d"),
    ("a: [N, D], b: [N, E], c: [N]", "dot((a, b), c, over=N)", "[D, E]", "nd,ne,n->de"),
]
SIZES = {"n": 5, "d": 3, "m": 4, "b": 2, "e": 7, "f": 6, "h": 2}


def operands(equation: str, sizes: dict[str, int]) -> list[Tensor]:
    return [variable(*(sizes[letter] for letter in part), seed=i) for i, part in enumerate(equation.split("->")[0].split(","))]


@pytest.mark.parametrize("ones", ["", "n", "d", "nmbe", "ndmbefh"])
@pytest.mark.parametrize(("head", "body", "result", "equation"), DOTS)
def test_dot_is_einsum(head: str, body: str, result: str, equation: str, ones: str) -> None:
    inputs = operands(equation, {letter: 1 if letter in ones else size for letter, size in SIZES.items()})
    got, wanted = module(head, f"return {body}", result)(*inputs), torch.einsum(equation, *inputs)
    assert_close(got, wanted)
    seed = randn(*wanted.shape, seed=9)
    for ours, theirs in zip(torch.autograd.grad(got, inputs, seed), torch.autograd.grad(wanted, inputs, seed), strict=True):
        assert_close(ours, theirs)


def test_dot_of_an_empty_axis_is_zero() -> None:
    assert_close(module("a: [N, D], b: [D, M]", "return dot(a, b, over=D)", "[N, M]")(randn(3, 0), randn(0, 2)), randn(3, 2) * 0)


def test_dot_of_seven_goes_from_left_to_right() -> None:
    inputs = [variable(3, 2, seed=i) for i in range(7)]
    head = ", ".join(f"x{i}: [N, D]" for i in range(7))
    y = module(head, f"return dot({', '.join(f'x{i}' for i in range(7))}, over=N)", "[D]")(*inputs)
    assert_close(y, torch.stack(inputs).prod(0).sum(0))


def test_a_mask_may_be_one_of_the_tensors() -> None:
    a, b, keep = randn(5, 3), randn(4, 3), randn(5, 4) > 0
    y = module("a: [N, D], b: [M, D], keep: bool [N, M]", "return dot(a, b, keep, over=D M)", "[N]")(a, b, keep)
    assert_close(y, ((a @ b.T) * keep).sum(1))


@pytest.mark.parametrize(
    ("axes", "shape", "equation"),
    [
        ("[N, M]", (5, 4), "nd,md,nm->nm"),
        ("[N, D]", (5, 3), "nd,md,nd->nm"),
        ("[D]", (3,), "nd,md,d->nm"),
        ("[M, N, D]", (4, 5, 3), "nd,md,mnd->nm"),
    ],
)
def test_where_leaves_out_products(axes: str, shape: tuple[int, ...], equation: str) -> None:
    a, b, keep = variable(5, 3), variable(4, 3, seed=1), randn(*shape, seed=2) > 0
    y = module(f"a: [N, D], b: [M, D], keep: bool {axes}", "return dot(a, b, over=D, where=keep)", "[N, M]")(a, b, keep)
    assert_close(y, torch.einsum(equation, a, b, keep.double()))


@pytest.mark.parametrize("axes", ["[N, M]", "[D]"])
def test_what_where_leaves_out_may_be_infinite(axes: str) -> None:
    a, b = variable(2, 3), randn(2, 3, seed=1)
    b[1, 2] = float("inf")
    keep = torch.tensor([[True, False], [True, False]]) if axes == "[N, M]" else torch.tensor([True, True, False])
    y = module(f"a: [N, D], b: [M, D], keep: bool {axes}", "return dot(a, b, over=D, where=keep)", "[N, M]")(a, b, keep)
    assert y.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_dot_stays_in_its_dtype(dtype: torch.dtype) -> None:
    a, b, c = (randn(4, 6, seed=i).to(dtype) for i in range(3))
    y = module("a: [N, D], b: [M, D], c: [N, D]", "return dot(a, b, c, over=D)", "[N, M]")(a, b, c)
    assert y.dtype == dtype
    exact = torch.einsum("nd,md,nd->nm", a.double(), b.double(), c.double())
    assert_close(y.double(), exact, atol=6 * 3 * torch.finfo(dtype).eps * 4, rtol=0)


def test_whole_numbers_stay_whole() -> None:
    a, b = torch.arange(6).reshape(2, 3), torch.arange(12).reshape(4, 3)
    y = module("a: int [N, D], b: int [M, D]", "return dot(a, b, over=D)", "int [N, M]")(a, b)
    assert y.dtype == torch.int64
    assert_close(y, a @ b.T)


def test_positions_and_truth_values_become_floats() -> None:
    x, keep = randn(3, 5), randn(3, 5) > 0
    assert_close(module("x: [B, N]", "return dot(x, pos(N), over=N)", "[B]")(x), x @ torch.arange(5.0, dtype=torch.float64))
    y = module("x: [B, N], keep: bool [B, N]", "return dot(keep, x, keep, over=N)", "[B]")(x, keep)
    assert_close(y, (x * keep).sum(1))
    half = module("x: [B, N]", "return dot(x, pos(N) / N, over=N)", "[B]")(x.half())
    assert half.dtype == torch.float16


def test_complex_numbers_are_multiplied() -> None:
    a, b = randn(3, 5), randn(4, 5, seed=1)
    text = "u = rfft(a, N -> F); v = rfft(b, N -> F); return real(dot(u, v, over=F))"
    y = module("a: [B, N], b: [M, N]", text, "[B, M]")(a, b)
    assert_close(y, (torch.fft.rfft(a) @ torch.fft.rfft(b).T).real)


def test_an_axis_that_one_tensor_lacks_is_not_repeated() -> None:
    """Grouped queries against shared keys: no copy of the keys as large as the queries is made."""
    m = module("q: [B, H, N, D], k: [B, M, D]", "return dot(q, k, over=D)", "[B, H, N, M]")
    assert "expand" not in m.code
    assert "repeat" not in m.code
    q, k = randn(2, 3, 4, 5), randn(2, 6, 5)
    assert_close(m(q, k), torch.einsum("bhnd,bmd->bhnm", q, k))


def sizes(**numbers: int | str) -> dict[str, Size]:
    return {name: Size.symbol(value) if isinstance(value, str) else Size.of(value) for name, value in numbers.items()}


def pairs(equation: str, over: str, known: dict[str, Size]) -> list[tuple[int, int]]:
    return [(step.left, step.right) for step in plan([frozenset(part) for part in equation.split(",")], over, known)]


def test_products_are_taken_in_the_cheapest_order() -> None:
    few, many = sizes(n=49, m=49, d=64, e=64), sizes(n="n", m="n", d=64, e=64)
    assert pairs("nd,md,me", "dm", few) == [(0, 1), (3, 2)]
    assert pairs("nd,md,me", "dm", many) == [(1, 2), (0, 3)]
    assert pairs("ab,bc,cd", "bc", sizes(a=10, b=100, c=5, d=50)) == [(0, 1), (3, 2)]


def test_work_is_counted_in_the_chosen_order() -> None:
    known = sizes(n="n", m="n", d=8, e=8)
    assert operations([frozenset("nd"), frozenset("md"), frozenset("me")], "dm", known) == Size.symbol("n") * 256


def test_an_axis_of_one_tensor_alone_is_refused() -> None:
    said = fault("a: [N, D], b: [N, M]", "return dot(a, b, over=D)", "[N, M]")
    assert "E0205" in said
    assert "the only one with `D`: [N, D]" in said
    assert "to add up one, write sum" in said


def test_an_axis_of_no_tensor_is_refused() -> None:
    said = fault("a: [N, D], b: [N, M], c: [E]", "return dot(a, b, over=E)", "[N, M, D]")
    assert "E0201" in said
    assert "[N, D]" in said
    assert "[N, M]" in said


def test_two_sizes_of_one_axis_disagree() -> None:
    said = fault("a: [N, D], b: [M, D]", "c = linear(b, D -> E=8) as c |> rename(E -> D); return dot(a, c, over=D)", "[N, M]", D=4)
    assert "E0202" in said
    assert "these two disagree" in said
    assert "4 and 8" in said
    assert "here `D` is 4" in said


def test_sizes_that_only_the_caller_knows_are_guarded() -> None:
    m = module("a: [N, P], b: [M, Q]", "c = rename(b, Q -> P); return dot(a, c, over=P)", "[N, M]")
    a, b = randn(2, 8), randn(3, 8)
    assert_close(m(a, b), a @ b.T)
    with pytest.raises(ValueError, match=r"`dot` is added up over `P`|`P`"):
        m(a, randn(3, 4))


def test_one_tensor_is_no_dot() -> None:
    assert "E0209" in fault("a: [N, D]", "return dot(a, over=D)", "[N]")


def test_an_axis_named_twice_is_refused() -> None:
    assert "E0204" in fault("a: [N, D], b: [N, D]", "return dot(a, b, over=D D)", "[N]")


def test_where_takes_truth_values() -> None:
    assert "E0303" in fault("a: [N, D], b: [N, D]", "return dot(a, b, over=D, where=a)", "[N]")


# ---------------------------------------------------------------- linear


def filled(m: Any) -> Any:
    """The module with weights that are not their starting values."""
    with torch.no_grad():
        for seed, weight in enumerate(m.parameters()):
            weight.copy_(randn(*weight.shape, seed=seed + 20))
    return m


def state(m: Any) -> dict[str, Tensor]:
    return {name.rpartition(".")[2]: tensor for name, tensor in m.named_parameters()}


LINEARS: list[tuple[str, str, str, str, tuple[int, ...], dict[str, int]]] = [
    ("D -> E=5", "[*, N, E]", "bnd,ed->bne", "e", (5, 6), {}),
    ("D -> D", "[*, N, D]", "bnd,ed->bne", "e", (6, 6), {}),
    ("D -> h d", "[*, N, h, d]", "bnd,hed->bnhe", "he", (6, 6), {"h": 2, "d": 3}),
    ("D -> h d", "[*, h, N, d]", "bnd,hed->bhne", "he", (6, 6), {"h": 2, "d": 3}),
    ("D -> 1", "[*, N]", "bnd,ed->bn", "e", (1, 6), {}),
    ("N D -> E=5", "[*, E]", "bnd,end->be", "e", (5, 24), {}),
    ("D N -> E=5", "[E, *]", "bnd,edn->eb", "e", (5, 24), {}),
    ("N D -> D N", "[*, D, N]", "bnd,efnd->bef", "ef", (24, 24), {}),
    ("1 -> E=5", "[*, N, D, E]", "bnd,e->bnde", "e", (5, 1), {}),
    ("N -> N", "[*, N, D]", "bnd,mn->bmd", "m", (4, 4), {}),
    ("D -> 1 E=5", "[*, N, E]", "bnd,ed->bne", "e", (5, 6), {}),
]


@pytest.mark.parametrize("bias", ["true", "false"])
@pytest.mark.parametrize(("arrow", "result", "equation", "made", "stored", "bind"), LINEARS)
def test_linear_contracts_the_left_and_makes_the_right(
    arrow: str, result: str, equation: str, made: str, stored: tuple[int, ...], bind: dict[str, int], bias: str
) -> None:
    axes = "axis h = 2, d = 3; " if bind else ""
    m = filled(module("x: [*, N, D]", f"{axes}return linear(x, {arrow}, bias={bias}) as p", result, N=4, D=6))
    x, weights = variable(2, 4, 6), state(m)
    assert weights["weight"].shape == stored
    assert ("bias" in weights) == (bias == "true")
    known = {"b": 2, "n": 4, "d": 6, "h": 2, "m": 4, "f": 4} | ({"e": 3} if bind else {"e": stored[0] if "f" not in made else 6})
    letters = equation.split(",")[1].split("->")[0]
    weight = weights["weight"].reshape([known[letter] for letter in letters])
    wanted = torch.einsum(equation, x, weight)
    if bias == "true":
        places = equation.split("->")[1]
        b = weights["bias"].reshape([known[letter] for letter in made])
        wanted = wanted + torch.einsum(f"{made},->{''.join(c for c in places if c in made)}", b, torch.ones((), dtype=b.dtype)).reshape(
            [known[c] if c in made else 1 for c in places]
        )
    assert_close(m(x), wanted)
    assert gradcheck(lambda *given: torch.func.functional_call(m, dict(zip(dict(m.named_parameters()), given[1:], strict=True)), given[0]),
                     (x, *(tensor.detach().clone().requires_grad_() for tensor in m.parameters())), fast_mode=True)  # fmt: skip


def test_linear_is_pytorchs_own() -> None:
    theirs = torch.nn.Linear(6, 10, dtype=torch.float64)
    m = module("x: [*, D]", "return linear(x, D -> h=2 d=5) as p", "[*, h, d]", D=6)
    m.load_state_dict({f"p.{name}": tensor for name, tensor in theirs.state_dict().items()})
    x = randn(3, 4, 6)
    assert_close(m(x), theirs(x).unflatten(-1, (2, 5)), rtol=0, atol=0)


def test_it_starts_as_pytorch_does() -> None:
    torch.manual_seed(3)
    m = module("x: [*, D]", "return linear(x, D -> h=2 d=5) as p", "[*, h, d]", D=6)
    torch.manual_seed(3)
    theirs = torch.nn.Linear(6, 10, dtype=torch.float64)
    assert_close(dict(m.named_parameters())["p.weight"], theirs.weight)
    assert_close(dict(m.named_parameters())["p.bias"], theirs.bias)


def test_init_is_for_the_weight_alone() -> None:
    weights = state(module("x: [*, D]", "return linear(x, D -> E=4, init=zeros) as p", "[*, E]", D=6))
    assert (weights["weight"] == 0).all()
    assert (weights["bias"] != 0).any()


def test_bias_init_is_for_the_bias_alone() -> None:
    weights = state(module("x: [*, D]", "return linear(x, D -> E=4, bias_init=0.5) as p", "[*, E]", D=6))
    assert (weights["bias"] == 0.5).all()
    assert weights["weight"].abs().max() <= 6**-0.5


@pytest.mark.parametrize("bias", ["true", "false"])
def test_each_has_weights_of_its_own(bias: str) -> None:
    m = filled(module("x: [*, g, N, C]", f"return linear(x, C -> e=5, each=g, bias={bias}) as p", "[*, N, g, e]", g=3, C=4))
    x, weights = variable(2, 3, 7, 4), state(m)
    assert weights["weight"].shape == (15, 4)
    wanted = torch.einsum("bgnc,gec->bnge", x, weights["weight"].reshape(3, 5, 4))
    if bias == "true":
        assert weights["bias"].shape == (15,)
        wanted = wanted + weights["bias"].reshape(3, 5)
    assert_close(m(x), wanted)


def test_each_position_may_keep_its_square_map() -> None:
    m = filled(module("x: [*, g, C]", "return linear(x, C -> C, each=g, bias=false) as p", "[*, g, C]", g=3, C=4))
    x = randn(2, 3, 4)
    assert_close(m(x), torch.einsum("bgc,gec->bge", x, state(m)["weight"].reshape(3, 4, 4)))


def test_a_given_weight_is_tied() -> None:
    text = "param e: [V=9, D]; return linear(x, D -> V, weight=e) as out"
    m = filled(module("x: [*, N, D]", text, "[*, N, V]", D=4))
    weights, x = dict(m.named_parameters()), randn(2, 5, 4)
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == {"e": (9, 4), "out.bias": (9,)}
    assert_close(m(x), x @ weights["e"].T + weights["out.bias"])


def test_in_a_given_square_weight_the_primed_axis_is_the_new_one() -> None:
    x, w = randn(2, 5, 4), randn(4, 4, seed=1)
    y = module("x: [*, N, D], w: [D', D]", "return linear(x, D -> D, weight=w, bias=false)", "[*, N, D]")(x, w)
    assert_close(y, x @ w.T)


@pytest.mark.parametrize("bias", ["true", "false"])
def test_predicted_weights_differ_along_axes_of_the_input(bias: str) -> None:
    x, w = variable(2, 5, 4), variable(2, 5, 3, 4, seed=1)
    m = filled(module("x: [*, N, D], w: [*, N, E, D]", f"return linear(x, D -> E, weight=w, bias={bias}) as p", "[*, N, E]", E=3, D=4))
    wanted = torch.einsum("bnd,bned->bne", x, w) + (state(m)["bias"] if bias == "true" else 0)
    assert_close(m(x, w), wanted)


def test_a_layer_applied_twice_shares_its_weights() -> None:
    text = "f = linear(D -> D) as f; return f(f(x)) + f(y)"
    m = filled(module("x: [*, N, D], y: [*, M, D]", f"{text.replace('f(y)', 'sum(f(y), M)')}", "[*, N, D]", D=4))
    x, y, weights = randn(2, 5, 4), randn(2, 3, 4, seed=1), state(m)
    assert len(list(m.parameters())) == 2

    def f(z: Tensor) -> Tensor:
        return z @ weights["weight"].T + weights["bias"]

    assert_close(m(x, y), f(f(x)) + f(y).sum(1, keepdim=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_linear_stays_in_its_dtype(dtype: torch.dtype) -> None:
    for arrow in ("D -> h=2 d=3", "D -> E=5, each=N"):
        m = module(
            "x: [*, N, D]", f"return linear(x, {arrow}) as p", "[*, N, h, d]" if "h" in arrow.split(",")[0] else "[*, N, E]", N=4, D=6
        ).to(dtype)
        assert m(randn(2, 4, 6).to(dtype)).dtype == dtype


def test_whole_numbers_are_mapped_too() -> None:
    m = filled(module("x: int [*, D]", "return linear(x, D -> E=3) as p", "[*, E]", D=4))
    x = torch.arange(8).reshape(2, 4)
    assert_close(m(x), x.double() @ state(m)["weight"].T + state(m)["bias"])


def test_a_made_axis_may_be_called_like_the_contracted_one() -> None:
    made = module("x: [*, N, u, D]", "return linear(x, D u -> D=5) as fc", "[*, N, D=5]", D=3, u=2)
    x = randn(4, 2, 3)
    assert_close(made(x), torch.einsum("nud,edu->ne", x, made.fc.weight.view(5, 3, 2)) + made.fc.bias)
    costs = attn.explain(attn.text("block t(x: [N, u, D]) -> [N, D=5] { return linear(x, D u -> D=5) as fc }"), D=3, u=2).cost
    assert costs.flops.before.formula == "65*N"  # 2 * 3 * 2 * 5 products and sums, and 5 biases


LINEAR_FAULTS = [
    ("x: [*, N, D]", "linear(x, C -> E=4)", "E0201"),
    ("x: [*, N, D]", "linear(x, D -> N)", "E0204"),
    ("x: [*, N, D]", "linear(x, D D -> E=4)", "E0204"),
    ("x: [*, N, D]", "linear(x, D -> E=4 E=4)", "E0204"),
    ("x: [*, N, D]", "linear(x, D -> E=4, each=D)", "E0204"),
    ("x: [*, N, D]", "linear(x, D -> E=4, each=C)", "E0201"),
    ("x: [*, N, D]", "linear(x, D -> 3)", "E0209"),
    ("x: [*, N, D]", "linear(x, D -> F)", "E0206"),
    ("x: [*, N, D], w: [D', D]", "linear(x, D -> D, weight=w, init=zeros)", "E0304"),
    ("x: [*, N, D], w: [E, D]", "linear(x, D -> D, weight=w)", "E0201"),
    ("x: [*, N, D], w: [E, D]", "linear(x, D -> E=4, weight=w)", "E0202"),
]


@pytest.mark.parametrize(("head", "body", "code"), LINEAR_FAULTS)
def test_mistakes_in_linear_are_told(head: str, body: str, code: str) -> None:
    assert code in fault(head, f"y = {body}; return x", "[*, N, D]", N=5, D=6, **({"E": 3} if "[E" in head else {}))
