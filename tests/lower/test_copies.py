"""Copies that only change the order in memory are found, told with their place in the text, and not made where a layout avoids them."""

from __future__ import annotations

from typing import Any

import attn
from attn.compiler.lower.copies import copies, total


def made(text: str, **bind: Any) -> Any:
    return attn.compile(attn.text(text), bind=bind)


def test_a_product_of_axes_that_do_not_lie_together_is_a_copy() -> None:
    module = made("block t(x: [h, N, d]) -> [N, D] {\n    return merge(x, h d -> D)\n}")
    (copy,) = copies(module, {"h": 2, "N": 3, "d": 5})
    assert (copy.axes, copy.bytes, str(copy.elements)) == (("N", "h", "d"), 4 * 2 * 3 * 5, "N*d*h")
    assert copy.span.text == "merge(x, h d -> D)"
    assert "the result" in copy.reason


def test_a_product_of_axes_that_lie_together_is_none() -> None:
    assert copies(made("block t(x: [N, h, d]) -> [N, D] {\n    return merge(x, h d -> D)\n}"), {}) == ()
    assert copies(made("block t(x: [*, N, D]) -> [*, N, h=2, d] {\n    return split(x, D -> h=2 d)\n}"), {}, (2, 3)) == ()


def test_halves_that_are_joined_are_stacked_where_they_are_read() -> None:
    """The half-split form of rotary positions: `p f` is one axis, so the new axis is put before `f` at once."""
    for style in ("half", "interleaved"):
        assert total(copies(attn.std.positions.rope(style=style), {"d": 8})) == 0


def test_attention_of_heads_copies_nothing() -> None:
    assert copies(attn.std.heads.mha(D=8, heads=2), {}) == ()
