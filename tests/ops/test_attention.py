"""`scores`, `read` and `attend` against plain formulas in float64: every form of attention, its parts, layers and dropout."""

from __future__ import annotations

import pytest
import torch
from attention_support import (
    CROSS,
    GROUPED,
    HEAD,
    MULTI_QUERY,
    SELF,
    WAYS,
    B,
    D,
    E,
    H,
    M,
    N,
    causal,
    module,
    option_inputs,
    randn,
    same,
    softmax,
    variable,
)
from torch import Tensor
from torch.testing import assert_close

# ---------------------------------------------------------------- the forms

FORMS: list[tuple[str, str, str, str, str, str, str]] = [
    # name, head, result, scores, reading, axes of the queries' place in the scores, over and dot
    ("multi-head", SELF, "[*, h, N, e]", "bhnd,bhmd->bhnm", "bhnm,bhme->bhne", "over=N, dot=d", "nmde"),
    ("multi-query", MULTI_QUERY, "[*, h, N, e]", "bhnd,bmd->bhnm", "bhnm,bme->bhne", "over=N, dot=d", "nmde"),
    ("grouped", GROUPED, "[*, g, h, N, e]", "bghnd,bgmd->bghnm", "bghnm,bgme->bghne", "over=N, dot=d", "nmde"),
    ("cross", CROSS, "[*, h, M, e]", "bhnd,bhmd->bhnm", "bhnm,bhme->bhne", "over=N, dot=d", "de"),
    ("shared queries", "q: [M, d], k: [*, N, d], v: [*, N, e]", "[*, M, e]", "nd,bmd->bnm", "bnm,bme->bne", "over=N, dot=d", "de"),
    ("one query", "q: [*, h, d], k: [*, h, N, d], v: [*, h, N, e]", "[*, h, e]", "bhd,bhmd->bhm", "bhm,bhme->bhe", "over=N, dot=d", "de"),
    (
        "shared weights",
        "q: [*, N, d], k: [*, N, d], v: [*, g, N, e]",
        "[*, g, N, e]",
        "bnd,bmd->bnm",
        "bnm,bgme->bgne",
        "over=N, dot=d",
        "nmde",
    ),
    (
        "two features",
        "q: [*, N, d, c], k: [*, N, d, c], v: [*, N, e]",
        "[*, N, e]",
        "bndc,bmdc->bnm",
        "bnm,bme->bne",
        "over=N, dot=d c",
        "nmde",
    ),
    ("values without more", "q: [*, N, d], k: [*, N, d], v: [*, N]", "[*, N]", "bnd,bmd->bnm", "bnm,bm->bn", "over=N, dot=d", "nmd"),
]
FORM_SIZES = {"b": B, "h": H, "n": N, "m": M, "d": D, "e": E, "g": 2, "c": 3}


def form_inputs(scores: str, reading: str, self_attention: bool) -> list[Tensor]:
    sizes = {**FORM_SIZES, "m": N if self_attention else M}
    parts = [*scores.split("->")[0].split(","), reading.split("->")[0].split(",")[1]]
    return [variable(*(sizes[letter] for letter in part), seed=i) for i, part in enumerate(parts)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("head", "result", "scores", "reading", "along", "letters"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS]
)
def test_attention_follows_from_the_axes(head: str, result: str, scores: str, reading: str, along: str, letters: str, way: str) -> None:
    inputs = form_inputs(scores, reading, letters.startswith("nm"))
    scale = (FORM_SIZES["d"] * (FORM_SIZES["c"] if "c" in along.rpartition("=")[2] else 1)) ** -0.5

    def formula(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return torch.einsum(reading, softmax(torch.einsum(scores, q, k) * scale), v)

    same(module(head, f"return attend(q, k, v, {along}{way})", result), formula, *inputs)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 1, 5, 3), (1, 3, 1, 2), (2, 3, 5, 1)])
@pytest.mark.parametrize("way", WAYS)
def test_axes_of_one(shape: tuple[int, ...], way: str) -> None:
    inputs = [variable(*shape, seed=i) for i in range(3)]
    m = module("q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, d]", f"return attend(q, k, v, over=N, dot=d{way})", "[*, h, N, d]")
    same(m, lambda q, k, v: softmax(q @ k.mT * shape[-1] ** -0.5) @ v, *inputs)


def test_multi_head_attention_is_pytorchs_own() -> None:
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(12, 3, batch_first=True, dtype=torch.float64)
    text = "axis h = 3, d = D / 3; q = linear(x, D -> h d); k = linear(x, D -> h d); v = linear(x, D -> h d)"
    m = module("x: [*, N, D]", f"{text}; return attend(q, k, v, over=N, dot=d) |> linear(h d -> D) as out", "[*, N, D]", D=12)
    stored = {
        f"{name}.{kind}": part
        for kind in ("weight", "bias")
        for name, part in zip("qkv", getattr(theirs, f"in_proj_{kind}").chunk(3), strict=True)
    }
    m.load_state_dict({**stored, "out.weight": theirs.out_proj.weight, "out.bias": theirs.out_proj.bias})
    x = variable(2, 5, 12)
    same(m, lambda x: theirs(x, x, x, need_weights=False)[0], x)


@pytest.mark.parametrize("way", WAYS)
def test_channels_may_be_tokens(way: str) -> None:
    head = "q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, d], t: [h]"
    m = module(head, f"return attend(q, k, v, over=d, dot=N, scale=t{way})", "[*, h, N, d]")
    inputs = [variable(B, H, N, D, seed=i) for i in range(3)] + [variable(H, seed=4)]
    same(m, lambda q, k, v, t: v @ softmax(q.mT @ k * t[:, None, None]).mT, *inputs)


def test_axial_attention_looks_along_one_axis() -> None:
    inputs = [variable(B, 4, 3, D, seed=i) for i in range(3)]
    head = "q: [*, H, W, d], k: [*, H, W, d], v: [*, H, W, d]"

    def rows(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return softmax(q @ k.mT * D**-0.5) @ v

    def columns(*x: Tensor) -> Tensor:
        return rows(*(y.transpose(1, 2) for y in x)).transpose(1, 2)

    same(module(head, "return attend(q, k, v, over=W, dot=d)", "[*, H, W, d]"), rows, *inputs)
    same(module(head, "return attend(q, k, v, over=H, dot=d)", "[*, H, W, d]"), columns, *inputs)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("options", ["", "bias=b", "bias=c", "where=b > 0"])
def test_windows_are_attention_over_two_axes(way: str, options: str) -> None:
    """u v inside of windows; the bias may have some of the key axes only."""
    split = "; ".join(f"{n} = split({n}, H -> Y u=2) |> split(W -> X w=3)" for n in "qkv")
    head = "q: [*, H, W, d], k: [*, H, W, d], v: [*, H, W, d], b: [u, w, u', w'], c: [u']"
    call = f"attend(q, k, v, over=u w, dot=d{', ' if options else ''}{options}{way})"
    m = module(head, f"{split}; y = {call}; return merge(y, Y u -> H) |> merge(X w -> W)", "[*, H, W, d]", H=4, W=9)
    b, c = variable(2, 3, 2, 3, seed=7), variable(2, seed=8)

    def windows(x: Tensor) -> Tensor:
        return x.reshape(B, 2, 2, 3, 3, D).transpose(2, 3).reshape(B, 2, 3, 6, D)

    def formula(q: Tensor, k: Tensor, v: Tensor, b: Tensor, c: Tensor) -> Tensor:
        s = windows(q) @ windows(k).mT * D**-0.5
        s = s + (b.reshape(6, 6) if options == "bias=b" else c[:, None].expand(2, 3).reshape(6) if options == "bias=c" else 0)
        a = softmax(s, (b > 0).reshape(6, 6) if "where" in options else None)
        return (a @ windows(v)).reshape(B, 2, 3, 2, 3, D).transpose(2, 3).reshape(B, 4, 9, D)

    same(m, formula, *(variable(B, 4, 9, D, seed=i) for i in range(3)), b, c)


def test_linformer_is_cross_attention() -> None:
    text = "k = linear(k, N -> m=2) as e; v = linear(v, N -> m) as f; return attend(q, k, v, over=m, dot=d)"
    m = module("q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, d]", text, "[*, h, N, d]", N=N)
    w = {name: tensor.detach() for name, tensor in m.named_parameters()}

    def formula(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        k = torch.einsum("bhnd,mn->bhmd", k, w["e.weight"]) + w["e.bias"][:, None]
        v = torch.einsum("bhnd,mn->bhmd", v, w["f.weight"]) + w["f.bias"][:, None]
        return softmax(q @ k.mT * D**-0.5) @ v

    same(m, formula, *(variable(B, H, N, D, seed=i) for i in range(3)))


def test_keys_may_differ_for_every_query() -> None:
    """Keys that have N and N' are taken as they are: one set of keys for each query."""
    m = module("q: [*, N, d], k: [*, N, N', d], v: [*, N, N', d]", "return attend(q, k, v, over=N, dot=d)", "[*, N, d]")

    def formula(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return torch.einsum("bnm,bnmd->bnd", softmax(torch.einsum("bnd,bnmd->bnm", q, k) * D**-0.5), v)

    same(m, formula, variable(B, N, D), variable(B, N, N, D, seed=1), variable(B, N, N, D, seed=2))


# ---------------------------------------------------------------- terms, halves, layers, dropout

TERMS = "qn: [*, h, N, d], qr: [*, h, N, r], kn: [*, h, N, d], kr: [*, N, r], v: [*, h, N, e]"


def term_inputs() -> list[Tensor]:
    return [
        variable(B, H, N, D),
        variable(B, H, N, 3, seed=1),
        variable(B, H, N, D, seed=2),
        variable(B, N, 3, seed=3),
        variable(B, H, N, E, seed=4),
    ]


def concatenated(qn: Tensor, qr: Tensor, kn: Tensor, kr: Tensor) -> Tensor:
    return torch.cat([qn, qr], -1) @ torch.cat([kn, kr[:, None].expand(B, H, N, 3)], -1).mT * (D + 3) ** -0.5


@pytest.mark.parametrize("way", [*WAYS, ", weights=true"])
def test_several_terms_are_the_score_of_concatenated_features(way: str) -> None:
    start = "y, a = " if "weights" in way else "y = "
    m = module(TERMS, f"{start}attend((qn, qr), (kn, kr), v, over=N, dot=(d, r){way}); return y", "[*, h, N, e]")
    same(m, lambda qn, qr, kn, kr, v: softmax(concatenated(qn, qr, kn, kr)) @ v, *term_inputs())
    s = module(TERMS, "return scores((qn, qr), (kn, kr), over=N, dot=(d, r))", "[*, h, N, N']")
    same(s, lambda qn, qr, kn, kr, v: concatenated(qn, qr, kn, kr), *term_inputs())


def test_talking_heads_work_on_the_scores() -> None:
    text = "s = scores(q, k, over=N, dot=d) |> linear(h -> g=4) as pre; a = softmax(s, over=N')"
    text = f"{text}; return a |> linear(g -> h) as post |> read(v, over=N)"
    m = module(SELF, text, "[*, h, N, e]", h=H)
    w = {name: tensor.detach() for name, tensor in m.named_parameters()}

    def formula(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        s = torch.einsum("bhnm,gh->bgnm", q @ k.mT * D**-0.5, w["pre.weight"]) + w["pre.bias"][:, None, None]
        a = torch.einsum("bgnm,hg->bhnm", softmax(s), w["post.weight"]) + w["post.bias"][:, None, None]
        return a @ v

    same(m, formula, variable(B, H, N, D), variable(B, H, N, D, seed=1), variable(B, H, N, E, seed=2))


def test_the_halves_are_the_whole() -> None:
    inputs = [variable(B, H, N, D), variable(B, H, N, D, seed=1), variable(B, H, N, E, seed=2)]
    apart = module(SELF, "return scores(q, k, over=N, dot=d) |> softmax(over=N') |> read(v, over=N)", "[*, h, N, e]")
    same(apart, module(SELF, "return attend(q, k, v, over=N, dot=d)", "[*, h, N, e]"), *inputs)
    cross = module(CROSS, "return scores(q, k, over=N, dot=d, scale=0.5) |> softmax(over=N) |> read(v, over=N)", "[*, h, M, e]")
    same(cross, lambda q, k, v: softmax(q @ k.mT * 0.5) @ v, variable(B, H, M, D), *inputs[1:])


@pytest.mark.parametrize("mask", ["", ", where=pairs"])
def test_a_layer_makes_the_weights(mask: str) -> None:
    text = f"f = softplus(); return attend(q, k, v, over=N, dot=d, by=f, bias=bias{mask})"
    inputs = option_inputs()

    def formula(*values: Tensor) -> Tensor:
        x = dict(zip(inputs, values, strict=True))
        a = (1 + (x["q"] @ x["k"].mT * D**-0.5 + x["bias"]).exp()).log()
        return (a * (x["pairs"] if mask else True)) @ x["v"]

    same(module(HEAD, text, "[*, h, N, d]"), formula, *inputs.values())


def test_a_layer_may_own_weights() -> None:
    text = "f = linear(h -> h) as mix; return attend(q, k, v, over=N, dot=d, by=f)"
    m = module(SELF, text, "[*, h, N, e]", h=H)
    assert {name: tuple(tensor.shape) for name, tensor in m.named_parameters()} == {"mix.weight": (H, H), "mix.bias": (H,)}


def test_the_weights_are_returned() -> None:
    m = module(
        SELF,
        "y, a = attend(q, k, v, over=N, dot=d, weights=true, where=pos(N') <= pos(N)); return y, a",
        "(y: [*, h, N, e], a: [*, h, N, N'])",
    )
    q, k, v = randn(B, H, N, D), randn(B, H, N, D, seed=1), randn(B, H, N, E, seed=2)
    a = softmax(q @ k.mT * D**-0.5, causal(N))
    assert_close(m(q, k, v).a, a)
    assert_close(m(q, k, v).y, a @ v)


@pytest.mark.parametrize("way", [*WAYS, ", softcap=1000000.0", ", weights=true"])
def test_dropout_is_for_training(way: str) -> None:
    start = "y, a = " if "weights" in way else "y = "
    m = module("q: [N, d], k: [N, d], v: [N, e]", f"{start}attend(q, k, v, over=N, dot=d, dropout=0.25{way}); return y", "[N, e]")
    plain = module("q: [N, d], k: [N, d], v: [N, e]", "return attend(q, k, v, over=N, dot=d)", "[N, e]")
    q, k, v = randn(40, 4), randn(40, 4, seed=1), torch.eye(40, dtype=torch.float64)
    whole = plain(q, k, v)
    assert_close(m.eval()(q, k, v), whole, atol=1e-8, rtol=1e-6)
    torch.manual_seed(0)
    dropped = m.train()(q, k, v)
    kept = dropped != 0
    assert 0.7 < kept.double().mean() < 0.8  # 1600 draws: five standard deviations are 0.054
    assert_close(dropped[kept], (whole / 0.75)[kept], atol=1e-8, rtol=1e-6)


def test_two_attentions_draw_apart() -> None:
    m = module(
        "q: [N, d], v: [N, e]", "return attend(q, q, v, over=N, dot=d, dropout=0.5) - attend(q, q, v, over=N, dot=d, dropout=0.5)", "[N, e]"
    )
    torch.manual_seed(0)
    assert (m.train()(randn(9, 4), randn(9, 4, seed=1)) != 0).any()
