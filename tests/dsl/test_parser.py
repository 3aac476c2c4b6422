"""Text becomes the tree it says, with every node's place; whatever the text, there is a program and a list of diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from golden_programs import EVERYTHING, PROGRAMS
from golden_support import GOLDEN, Golden, golden_files
from golden_tree import tree_text

from attn.dsl import tables
from attn.dsl.build import Builder
from attn.dsl.parser import decode, parse
from attn.dsl.source import Source, Span
from attn.dsl.tree import Assign, Binary, Block, Program, Tree

Check = Callable[[Path, Callable[[Golden], str]], None]


def whole(text: str) -> Program:
    program, diagnostics = parse(Source("text", text))
    assert [f"{d.span} {d.title}" for d in diagnostics] == []
    return program


def body(text: str) -> str:
    """The tree of statements."""
    return "".join(tree_text(each) for each in whole(f"block f() -> [] {{\n{text}\n}}\n").blocks[0].body)


def same(left: str, right: str) -> bool:
    return body(left) == body(right)


def codes(text: str) -> list[str]:
    return [d.code for d in parse(Source("text", text))[1]]


@pytest.mark.parametrize("path", golden_files(GOLDEN / "trees"), ids=lambda path: path.stem)
def test_tree_is_as_expected(path: Path, golden: Check) -> None:
    golden(path, lambda case: tree_text(whole(case.source)))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_programs_parse(path: Path) -> None:
    assert path.stem in [block.name for block in whole(path.read_text(encoding="utf-8")).blocks]


def nodes(value: Any) -> Iterator[Tree]:
    if isinstance(value, Tree):
        yield value
        for field in value.fields:
            yield from nodes(getattr(value, field))
    elif isinstance(value, tuple):
        for each in value:
            yield from nodes(each)


def test_every_node_has_the_place_of_its_text() -> None:
    program = whole(EVERYTHING)
    for node in nodes(program):
        text = node.span.text
        assert text == text.strip() or isinstance(node, Program), node
        for inner in nodes(tuple(getattr(node, field) for field in node.fields)):
            # A block's head and documentation aside, what is inside a node lies inside its text.
            assert node.span.start <= inner.span.start <= inner.span.end <= node.span.end
        if isinstance(node, Binary):
            assert node.op_span.text == node.op
        if isinstance(node, Block):
            assert node.name_span.text == node.name
            assert node.head.text.startswith("block ")


@pytest.mark.parametrize(
    ("short", "explicit"),
    [
        ("y = a + b * c", "y = a + (b * c)"),
        ("y = a - b - c", "y = (a - b) - c"),
        ("y = -a ** 2", "y = -(a ** 2)"),
        ("y = a ** b ** c", "y = a ** (b ** c)"),
        ("y = a ** -b", "y = a ** (-b)"),
        ("y = -a * b", "y = (-a) * b"),
        ("y = not a == b", "y = not (a == b)"),
        ("y = a or b and c", "y = a or (b and c)"),
        ("y = a and not b", "y = a and (not b)"),
        ("y = a + 1 < b", "y = (a + 1) < b"),
        ("y = a if b or c else d", "y = a if (b or c) else d"),
        ("y = a if b else c if d else e", "y = a if b else (c if d else e)"),
        ("y = a + b |> f", "y = (a + b) |> f"),
        ("y = a if b else c |> f", "y = (a if b else c) |> f"),
        ("y = a + f(x) as p", "y = a + (f(x) as p)"),
        ("y = -f(x) as p", "y = -(f(x) as p)"),
        ("y = f(x)[N=0] as p", "y = (f(x)[N=0]) as p"),
    ],
)
def test_operators_bind_as_documented(short: str, explicit: str) -> None:
    """Parentheses at the place in question change nothing but themselves."""
    assert "Paren" in body(explicit)
    assert _without_parens(explicit) == _without_parens(short)


def _without_parens(text: str) -> Any:
    return _plain(whole(f"block f() -> [] {{\n{text}\n}}\n").blocks[0].body[0])


def _plain(value: Any) -> Any:
    if type(value).__name__ == "Paren":
        return _plain(value.value)
    if isinstance(value, Tree):
        return (type(value).__name__, *(_plain(getattr(value, name)) for name in value.fields))
    if isinstance(value, tuple):
        return tuple(_plain(each) for each in value)
    return None if isinstance(value, Span) else value


@pytest.mark.parametrize(
    ("lines", "one"),
    [
        ("y = a +\n    b", "y = a + b"),
        ("y = a\n    + b", "y = a + b"),
        ("y = x\n    |> f\n\n    |> g", "y = x |> f |> g"),
        ("y = f(\n    a,\n    b\n)", "y = f(a, b)"),
        ("y = f(a,)", "y = f(a)"),
        ("y =\n    x", "y = x"),
        ("y = x   # why\n    |> f   # how", "y = x |> f"),
        ("if a { y = b }\nelse { y = c }", "if a { y = b } else { y = c }"),
        ("for i in 0..n\n{\n\n    x = f(x)\n\n}", "for i in 0..n { x = f(x) }"),
        ("y = f(x)\n    as p", "y = f(x) as p"),
        ("y = a\r\n    + b\r", "y = a + b"),
        ("\ty\t=\ta", "y = a"),
        ("return a,\n    b", "return a, b"),
        ("y = f(scan N {\n    s = a\n    yield s\n}, b)", "y = f(scan N { s = a\nyield s }, b)"),
    ],
)
def test_newlines_end_statements_only_where_they_count(lines: str, one: str) -> None:
    assert same(lines, one)


def test_braces_restore_newlines_inside_parentheses() -> None:
    assert codes("block f() -> [] {\n y = f(scan N {\n a = b c = d\n })\n}\n") == ["E0021"]


@pytest.mark.parametrize("word", ["norm", "in", "for", "next", "none", "attn", "true"])
def test_names_of_weights_are_free(word: str) -> None:
    assert f"PathSegment name={word}" in body(f"y = f(x) as {word}.{word}[0].{word}")


def test_primes_belong_to_names() -> None:
    assert "Name text=k''" in body("y = k''")


def test_range_beside_numbers() -> None:
    assert "Range" in body("y = x[N=0..2]")
    assert "Float text=1.5" in body("y = 1.5")
    assert "Float text=1e-5" in body("y = 1e-5")


@pytest.mark.parametrize(
    ("arrow", "left", "right"),
    [
        ("C -> E", [["C"]], [["E"]]),
        ("h d -> D", [["h", "d"]], [["D"]]),
        ("L + P -> A", [["L"], ["P"]], [["A"]]),
        ("1 + N -> M'", [["1"], ["N"]], [["M'"]]),
        ("A -> L + P", [["A"]], [["L"], ["P"]]),
        ("A -> L=3 + P", [["A"]], [["L"]]),
        ("A -> u=D + z=zd + v=V", [["A"]], [["u"], ["z"], ["v"]]),
        ("A -> h=2 d + P", [["A"]], [["h", "d"], ["P"]]),
        ("H -> Y u=7", [["H"]], [["Y", "u"]]),
        ("C -> 1", [["C"]], [["1"]]),
        ("* N -> *", [["*", "N"]], [["*"]]),
        ("N * -> M", [["N", "*"]], [["M"]]),
        ("C -> r=max(C // 16, 8) + P", [["C"]], [["r"]]),
    ],
)
@pytest.mark.parametrize("call", ["f({})", "f(x, {}, y=1)", "f(over={})", "f(x, over={})"])
def test_arrows_are_sums_of_lists(arrow: str, left: list[list[str]], right: list[list[str]], call: str) -> None:
    statement = whole(f"block f() -> [] {{ y = {call.format(arrow)} }}\n").blocks[0].body[0]
    assert isinstance(statement, Assign)
    value: Any = statement.value
    found = next(arg.value for arg in value.args if type(arg.value).__name__ == "Arrow")
    assert [[item.name for item in each.items] for each in found.left] == left
    assert [[item.name for item in each.items] for each in found.right] == right


@pytest.mark.parametrize(
    ("argument", "kind"),
    [
        ("H", "Name"), ("H W", "AxisList"), ("* N", "AxisList"), ("*", "AxisList"), ("N' M", "AxisList"), ("(H W)", "Paren"),
        ("(a, b)", "TupleOf"), ("(d e, r)", "TupleOf"), ("a * b", "Binary"), ("[1, 2]", "ListOf"), ("a |> f", "Pipe"),
        ("Y u=7", "AxisList"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("call", ["f({})", "f(x, over={})"])
def test_arguments_are_read_by_their_form(argument: str, kind: str, call: str) -> None:
    statement = whole(f"block f() -> [] {{ y = {call.format(argument)} }}\n").blocks[0].body[0]
    assert isinstance(statement, Assign)
    value: Any = statement.value
    assert type(value.args[-1].value).__name__ == kind


def test_documentation_is_the_run_of_comments_right_above() -> None:
    text = "# far\n\n# one\n#\n# two\nblock f() -> [] { }\n# apart\n\nblock g() -> [] { }  # behind\nblock h() -> [] { }\n"
    assert [block.doc for block in whole(text).blocks] == ["one\n\ntwo", "", ""]


def test_comments_are_kept() -> None:
    program = whole("# a\nblock f() -> [] {  # b\n    #c\n}\n")
    assert [(comment.text, comment.alone) for comment in program.comments] == [(" a", True), (" b", False), ("c", True)]


def test_good_blocks_survive_bad_ones() -> None:
    text = "block a() -> [] { }\nblock b() { y = 3 3 }\nblock c() -> [] {\n  y = )\n  z = 1\n}\n"
    program, diagnostics = parse(Source("text", text))
    assert [block.name for block in program.blocks] == ["a", "c"]
    assert [tree_text(each) for each in program.blocks[1].body] == [
        tree_text(each) for each in whole("block c() -> [] { z = 1 }").blocks[0].body
    ]
    assert [d.code for d in diagnostics] == ["E0012", "E0001", "E0003"]


def test_every_mistake_of_a_file_is_told_once() -> None:
    lines = ["y = x x", "z = 1 < 2 < 3", "for i in 3 3 { q = p p }", "if a { b } else { c }", "w: 3"]
    assert codes("block f() -> [] {\n" + "\n".join(lines) + "\n}\n") == ["E0021", "E0009", "E0001", "E0021", "E0017", "E0017", "E0005"]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "\ufeff", "attn 1", "attn 1\n"])
def test_a_file_may_hold_nothing(text: str) -> None:
    assert whole(text).blocks == ()


def test_byte_order_mark_and_version_are_read() -> None:
    source, diagnostics = decode("\ufeffattn 1\nblock f() -> [] { }\n".encode(), "x")
    assert diagnostics == []
    assert parse(source)[0].version == 1
    assert whole("block f() -> [] { }").version is None


def test_stored_tables_are_fresh() -> None:
    """`python -m attn.dsl.tables` was run after the last change of the grammar, with this Lark."""
    stored = Path(tables.__file__).with_name("grammar.json").read_text(encoding="utf-8")
    assert f'"stamp":"{tables.stamp(tables.grammar_text())}"' in stored


def test_stored_tables_are_those_of_the_grammar() -> None:
    stored = tables.parser()[0]
    fresh = tables.compute(tables.grammar_text(), Builder())
    assert _table(stored) == _table(fresh)


def _table(lark: Any) -> list[list[tuple[str, str]]]:
    """What each state does, independent of how states are numbered: walked from the first one."""
    table = lark.parser.parser._parse_table
    order = [table.start_states["start"]]
    rows: list[list[tuple[str, str]]] = []
    for state in order:
        row: list[tuple[str, str]] = []
        for symbol, (action, target) in sorted(table.states[state].items()):
            if str(action) == "Shift" and target not in order:
                order.append(target)
            row.append((symbol, str(order.index(target)) if str(action) == "Shift" else str(target)))
        rows.append(row)
    return rows
