"""Every option of `attend`, every way to compute it, and rows without keys, against plain formulas in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from attention_support import (
    HEAD,
    MULTI_QUERY,
    SELF,
    WAYS,
    B,
    D,
    E,
    H,
    N,
    causal,
    graph_of,
    module,
    option_inputs,
    randn,
    rewritten,
    same,
    softmax,
    variable,
)
from torch import Tensor

from attn.compiler.lower.lowering import lower

# ---------------------------------------------------------------- options

Formula = Callable[[dict[str, Tensor]], Tensor]


def alibi(x: dict[str, Tensor]) -> Tensor:
    places = torch.arange(N)
    return -x["t"][:, None, None] * (places[:, None] - places).abs()


def pairs(x: dict[str, Tensor]) -> Tensor:
    return x["pairs"]


OPTIONS: list[tuple[str, dict[str, Formula]]] = [
    ("where=pos(N') <= pos(N)", {"mask": lambda x: causal(N)}),
    ("where=pos(N') <= pos(N) and pos(N) - pos(N') < 3", {"mask": lambda x: causal(N).triu(-2)}),
    ("where=keep", {"mask": lambda x: x["keep"][:, None, None]}),
    ("where=pairs", {"mask": lambda x: x["pairs"]}),
    ("where=keep and pos(N') < pos(N)", {"mask": lambda x: x["keep"][:, None, None] & causal(N).tril(-1)}),
    ("bias=bias", {"bias": lambda x: x["bias"]}),
    ("bias=j", {"bias": lambda x: x["j"]}),
    ("bias=-t * abs(pos(N) - pos(N'))", {"bias": alibi}),
    ("bias=-t * abs(pos(N) - pos(N')), where=keep", {"bias": alibi, "mask": lambda x: x["keep"][:, None, None]}),
    ("bias=where(pairs, 0, -inf)", {"mask": lambda x: x["pairs"]}),
    ("bias=bias, where=pairs", {"bias": lambda x: x["bias"], "mask": lambda x: x["pairs"]}),
    ("bias=t + j, where=pos(N') <= pos(N)", {"bias": lambda x: x["t"][:, None, None] + x["j"], "mask": lambda x: causal(N)}),
    ("scale=0.3", {"scale": lambda x: torch.tensor(0.3)}),
    ("scale=d ** -1", {"scale": lambda x: torch.tensor(1 / D, dtype=torch.float64)}),
    ("scale=t", {"scale": lambda x: x["t"][:, None, None]}),
    ("scale=t * n", {"scale": lambda x: x["t"][:, None, None] * x["n"][:, None]}),
    ("scale=j", {"scale": lambda x: x["j"]}),
    ("softcap=2.5", {"cap": lambda x: torch.tensor(2.5)}),
    ("softcap=2.5, bias=bias, where=pairs, scale=t", {"cap": lambda x: torch.tensor(2.5), "bias": lambda x: x["bias"], "mask": pairs,
                                                      "scale": lambda x: x["t"][:, None, None]}),
    ("sink_logit=0.5", {"sink": lambda x: torch.tensor(0.5)}),
    ("sink_logit=t", {"sink": lambda x: x["t"][:, None, None]}),
    ("sink_logit=n, where=pairs, bias=bias", {"sink": lambda x: x["n"][:, None], "mask": pairs, "bias": lambda x: x["bias"]}),
]  # fmt: skip
BY: dict[str, Callable[[Tensor], Tensor]] = {"sigmoid": lambda s: 1 / (1 + (-s).exp()), "relu2": lambda s: torch.where(s > 0, s, 0) ** 2}


def by_the_book(x: dict[str, Tensor], parts: dict[str, Formula], by: str = "softmax") -> Tensor:
    """The order of the operations, as the language says it."""
    part = {name: formula(x) for name, formula in parts.items()}
    s = x["q"] @ x["k"].mT * part.get("scale", D**-0.5)
    s = (s / part["cap"]).tanh() * part["cap"] if "cap" in part else s
    s = s + part.get("bias", 0)
    if by != "softmax":
        return (BY[by](s) * part.get("mask", torch.tensor(True))) @ x["v"]
    return softmax(s, part.get("mask"), part.get("sink")) @ x["v"]


@pytest.mark.parametrize("way", [*WAYS, ", weights=true"])
@pytest.mark.parametrize(("options", "parts"), OPTIONS, ids=[options for options, _ in OPTIONS])
def test_options_are_applied_in_their_order(options: str, parts: dict[str, Formula], way: str) -> None:
    inputs = option_inputs()
    if "weights" in way:
        m = module(HEAD, f"y, a = attend(q, k, v, over=N, dot=d, {options}{way}); return y", "[*, h, N, d]")
    else:
        m = module(HEAD, f"return attend(q, k, v, over=N, dot=d, {options}{way})", "[*, h, N, d]")
    same(m, lambda *x: by_the_book(dict(zip(inputs, x, strict=True)), parts), *inputs.values())


@pytest.mark.parametrize("way", [*WAYS, ", weights=true"])
@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize(("options", "parts"), [row for row in OPTIONS if "sink" not in row[0] and "inf" not in row[0]][::2])
def test_weights_need_not_add_up_to_one(options: str, parts: dict[str, Formula], by: str, way: str) -> None:
    inputs = option_inputs()
    start = "y, a = " if "weights" in way else "y = "
    m = module(HEAD, f"{start}attend(q, k, v, over=N, dot=d, by={by}, {options}{way}); return y", "[*, h, N, d]")
    same(m, lambda *x: by_the_book(dict(zip(inputs, x, strict=True)), parts, by), *inputs.values())


@pytest.mark.parametrize("by", ["entmax15", "sparsemax"])
@pytest.mark.parametrize("weights", ["", ", weights=true"])
def test_sparse_weights_are_those_of_their_operator(by: str, weights: str) -> None:
    inputs = option_inputs()
    start = "y, a = " if weights else "y = "
    m = module(HEAD, f"{start}attend(q, k, v, over=N, dot=d, by={by}, where=pairs{weights}); return y", "[*, h, N, d]")
    apart = module(HEAD, f"return scores(q, k, over=N, dot=d) |> {by}(over=N', where=pairs) |> read(v, over=N)", "[*, h, N, d]")
    same(m, apart, *inputs.values())


# ---------------------------------------------------------------- every way to compute it


@pytest.mark.parametrize(("options", "parts"), OPTIONS, ids=[options for options, _ in OPTIONS])
def test_fused_and_explicit_are_equal(options: str, parts: dict[str, Formula]) -> None:
    inputs = option_inputs()
    graph = graph_of(HEAD, f"return attend(q, k, v, over=N, dot=d, {options})", "[*, h, N, d]")
    explicit = lower(rewritten(graph, kernel="explicit"), dtype=torch.float64)
    assert "masked_attention" not in explicit.code
    assert "scaled_dot_product_attention" not in explicit.code
    same(explicit, lower(graph, dtype=torch.float64), *inputs.values())


FUSED = [
    ("", True),
    ("where=pos(N') <= pos(N)", True),
    ("bias=bias, where=pairs", True),
    ("scale=0.3", True),
    ("scale=t", True),
    ("scale=t * j", True),
]
APART = [("scale=bias", False), ("softcap=1.0", False), ("sink_logit=t, softcap=1.0", False), ("by=sigmoid", False)]


@pytest.mark.parametrize(("options", "fused"), [*FUSED, *APART])
def test_pytorchs_kernel_is_used_where_it_says_the_same(options: str, fused: bool) -> None:
    code = module(HEAD, f"return attend(q, k, v, over=N, dot=d{', ' if options else ''}{options})", "[*, h, N, d]").code
    assert any(name in code for name in ("masked_attention", "scaled_dot_product_attention", "sink_attention")) is fused


GROUPED_MASKS = [
    "where=pos(N') <= pos(N)",
    "where=keep",
    "where=pairs",
    "bias=t + 0 * pos(N')",
    "bias=j",
    "where=pairs and keep",
    "bias=t * pos(N'), where=keep",
]


@pytest.mark.parametrize("way", [*WAYS, "explicit"])
@pytest.mark.parametrize("options", GROUPED_MASKS)
def test_shared_keys_meet_any_mask(options: str, way: str) -> None:
    """Queries have g and h, keys g alone, masks whatever they like."""
    head = "q: [*, g, h, N, d], k: [*, g, N, d], v: [*, g, N, e], keep: bool [*, N'], pairs: bool [*, h, N, N'], t: [h], j: [g, N']"
    graph = graph_of(head, f"return attend(q, k, v, over=N, dot=d, {options}{way.removeprefix('explicit')})", "[*, g, h, N, e]")
    m = lower(rewritten(graph, kernel="explicit") if way == "explicit" else graph, dtype=torch.float64)
    keep, pairs = randn(B, N, seed=3) > 0, randn(B, H, N, N, seed=4) > 0
    inputs = [
        variable(B, 2, H, N, D),
        variable(B, 2, N, D, seed=1),
        variable(B, 2, N, E, seed=2),
        keep,
        pairs,
        variable(H, seed=5),
        variable(2, N, seed=6),
    ]

    def formula(q: Tensor, k: Tensor, v: Tensor, keep: Tensor, pairs: Tensor, t: Tensor, j: Tensor) -> Tensor:
        places = torch.arange(N)
        masks = {GROUPED_MASKS[0]: causal(N), GROUPED_MASKS[1]: keep[:, None, None, None], GROUPED_MASKS[2]: pairs[:, None],
                 GROUPED_MASKS[5]: (pairs & keep[:, None, None])[:, None], GROUPED_MASKS[6]: keep[:, None, None, None]}  # fmt: skip
        biases = {GROUPED_MASKS[3]: t[:, None, None], GROUPED_MASKS[4]: j[:, None, None], GROUPED_MASKS[6]: t[:, None, None] * places}
        s = torch.einsum("bghnd,bgmd->bghnm", q, k) * D**-0.5 + biases.get(options, 0)
        return torch.einsum("bghnm,bgme->bghne", softmax(s, masks.get(options)), v)

    same(m, formula, *inputs)


def test_shared_keys_are_not_repeated_in_memory() -> None:
    code = module(MULTI_QUERY, "return attend(q, k, v, over=N, dot=d)", "[*, h, N, e]").code
    assert "expand" not in code
    assert "repeat" not in code


def test_a_mask_is_not_repeated_for_heads_it_does_not_know() -> None:
    code = module(MULTI_QUERY, "return attend(q, k, v, over=N, dot=d, where=pos(N') <= pos(N))", "[*, h, N, e]").code
    assert code.count(".expand(") == 2  # views of the keys and of the values


# ---------------------------------------------------------------- rows without keys, and empty axes


@pytest.mark.parametrize(
    "way", [*WAYS, ", by=sigmoid", ", by=entmax15", ", by=sparsemax", ", sink_logit=0.5", ", softcap=1.0", ", scale=t"]
)
@pytest.mark.parametrize("mask", ["where=keep and pos(N) < N", "bias=where(keep, 0.0, -inf)"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_row_without_keys_gives_zeros_and_no_gradients(mask: str, way: str, dtype: torch.dtype) -> None:
    m = module(
        "q: [*, N, d], k: [*, N, d], v: [*, N, d], keep: bool [*, N'], t: []",
        f"return attend(q, k, v, over=N, dot=d, {mask}{way})",
        "[*, N, d]",
    )
    inputs = [randn(2, N, D, seed=i).to(dtype).requires_grad_() for i in range(3)]
    y = m(*inputs, torch.tensor([[True] * N, [False] * N]), torch.tensor(0.5, dtype=dtype))
    assert y.dtype == dtype
    assert (y[1] == 0).all()
    assert (y[0] != 0).any()
    for gradient in torch.autograd.grad(y.double().square().sum(), inputs):
        assert gradient.isfinite().all()
        assert (gradient[1] == 0).all()


@pytest.mark.parametrize("way", [*WAYS, ", by=sigmoid", ", by=entmax15", ", sink_logit=0.5", ", softcap=1.0", ", where=pos(N) >= 0"])
def test_no_keys_at_all_give_zeros(way: str) -> None:
    m = module("q: [*, M, d], k: [*, N, d], v: [*, N, e]", f"return attend(q, k, v, over=N, dot=d{way})", "[*, M, e]")
    y = m(randn(2, 3, 4), randn(2, 0, 4), randn(2, 0, 5))
    assert y.shape == (2, 3, 5)
    assert (y == 0).all()


@pytest.mark.parametrize("way", WAYS)
def test_no_queries_give_nothing(way: str) -> None:
    m = module("q: [*, M, d], k: [*, N, d], v: [*, N, e]", f"return attend(q, k, v, over=N, dot=d{way})", "[*, M, e]")
    assert m(randn(2, 0, 4), randn(2, 3, 4), randn(2, 3, 5)).shape == (2, 0, 5)


@pytest.mark.parametrize("way", ["", ", chunk=3", ", softcap=50.0", ", sink_logit=1.0"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_half_precision_is_as_good_as_plain_pytorch(dtype: torch.dtype, way: str) -> None:
    """At most twice the error of the same formula in PyTorch, against float64, and an epsilon."""
    m = module(SELF, f"return attend(q, k, v, over=N, dot=d{way})", "[*, h, N, e]")
    q, k, v = (randn(2, 3, 33, 16, seed=i).to(dtype) for i in range(3))

    def formula(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        s = q @ k.mT * 16**-0.5
        s = (s / 50).tanh() * 50 if "cap" in way else s
        sink = torch.ones(*s.shape[:-1], 1, dtype=s.dtype)
        return (torch.cat([s, sink], -1).softmax(-1)[..., :-1] if "sink" in way else s.softmax(-1)) @ v

    exact = formula(q.double(), k.double(), v.double())
    ours, theirs = m(q, k, v), formula(q, k, v)
    assert ours.dtype == dtype
    bound = 2 * (theirs.double() - exact).abs().max() + torch.finfo(dtype).eps
    assert (ours.double() - exact).abs().max() <= bound


def test_large_scores_do_not_overflow() -> None:
    for way in ("", ", chunk=2", ", where=pos(N') <= pos(N)", ", sink_logit=0.0"):
        m = module(SELF, f"return attend(q, k, v, over=N, dot=d, scale=1000.0{way})", "[*, h, N, e]")
        assert m(*(randn(1, 2, 5, 4, seed=i) * 100 for i in range(3))).isfinite().all()
