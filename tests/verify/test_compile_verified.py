"""`verify=True` and `attn verify`: what a user sees where all is well, and where a pass is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from golden_support import GOLDEN, Golden

import attn
from attn.cli import main
from attn.compiler.passes import pipeline
from attn.compiler.verify import verify
from attn.dsl.render import render_all

from .planted import BiasTwice, GradientCut, OtherAxis

SE = attn.std.channel.se


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def plant(monkeypatch: pytest.MonkeyPatch, *wrong: object) -> None:
    monkeypatch.setattr(pipeline, "_all", lambda: wrong)


def test_a_wrong_pass_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, golden: Callable[[Path, Callable[[Golden], str]], None]
) -> None:
    plant(monkeypatch, OtherAxis())

    def told(case: Golden) -> str:
        with pytest.raises(attn.AttnError) as caught:
            attn.compile(attn.text(case.source, "main.attn"), verify=True)
        return render_all(caught.value.diagnostics, color=False) + "\n"

    golden(GOLDEN / "verify" / "E0901-wrong-pass.txt", told)


def test_verifying_leaves_the_module_and_the_random_numbers_as_they_are() -> None:
    torch.manual_seed(77)
    wanted = SE(C=8, reduction=2)
    torch.manual_seed(77)
    found = SE(C=8, reduction=2, verify=True)
    assert found.training
    assert all(torch.equal(x, found.state_dict()[name]) for name, x in wanted.state_dict().items())


def test_every_door_has_it() -> None:
    assert attn.compile("std.channel", "se", C=8, reduction=2, verify=True)(torch.zeros(2, 8, 3, 3)).shape == (2, 8, 3, 3)


@pytest.mark.parametrize("mode", ["train", "infer"])
def test_the_command_prints_a_row_for_each_pass(mode: pipeline.Mode) -> None:
    done = run("verify", "std.channel:se", "-b", "C=8,reduction=2", "--mode", mode)
    assert done.exit_code == 0, done.output
    header, *rows = done.output.splitlines()
    assert header.split() == ["pass", "changes", "compared", "worst", "error"]
    assert [row.split()[0] for row in rows] == ["lowering", *(one.name for one in pipeline.passes(2, mode))]
    assert rows[0].endswith("ok")


def test_the_command_ends_with_1_where_a_pass_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, GradientCut(), BiasTwice())
    done = run("verify", "std.channel:se", "-b", "C=8,reduction=2")
    assert done.exit_code == 1
    row = next(line for line in done.output.splitlines() if line.endswith("WRONG"))
    assert row.startswith("gradient_path_cut")
    assert "a smaller program that still shows it" in done.output


def test_sizes_that_are_not_bound_are_chosen() -> None:
    report = verify("std.heads", "mha")
    assert report.ok
    assert report.settings >= 12  # two choices of sizes, with and without the optional inputs, three kinds of inputs and more


def test_what_must_be_bound_is_told() -> None:
    text = attn.text("block f(x: [*, N, D], f: [*, D] -> [*, D]) -> [*, N, D] {\n    return f(x)\n}")
    with pytest.raises(attn.AttnError):
        verify(text)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_other_working_dtypes(dtype: str) -> None:
    report = verify("std.layers", "encoder", bind={"D": 6, "heads": 2}, dtype=dtype)
    assert report.ok, str(report)


def test_a_dtype_a_level_and_a_mode_that_are_not_known_are_told() -> None:
    for wrong in ({"dtype": "int8"}, {"level": 7}, {"mode": "fast"}):
        with pytest.raises(attn.AttnError):
            verify(SE, **wrong)  # pyright: ignore[reportArgumentType]


def test_a_lower_level_leaves_out_the_wrong_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, BiasTwice())
    assert not verify(SE, bind={"C": 8, "reduction": 2}).ok
    assert verify(SE, bind={"C": 8, "reduction": 2}, level=1).ok
