"""The words of a program, as the parser takes them."""

from __future__ import annotations

from typing import Final

from lark.lexer import Token

from .source import Source, Span

KEYWORDS: Final = frozenset([
    "attn", "use", "block", "axis", "static", "param", "const", "state", "next", "return", "yield", "if", "else", "for", "in", "scan",
    "and", "or", "not", "as", "true", "false", "none",
])  # fmt: skip
# Words that begin a statement and can stand nowhere inside brackets or after an operator.
STARTERS: Final = frozenset(["USE", "BLOCK", "STATIC", "PARAM", "CONST", "STATE", "NEXT", "RETURN", "YIELD", "FOR"])
OPERATORS: Final = {
    "|>": "PIPE", "->": "ARROW", "..": "RANGE", "**": "POWER", "/": "DIVIDE", "//": "DIVIDE", "%": "DIVIDE",
    "*": "STAR", "+": "PLUS", "-": "MINUS", "==": "COMPARE", "!=": "COMPARE", "<=": "COMPARE", ">=": "COMPARE",
    "<": "COMPARE", ">": "COMPARE", "=": "ASSIGN", ":": "COLON", ",": "COMMA", ".": "DOT", "|": "BAR",
    "(": "LPAR", ")": "RPAR", "[": "LSQB", "]": "RSQB", "{": "LBRACE", "}": "RBRACE",
}  # fmt: skip
OPENERS: Final = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
CLOSERS: Final = {closer: opener for opener, closer in OPENERS.items()}
# A value may end, or begin, with one of these.
ENDS_VALUE: Final = frozenset(["NAME", "INT", "FLOAT", "TRUE", "FALSE", "NONE", "RPAR", "RSQB"])
STARTS_VALUE: Final = frozenset(["NAME", "INT", "FLOAT", "TRUE", "FALSE", "NONE", "LPAR", "LSQB", "MINUS", "NOT", "SCAN"])


class Word(Token):
    """One token with its place. `fresh` says that it is the first on its line."""

    __slots__ = ("fresh", "span")

    span: Span
    fresh: bool

    def __new__(cls, kind: str, text: str, span: Span, fresh: bool = False) -> Word:
        made = str.__new__(cls, text)
        made.type = kind
        made.value = text
        made.start_pos = span.start
        made.end_pos = span.end
        made.span = span
        made.fresh = fresh
        return made

    def become(self, kind: str) -> Word:
        """The same word as another kind of token."""
        return Word(kind, str(self), self.span, self.fresh)


def mark(kind: str, source: Source, offset: int) -> Word:
    """A token that no character of the text stands for."""
    return Word(kind, "", Span(source, offset, offset))
