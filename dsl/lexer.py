"""Characters to words. Every terminal is one linear regular expression; what fits none is a mistake with its own message."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from . import limits
from .diagnostics import Diagnostic, Fault
from .source import Source, Span
from .tokens import KEYWORDS, OPERATORS, Word
from .tree import Comment

# A name is read with the letters of all alphabets, so that a foreign one is one mistake. (Said by what is left out: that compiles faster.)
_WORDS: Final = re.compile(
    r"""
    (?:\A\ufeff)?[ \t\r\f\v]*
    (?:
      \Z
    | (?P<name>[^\x00-\x40\x5b-\x5e\x60\x7b-\x7f][^\x00-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]*'*)
    | (?P<newline>\n)
    | (?P<comment>\#[^\n]*)
    | (?P<badnumber>[0-9]+\.(?![.0-9])|(?<![0-9.])\.[0-9]+)
    | (?P<float>[0-9]+(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+))
    | (?P<int>[0-9]+)
    | (?P<foreign>&&|\|\||:=|=>|\+=|-=|\*=|/=|\^|@|!(?!=)|===)
    | (?P<operator>\|>|->|\.\.|\*\*|//|[=!<>]=|[-+*/%<>=:,.|()\[\]{}])
    | (?P<string>"[^"\n]*"?|'[^'\n]*'?)
    | (?P<semicolon>;)
    | (?P<other>.)
    )
    """,
    re.VERBOSE | re.DOTALL,
)
# What other languages write, the kind of token it is read as, and what to write here.
_FOREIGN: Final = {
    "&&": ("AND", "and"), "||": ("OR", "or"), "!": ("NOT", "not"), "^": ("POWER", "**"), ":=": ("ASSIGN", "="),
    "=>": ("ARROW", "->"), "===": ("COMPARE", "=="), "+=": ("ASSIGN", "x = x + y"), "-=": ("ASSIGN", "x = x - y"),
    "*=": ("ASSIGN", "x = x * y"), "/=": ("ASSIGN", "x = x / y"), "@": ("STAR", "dot(a, b, over=D)"),
}  # fmt: skip


class Lexer:
    """Reads one source. `words`, `comments` and `diagnostics` hold what was found; a limit that is met raises `Fault`."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.words: list[Word] = []
        self.comments: list[Comment] = []
        self.diagnostics: list[Diagnostic] = []
        self._fresh = True
        self._free = False
        self._handlers: dict[str, Callable[[str, Span], None]] = {
            "comment": self._comment, "badnumber": self._badnumber, "float": self._float, "int": self._int, "name": self._name,
            "foreign": self._foreign, "operator": self._operator, "string": self._string, "semicolon": self._semicolon,
            "other": self._other,
        }  # fmt: skip

    def run(self) -> None:
        text, source = self.source.text, self.source
        if len(text) > limits.SOURCE_CHARACTERS:
            raise Fault(
                Diagnostic(
                    "E0030",
                    f"the file is longer than {limits.SOURCE_CHARACTERS} characters",
                    Span(source, 0, 0),
                    help="split it into several files and join them with `use`",
                )
            )
        for match in _WORDS.finditer(text):
            group = match.lastgroup
            if group == "newline":
                self._fresh = True
            elif group is not None:
                word, end = match[group], match.end()
                span = Span(source, end - len(word), end)
                self._handlers[group](word, span)
                if len(self.words) > limits.TOKENS:
                    raise Fault(
                        Diagnostic(
                            "E0031",
                            f"the file has more than {limits.TOKENS} words",
                            span,
                            help="split it into several files and join them with `use`",
                        )
                    )

    def _add(self, kind: str, text: str, span: Span) -> None:
        self.words.append(Word(kind, text, span, self._fresh))
        self._fresh = False
        # After `as`, and after a dot in a path, any word on the same line is free.
        self._free = kind in ("AS", "DOT")

    def _wrong(self, code: str, title: str, span: Span, help: str, label: str = "") -> None:
        if len(self.diagnostics) <= limits.DIAGNOSTICS:
            self.diagnostics.append(Diagnostic(code, title, span, label, help=help))

    def _comment(self, text: str, span: Span) -> None:
        self.comments.append(Comment(span, text[1:].rstrip(), self._fresh))

    def _name(self, text: str, span: Span) -> None:
        if not text.isascii():
            first = next(position for position, character in enumerate(text) if not character.isascii())
            self._other(text[first], Span(self.source, span.start + first, span.start + first + 1))
        if len(text) > limits.NAME_CHARACTERS:
            self._wrong(
                "E0033", f"a name may have {limits.NAME_CHARACTERS} characters, this one has {len(text)}", span, "choose a shorter name"
            )
        touching = self.words[-1] if self.words and self.words[-1].span.end == span.start else None
        if touching is not None and touching.type in ("INT", "FLOAT"):
            whole = touching.span.to(span)
            self._wrong(
                "E0013",
                "a name cannot begin with a digit",
                whole,
                f"write a name such as `{text}{touching.span.text}`, or a product `{touching.span.text} * {text}`",
            )
            return
        self._add("NAME" if (self._free and not self._fresh) or text not in KEYWORDS else text.upper(), text, span)

    def _int(self, text: str, span: Span) -> None:
        digits = text.lstrip("0")
        if len(digits) > len(str(limits.INTEGER)) or int(digits or "0") >= limits.INTEGER:
            self._wrong("E0034", "this number is too large", span, f"an integer must be below {limits.INTEGER}", "not below 2 ** 31")
            text = "0"
        self._add("INT", text, span)

    def _float(self, text: str, span: Span) -> None:
        exponent = text.lower().partition("e")[2].lstrip("+-").lstrip("0")
        if len(text) > limits.FLOAT_CHARACTERS or len(exponent) > 3 or int(exponent or "0") > limits.FLOAT_EXPONENT:
            self._wrong(
                "E0034",
                "this number has too many digits",
                span,
                f"a number has at most {limits.FLOAT_CHARACTERS} characters and an exponent up to {limits.FLOAT_EXPONENT}",
            )
            text = "0.0"
        self._add("FLOAT", text, span)

    def _badnumber(self, text: str, span: Span) -> None:
        right = f"0{text}" if text.startswith(".") else f"{text}0"
        if len(text) > limits.FLOAT_CHARACTERS:
            right = "0.0"
        self._wrong("E0013", "a number has digits on both sides of the dot", span, f"write `{right}`")
        self._add("FLOAT", right, span)

    def _operator(self, text: str, span: Span) -> None:
        self._add(OPERATORS[text], text, span)

    def _foreign(self, text: str, span: Span) -> None:
        if text == "*=" and [w.type for w in self.words[-2:]] == ["COLON", "NAME"]:
            # `depths: int*=[3, 4]`
            self._add("STAR", "*", Span(self.source, span.start, span.start + 1))
            self._add("ASSIGN", "=", Span(self.source, span.start + 1, span.end))
            return
        kind, right = _FOREIGN[text]
        self._wrong("E0014", f"`{text}` is not an operator here", span, f"write `{right}`")
        self._add(kind, right, span)

    def _string(self, text: str, span: Span) -> None:
        self._wrong(
            "E0016",
            "there are no strings in attn",
            span,
            "a choice is an enumeration: `variant: paper | code = paper`, then `variant=code`",
        )
        self._add("NONE", "none", span)

    def _semicolon(self, text: str, span: Span) -> None:
        self._wrong("E0022", "a newline ends a statement, not `;`", span, "put the next statement on its own line, or drop the `;`")
        self._fresh = True

    def _other(self, text: str, span: Span) -> None:
        shown = text if text.isprintable() and not text.isspace() else ascii(text)[1:-1]
        self._wrong(
            "E0004",
            f"the character `{shown}` has no meaning here",
            span,
            "names use the letters a to z, digits and `_`; other characters belong in comments",
        )
