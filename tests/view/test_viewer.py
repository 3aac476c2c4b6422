"""What the viewer's page holds: stages, boxes that keep their number, axes, costs; the same bytes in every process, and no torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from view import graphs

from attn import AttnError, load, text, view
from attn.cli import main
from attn.compiler.cost import Prices, node_bytes, node_flops
from attn.compiler.view.stages import Stage
from attn.compiler.view.viewer import view_stages

ROOT = Path(__file__).parents[2]
PAGES = """
import sys
import attn
from attn.compiler.view.comparing import compare
page = attn.view("std.linear", "linformer")
graphs = [attn.load("std.heads", name).graph({}, checking=True) for name in ("mha", "gqa")]
print(page.html, compare(*graphs, ("a", "b")))
assert not {"torch", "numpy", "networkx", "onnx"} & set(sys.modules), "too much is imported"
"""


@pytest.fixture(scope="module")
def linformer() -> Any:
    return view("std.linear", "linformer").data


def test_bytes_do_not_depend_on_the_process_and_torch_is_not_needed() -> None:
    texts: list[str] = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run([sys.executable, "-c", PAGES], capture_output=True, text=True, timeout=60, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        texts.append(done.stdout)
    assert texts[0] == texts[1]


def test_every_pass_is_a_stage_and_equal_graphs_stand_once(linformer: Any) -> None:
    names = [stage["name"] for stage in linformer["stages"]]
    assert names[0] == "as written"
    assert "plan" in names
    assert [stage["drawing"] for stage in linformer["stages"]] == [int(place >= names.index("plan")) for place in range(len(names))]
    assert linformer["stages"][names.index("plan")]["changes"][0]["places"][0][0] == 0


def test_what_stays_keeps_its_number(linformer: Any) -> None:
    def numbers(drawing: Any) -> dict[str, int]:
        return {
            " ".join([*linformer["facts"][box["fact"]]["lines"], linformer["facts"][box["fact"]]["note"]]): box["id"]
            for box in drawing["boxes"]
        }

    before, after = map(numbers, linformer["drawings"])
    for name in ("x ", "linear D → h d q", "attend over=m dot=d ", "linear h d → D out", "result "):
        assert before[name] == after[name]
    assert after["sum N "] not in before.values()


def test_axes_are_told_apart_by_what_happens_along_them(linformer: Any) -> None:
    facts = {" ".join(fact["lines"]): fact for fact in linformer["facts"]}
    assert facts["linear N → m"]["along"] == ["N", "m"]
    assert facts["attend over=m dot=d"]["along"] == ["d", "m"]
    assert facts["x"]["along"] == []
    assert linformer["axes"][0] == "*"
    assert set(linformer["axes"]) >= {"N", "D", "h", "d", "m"}


def test_what_the_library_makes_points_to_its_call() -> None:
    data = view(ROOT / "tests/programs/vit.attn", "vit", heads=4, depth=1).data
    fact = next(fact for fact in data["facts"] if fact.get("op") == "attend")
    assert [(data["sources"][place[0]]["name"], place[1]) for place in fact["places"]] == [
        ("std.heads", 38),
        ("vit.attn", 6),
        ("vit.attn", 12),
    ]
    calls = {group["path"]: group["places"][0][1] for group in data["drawings"][0]["groups"] if group["places"]}
    assert calls == {"layers.0": 12, "layers.0.attention": 6}


def test_what_stands_in_a_loop_costs_as_often_as_it_runs() -> None:
    data = view(ROOT / "tests/programs/vit.attn", "ema", N=10, D=3).data
    costs = [fact["flops"] for fact in data["facts"] if fact.get("op") == "mul"]
    assert sorted(value for _, value in costs) == [30.0, 30.0]
    assert costs[0][0] == "30*batch"


@pytest.mark.parametrize(("path", "block"), [("std.heads", "mha"), ("std.windows", "window_mha"), (ROOT / "examples/gpt.attn", "gpt")])
def test_nodes_that_are_alike_cost_what_each_costs_alone(path: Any, block: str) -> None:
    prices = Prices()
    for node in load(path, block).graph({}, checking=True).nodes:
        assert prices.of(node) == (node_flops(node), node_bytes(node))


def test_a_page_without_a_text_of_its_own_has_none() -> None:
    data = view_stages("se", [Stage("as written", "", graphs.se())]).data
    assert data["sources"] == []
    assert data["begin"] is None


def test_a_hostile_name_stays_a_name() -> None:
    s = graphs.Sketch("</script><img src=x onerror=alert(1)>")
    shown = view_stages(s.name, [Stage("<b>", "</style>", s.graph(s.op("relu", s.input("<i>", graphs.tensor("N")))))])
    body = shown.html.split("<body>")[1]
    assert "<img" not in body
    assert "</script><" not in body.split('id="page-data">')[1].split("\n<script>")[0].removesuffix("</script>")


def test_a_program_with_mistakes_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(AttnError, match="E0102"):
        view(text("attn 1\n\nblock f(x: [N]) -> [N] { return rely(x) }\n"))
    (tmp_path / "f.attn").write_text("attn 1\n\nblock f(x: [N]) -> [N] { return rely(x) }\n", encoding="utf-8")
    found = CliRunner().invoke(main, ["view", str(tmp_path / "f.attn"), "-o", str(tmp_path / "f.html")])
    assert found.exit_code == 1
    assert not (tmp_path / "f.html").exists()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    found = CliRunner().invoke(main, ["view", "std.channel:se", "-o", str(tmp_path / "none" / "f.html")])
    assert found.exit_code == 2
    assert "cannot write" in found.output
    with pytest.raises(OSError, match="No such file"):
        view("std.channel", "se").save(tmp_path / "none" / "f.html")


def test_parameters_that_nobody_bound_are_no_obstacle() -> None:
    source = "attn 1\n\nblock f(x: [*, N], ratio: float) -> [*, N] {\n    return softmax(x * ratio, over=N)\n}\n"
    shown = view(text(source), mode="infer")
    assert [fact["lines"] for fact in shown.data["facts"] if fact.get("op") == "mul"] == [("× ratio",)]
