"""The checks find what is wrong, name the pass, and make the program small; rounding and ties are not taken for mistakes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import fuzz
import pytest
from fuzzing.answers import Answer, answer, differences
from fuzzing.checking import case_of, check, everything, setting_of
from fuzzing.metamorphic import VARIANTS
from fuzzing.noise import unexplained
from fuzzing.notes import Ran, left, read, write
from fuzzing.program import Program, from_text, opened
from fuzzing.programs import program
from fuzzing.running import Tally, never_fired, run_range
from fuzzing.shrinking import plainer

from attn.compiler.graph import Graph, Node
from attn.compiler.passes import Change, Mode, Outcome, Pass
from attn.compiler.passes.making import Make
from attn.compiler.passes.rewriting import rewrite

SHRUNK = sorted((Path(__file__).parents[1] / "programs" / "shrunk").glob("*.attn"))


@dataclass(frozen=True)
class Planted(Pass):
    """A pass that is made of any rule, right or wrong."""

    name: ClassVar[str] = "planted"
    promise: ClassVar[str] = "for these tests"
    exact: ClassVar[bool] = False
    rule: Callable[[Make, Node], Node | None] = lambda make, node: None

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        made = rewrite(graph, self.rule)
        return Outcome(made, (Change("planted"),) if made is not graph else ())


def other_softmax(make: Make, node: Node) -> Node | None:
    """Softmax over the other axis."""
    others = [axis.name for axis in node.axes if axis.name not in node["axes"] and axis.name != "*"] if node.op == "softmax" else []
    return make.again(node, [make.new(source) for source in node.inputs], axes=(others[0],)) if others else None


def no_gradient(make: Make, node: Node) -> Node | None:
    """The same numbers, without a way back for gradients."""
    return make.again(node, [make.node("detach", (make.new(node.inputs[0]),), node.inputs[0].type)]) if node.op == "tanh" else None


def doubled_when_named(make: Make, node: Node) -> Node | None:
    """Right for the names that programs are written in, wrong for any others."""
    strange = node.op == "tanh" and any(axis.name[0] in "Aqz" for axis in node.axes)
    return make.arithmetic("add", make.again(node, [make.new(node.inputs[0])]), make.new(node.inputs[0])) if strange else None


def test_a_wrong_pass_is_named_and_its_program_becomes_a_small_file(tmp_path: Path) -> None:
    wrong = Planted(rule=other_softmax)
    counts = run_range(24, 24, tmp_path, (wrong,))
    assert counts.kinds["wrong"] > 0
    assert counts.fired["planted"] >= counts.kinds["wrong"]
    for path in tmp_path.glob("*.attn"):
        text = path.read_text()
        small = opened(path)
        assert text.startswith("# optimised: after pass planted: ")
        assert len(small.text.splitlines()) <= 12, text  # one block that is called, and the one that calls it
        assert check(small, setting_of(small.seed, (wrong,))).kind == "wrong"
        assert check(small, setting_of(small.seed)).kind == "same"


def test_a_lost_gradient_is_found() -> None:
    made = from_text("block t(x: [N]) -> [N] {\n    return tanh(x) * 2\n}\n", 0, {}, {"N": 3, "*": 1})
    outcome = check(made, setting_of(0, (Planted(rule=no_gradient),)))
    assert outcome.kind == "wrong"
    assert "d x" in outcome.why


def test_a_pass_that_looks_at_names_is_found_by_renaming() -> None:
    made = from_text("block t(x: [*, N]) -> [*, N] {\n    return tanh(x)\n}\n", 3, {}, {"N": 3, "*": 1})
    setting = setting_of(3, (Planted(rule=doubled_when_named),))
    assert setting.more == ("axes renamed",)
    assert check(made, setting).where == "axes renamed"
    assert check(made, setting_of(3)).kind == "same"


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_are_made_of_most_programs_and_agree(name: str) -> None:
    found = 0
    for seed in range(40):
        made = program(seed)
        case = case_of(made, setting_of(seed))
        wanted = answer(made.graph, case)
        variant = VARIANTS[name](made, case, wanted, random.Random(seed)) if wanted.error is None else None
        if variant is None:
            continue
        other, moved, expected = variant
        found += other.text != made.text or any(a is not b for a, b in zip(case.inputs.values(), moved.inputs.values(), strict=True))
        assert not unexplained(other.graph, moved, expected, differences(expected, answer(other.graph, moved))), made.text
    assert found >= 12


def test_a_mistake_of_a_variant_is_a_difference() -> None:
    made = from_text("block t(x: [*, N]) -> [*, N] {\n    return x * pos(N)\n}\n", 1, {}, {"N": 3, "*": 2})
    case = case_of(made, setting_of(1))
    wanted = answer(made.graph, case)
    wrong = Answer({name: x + 1e-9 for name, x in wanted.values.items()})
    _, moved, expected = VARIANTS["axes renamed"](made, case, wrong, random.Random(1)) or (made, case, wrong)
    found = differences(expected, answer(made.graph, moved))
    assert [one.distance > one.allowed for one in unexplained(made.graph, moved, expected, found)] == [True]


def _tied() -> Program:
    text = "block t(x: [N]) -> [] {\n    return floor(sum(softmax(x, N), N) + 0 * x[N=0])\n}\n"
    return from_text(text, 0, {}, {"N": 5, "*": 1})


def test_a_jump_that_rounding_decides_is_no_mistake_of_a_pass() -> None:
    made = _tied()
    case = case_of(made, setting_of(0))
    wanted = answer(made.graph, case)
    moved = Answer({"": wanted.values[""] - 1}, wanted.slopes)
    found = differences(wanted, moved)
    assert found
    assert unexplained(made.graph, case, wanted, found) == []


def test_a_compiler_that_raises_is_a_failure() -> None:
    def broken(make: Make, node: Node) -> Node | None:
        raise KeyError("lost")

    outcome = check(program(4), setting_of(4, (Planted(rule=broken),)))
    assert outcome.kind == "wrong"
    assert "KeyError: 'lost'" in outcome.why


def test_a_line_is_made_plainer_step_by_step() -> None:
    found = [*plainer("v3 = linear(v1, D -> e=2, bias=false) |> tanh")]
    assert found == [
        "v3 = tanh", "v3 = linear(v1, D -> e=2, bias=false)", "v3 = linear(v1, D -> e=2) |> tanh", "v3 = v1",
    ]  # fmt: skip


@pytest.mark.parametrize("path", SHRUNK, ids=lambda path: path.stem)
def test_what_once_failed_does_not_fail_again(path: Path) -> None:
    made = opened(path)
    outcome = check(made, everything(made.seed))
    assert outcome.kind in ("same", "shaken"), outcome.why


def test_there_are_programs_that_once_failed() -> None:
    assert SHRUNK


# ---------------------------------------------------------------- the command


def test_a_run_goes_on_where_it_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "CHUNK", 5)
    monkeypatch.setattr(fuzz, "never_fired", lambda total: [])
    arguments = ["10", "--seed", "40", "--jobs", "1", "--into", str(tmp_path), "--record", str(tmp_path / "record.txt")]
    assert fuzz.main(arguments) == 0
    first = (tmp_path / "record.txt").read_text()
    assert "programs: 10 of 10 asked for, numbers from 40" in first
    monkeypatch.setattr(fuzz, "work", None)  # a range that is done is not run again
    assert fuzz.main(arguments) == 0
    assert (tmp_path / "record.txt").read_text() == first


def test_a_pass_that_never_fired_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzzing.running.passes", lambda level, mode: (Planted(),))
    counts = run_range(0, 2)
    assert never_fired(counts) == ["planted"]
    counts.fired["planted"] += 1
    assert never_fired(counts) == []


def test_notes_of_neighbours_become_one_and_gaps_are_left(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    places = ((0, 5, "a"), (5, 5, "a"), (10, 5, "b"), (20, 5, "b"))
    write(path, [Ran(first, count, commit, Tally(Counter(same=count))) for first, count, commit in places])
    found = [(one.first, one.count, one.commit, one.tally.programs) for one in read(path)]
    assert found == [(0, 10, "a", 10), (10, 5, "b", 5), (20, 5, "b", 5)]
    assert [*left(read(path), 3, 33, 4)] == [(15, 4), (19, 1), (25, 4), (29, 4)]
