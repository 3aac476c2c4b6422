"""The record that explains one code of a diagnostic."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """What a code means: a few words, one paragraph, and the smallest program that gets it beside one that does not.

    `wrong` and `right` are pieces of `.attn` text; they may be empty where no piece of text shows the matter (a file too long).
    """

    code: str
    title: str
    text: str
    wrong: str = ""
    right: str = ""

    def __str__(self) -> str:
        parts = [f"{self.code}: {self.title}", self.text]
        parts += [f"{word}:\n\n{_indented(piece)}" for word, piece in (("Wrong", self.wrong), ("Right", self.right)) if piece]
        return "\n\n".join(parts) + "\n"


def _indented(piece: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in piece.splitlines())
