"""Which mistake a text most likely holds, from the token that did not fit and what could have stood there.

Each rule looks for one mistake; the first that knows it gives the message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .diagnostics import Diagnostic
from .source import Span
from .tokens import KEYWORDS, STARTERS, Word

_CLOSING = frozenset(["RPAR", "RSQB", "RBRACE"])
_OPENING = frozenset(["LPAR", "LSQB", "LBRACE"])
_BINARY = frozenset(["PLUS", "MINUS", "STAR", "DIVIDE", "POWER", "COMPARE", "AND", "OR", "IF"])
_STATEMENT_WORDS = STARTERS | {"AXIS", "IF"}
_SHOWN = {
    "END": "the end of the line", "NAME": "a name", "INT": "a number", "LPAR": "`(`", "RPAR": "`)`", "LSQB": "`[`", "RSQB": "`]`",
    "LBRACE": "`{`", "RBRACE": "`}`", "COMMA": "`,`", "COLON": "`:`", "ASSIGN": "`=`", "ARROW": "`->`", "AS": "`as`", "IN": "`in`",
    "ELSE": "`else`", "BLOCK": "`block`", "USE": "`use`", "DOT": "`.`", "RANGE": "`..`", "PIPE": "`|>`", "ANY": "`*`", "BAR": "`|`",
}  # fmt: skip
# Words of other languages: what they are for here.
_FOREIGN_WORDS = {
    **dict.fromkeys(["def", "fn", "func", "function", "fun", "class", "module"], "`block name(x: [*, C]) -> [*, C] { ... }`"),
    **dict.fromkeys(["import", "from", "include", "require", "using"], "`use std.heads (mha)`"),
    **dict.fromkeys(["let", "var", "val", "auto", "mut"], "just `x = ...`"),
    **dict.fromkeys(["elif", "elseif", "elsif"], "`else if`"),
    **dict.fromkeys(["while", "loop", "repeat", "foreach"], "`for i in 0..n { ... }`, or `scan` along an axis"),
    **dict.fromkeys(["lambda", "print", "assert", "raise", "try", "with", "pass"], "a block with `x = ...` and `return`"),
}
_BLOCK_WORDS = frozenset(["def", "fn", "func", "function", "fun", "class", "module"])


@dataclass(frozen=True)
class Place:
    """Where parsing stopped: the token at `index`, in the statement that begins at `start`, and the kinds that could follow."""

    tokens: list[Word]
    index: int
    start: int
    expected: frozenset[str]

    @property
    def token(self) -> Word:
        return self.tokens[self.index]

    @property
    def first(self) -> Word:
        return self.tokens[self.start]

    @property
    def before(self) -> str:
        """The kind of the token before, empty at the start of the statement."""
        return self.tokens[self.index - 1].type if self.index > self.start else ""

    def back(self) -> Iterator[Word]:
        """The tokens before, nearest first, that stand in the same brackets and argument."""
        level = 0
        for position in range(self.index - 1, self.start - 1, -1):
            current = self.tokens[position]
            if current.type in _CLOSING:
                level += 1
            elif current.type in _OPENING:
                level -= 1
                if level < 0:
                    return
            elif level == 0:
                if current.type in ("COMMA", "END", "ASSIGN"):
                    return
                yield current

    def whole(self) -> Span:
        """From the first token of the statement to the end of its line."""
        position = self.index
        while position + 1 < len(self.tokens) and self.tokens[position].type not in ("END", "LBRACE"):
            position += 1
        return self.first.span.to(self.tokens[max(position - 1, self.start)].span)

    def opener(self) -> int | None:
        """The position of the bracket that is open here."""
        level = 0
        for position in range(self.index - 1, self.start - 1, -1):
            kind = self.tokens[position].type
            level += (kind in _CLOSING) - (kind in _OPENING)
            if level < 0:
                return position
        return None

    def error(self, code: str, title: str, label: str = "", help: str = "") -> Diagnostic:
        return Diagnostic(code, title, self.token.span, label, help=help)


def _foreign_word(place: Place) -> Diagnostic | None:
    first = place.first
    if first.type != "NAME" or str(first) not in _FOREIGN_WORDS or place.index > place.start + 1:
        return None
    return Diagnostic("E0015", f"`{first}` is not a word of attn", first.span, help=f"did you mean {_FOREIGN_WORDS[first]}?")


def _lonely_else(place: Place) -> Diagnostic | None:
    if place.token.type != "ELSE" or "PLUS" in place.expected:
        return None
    return place.error("E0001", "`else` without an `if` before it", "", "`else` follows the `}` of an `if`")


def _keyword_bound(place: Place) -> Diagnostic | None:
    """`next = ...`: a word of the language where a name is to be bound."""
    first = place.first
    if place.index != place.start + 1 or place.token.type != "ASSIGN" or first.type.lower() not in KEYWORDS:
        return None
    return Diagnostic(
        "E0011", f"`{first}` is a word of the language, not a name", first.span, help=f"choose another name, such as `{first}_`"
    )


def _pipe_then_operator(place: Place) -> Diagnostic | None:
    if place.token.type not in _BINARY:
        return None
    pipe = next((w for w in place.back() if w.type == "PIPE"), None)
    if pipe is None:
        return None
    found = place.error(
        "E0008",
        f"`{place.token}` after a pipe needs parentheses",
        "",
        f"write `(x |> f) {place.token} y`, or `x |> f |> g` for a further step",
    )
    return found.also(pipe.span, "`|>` binds loosest, so this pipe must be enclosed")


def _chained_comparison(place: Place) -> Diagnostic | None:
    if place.token.type != "COMPARE":
        return None
    for earlier in place.back():
        if earlier.type in ("AND", "OR", "NOT", "IF", "ELSE", "RETURN"):
            return None
        if earlier.type == "COMPARE":
            found = place.error("E0009", "comparisons do not chain", "", f"write `a {earlier} b and b {place.token} c`")
            return found.also(earlier.span, "the first comparison")
    return None


def _equals_in_statement(place: Place) -> Diagnostic | None:
    if str(place.token) != "==" or "ASSIGN" not in place.expected or place.opener() is not None:
        return None
    return place.error("E0007", "`==` compares, `=` gives a name to a value", "", "write `=`")


def _assign_in_condition(place: Place) -> Diagnostic | None:
    if place.token.type != "ASSIGN" or "PLUS" not in place.expected:
        return None
    return place.error("E0010", "`=` cannot stand inside an expression", "", "to compare, write `==`")


def _part_written(place: Place) -> Diagnostic | None:
    """`y[N=0] = 1`."""
    if place.token.type != "ASSIGN" or place.first.type != "NAME" or place.opener() != place.start + 1 or "RSQB" not in place.expected:
        return None
    axis = place.tokens[place.index - 1]
    help = f"values do not change: write `{place.first} = where(pos({axis}) == i, a, {place.first})`"
    return place.error("E0010", "a part of a tensor cannot be given a value", "", help)


def _method(place: Place) -> Diagnostic | None:
    if place.token.type != "DOT" or "PIPE" not in place.expected:
        return None
    return place.error("E0001", "values have no methods or fields", "", "write `mean(x, N)`, or `x |> mean(N)`")


def _keyword_as_value(place: Place) -> Diagnostic | None:
    """`kind == scan`: a word of the language read as the start of something else."""
    word = place.tokens[place.index - 1] if place.before == "SCAN" else None
    if word is None or place.token.type == "NAME":
        return None
    return Diagnostic("E0011", f"`{word}` is a word of the language, not a name", word.span, help=f"choose another name, such as `{word}_`")


def _colon_for_assign(place: Place) -> Diagnostic | None:
    if place.token.type != "COLON":
        return None
    if "ASSIGN" in place.expected:
        what = "an argument is written" if place.opener() is not None else "a value gets its name with"
        return place.error("E0005", f"{what} `name = value`, not with `:`", "", "write `=`; `:` stands before a type")
    if "LBRACE" in place.expected:
        return place.error("E0001", "a body stands in braces", "expected `{`", "write `{ ... }`; `:` stands before a type")
    return None


def _assign_for_colon(place: Place) -> Diagnostic | None:
    if place.token.type != "ASSIGN" or "COLON" not in place.expected or place.before not in ("NAME", "RSQB"):
        return None
    return place.error("E0006", "a type is written after `:`", "", "write `name: type`, with `= value` after it for a default")


def _missing_arrow(place: Place) -> Diagnostic | None:
    if place.first.type != "BLOCK" or "ARROW" not in place.expected or place.token.type not in ("LBRACE", "END", "COLON"):
        return None
    return place.error("E0012", "the block does not say what it returns", "expected `->` here", "write `-> [*, C]` before the body")


def _call_of_a_call(place: Place) -> Diagnostic | None:
    if place.token.type != "LPAR" or place.before not in ("RPAR", "INT", "FLOAT", "RSQB", "RBRACE") or "PLUS" not in place.expected:
        return None
    return place.error(
        "E0023", "only a name or a parenthesis can be called", "", "write `(layer)(x)`, or name the layer first: `f = layer`"
    )


def _bad_stage(place: Place) -> Diagnostic | None:
    if place.before != "PIPE":
        return None
    pipe = place.tokens[place.index - 1]
    found = place.error("E0018", "a stage of a pipe is a call or a name", f"expected a name, found {_shown(place.token)}")
    return found.also(pipe.span, "the value from here needs something to go into")


def _tuple_outside(place: Place) -> Diagnostic | None:
    opener = place.opener()
    if place.token.type != "COMMA" or opener is None or place.tokens[opener].type != "LPAR" or "RPAR" not in place.expected:
        return None
    return place.error("E0019", "a tuple stands only in the arguments of a call", "", "write a list, `[a, b]`, or separate statements")


def _several_values(place: Place) -> Diagnostic | None:
    if place.token.type != "COMMA" or "END" not in place.expected or place.opener() is not None:
        return None
    if not any(word.type == "ASSIGN" for word in place.tokens[place.start : place.index]):
        return None
    return place.error("E0019", "a statement gives names to one value", "a second value begins here", "write a statement for each value")


def _useless_statement(place: Place) -> Diagnostic | None:
    if place.first.type not in ("NAME", "LPAR", "LSQB", "INT", "FLOAT", "MINUS", "SCAN", "NONE", "TRUE", "FALSE", "NOT"):
        return None
    if place.first.type == "NAME" and ("ASSIGN" not in place.expected or place.opener() is not None or place.before == "COMMA"):
        return None
    if place.first.type != "NAME" and place.index != place.start:
        return None
    if place.first.type == "NAME" and place.token.type not in {"LPAR", "PIPE", "END", "STAR", "DIVIDE", "POWER", "PLUS", "MINUS", "AS"}:
        return None
    found = Diagnostic(
        "E0017", "a statement gives a name to a value", place.whole(), "this value is used nowhere",
        help="write `y = ...`, or `return ...`",
    )  # fmt: skip
    return found if "BLOCK" not in place.expected else None


def _keyword_as_name(place: Place) -> Diagnostic | None:
    token = place.token
    if token.type.lower() not in KEYWORDS or "NAME" not in place.expected:
        return None
    if place.index == place.start and token.type not in ("IN", "AND", "OR", "NOT", "AS", "SCAN"):
        return None
    following = place.tokens[place.index + 1].type if place.index + 1 < len(place.tokens) else "END"
    if place.before in ("ASSIGN", "RETURN", "PLUS", "MINUS") and following not in ("ASSIGN", "END", "COMMA", "RPAR"):
        return None
    return place.error("E0011", f"`{token}` is a word of the language, not a name", "", f"choose another name, such as `{token}_`")


def _two_on_a_line(place: Place) -> Diagnostic | None:
    if "END" not in place.expected or (place.token.type != "NAME" and place.token.type not in _STATEMENT_WORDS):
        return None
    return place.error(
        "E0021", "the statement should end here", "a newline, or an operator, is missing before this", "one statement a line"
    )


def _outside_blocks(place: Place) -> Diagnostic | None:
    if place.index != place.start or "BLOCK" not in place.expected:
        return None
    if place.token.type == "ATTN":
        return place.error("E0020", "the version stands once, at the top of the file", "", "remove this line")
    return place.error(
        "E0001",
        f"unexpected {_shown(place.token)} outside of a block",
        "expected `block` or `use`",
        "a file holds blocks: `block f(x: [*, C]) -> [*, C] { ... }`",
    )


def _anything(place: Place) -> Diagnostic:
    help = ""
    if str(place.token) == "//" and place.token.fresh:
        help = "a comment begins with `#`"
    wanted = _wanted(place.expected)
    return place.error("E0001", f"unexpected {_shown(place.token)}", f"expected {wanted}" if wanted else "", help)


def _shown(token: Word) -> str:
    if token.type == "END":
        return "end of the statement"
    return f"`{token}`" if token else "end of the file"


def _wanted(expected: frozenset[str]) -> str:
    """The kinds that could follow, in words, the most telling first; operators are left out where something else can stand."""
    if {"NAME", "LPAR", "INT"} <= expected:
        named = ["a value"]
    elif {"PLUS", "MINUS"} <= expected:
        named = [_SHOWN[kind] for kind in ("COMMA", "RPAR", "RSQB", "RBRACE", "LBRACE", "ELSE", "IN", "END") if kind in expected]
    else:
        named = sorted(_SHOWN[kind] for kind in expected if kind in _SHOWN)
    return " or ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


_RULES: tuple[Callable[[Place], Diagnostic | None], ...] = (
    _foreign_word, _lonely_else, _keyword_bound, _bad_stage, _pipe_then_operator, _chained_comparison, _equals_in_statement,
    _assign_for_colon, _colon_for_assign, _missing_arrow, _keyword_as_name, _useless_statement, _part_written, _assign_in_condition,
    _call_of_a_call, _method, _keyword_as_value, _tuple_outside, _several_values, _outside_blocks, _two_on_a_line,
)  # fmt: skip


def explain(place: Place) -> Diagnostic:
    """The message for a token that does not fit."""
    for rule in _RULES:
        found = rule(place)
        if found is not None:
            return found
    return _anything(place)


def begins_item(token: Word) -> bool:
    """Whether a word outside of blocks begins something new, or was meant to."""
    return token.type in ("BLOCK", "USE", "ATTN") or (token.fresh and str(token) in _FOREIGN_WORDS)


def begins_block(token: Word) -> bool:
    """Whether a top-level statement that begins so was meant to be a block."""
    return token.type == "BLOCK" or str(token) in _BLOCK_WORDS
