"""How large a text may be. Every limit has its own code, so that a user sees which one was met."""

from __future__ import annotations

from typing import Final

SOURCE_CHARACTERS: Final = 1 << 20
TOKENS: Final = 200_000
# Brackets in brackets; also the longest run of prefix operators.
NESTING: Final = 100
# Levels of the tree under one statement. What walks the tree recurses, so this stays far below Python's own 1000.
TREE_DEPTH: Final = 200
NAME_CHARACTERS: Final = 128
INTEGER: Final = 1 << 31
FLOAT_CHARACTERS: Final = 64
FLOAT_EXPONENT: Final = 400
DIAGNOSTICS: Final = 100
USE_DEPTH: Final = 16
USED_FILES: Final = 256
