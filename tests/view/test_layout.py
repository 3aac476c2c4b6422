"""Promises of the layout: nothing on top of anything else, no wire through a box, the same picture every time."""

from __future__ import annotations

import pytest
from view import graphs, measure, random_drawings

from attn.compiler.graph import Graph
from attn.compiler.view.layout import Rect, lay_out
from attn.compiler.view.model import Drawing
from attn.compiler.view.reading import read

HAND_MADE = {
    "se": graphs.se,
    "layer": lambda: graphs.encoder(1),
    "encoder": lambda: graphs.encoder(3),
    "ema": graphs.ema,
    "cbam": graphs.cbam,
}


def faults(drawing: Drawing) -> dict[str, list[str]]:
    picture = lay_out(drawing)
    found = {
        "overlaps": measure.overlaps(drawing, picture),
        "through": measure.through(drawing, picture),
        "covered": measure.covered(drawing, picture),
        "slanted": measure.slanted(picture),
    }
    return {name: what for name, what in found.items() if what}


@pytest.mark.parametrize("name", HAND_MADE)
def test_graphs_are_drawn_without_a_fault(name: str) -> None:
    drawing = read(HAND_MADE[name]())
    assert faults(drawing) == {}
    assert measure.shared(lay_out(drawing)) == []


@pytest.mark.parametrize("seed", range(60))
def test_any_drawing_is_drawn_without_a_fault(seed: int) -> None:
    assert faults(random_drawings.drawing(seed, 5 + seed)) == {}


def test_wires_do_not_run_in_one_line() -> None:
    counts = [len(measure.shared(lay_out(random_drawings.drawing(seed, 30)))) for seed in range(20)]
    assert sum(counts) == 0, counts


@pytest.mark.parametrize(("name", "most"), [("se", 0), ("layer", 0), ("encoder", 0), ("ema", 2), ("cbam", 2)])
def test_wires_hardly_cross(name: str, most: int) -> None:
    assert measure.crossings(lay_out(read(HAND_MADE[name]()))) <= most


def test_a_chain_is_one_straight_line() -> None:
    s = graphs.Sketch("chain")
    x = s.input("x", graphs.tensor("*", "N", "D"))
    for op in ("relu", "sigmoid", "layernorm with a much longer name", "exp"):
        x = s.op(op, x)
    picture = lay_out(read(s.graph(x)))
    assert {way[0][0] for route in picture.wires for way in route.ways} == {picture.wires[0].ways[0][0][0]}
    assert all(len(way) == 2 for route in picture.wires for way in route.ways)


def test_a_residual_wire_turns_three_times() -> None:
    drawing = read(graphs.encoder(1))
    picture = lay_out(drawing)
    ways = [end for wire, route in zip(drawing.wires, picture.wires, strict=True) for end in zip(wire.targets, route.ways, strict=True)]
    assert [len(way) for target, way in ways if drawing.boxes[target].kind == "sign" and len(way) > 2] == [5, 5]  # corners and both ends


def test_the_main_line_of_an_encoder_is_straight() -> None:
    drawing = read(graphs.encoder(3))
    picture = lay_out(drawing)
    ends = [rect for box, rect in zip(drawing.boxes, picture.boxes, strict=True) if box.kind in ("input", "sign", "output")]
    assert len({round(rect.x + rect.width / 2, 2) for rect in ends}) == 1


@pytest.mark.parametrize("boxes", [300, 1500])
def test_large_drawings_have_no_boxes_that_overlap(boxes: int) -> None:
    assert faults_of_boxes(random_drawings.drawing(7, boxes, 4)) == []


def faults_of_boxes(drawing: Drawing) -> list[tuple[Rect, Rect]]:
    boxes = sorted(lay_out(drawing).boxes, key=lambda rect: rect.y)
    found: list[tuple[Rect, Rect]] = []
    for place, rect in enumerate(boxes):
        for other in boxes[place + 1 :]:
            if other.y >= rect.y + rect.height:
                break
            if measure.meet(rect, other):
                found.append((rect, other))
    return found


def test_a_long_chain_needs_no_recursion() -> None:
    s = graphs.Sketch("deep")
    x = s.input("x", graphs.tensor("N"))
    for number in range(2500):
        x = s.op("relu" if number % 2 else "exp", x)
    assert len(lay_out(read(s.graph(x))).boxes) == 2502


def test_deep_nesting_needs_no_recursion() -> None:
    s = graphs.Sketch("nested")
    x = s.op("exp", s.input("x", graphs.tensor("N")))
    for number in range(100):
        s.scope = (*s.scope, f"b{number}")
        x = s.op("relu" if number % 2 else "exp", x)
    drawing = read(s.graph(x))
    assert len(drawing.groups) == 100  # the innermost has one box only
    assert faults(drawing) == {}


def test_a_block_entered_twice_is_two_groups() -> None:
    s = graphs.Sketch("twice")
    x = s.input("x", graphs.tensor("N"))
    for scope in (("f",), ("f",), ("g",), ("g",), ("f",), ("f",)):
        s.scope = scope
        x = s.op("relu", x)
    drawing = read(s.graph(x))
    assert sorted(group.title for group in drawing.groups[1:]) == ["f", "f", "g"]
    assert faults(drawing) == {}


def test_two_calls_of_a_block_are_two_groups() -> None:
    s = graphs.Sketch("calls")
    ends = []
    for name in "ab":
        x = s.input(name, graphs.tensor("N"))
        s.scope = ("f",)
        ends.append(s.op("exp", s.op("relu", x)))
        s.scope = ()
    drawing = read(s.graph(s.op("add", *ends)))
    assert [group.title for group in drawing.groups[1:]] == ["f", "f"]
    assert faults(drawing) == {}


def drawn(graph: Graph) -> list[tuple[str, tuple[str, ...]]]:
    return [(box.kind, box.lines) for box in read(graph).boxes]


def test_small_things_are_said_and_not_drawn() -> None:
    assert ("op", ("attend", "over=N' dot=d", "where: pos(N') <= pos(N)")) in drawn(graphs.encoder(1))
    assert ("op", ("linear", "D → h d")) in drawn(graphs.encoder(1))
    assert {kind for kind, _ in drawn(graphs.encoder(1))} == {"input", "op", "sign", "output"}


def test_shared_weights_are_drawn_once() -> None:
    assert [lines for kind, lines in drawn(graphs.cbam()) if kind == "weight"] == [("mlp.fc1", "weight, bias"), ("mlp.fc2", "weight, bias")]


def test_a_scan_shows_its_inside() -> None:
    drawing = read(graphs.ema())
    assert [(group.title, group.kind) for group in drawing.groups[1:]] == [("scan N", "scan")]
    inner = [box.lines[0] for box in drawing.boxes if box.group == 1]
    assert sorted(inner) == sorted(["alpha", "s = 0", "1 −", "×", "×", "+", "next s"])
