"""The generator writes every operator of the table, every pattern, and the same program for the same number."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from fuzzing.checking import everything, setting_of
from fuzzing.draft import Draft
from fuzzing.policies import POLICIES, Policy
from fuzzing.policies.whole import HELPERS
from fuzzing.program import from_text, opened, saved
from fuzzing.programs import program
from fuzzing.running import Tally, tally
from fuzzing.table import WRITTEN, write

from attn.compiler.ops.base import Operator

PATTERNS = [pytest.param(one, id=f"{family}-{one.__name__}") for family, some in POLICIES.items() for one in dict.fromkeys(some)]


@pytest.mark.parametrize("operator", WRITTEN, ids=lambda operator: operator.name)
def test_every_operator_of_the_table_is_written_and_mostly_taken(operator: Operator) -> None:
    drafts = [Draft(seed) for seed in range(12)]
    for d in drafts:
        for _ in range(3):
            write(d, operator)
    made = sum(d.made[operator.name] for d in drafts)
    refused = sum(d.refused[operator.name] for d in drafts)
    assert made >= 6, [line for d in drafts for line in d.why]
    assert refused <= made / 3, [line for d in drafts for line in d.why]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_is_written_and_mostly_taken(pattern: Policy) -> None:
    drafts = [Draft(seed, HELPERS) for seed in range(16)]
    for d in drafts:
        pattern(d)
    assert sum(bool(d.lines) for d in drafts) >= 4
    assert sum(bool(d.why) for d in drafts) <= 3, [line for d in drafts for line in d.why]


def test_a_number_is_a_program() -> None:
    assert program(7) == program(7)
    assert len({program(seed).text for seed in range(50)}) == 50


def test_inputs_that_are_all_too_large_give_a_program() -> None:
    assert "mean(x0, H D N C)" in program(84318).text


def test_programs_have_open_and_fixed_sizes_several_results_and_all_kinds_of_inputs() -> None:
    made = [program(seed) for seed in range(60)]
    assert any(one.bind for one in made)
    assert any(len(one.free) > 1 for one in made)
    heads = [re.search(r"block t.*", one.text) for one in made]
    text = "".join(head[0] for head in heads if head)
    assert all(word in text for word in ("int [", "bool [", "y2:", "[*"))
    assert {one.graph.outputs[0].node.dtype for one in made} >= {"float", "int", "bool"}


def test_every_setting_has_its_turn() -> None:
    settings = [setting_of(seed) for seed in range(100)]
    assert {one.mode for one in settings} == {"train", "infer"}
    assert any(one.training for one in settings)
    assert {one.gradients for one in settings} == {True, False}
    assert {name for one in settings for name in one.more} == {*everything(0).more}


def test_a_saved_program_is_the_same_when_it_is_opened(tmp_path: Path) -> None:
    made = program(23)
    path = tmp_path / "one.attn"
    path.write_text(saved(made, "off by 2\nat [0]"))
    again = opened(path)
    assert (again.seed, again.bind, again.free) == (made.seed, made.bind, made.free)
    assert from_text(again.text, 0, made.bind, made.free).graph.outputs[0].node.type == made.graph.outputs[0].node.type
    assert path.read_text().startswith("# off by 2\n# at [0]\n")


def test_counts_are_written_and_read_and_added() -> None:
    counts = Tally(failures=["one"], seconds=2.0)
    counts.kinds["same"] += 3
    again = tally(counts.text())
    again.add(counts)
    assert json.loads(again.text())["kinds"] == {"same": 6}
    assert (again.programs, again.seconds, again.failures) == (6, 4.0, ["one", "one"])


def test_random_numbers_of_torch_are_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    program(3)
    assert torch.equal(before, torch.get_rng_state())
