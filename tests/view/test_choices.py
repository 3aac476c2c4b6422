"""A choice between two ways of computing something is drawn with both ways."""

from __future__ import annotations

import pytest
from view import measure

from attn import load
from attn.compiler.graph import Graph
from attn.compiler.passes import optimise
from attn.compiler.view import render_dot, render_mermaid, render_svg
from attn.compiler.view.layout import lay_out
from attn.compiler.view.reading import read

BLOCKS = (("std.linear", "linformer"), ("std.relational", "relational_heads"))


def optimised(module: str, block: str) -> Graph:
    return optimise(load(module, block).graph({}, checking=True), 2).graph


@pytest.fixture(scope="module")
def linformer() -> Graph:
    return optimised("std.linear", "linformer")


def test_both_ways_stand_in_the_choice_and_lead_to_it(linformer: Graph) -> None:
    drawing = read(linformer)
    kinds = [(group.kind, drawing.groups[group.parent].kind) for group in drawing.groups[1:]]
    assert sorted(kinds) == [("choice", "block"), ("choice", "block"), *[("way", "choice")] * 4]
    for number, box in enumerate(drawing.boxes):
        if box.lines[0] == "choose":
            sources = [drawing.boxes[wire.source] for wire in drawing.wires if number in wire.targets]
            ways = [drawing.groups[source.group] for source in sources]
            assert [way.kind for way in ways] == ["way", "way"]
            assert ways[0].title.startswith("if ")
            assert ways[1].title == "otherwise"
            assert drawing.groups[box.group].kind == "choice"


def test_a_way_has_the_operations_that_it_would_take(linformer: Graph) -> None:
    drawing = read(linformer)
    titles = [
        [box.lines[0] for box in drawing.boxes if box.group == number] for number, group in enumerate(drawing.groups) if group.kind == "way"
    ]
    assert sorted(map(sorted, titles)) == [["+", "linear", "linear", "sum", "×"]] * 2 + [["linear", "linear"]] * 2


@pytest.mark.parametrize(("module", "block"), BLOCKS)
def test_choices_are_drawn_without_a_fault(module: str, block: str) -> None:
    graph = optimised(module, block)
    drawing = read(graph)
    picture = lay_out(drawing)
    assert any(node.op == "choose" for node in graph.nodes)
    assert measure.overlaps(drawing, picture) == []
    assert measure.through(drawing, picture) == []
    assert measure.shared(picture) == []
    for render in (render_svg, render_dot, render_mermaid):
        assert "otherwise" in render(graph)
