"""How large a program may be: at each limit it is taken, one beyond it is refused with its own message. No limit is met by allocating."""

from __future__ import annotations

from pathlib import Path

import pytest

import attn
from attn.compiler.elaborate import session
from attn.compiler.elaborate.frame import MAX_AXES
from attn.compiler.elaborate.inline import MAX_DEPTH
from attn.compiler.ops.sums import MAX_PARTS
from attn.dsl import limits

OUTER = session.MAX_ALL_TURNS // session.MAX_TURNS


def block(body: str, head: str = "x: [*, N, D]", result: str = "[*, N, D]") -> str:
    return f"block t({head}) -> {result} {{\n    {body}\n}}\n"


def wide(axes: int) -> str:
    names = ", ".join(f"a{i}" for i in range(axes))
    return block("return x + 1", f"x: [{names}]", f"[{names}]")


def elements(count: str) -> str:
    return block(f"y = zeros(M=2 ** 20, K={count})\n    return x + sum(y, M K)")


def turns(count: int) -> str:
    return block(f"for i in 0..{count} {{ static last = i }}\n    return x * last")


def all_turns(inner: int) -> str:
    outer = session.MAX_TURNS
    return block(f"for i in 0..{outer} {{ for j in 0..{inner} {{ static last = j }} }}\n    return x * last")


def listed(count: int) -> str:
    return block(f"for i in [{', '.join(['1'] * count)}] {{ static last = i }}\n    return x * last")


def operations(count: int) -> str:
    """A chain with `count` nodes: the input, and one node in each turn."""
    turns, rest = divmod(count - 1, 10)
    lines = [f"for i in 0..{turns} {{ x = x{' |> relu' * 10} }}", f"for i in 0..{rest} {{ x = relu(x) }}", "return x"]
    return block("\n    ".join(lines))


def nested_calls(depth: int) -> str:
    """Blocks that call each other; the last is `depth` deep, itself included."""
    first = "block f0(x: [*, N]) -> [*, N] { return x }\n"
    return first + "".join(f"block f{i}(x: [*, N]) -> [*, N] {{ return f{i - 1}(x) }}\n" for i in range(1, depth))


def calls(count: int) -> str:
    return "block f(x: [*, N]) -> [*, N] { return x }\n" + block(f"for i in 0..{count} {{ x = f(x) }}\n    return x", "x: [*, N]", "[*, N]")


def parts(count: int) -> str:
    names = ", ".join(f"_a{i}" for i in range(count))
    return block(f"{names} = unstack(x, P)\n    return _a0", f"x: [*, P={count}]", "[*]")


def nothing(count: int) -> str:
    return block(f"for i in 0..{count} {{ static last = i }}\n    return x")


CASES = {
    "axes": ("E0213", wide(MAX_AXES), wide(MAX_AXES + 1)),
    "elements": ("E0214", elements("2 ** 20"), elements("2 ** 20 + 1")),
    "turns": ("E0513", turns(session.MAX_TURNS), turns(session.MAX_TURNS + 1)),
    "turns-of-a-list": ("E0513", listed(session.MAX_TURNS), listed(session.MAX_TURNS + 1)),
    "turns-together": ("E0513", all_turns(OUTER - 1), all_turns(OUTER)),
    "depth-of-calls": ("E0509", nested_calls(MAX_DEPTH), nested_calls(MAX_DEPTH + 1)),
    "calls": ("E0513", calls(session.MAX_CALLS), calls(session.MAX_CALLS + 1)),
    "parts": ("E0513", parts(MAX_PARTS), parts(MAX_PARTS + 1)),
    "number": ("E0214", block("static a = 2 ** 64 * 2 ** 64\n    return x * a"), block("static a = (2 ** 64) ** 4\n    return x * a")),
    "exponent-of-a-size": ("E0214", block("static a = N ** 64\n    return x * a"), block("static a = N ** 64 * N\n    return x * a")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_limit_itself_is_allowed_and_one_more_is_refused(name: str) -> None:
    code, last, beyond = CASES[name]
    assert [d.code for d in attn.check(attn.text(last)) if d.severity == "error"] == []
    assert {d.code for d in attn.check(attn.text(beyond)) if d.severity == "error"} == {code}


def test_a_program_has_so_many_operations_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a smaller limit, as a hundred thousand operations take a while to look at."""
    assert session.MAX_NODES == 100_000
    monkeypatch.setattr(session, "MAX_NODES", 2000)
    assert attn.check(attn.text(operations(2000))) == []
    (refused,) = attn.check(attn.text(operations(2001)))
    assert (refused.code, refused.title) == ("E0513", "the program has more than 2,000 operations")


def chain(folder: Path, modules: int) -> Path:
    """Files that use each other: m0 uses nothing, each other one the one before."""
    (folder / "m0.attn").write_text("block b0(x: [*]) -> [*] { return x }\n", encoding="utf-8")
    for i in range(1, modules):
        text = f"use m{i - 1} (b{i - 1})\nblock b{i}(x: [*]) -> [*] {{ return b{i - 1}(x) }}\n"
        (folder / f"m{i}.attn").write_text(text, encoding="utf-8")
    return folder / f"m{modules - 1}.attn"


def many(folder: Path, modules: int) -> Path:
    for i in range(modules):
        (folder / f"n{i}.attn").write_text(f"block b{i}(x: [*]) -> [*] {{ return x }}\n", encoding="utf-8")
    uses = "".join(f"use n{i} (b{i})\n" for i in range(modules))
    main = folder / "main.attn"
    main.write_text(uses + "block t(x: [*]) -> [*] { return b0(x) }\n", encoding="utf-8")
    return main


def codes(path: Path) -> set[str]:
    return {d.code for d in attn.check(path) if d.severity == "error"}


def test_modules_use_each_other_so_deep(tmp_path: Path) -> None:
    assert codes(chain(tmp_path, limits.USE_DEPTH + 1)) == set()
    assert "E0045" in codes(chain(tmp_path, limits.USE_DEPTH + 2))


def test_a_program_takes_in_so_many_files(tmp_path: Path) -> None:
    assert codes(many(tmp_path, limits.USED_FILES)) == set()
    assert "E0045" in codes(many(tmp_path, limits.USED_FILES + 1))


# ---------------------------------------------------------------- work grows as the text does


def test_nothing_is_made_for_turns_that_make_nothing() -> None:
    """A loop over statics costs no operations, however many turns it has."""
    assert attn.load(attn.text(nothing(3))).graph().nodes[-1].op == attn.load(attn.text(nothing(3000))).graph().nodes[-1].op == "input"


@pytest.mark.parametrize("body", ["x = relu(x) * 2 + 1", "x = x + linear(x, D -> D) as l[i]", "x = layernorm(x, D) as n[i] |> gelu"])
def test_a_program_n_times_as_long_has_n_times_as_many_operations(body: str) -> None:
    counts = [len(attn.load(attn.text(block(f"for i in 0..{n} {{ {body} }}\n    return x"))).graph({"D": 4}).nodes) for n in (8, 16, 32)]
    assert counts[2] - counts[1] == 2 * (counts[1] - counts[0]) > 0


def test_a_repeated_expression_is_one_operation() -> None:
    once = attn.load(attn.text(block("return exp(x) + 1"))).graph()
    often = attn.load(attn.text(block("for i in 0..50 { y = exp(x) + 1 }\n    return y"))).graph()
    assert [node.op for node in once.nodes] == [node.op for node in often.nodes]
