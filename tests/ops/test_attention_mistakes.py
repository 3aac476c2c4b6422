"""What is said of mistakes in attention, and of masks that are doubtful."""

from __future__ import annotations

import pytest
from attention_support import SELF, module, said, source

import attn
from attn.compiler.elaborate import elaborate
from attn.compiler.ops.masks import empty_row

# ---------------------------------------------------------------- mistakes and doubts

X = "q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, d], m: [*, M, d], b: [h], keep: bool [*, N], w: int"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("attend(q, k, v, over=N)", "E0305"),
        ("attend(q, k, v, over=N, dot=c)", "E0201"),
        ("attend(q, m, v, over=N, dot=d)", "E0201"),
        ("attend(q, k, m, over=N, dot=d)", "E0201"),
        ("attend(q, k, v, over=N N, dot=d)", "E0204"),
        ("attend(q, k, v, over=N, dot=N)", "E0204"),
        ("attend((q, q), k, v, over=N, dot=d)", "E0303"),
        ("attend((q, q), (k, k), v, over=N, dot=d)", "E0303"),
        ("attend(q, k, (v, v), over=N, dot=d)", "E0303"),
        ("attend(q, k, v, over=N, dot=d, where=b)", "E0303"),
        ("attend(q, k, v, over=N, dot=d, dropout=1.5)", "E0303"),
        ("attend(q, k, v, over=N, dot=d, softcap=0.0)", "E0303"),
        ("attend(q, k, v, over=N, dot=d, chunk=0)", "E0303"),
        ("attend(q, k, v, over=N, dot=d, by=sigmoid, sink_logit=b)", "E0304"),
        ("attend(q, k, v, over=N, dot=d, by=entmax15, chunk=4)", "E0304"),
        ("attend(q, k, v, over=N, dot=d, sink_logit=pos(N'))", "E0204"),
        ("read(scores(q, k, over=N, dot=d), m, over=N)", "E0201"),
        ("read(q, v, over=c)", "E0201"),
        ("scores(q, k, over=N)", "E0305"),
    ],
)
def test_mistakes_are_told(call: str, code: str) -> None:
    assert code in [code for code, _ in said(X, f"y = {call}; return q")]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("where=keep", "W0803"),
        ("where=rename(keep, N -> N')", ""),
        ("where=pos(N) > 3", "W0803"),
        ("bias=b", "W0803"),
        ("bias=b, by=sigmoid", ""),
        ("bias=0.5", ""),
        ("where=pos(N') <= pos(N)", ""),
        ("where=pos(N') < pos(N)", "W0804"),
        ("where=pos(N') < pos(N), sink_logit=b", ""),
        ("where=pos(N') <= pos(N) and pos(N) - pos(N') < 4", ""),
        ("where=pos(N') <= pos(N) and pos(N) - pos(N') < w", ""),
        ("where=pos(N') < pos(N) and rename(keep, N -> N')", "W0804"),
        ("where=pos(N') < pos(N) or rename(keep, N -> N')", ""),
        ("where=keep == rename(keep, N -> N')", ""),
        ("where=not pos(N') >= pos(N) // 2 * 2", "W0804"),
        ("where=abs(pos(N) - pos(N')) > 0", "W0804"),
        ("where=(pos(N) - pos(N')) % 2 == 0", ""),
        ("where=(pos(N) - pos(N')) % 2 == 1", "W0804"),
        ("where=rename(pos(N') < pos(N), N -> N', N' -> N)", "W0804"),
        ("where=where(keep, pos(N') < pos(N), pos(N') + 1 <= pos(N))", "W0804"),
        ("where=where(keep, pos(N') < pos(N), pos(N') <= pos(N))", ""),
        ("where=maximum(pos(N') - 1, 0) <= pos(N)", ""),
    ],
)
def test_doubtful_masks_are_warned_of(options: str, code: str) -> None:
    found = [found for found, _ in said(X, f"return attend(q, k, v, over=N, dot=d, {options})")]
    assert found == ([code] if code else [])


def test_an_empty_row_is_shown() -> None:
    ((_, label),) = said(X, "return attend(q, k, v, over=N, dot=d, where=pos(N') < pos(N))")
    assert label == "the query at N = 0 has none when the size of N = 1"


def test_a_mask_of_given_sizes_is_looked_at_in_bounded_time() -> None:
    for where, empty in (("pos(N') < pos(N)", True), ("pos(N') <= pos(N)", False), ("pos(N') > pos(N) + 1000", True)):
        program = attn.load(attn.text(source(SELF, f"return attend(q, k, v, over=N, dot=d, where={where})", "[*, h, N, e]")))
        node = elaborate(program.unit, program.block, {"N": 4096}).require().outputs[0].node
        row = empty_row(node.inputs[3], node["keys"])
        assert (row is not None) is empty


def test_a_causal_mask_between_queries_and_other_keys_is_looked_at_too() -> None:
    found = said("q: [*, M, d], k: [*, N, d], v: [*, N, d]", "return attend(q, k, v, over=N, dot=d, where=pos(N) < pos(M))", "[*, M, d]")
    assert found == [("W0804", "the query at M = 0 has none when the size of M = 1, N = 1")]


def test_nothing_is_said_of_outer_products() -> None:
    head = "x: [*, N, D], t: [*, g]"
    text = "q = linear(x, D -> d=4); k = linear(x, D -> d) as k; s = scores(q, k, over=N, dot=d, scale=t * 2); return read(s, x, over=N)"
    assert said(head, text, "[*, g, N, D]") == []


def test_disagreeing_sizes_are_told_with_both_places() -> None:
    text = "q = linear(x, D -> d=4) as q; k = linear(x, D -> e=8) as k |> rename(e -> d); return attend(q, k, x, over=N, dot=d)"
    with pytest.raises(attn.AttnError) as caught:
        module("x: [*, N, D]", text, "[*, N, D]", D=3)
    message = str(caught.value)
    assert "these two disagree" in message
    assert "4 and 8" in message
