"""An .onnx file is a model that ONNX itself takes, with every operation, weight and axis in it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner

from attn import load
from attn.cli import main
from attn.compiler.graph import Graph
from attn.compiler.passes import optimise
from attn.compiler.view import to_onnx

VIT = Path(__file__).parents[1] / "programs" / "vit.attn"


def model_of(graph: Graph) -> onnx.ModelProto:
    model = onnx.load_from_string(to_onnx(graph))
    onnx.checker.check_model(model)
    return model


@pytest.mark.parametrize(
    ("source", "block", "level"),
    [("std.heads", "mha", 0), (str(VIT), "ema", 0), ("std.linear", "linformer", 2), ("std.channel", "cbam", 2)],
)
def test_every_graph_is_a_model_that_onnx_takes(source: str, block: str, level: int) -> None:
    graph = optimise(load(source, block).graph({}, checking=True), level).graph
    model = model_of(graph)
    want = [node.op for node in graph.nodes if node.op not in ("input", "weight", "item", "rename")]
    assert [node.op_type for node in model.graph.node if node.domain == "attn"] == want
    weights = [graph.weights[node["slot"]].path for node in graph.nodes if node.op == "weight"]
    assert [value.name for value in model.graph.input] == [*(node["name"] for node in graph.inputs), *weights]


def test_axes_are_dimensions_by_name() -> None:
    model = model_of(load("std.heads", "mha").graph({"D": 64, "heads": 8}, checking=True))
    shape = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == ["*", "N", 64]
    assert model.graph.doc_string.startswith("Attention Is All You Need")


def test_loops_and_choices_hold_graphs() -> None:
    scan = model_of(load(str(VIT), "ema").graph({}, checking=True))
    assert [node.op_type for node in scan.graph.node if any(one.HasField("g") for one in node.attribute)] == ["scan"]
    choice = model_of(optimise(load("std.linear", "linformer").graph({}, checking=True)).graph)
    assert [sum(one.HasField("g") for one in node.attribute) for node in choice.graph.node if node.op_type == "choose"] == [2, 2]


def test_the_same_graph_gives_the_same_bytes() -> None:
    assert len({to_onnx(load("std.heads", "mha").graph({}, checking=True)) for _ in range(2)}) == 1


def test_the_command_writes_it(tmp_path: Path) -> None:
    found = CliRunner().invoke(main, ["graph", "std.channel:se", "-o", str(tmp_path / "se.onnx")])
    assert found.exit_code == 0, found.output
    onnx.checker.check_model(str(tmp_path / "se.onnx"))
