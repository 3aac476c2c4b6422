"""Closed blocks are one box: what is left is a drawing like any other, and nothing of the rest is lost."""

from __future__ import annotations

from random import Random

import pytest
from click.testing import CliRunner
from view import graphs, measure, random_drawings

from attn.cli import main
from attn.compiler.view import parting, render_svg
from attn.compiler.view.folding import fold, folded, opened_to, operations
from attn.compiler.view.layout import lay_out
from attn.compiler.view.model import chain
from attn.compiler.view.reading import read


@pytest.mark.parametrize("seed", range(12))
def test_any_drawing_with_some_blocks_closed_is_drawn_without_a_fault(seed: int) -> None:
    whole, random = random_drawings.drawing(seed, 30), Random(seed)
    drawing = fold(whole, [number for number in range(len(whole.groups)) if random.random() < 0.6]).drawing
    picture = lay_out(drawing)
    assert measure.overlaps(drawing, picture) == []
    assert measure.through(drawing, picture) == []
    assert measure.shared(picture) == []


@pytest.mark.parametrize("seed", range(12))
def test_every_wire_between_visible_things_stays(seed: int) -> None:
    whole, random = random_drawings.drawing(seed, 30), Random(seed)
    opened = {number for number in range(len(whole.groups)) if random.random() < 0.6} | {0}
    found = fold(whole, opened)

    def visible(box: int) -> int:
        around = chain(whole.groups, whole.boxes[box].group)
        shut = [number for number in around if number not in opened]
        return found.boxes.index(-1 - shut[0] if shut else box)

    want = {(visible(wire.source), visible(target)) for wire in whole.wires for target in wire.targets}
    got = {(wire.source, target) for wire in found.drawing.wires for target in wire.targets}
    assert got == {(source, target) for source, target in want if source != target}


@pytest.mark.parametrize("seed", range(12))
def test_long_stretches_are_cut_into_parts_that_can_be_closed(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parting, "MOST", 8)
    monkeypatch.setattr(parting, "_PART", 5)
    whole = random_drawings.drawing(seed, 40)
    cut = parting.parted(whole)
    inside = [group.parent for group in cut.groups[1:]] + [box.group for box in cut.boxes]
    assert max(map(inside.count, inside)) <= max(8, -(-40 // 5))
    assert [box.lines for box in cut.boxes] == [box.lines for box in whole.boxes]
    for drawing in (cut, folded(cut, 0), folded(cut, 1)):
        picture = lay_out(drawing)
        assert measure.overlaps(drawing, picture) == []
        assert measure.through(drawing, picture) == []


def test_short_ones_are_left_alone() -> None:
    drawing = read(graphs.encoder(2))
    assert parting.parted(drawing) is drawing


def test_nothing_changes_where_all_is_open() -> None:
    drawing = read(graphs.encoder(2))
    assert fold(drawing, range(len(drawing.groups))).drawing == drawing == folded(drawing, 9) == folded(drawing, None)


def test_a_depth_opens_the_blocks_above_it() -> None:
    drawing = read(graphs.encoder(2))
    assert [box.lines[0] for box in folded(drawing, 0).boxes if box.kind == "closed"] == ["layers.0", "layers.1"]
    assert {len(chain(drawing.groups, number)) - 1 for number in opened_to(drawing, 1)} == {1}
    assert operations(drawing)[0] == sum(box.kind in ("op", "sign") for box in drawing.boxes)


def test_the_command_closes_blocks() -> None:
    found = CliRunner().invoke(main, ["graph", "std.layers:encoder", "--bind", "heads=8", "--depth", "0", "--format", "dot"])
    assert found.exit_code == 0
    assert "operations" in found.output
    assert "subgraph" not in found.output
    wrong = CliRunner().invoke(main, ["graph", "std.layers:encoder", "--depth", "0", "--format", "json"])
    assert wrong.exit_code == 2
    assert "operations</text>" in render_svg(graphs.encoder(2), 0)
