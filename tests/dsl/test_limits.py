"""Every limit holds at its value and one beyond it, whatever is large; nothing a text says ends in a traceback."""

from __future__ import annotations

import pytest
from golden_tree import tree_text

from attn.dsl import limits
from attn.dsl.format import format_text
from attn.dsl.parser import decode, parse
from attn.dsl.source import Source


def codes(text: str) -> list[str]:
    return [d.code for d in parse(Source("text", text))[1]]


def block(statements: str) -> str:
    return f"block f() -> [] {{\n{statements}\n}}\n"


def nested(depth: int) -> str:
    # The body of the block is a bracket too.
    return block(f"y = {'(' * (depth - 1)}x{')' * (depth - 1)}")


def chain(operators: int, operator: str = " + ") -> str:
    return block("y = " + operator.join(["x"] * (operators + 1)))


def words(count: int) -> str:
    # `block f ( ) -> [ ] { }` are nine words.
    return block("\n".join(["y = x"] * ((count - 9) // 3)) + "\ny" * ((count - 9) % 3))


CASES = [
    ("E0030", "#" * limits.SOURCE_CHARACTERS, "#" * (limits.SOURCE_CHARACTERS + 1)),
    ("E0031", words(limits.TOKENS), words(limits.TOKENS + 1)),
    ("E0032", nested(limits.NESTING), nested(limits.NESTING + 1)),
    ("E0032", block(f"y = {'-' * limits.NESTING}x"), block(f"y = {'-' * (limits.NESTING + 1)}x")),
    ("E0032", block(f"y = {'not ' * limits.NESTING}x"), block(f"y = {'not ' * (limits.NESTING + 1)}x")),
    # The statement itself is one level, and a bracket may hold as many levels as it likes below the limit.
    ("E0032", chain(limits.TREE_DEPTH - 1), chain(limits.TREE_DEPTH)),
    ("E0032", chain(limits.TREE_DEPTH - 1, " ** "), chain(limits.TREE_DEPTH, " ** ")),
    ("E0032", chain(limits.TREE_DEPTH - 1, " if c else "), chain(limits.TREE_DEPTH, " if c else ")),
    ("E0032", block("y = x" + "[0]" * (limits.TREE_DEPTH - 1)), block("y = x" + "[0]" * limits.TREE_DEPTH)),
    ("E0032", block("if a { }" + " else if b { }" * (limits.TREE_DEPTH - 1)), block("if a { }" + " else if b { }" * limits.TREE_DEPTH)),
    ("E0033", block(f"{'a' * limits.NAME_CHARACTERS} = x"), block(f"{'a' * (limits.NAME_CHARACTERS + 1)} = x")),
    ("E0034", block(f"y = {limits.INTEGER - 1}"), block(f"y = {limits.INTEGER}")),
    ("E0034", block(f"y = 1e-{limits.FLOAT_EXPONENT}"), block(f"y = 1e-{limits.FLOAT_EXPONENT + 1}")),
    ("E0034", block(f"y = 0.{'1' * (limits.FLOAT_CHARACTERS - 2)}"), block(f"y = 0.{'1' * (limits.FLOAT_CHARACTERS - 1)}")),
]


@pytest.mark.parametrize(("code", "at", "beyond"), CASES, ids=[f"{code}-{i}" for i, (code, _, _) in enumerate(CASES)])
def test_limit_holds_at_its_value_and_not_beyond(code: str, at: str, beyond: str) -> None:
    assert code not in codes(at)
    assert codes(beyond) == [code]


@pytest.mark.parametrize("text", [at for code, at, _ in CASES if code == "E0032"])
def test_what_is_within_the_limits_can_be_walked(text: str) -> None:
    """Printing, comparing and formatting recurse over the tree, and the deepest one allowed leaves them room."""
    program, diagnostics = parse(Source("text", text))
    assert diagnostics == []
    assert repr(program).startswith("<Program ")
    assert program.blocks == program.blocks[:]
    hash(program.blocks)
    once = format_text(Source("text", text))
    assert format_text(Source("text", once)) == once
    assert tree_text(parse(Source("text", once))[0].blocks[0]) == tree_text(program.blocks[0])


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000, "{" * 100_000, "}" * 100_000, "[(" * 50_000, "block " * 30_000, "x\n" * 90_000, "é " * 90_000, '"' * 90_001,
        block("y = " + "9" * 500_000), block("y = 1e" + "9" * 500_000), block("y = 0." + "9" * 500_000), block("a" * 500_000 + " = x"),
        block("y = " + " + ".join(["x"] * 90_000)), block("y = x" + " |> f" * 60_000), block("y = f(" * 30_000), block("x x\n" * 60_000),
        block("y = f(" + "a b " * 60_000 + ")"), block("if a { " * 40_000), block("y = )\n" * 60_000), "\x00" * 100_000, "'" * 100_000,
        "use " + "a." * 60_000 + "b (f)", "_" * 1_000_000, "1." * 90_000, "&" * 90_000, ";" * 90_000, "\t" * 1_000_000, "a'" * 400_000,
    ],
    ids=range(28),
)  # fmt: skip
def test_hostile_texts_are_answered(text: str) -> None:
    """Linear work, no recursion, and a bounded number of messages (the time limit of a test stands behind this)."""
    diagnostics = parse(Source("text", text))[1]
    assert len(diagnostics) <= limits.DIAGNOSTICS + 1
    assert all(d.title and d.span.source.name == "text" for d in diagnostics)


def test_bytes_that_are_too_many_are_not_even_decoded() -> None:
    source, diagnostics = decode(b"\xff" * (4 * limits.SOURCE_CHARACTERS + 1), "x")
    assert source.text == ""
    assert [d.code for d in diagnostics] == ["E0030"]
