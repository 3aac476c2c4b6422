"""`attend` is one operator on any axis: each row of its table against plain PyTorch."""

from __future__ import annotations

import pytest
from language_support import codes, compiled, module, program, randn, weights, well_formed
from torch import Tensor
from torch.nn.functional import linear
from torch.testing import assert_close

import attn
from attn.compiler.graph import Node

QKV = "q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, d]"
OUT = "[*, h, N, d]"


def plain(q: Tensor, k: Tensor, v: Tensor, scale: float | Tensor | None = None) -> Tensor:
    """Attention over the last two dimensions, tokens before features."""
    return ((q @ k.mT) * (q.shape[-1] ** -0.5 if scale is None else scale)).softmax(-1) @ v


def three(*shape: int) -> tuple[Tensor, Tensor, Tensor]:
    return randn(*shape, seed=1), randn(*shape, seed=2), randn(*shape, seed=3)


def test_attend_is_read_of_softmax_of_scores() -> None:
    q, k, v = three(2, 3, 5, 4)
    whole = module(QKV, "return attend(q, k, v, over=N, dot=d)", OUT)
    apart = module(QKV, "return read(softmax(scores(q, k, over=N, dot=d), over=N'), v, over=N)", OUT)
    assert_close(whole(q, k, v), plain(q, k, v))
    assert_close(apart(q, k, v), plain(q, k, v))


def test_without_the_axis_in_the_queries_it_is_cross_attention() -> None:
    m = module("q: [*, M, d], k: [*, N, d], v: [*, N, e]", "return attend(q, k, v, over=N, dot=d)", "[*, M, e]")
    q, k, v = randn(2, 3, 4), randn(2, 5, 4, seed=1), randn(2, 5, 6, seed=2)
    assert_close(m(q, k, v), plain(q, k, v))


def test_keys_without_heads_are_multi_query_attention() -> None:
    m = module("q: [*, h, N, d], k: [*, N, d], v: [*, N, d]", "return attend(q, k, v, over=N, dot=d)", OUT)
    q, k, v = randn(2, 3, 5, 4), randn(2, 5, 4, seed=1), randn(2, 5, 4, seed=2)
    assert_close(m(q, k, v), plain(q, k[:, None], v[:, None]))
    for node in m.attn_graph.nodes:
        assert node.op != "expand", "a key is repeated in memory"


def test_queries_in_groups_are_grouped_query_attention() -> None:
    m = module("q: [*, g, h, N, d], k: [*, g, N, d], v: [*, g, N, d]", "return attend(q, k, v, over=N, dot=d)", "[*, g, h, N, d]")
    q, k, v = randn(2, 2, 3, 5, 4), randn(2, 2, 5, 4, seed=1), randn(2, 2, 5, 4, seed=2)
    assert_close(m(q, k, v), plain(q, k[:, :, None], v[:, :, None]))


def test_features_as_tokens_are_channel_attention() -> None:
    q, k, v = three(2, 3, 5, 4)
    m = module(QKV, "return attend(q, k, v, over=d, dot=N)", OUT)
    assert_close(m(q, k, v), plain(q.mT, k.mT, v.mT).mT)


@pytest.mark.parametrize(("axis", "dim"), [("H", 1), ("W", 2), ("T", 3)])
def test_one_axis_is_axial_or_temporal_attention(axis: str, dim: int) -> None:
    m = module(
        "q: [B, H, W, T, d], k: [B, H, W, T, d], v: [B, H, W, T, d]", f"return attend(q, k, v, over={axis}, dot=d)", "[B, H, W, T, d]"
    )
    q, k, v = three(2, 3, 4, 5, 6)
    moved = plain(*(x.transpose(dim, 3) for x in (q, k, v)))
    assert_close(m(q, k, v), moved.transpose(dim, 3))


WINDOWS = """block t(x: [*, H, W, d], k: [*, H, W, d], v: [*, H, W, d]) -> [*, H, W, d] {
    q = split(x, H -> Y u=2, W -> X v=3)
    k = split(k, H -> Y u=2, W -> X v=3)
    z = split(v, H -> Y u=2, W -> X v=3)
    return attend(q, k, z, over=OVER, dot=d) |> merge(Y u -> H, X v -> W)
}
"""


def test_windows_attend_inside_and_a_grid_across() -> None:
    q, k, v = three(2, 4, 6, 5)
    cut = [x.reshape(2, 2, 2, 2, 3, 5) for x in (q, k, v)]  # B Y u X v d
    inside = plain(*(x.permute(0, 1, 3, 2, 4, 5).flatten(3, 4) for x in cut)).unflatten(3, (2, 3)).permute(0, 1, 3, 2, 4, 5)
    across = plain(*(x.permute(0, 2, 4, 1, 3, 5).flatten(3, 4) for x in cut)).unflatten(3, (2, 2)).permute(0, 3, 1, 4, 2, 5)
    assert_close(compiled(WINDOWS.replace("OVER", "u v"))(q, k, v), inside.reshape(2, 4, 6, 5))
    assert_close(compiled(WINDOWS.replace("OVER", "Y X"))(q, k, v), across.reshape(2, 4, 6, 5))


def test_two_axes_are_full_spatial_attention() -> None:
    m = module("q: [*, H, W, d], k: [*, H, W, d], v: [*, H, W, d]", "return attend(q, k, v, over=H W, dot=d)", "[*, H, W, d]")
    q, k, v = three(2, 3, 4, 5)
    assert_close(m(q, k, v), plain(*(x.flatten(1, 2) for x in (q, k, v))).unflatten(1, (3, 4)))


def test_shortened_keys_are_linformer() -> None:
    body = "k = linear(k, N -> m=3) as short_k; v = linear(v, N -> m) as short_v; return attend(q, k, v, over=m, dot=d)"
    m = module("q: [*, N, d], k: [*, N, d], v: [*, N, d]", body, "[*, N, d]", N=5)
    (q, k, v), w = three(2, 5, 4), weights(m)
    short = [linear(x.mT, w[f"short_{c}.weight"], w[f"short_{c}.bias"]).mT for c, x in (("k", k), ("v", v))]
    assert_close(m(q, k, v), plain(q, *short))


# ---------------------------------------------------------------- the halves


def test_talking_heads_work_on_the_scores_themselves() -> None:
    body = (
        "axis g = 4; s = scores(q, k, over=N, dot=d)"
        "; a = s |> linear(h -> g) as pre |> softmax(over=N') |> linear(g -> h) as post; y = read(a, v, over=N); return y"
    )
    m = module(QKV, body, OUT, h=3)
    (q, k, v), w = three(2, 3, 5, 4), weights(m)
    s = linear((q @ k.mT / 2).movedim(1, -1), w["pre.weight"], w["pre.bias"]).softmax(-2)
    a = linear(s, w["post.weight"], w["post.bias"]).movedim(-1, 1)
    assert_close(m(q, k, v), a @ v)


def test_scores_add_several_terms() -> None:
    head = "qn: [*, h, N, d], qr: [*, h, N, r], kn: [*, h, N, d], kr: [*, N, r]"
    m = module(head, "return scores((qn, qr), (kn, kr), over=N, dot=(d, r))", "[*, h, N, N']")
    qn, qr, kn, kr = randn(2, 3, 5, 4), randn(2, 3, 5, 2, seed=1), randn(2, 3, 5, 4, seed=2), randn(2, 5, 2, seed=3)
    assert_close(m(qn, qr, kn, kr), (qn @ kn.mT + qr @ kr[:, None].mT) * 6**-0.5)


def test_dot_contracts_any_number_and_chooses_the_order() -> None:
    m = module("a: [*, N, D], b: [*, M, D], c: [*, M, E]", "return dot(a, b, c, over=D M)", "[*, N, E]")
    a, b, c = randn(2, 5, 4), randn(2, 6, 4, seed=1), randn(2, 6, 3, seed=2)
    assert_close(m(a, b, c), a @ b.mT @ c)


def test_each_axis_of_a_dot_is_in_two_of_its_tensors() -> None:
    assert "E0205" in codes("a: [*, N, D], b: [*, N]", "return dot(a, b, over=D N)")


def test_a_mask_may_be_one_of_the_factors() -> None:
    head = "q: [*, N, d], k: [*, M, d], v: [*, M, e], keep: bool [*, M]"
    m = module(head, "return dot(q, k, v, keep, over=d M)", "[*, N, e]")
    q, k, v, keep = randn(2, 3, 4), randn(2, 5, 4, seed=1), randn(2, 5, 6, seed=2), randn(2, 5, seed=3) > 0
    assert_close(m(q, k, v, keep), q @ (k * keep[..., None]).mT @ v)


@pytest.mark.parametrize(
    "spelled",
    [
        "return attend(q, k, v, over=N, dot=d)",
        "s = scores(q, k, over=N, dot=d); return read(softmax(s, over=N'), v, over=N)",
        "s = dot(q, rename(k, N -> N'), over=d) * d ** -0.5; return dot(softmax(s, over=N'), rename(v, N -> N'), over=N')",
    ],
)
def test_the_plain_pattern_is_the_same_however_it_is_spelled(spelled: str) -> None:
    q, k, v = three(2, 3, 5, 4)
    text = program(QKV, spelled, OUT)
    well_formed(text)
    assert_close(compiled(text)(q, k, v), plain(q, k, v))


def test_the_graph_names_the_axes() -> None:
    graph = attn.load(attn.text(program(QKV, "return scores(q, k, over=N, dot=d)", "[*, h, N, N']"))).graph()
    found: Node = graph.outputs[0].node
    assert set(found.tensor.names) == {"*", "h", "N", "N'"}
    assert str(found.tensor.size("N'")) == "N"
