"""What the fuzz tests share: the words of a program, mutations of them, and calls with arguments drawn from the operator table."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import attn
from attn.compiler.ops import OPERATORS
from attn.compiler.ops.base import Operator, Option
from attn.dsl.codes import CODES
from attn.dsl.diagnostics import Diagnostic
from attn.dsl.lexer import Lexer
from attn.dsl.source import Source

ROOT = Path(__file__).parent.parent
FILES = sorted([*(ROOT / "stdlib").glob("*.attn"), *(ROOT / "tests" / "programs").glob("*.attn")])
LIMIT = 60.0
"""Seconds of processor time that a check may take."""

NUMBERS = ("0", "1", "2", "-1", "-7", "3", "0.5", "-0.0", "2147483647", "999999999", "65536", "1000000007", "1.0e30", "1 / 3", "2 ** 30")
VALUES = (
    *NUMBERS, "none", "true", "false", "inf", "-inf", "pi", "same", "causal", "tanh", "reflect", "ortho", "sigmoid", "x", "C", "N", "N'",
    "[1, 2]", "[]", "[[2, 1]]", "[0.5, none]", "normal(0.02)", "normal(-1)", "uniform(1, 0)", "softmax(N)", "linear(C -> 3)", "relu",
    "size(x, N)", "size(N)", "x > 0", "pos(N) < 2", "(x, x)", "(N, C)", "x[N=0]", "mean(x, N)", "N // 2", "C / 7", "-x", "not x",
    "0 if true else 1", "2 ** 62", "ceil(N / 3)", "log2(N)", "sqrt(-1.0)", "N ** N",
)  # fmt: skip
AXES = ("N", "C", "N C", "N -> M", "C -> E=4", "N C -> M", "C -> h=2 d", "N -> L=2 + P", "L + P -> A", "M=3", "N'", "1", "C -> 1", "N -> N",
        "N N", "Q", "C -> C", "N -> N'", "1 + N -> M", "N -> u=0", "N -> Y=-1 u", "C -> E=999999999", "h d -> C")  # fmt: skip
HEAD = "x: [*, N, C], y: [*, C], i: int [N], b: bool [N, C] = none, k: int = 2, f: [*, C] -> [*, C] = relu"


def words_of(text: str) -> list[str]:
    """The words of a text, each with the space behind it."""
    lexer = Lexer(Source("text", text))
    lexer.run()
    starts = [0, *(word.span.start for word in lexer.words), len(text)]
    return [text[a:b] for a, b in pairwise(starts) if a < b]


def blocks_of(path: Path) -> list[str]:
    """Each block of a file with the lines that all of them need; the file whole where blocks use each other."""
    text = path.read_text(encoding="utf-8")
    parts = re.split(r"(?m)^(?=block )", text)
    uses = "".join(re.findall(r"(?m)^use .*\n", parts[0]))
    return [uses + part for part in parts[1:]]


def _delete(words: list[str], i: int, draw: random.Random) -> None:
    del words[i]


def _double(words: list[str], i: int, draw: random.Random) -> None:
    words.insert(i, words[i])


def _swap(words: list[str], i: int, draw: random.Random) -> None:
    j = draw.randrange(len(words))
    words[i], words[j] = words[j], words[i]


def _names(words: Sequence[str]) -> list[int]:
    return [i for i, word in enumerate(words) if word[:1].isalpha()]


def _rename(words: list[str], i: int, draw: random.Random) -> None:
    """A name where another one of the program stood."""
    places = _names(words)
    if places:
        words[draw.choice(places)] = words[draw.choice(places)].rstrip() + " "


def _number(words: list[str], i: int, draw: random.Random) -> None:
    places = [i for i, word in enumerate(words) if word[:1].isdigit()]
    if places:
        words[draw.choice(places)] = draw.choice(NUMBERS) + " "


def _value(words: list[str], i: int, draw: random.Random) -> None:
    places = [i for i, word in enumerate(words) if word.strip() in ("=", ",", "(")]
    if places:
        words.insert(draw.choice(places) + 1, draw.choice(VALUES) + " ")


def _operator(words: list[str], i: int, draw: random.Random) -> None:
    """Another operator in the place of one."""
    places = [i for i in _names(words) if words[i].strip() in OPERATORS]
    if places:
        words[draw.choice(places)] = draw.choice(WRITTEN).name + " "


def _option(words: list[str], i: int, draw: random.Random) -> None:
    """One more option at the end of a call."""
    places = [i for i, word in enumerate(words) if word.strip() == ")"]
    options = [option for operator in WRITTEN for option in operator.signature.options]
    if places:
        words.insert(draw.choice(places), f", {draw.choice(options).name}={draw.choice(VALUES)}")


WRITTEN = [operator for operator in OPERATORS.values() if operator.build is not None]
MUTATIONS: tuple[Callable[[list[str], int, random.Random], None], ...] = (
    _delete, _double, _swap, _rename, _rename, _number, _number, _value, _operator, _option,
)  # fmt: skip


def mutate(text: str, draw: random.Random, times: int) -> str:
    """A program with a few words left out, doubled, exchanged, renamed, and numbers and options changed."""
    words = words_of(text)
    for _ in range(times):
        if words:
            draw.choice(MUTATIONS)(words, draw.randrange(len(words)), draw)
    return "".join(words)


def _option_value(option: Option, draw: random.Random) -> str:
    fitting = [*option.words] if option.words else []
    return draw.choice([*fitting, *fitting, *VALUES])


def call(operator: Operator, draw: random.Random) -> str:
    """A call of an operator with arguments of any kind."""
    signature = operator.signature
    tensors = [draw.choice(("x", "x", "y", "i", "x * 2", "b", "3", "x > 0", "relu", "(x, y)")) for _ in signature.tensors]
    parts = tensors if draw.random() < 0.9 else tensors[:-1]
    if signature.axes != "none" and draw.random() < 0.9:
        parts.append(draw.choice(("", "over=")) + draw.choice(AXES))
    for option in signature.options:
        if draw.random() < 0.3:
            parts.append(f"{option.name}={_option_value(option, draw)}")
    if signature.settings and draw.random() < 0.8:
        parts.append(f"{draw.choice(('N', 'C', 'M', 'Q'))}={draw.choice(VALUES)}")
    return f"{operator.name}({', '.join(parts)})"


def program_of_calls(draw: random.Random) -> str:
    """A block in which a few operators are called, each on what is there."""
    lines: list[str] = []
    for _ in range(draw.randint(1, 4)):
        target = draw.choice(("x", "y", "z", "z, w", "i"))
        lines.append(f"    {target} = {call(draw.choice(WRITTEN), draw)}")
    lines.append(f"    return {draw.choice(('x', 'y', 'z', call(draw.choice(WRITTEN), draw)))}")
    return f"block t({HEAD}) -> {draw.choice(('[*, N, C]', '[*, N]', '[*]', '[*, C, M]', 'int [*, N]'))} {{\n" + "\n".join(lines) + "\n}\n"


def answer(text: str) -> list[Diagnostic]:
    """What a check says; every diagnostic is whole, and it does come: see LIMIT."""
    start = time.process_time()
    found = attn.check(attn.text(text))
    spent = time.process_time() - start
    assert spent < LIMIT, f"{spent:.1f} s"
    for diagnostic in found:
        assert diagnostic.code in CODES
        assert diagnostic.title
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(diagnostic.span.source.text)
    return found
