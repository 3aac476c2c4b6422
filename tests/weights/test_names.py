"""The names of weights of the whole library and of every example, in one text: a change of any of them is seen in review."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reference.library_cases import CASES, DRAWS

import attn
from attn.compiler.graph import Graph, Weight
from attn.compiler.passes import optimise
from attn.compiler.passes.pipeline import LEVELS, MODES

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "names.txt"
EXAMPLES = [path.name for path in sorted((ROOT / "examples").glob("*.attn"))]


def line(weight: Weight) -> str:
    shape = ", ".join(str(size) for size in weight.shape)
    return f"    {weight.path}: {weight.kind} {weight.dtype} [{shape}]\n"


def graphs() -> Iterator[tuple[str, Graph]]:
    """A title and a graph for every case of the library and every block of the examples; sizes that are not bound stay letters."""
    for module, block, bind in CASES:
        options = ", ".join(f"{key}={value}" for key, value in bind.items())
        yield f"std.{module}:{block}({options})", attn.load(f"std.{module}", block).graph(bind)
    for name in EXAMPLES:
        unit = attn.load(ROOT / "examples" / name).unit
        for block in unit.blocks:
            yield f"examples/{name}:{block}", attn.load(ROOT / "examples" / name, block).graph(checking=True)


@pytest.fixture(scope="module")
def known() -> dict[str, Graph]:
    return dict(graphs())


def test_names_shapes_kinds_and_order_are_those_on_file(known: dict[str, Graph], request: pytest.FixtureRequest) -> None:
    found = "".join(f"{title}\n{''.join(map(line, graph.weights))}" for title, graph in known.items() if graph.weights)
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8"), "names of weights have changed; `--update-golden` writes them anew"


def test_every_block_of_the_library_is_on_file(known: dict[str, Graph]) -> None:
    blocks = {f"std.{name}:{block}" for name in dir(attn.std) for block in dir(getattr(attn.std, name))}
    without_weights = {f"std.{module}:{block}" for module, block in DRAWS}
    assert blocks - without_weights <= {title.split("(")[0] for title in known}


@pytest.mark.parametrize("mode", MODES)
def test_no_pass_touches_a_slot(known: dict[str, Graph], mode: Any) -> None:
    for title, graph in known.items():
        for level in LEVELS:
            assert optimise(graph, level, mode).graph.weights == graph.weights, title
