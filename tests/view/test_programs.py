"""Every block of the test programs and of the library: drawn without a fault, and the same again from its JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from view import measure

from attn.compiler.elaborate import elaborate
from attn.compiler.graph import Graph
from attn.compiler.program import load_unit
from attn.compiler.view import from_json, render_dot, render_mermaid, render_svg, to_json
from attn.compiler.view.layout import lay_out
from attn.compiler.view.reading import read

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "tests" / "programs").glob("*.attn"), *(ROOT / "stdlib").glob("*.attn"), *(ROOT / "examples").glob("*.attn")])
BIND = {"vit": {"depth": 2, "heads": 4}, "gpt": {"depth": 2}, "minilm": {"depth": 2}}


TANGLED = {"afa": 61, "rotary_bias": 18}
"""Blocks in which more than every second wire crosses another, as often as that is now. Both turn halves of features by a cosine and a sine
that all of them share; with what reads them in the row below, no order of the two rows of `rotary_bias` has fewer crossings."""
ENTANGLED = {"scores": 122}
"""Files in which more than every fifth does."""


def graphs_of(path: Path) -> Iterator[tuple[str, Graph]]:
    """The graph of each block with its parameters open, as when it is checked."""
    unit, _ = load_unit(path)
    for block in unit.program.blocks:
        graph = elaborate(unit, block, BIND.get(block.name, {}), checking=True).graph
        if graph is not None:
            yield block.name, graph


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_block_is_drawn_without_a_fault(path: Path) -> None:
    crossings = wires = 0
    for name, graph in graphs_of(path):
        drawing = read(graph)
        picture = lay_out(drawing)
        assert measure.overlaps(drawing, picture) == [], name
        assert measure.through(drawing, picture) == [], name
        assert measure.covered(drawing, picture) == [], name
        assert measure.slanted(picture) == [], name
        assert measure.shared(picture) == [], name
        found = measure.crossings(picture)
        assert found <= TANGLED.get(name, max(2, len(drawing.wires) // 2)), name
        crossings, wires = crossings + found, wires + len(drawing.wires)
    assert wires
    assert crossings <= ENTANGLED.get(path.stem, max(2, wires // 5))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_block_comes_back_from_its_json(path: Path) -> None:
    for _, graph in graphs_of(path):
        text = to_json(graph)
        again = from_json(text)
        assert to_json(again) == text
        for render in (render_svg, render_dot, render_mermaid):
            assert render(again) == render(graph)


def test_a_loaded_graph_still_points_into_its_file() -> None:
    graph = dict(graphs_of(ROOT / "tests" / "programs" / "vit.attn"))["vit"]
    again = from_json(to_json(graph))
    places = [[str(node.span) for node in one.nodes] for one in (graph, again)]
    assert places[0] == places[1]
    assert any(place.split(":")[0].endswith("vit.attn") for place in places[1])
    assert (
        {node.span.text for node in again.nodes if node.op == "gelu"}
        == {node.span.text for node in graph.nodes if node.op == "gelu"}
        != {""}
    )
