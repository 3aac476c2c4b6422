"""Codes E1001 and E1002: the catalogue of published systems, and copies of its programs."""

from __future__ import annotations

from ..explanation import Explanation

EXPLANATIONS = (
    Explanation(
        "E1001", "not in the catalogue",
        "`attn systems` lists the ids of all published systems, and which of them are programs here; `attn list` has the blocks of the "
        "library. An id is written in lower case, with hyphens.",
    ),
    Explanation(
        "E1002", "a name that a copy cannot have",
        "`attn new NAME` writes a block called NAME. That is letters, digits and `_`, not a word of the language, and not the name of an "
        "operator or of a block that the copy calls.",
    ),
)  # fmt: skip
