"""How wide a text will be in a sans-serif font, without a font at hand."""

from __future__ import annotations

from functools import lru_cache
from unicodedata import combining, east_asian_width

# Advance widths, in thousandths of the font size, common to the usual sans-serif faces (Helvetica, Arial and their free twins).
_CLASSES: tuple[tuple[int, str], ...] = (
    (200, "'ijl|"),
    (278, " !,./:;I[]\\ft·"),
    (335, "-()`r{}"),
    (389, '*"^'),
    (500, "cksvxyzJ"),
    (556, "0123456789abdeghnopqu?_L$#"),
    (584, "+<=>~×÷−"),
    (611, "FTZ"),
    (667, "ABEKPSVXY&"),
    (722, "CDHNRUw"),
    (778, "GOQ"),
    (833, "mM"),
    (900, "W%"),
    (1000, "@→…"),
)
_WIDTHS = {character: width for width, characters in _CLASSES for character in characters}
_OTHER = 620
_MARGIN = 1.05  # fonts differ


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """An estimate, a little generous, of the width of one line at this font size, in the same units."""
    total = sum(_character(character) for character in text)
    return total * size * _MARGIN * (1.07 if bold else 1.0) / 1000


def _character(character: str) -> int:
    known = _WIDTHS.get(character)
    if known is not None:
        return known
    if combining(character):
        return 0
    return 1000 if east_asian_width(character) in "WF" else _OTHER


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis where some were left out."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
