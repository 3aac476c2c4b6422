"""A file that is not the JSON of a graph is told so, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from golden_support import GOLDEN, Golden, golden_files

from attn import AttnError
from attn.compiler.view import from_json
from attn.dsl.render import render_all

GRAPHS = golden_files(GOLDEN / "graphs")


def _told(case: Golden) -> str:
    with pytest.raises(AttnError) as caught:
        from_json(case.source)
    return render_all(caught.value.diagnostics, color=False) + "\n"


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_a_damaged_graph_file_is_told(path: Path, golden: Callable[[Path, Callable[[Golden], str]], None]) -> None:
    golden(path, _told)


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_the_file_shows_the_code_it_is_named_after(path: Path) -> None:
    assert f"[{path.stem[:5]}]" in Golden.read(path).output
