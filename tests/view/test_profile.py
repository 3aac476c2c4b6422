"""Times that a user measured: they reach the boxes they name, and a file that does not fit is told so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_support import GOLDEN, Golden, golden_files

from attn import AttnError, compile, load, text, times, view
from attn.compiler.view import to_onnx
from attn.compiler.view.profile import Times
from attn.compiler.view.reading import read_with_nodes
from attn.dsl.render import render_all

PROFILES = golden_files(GOLDEN / "viewing", "E0703-*.txt")
WITHOUT_ONNX = GOLDEN / "viewing" / "E0704-without-onnx.txt"


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_profile_that_does_not_fit_is_told(path: Path, golden: Callable[[Path, Callable[[Golden], str]], None], tmp_path: Path) -> None:
    def told(case: Golden) -> str:
        (tmp_path / "times.json").write_text(case.source, encoding="utf-8")
        with pytest.raises(AttnError) as caught:
            view("std.heads", "mha", profile=tmp_path / "times.json")
        assert caught.value.diagnostics[0].code == path.stem[:5]
        return render_all(caught.value.diagnostics, color=False) + "\n"

    golden(path, told)


def test_a_compiled_module_tells_its_times_by_name() -> None:
    path = Path(__file__).parents[1] / "programs" / "vit.attn"
    sizes: dict[str, Any] = {"N": 8, "B": 1, "D": 8, "heads": 2, "depth": 2}
    found = times(compile(path, "vit", **sizes), torch.zeros(1, 8, 8), runs=2)
    inside = {name: found[f"layers.1.attention.{name}"] for name in ("q", "k", "v", "y", "out")}
    assert min(inside.values()) > 0
    assert found["layers.1.attention"] == pytest.approx(sum(inside.values()))
    assert found["layers.1"] > found["layers.1.attention"] + found["layers.1.fc1"]
    data = view(path, "vit", profile=found, **sizes).data
    timed = {data["facts"][box["fact"]]["lines"][0]: box.get("seconds") for box in data["drawings"][0]["boxes"]}
    assert timed["gelu"] == pytest.approx(found["layers.1.h"])


def test_a_loop_is_timed_as_a_whole() -> None:
    found = times(compile(Path(__file__).parents[1] / "programs" / "vit.attn", "ema", D=4), x=torch.zeros(2, 8, 4), runs=1)
    assert list(found) == ["alpha", "scan N"]  # nothing of what is inside
    with pytest.raises(TypeError, match="takes x"):
        times(compile("std.channel", "se", C=16), torch.zeros(1, 16, 2, 2), y=1)


def test_times_reach_blocks_weights_and_named_values() -> None:
    program = load(Path(__file__).parents[1] / "programs" / "vit.attn", "vit")
    reading = read_with_nodes(program.graph({"heads": 4, "depth": 2}, checking=True))
    found = Times({"layers.0": 4.0, "layers.1.fc1": 2.0, "layers.0.attention.q": 1.0}).of(reading)
    assert [(reading.drawing.groups[number].title, value) for number, value in found.groups.items()] == [("layers.0", 4.0)]
    assert [(reading.drawing.boxes[number].note, value) for number, value in found.boxes.items()] == [("fc1", 2.0), ("q", 1.0)]


def test_a_name_that_several_boxes_have_is_shared_evenly() -> None:
    reading = read_with_nodes(load("std.linear", "linear_mha").graph({}, checking=True))
    found = Times({"q": 3.0}).of(reading)
    assert sum(found.boxes.values()) == pytest.approx(3.0)


def test_without_the_package_onnx_a_diagnostic_says_how_to_get_it(
    golden: Callable[[Path, Callable[[Golden], str]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)

    def told(case: Golden) -> str:
        with pytest.raises(AttnError) as caught:
            to_onnx(load(text(case.source)).graph({}, checking=True))
        return render_all(caught.value.diagnostics, color=False) + "\n"

    golden(WITHOUT_ONNX, told)
