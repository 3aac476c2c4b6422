"""Which way attention is computed: what fits PyTorch's fused attention does so, whatever axes meet, and what does not says why."""

from __future__ import annotations

import pytest
import torch
from attention_support import HEAD, MULTI_QUERY, SELF, graph_of, randn, rewritten, same
from torch import Tensor

import attn
from attn.compiler.graph import Graph, Node
from attn.compiler.lower.lowering import lower
from attn.compiler.ops.attend_way import attend_way, copied, roles

SIZES = {"*": 2, "g": 2, "h": 3, "N": 5, "M": 4, "d": 6, "r": 4, "e": 7}
# Each: head, the call, the result.
FORMS = [
    ("q: [M, d], k: [*, h, N, d], v: [*, h, N, e]", "over=N, dot=d", "[*, h, M, e]"),
    ("q: [*, h, N, d], k: [*, N, d], v: [*, h, N, e]", "over=N, dot=d", "[*, h, N, e]"),
    ("q: [*, h, N, d], k: [*, h, N, d], v: [*, N, e]", "over=N, dot=d", "[*, h, N, e]"),
    ("q: [*, N, d], k: [*, h, N, d], v: [*, N, e]", "over=N, dot=d", "[*, h, N, e]"),
    ("q: [*, g, h, N, d], k: [*, g, N, d], v: [*, h, N, e]", "over=N, dot=d", "[*, g, h, N, e]"),
    ("q: [*, N, d], k: [h, M, d], v: [h, M, e]", "over=M, dot=d", "[*, N, h, e]"),
    ("q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, d], b: [*, h, N', d]", "over=N, dot=d, bias=b", "[*, h, N, d]"),
    ("q: [*, h, N, d], k: [*, N, d], v: [*, N, e], b: [*, N, e]", "over=N, dot=d, bias=b * pos(N')", "[*, h, N, e]"),
    ("q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, d], s: [N, d]", "over=N, dot=d, scale=s", "[*, h, N, d]"),
    ("q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e], s: [g]", "over=N, dot=d, scale=s", "[*, h, N, g, e]"),
    ("q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e], s: [h, N']", "over=N, dot=d, scale=s", "[*, h, N, e]"),
    ("q: [*, g, h, N, d], k: [*, g, N, d], v: [*, g, N, e], s: [h]", "over=N, dot=d, scale=s, where=pos(N') <= pos(N)", "[*, g, h, N, e]"),
    ("q: [*, g, h, N, d], k: [*, g, N, d], v: [*, g, N, e], b: [*, N, N']", "over=N, dot=d, bias=b", "[*, g, h, N, e]"),
    ("q: [*, g, h, N, d], k: [*, g, N, d], v: [*, g, N, e], b: [*, h, N']", "over=N, dot=d, where=b > 0", "[*, g, h, N, e]"),
    ("q: [*, h, N, d], k: [*, N, d], v: [*, h, N, e], b: [g, N']", "over=N, dot=d, bias=b", "[*, h, N, g, e]"),
    ("q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N]", "over=N, dot=d", "[*, h, N]"),
    ("q: [d], k: [N, d], v: [N]", "over=N, dot=d", "[]"),
]  # fmt: skip
TERMS = "q: [*, h, N, d], s: [*, h, N, r], k: [*, h, N, d], t: [*, N, r], v: [*, h, N, e]"


def sized(axes: str) -> list[int]:
    """`*, h, N, c=3`."""
    parts = [part.partition("=") for part in axes.replace(",", " ").split()]
    return [int(size) if size else SIZES[name.rstrip("'")] for name, _, size in parts]


def inputs_of(head: str) -> list[Tensor]:
    parts = [part.split("[")[1] for part in head.split("]")[:-1]]
    return [randn(*sized(part), seed=seed).requires_grad_() for seed, part in enumerate(parts)]


def agree(head: str, call: str, result: str) -> Graph:
    """The graph of a call, whose fused and explicit ways give the same values and gradients."""
    graph = graph_of(head, f"return attend({call})", result)
    fused = lower(graph, dtype=torch.float64)
    assert any(name in fused.code for name in ("scaled_dot_product_attention", "masked_attention", "sink_attention"))
    explicit = lower(rewritten(graph, kernel="explicit"), dtype=torch.float64)
    assert "softmax" in explicit.code
    same(fused, explicit, *inputs_of(head))
    return graph


def attend_of(call: str, head: str = HEAD, result: str = "[*, h, N, d]") -> Node:
    (node,) = (node for node in graph_of(head, f"return attend({call})", result).nodes if node.op == "attend")
    return node


@pytest.mark.parametrize(("head", "options", "result"), FORMS, ids=[f"{head} {options}" for head, options, _ in FORMS])
def test_axes_that_only_some_have_fit_the_fused_way(head: str, options: str, result: str) -> None:
    agree(head, f"q, k, v, {options}", result)


@pytest.mark.parametrize("options", ["", ", where=pos(N') <= pos(N)", ", scale=0.5", ", bias=-abs(pos(N) - pos(N'))"])
def test_terms_are_one_product_of_features_side_by_side(options: str) -> None:
    agree(TERMS, f"(q, s), (k, t), v, over=N, dot=(d, r){options}", "[*, h, N, e]")


@pytest.mark.parametrize("values", ["[*, h, N, d]", "[*, h, N, e]", "[*, h, N]"])
@pytest.mark.parametrize(
    "options", ["", ", where=pos(N') <= pos(N)", ", bias=-abs(pos(N) - pos(N'))", ", where=b > 0, bias=b", ", scale=s"]
)
@pytest.mark.parametrize("sink", ["s", "0.5", "n"])
def test_a_sink_is_one_more_key(values: str, options: str, sink: str) -> None:
    head = f"q: [*, h, N, d], k: [*, h, N, d], v: {values}, b: [*, N, N'], s: [h], n: [N]"
    agree(head, f"q, k, v, over=N, dot=d, sink_logit={sink}{options}", values)


@pytest.mark.parametrize(("features", "made"), [("c=3", "values"), ("c=9", "queries and keys"), ("d", "")])
@pytest.mark.parametrize("options", ["", ", where=pos(N') <= pos(N)"])
def test_zeros_make_up_for_features_that_are_missing(features: str, made: str, options: str) -> None:
    head = f"q: [*, h, N, d=6], k: [*, h, N, d=6], v: [*, h, N, {features}]"
    graph = agree(head, f"q, k, v, over=N, dot=d{options}", f"[*, h, N, {features}]")
    (node,) = (node for node in graph.nodes if node.op == "attend")
    layout = attend_way(node).layout
    assert layout is not None
    assert layout.padded == made


def test_terms_with_a_scale_of_their_heads() -> None:
    agree(f"{TERMS}, c: [h]", "(q, s), (k, t), v, over=N, dot=(d, r), scale=c", "[*, h, N, e]")


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        ("softcap=1.0", ["softcap"]),
        ("by=sigmoid", ["by"]),
        ("by=entmax15, softcap=2.0", ["by", "softcap"]),
        ("sink_logit=t, softcap=1.0", ["softcap"]),
        ("scale=bias", ["scale"]),
        ("scale=n * j", ["scale"]),
        ("chunk=2", ["chunk"]),
    ],
)
def test_what_is_in_the_way_is_told(options: str, reasons: list[str]) -> None:
    way = attend_way(attend_of(f"q, k, v, over=N, dot=d, {options}"))
    assert way.kind == ("chunked" if "chunk" in options else "explicit")
    assert way.layout is None
    assert [blocker.reason for blocker in way.blockers] == reasons


def test_queries_that_differ_from_key_to_key_are_told() -> None:
    node = attend_of("q, k, v, over=N, dot=d", "q: [N, N', d], k: [N, d], v: [N, e]", "[N, e]")
    assert [(blocker.reason, blocker.axes) for blocker in attend_way(node).blockers] == [("query keys", ("N'",))]


def test_grouped_keys_are_repeated_only_where_a_mask_of_the_batch_asks_for_it() -> None:
    head = "q: [*, g, h, N, d], k: [*, g, N, d], v: [*, g, N, e], keep: bool [*, N, N']"
    for mask, wanted in (("", {}), (", where=pos(N') <= pos(N)", {}), (", where=keep", {"keys": ("h",), "values": ("h",)})):
        node = attend_of(f"q, k, v, over=N, dot=d{mask}", head, "[*, g, h, N, e]")
        layout = attend_way(node).layout
        assert layout is not None
        assert copied(roles(node), layout) == wanted


@pytest.mark.parametrize("head", [SELF, MULTI_QUERY])
def test_a_scale_for_each_head_is_multiplied_into_the_queries(head: str) -> None:
    code = attn.compile(
        attn.text(f"block t({head}, t: [h]) -> [*, h, N, e] {{\n    return attend(q, k, v, over=N, dot=d, scale=t)\n}}")
    ).code
    assert "scaled_dot_product_attention" in code
    assert "scale=1.0" in code.replace(" ", "")
