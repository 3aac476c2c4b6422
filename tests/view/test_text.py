"""Promises of the written pictures: safe with any name, the same bytes every time, and exactly these texts."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from view import graphs, random_drawings

from attn.compiler.graph import Graph
from attn.compiler.sizes import Size
from attn.compiler.view import render_dot, render_mermaid, render_svg
from attn.compiler.view.metrics import text_width

GOLDEN = Path(__file__).parent / "golden"
RENDER: dict[str, Callable[[Graph], str]] = {"svg": render_svg, "dot": render_dot, "mmd": render_mermaid}
HOSTILE = (
    '"><script>alert(1)</script>',
    "]]></style><style>",
    "'; drop \\\" \\N \\n {x|y}",
    "%%{init: {}}%% end subgraph --> n0 #quot; &#x41;",
    "a\nb\tc\x00\x1b[31m\u202e\ufeff\u2028",
    "ключ 轴 🙂 " + "x" * 300,
    "",
)


def hostile(name: str) -> Graph:
    """A graph in which every text a program or a caller chooses is this one."""
    s = graphs.Sketch(name or "-")
    other = name + "2"
    x = s.input(name, graphs.tensor(name or "N", (other, Size.symbol(name or "N") * 4)))
    s.scope = (name,)  # two boxes in it, so that it is drawn
    y = s.op(name, s.op("relu", x), name=name, axes=(name,), over=(name,), mode=name)
    made = graphs.tensor((other + "3", 3))
    y = s.op("linear", y, s.weight(f"{name}.{other}", made), type=made, over=(name,), made=made.names, each=(), own=True)
    return s.graph(y, names=(name,), doc=name)


@pytest.mark.parametrize("name", HOSTILE)
def test_svg_is_well_formed_whatever_the_names_are(name: str) -> None:
    root = ElementTree.fromstring(render_svg(hostile(name)))
    tags = {element.tag.removeprefix("{http://www.w3.org/2000/svg}") for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "g", "rect", "circle", "path", "text", "tspan"}
    attributes = {key for element in root.iter() for key in element.attrib}
    assert attributes <= {"viewBox", "width", "height", "role", "class", "x", "y", "rx", "cx", "cy", "r", "d", "transform"}
    plain = ElementTree.fromstring(render_svg(graphs.se()))
    assert len(list(root.iter("{http://www.w3.org/2000/svg}style"))) == len(list(plain.iter("{http://www.w3.org/2000/svg}style"))) == 1


DOT_STRING = r'"(?:[^"\\\n]|\\[\\"n])*"'
DOT_ATTRIBUTE = rf"\w+=(?:{DOT_STRING}|[\w.]+)"
DOT_LINE = re.compile(
    rf"digraph {DOT_STRING} {{|\s*subgraph cluster_\d+ {{|\s*}}|\s*rankdir=TB;|\s*(?:{DOT_ATTRIBUTE};? ?)+"
    rf"|\s*(?:node|edge|n\d+|n\d+ -> n\d+) \[{DOT_ATTRIBUTE}(?:, {DOT_ATTRIBUTE})*\];"
)


@pytest.mark.parametrize("name", HOSTILE)
def test_dot_has_no_line_that_a_name_made(name: str) -> None:
    lines = render_dot(hostile(name)).splitlines()
    assert [line for line in lines if not DOT_LINE.fullmatch(line)] == []
    assert len(lines) == len(render_dot(hostile("N")).splitlines())


MERMAID_STRING = r'"(?:[^"<>&;%{}\[\]`\\\n]|#\d+;|<br/>)*"'
MERMAID_LINE = re.compile(
    rf"flowchart TB|\s*subgraph g\d+\[{MERMAID_STRING}\]|\s*end|\s*n\d+(?:\[|\(\[|\(\(){MERMAID_STRING}(?:\]|\]\)|\)\)):::\w+"
    rf"|\s*n\d+ -->(?:\|{MERMAID_STRING}\|)? n\d+|\s*classDef \w+ fill:#\w+,stroke:#\w+,color:#\w+"
)


@pytest.mark.parametrize("name", HOSTILE)
def test_mermaid_has_no_line_that_a_name_made(name: str) -> None:
    lines = render_mermaid(hostile(name)).splitlines()
    assert [line for line in lines if not MERMAID_LINE.fullmatch(line)] == []
    assert len(lines) == len(render_mermaid(hostile("N")).splitlines())


@pytest.mark.parametrize("kind", RENDER)
@pytest.mark.parametrize("name", ["se", "ema"])
def test_small_graphs_are_written_exactly_so(kind: str, name: str) -> None:
    """Run with ATTN_UPDATE_GOLDEN=1 to take the present texts as right."""
    text = RENDER[kind]({"se": graphs.se, "ema": graphs.ema}[name]())
    path = GOLDEN / f"{name}.{kind}"
    if os.environ.get("ATTN_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


DIGEST = """
import sys
sys.path.insert(0, sys.argv[1])
from view import test_text
print(test_text.digest())
assert not {"torch", "numpy", "networkx", "pydantic"} & set(sys.modules), "too much is imported"
"""


def digest() -> str:
    texts = [render(graph) for render in RENDER.values() for graph in (graphs.cbam(), graphs.encoder(2), random_drawings.graph(5))]
    return hashlib.sha256("".join(texts).encode()).hexdigest()


@pytest.mark.parametrize("seed", ["0", "1", "2", "random"])
def test_bytes_do_not_depend_on_the_process(seed: str) -> None:
    here = Path(__file__).parent
    path = str(here.parents[1] / "src")
    done = subprocess.run([sys.executable, "-c", DIGEST, str(here.parent)], capture_output=True, text=True, timeout=50, check=False,
                          env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path})  # fmt: skip
    assert done.stdout.strip() == digest(), done.stderr


def test_two_renderings_are_the_same_bytes() -> None:
    graph = random_drawings.graph(11)
    assert render_svg(graph) == render_svg(graph) == render_svg(random_drawings.graph(11))


def test_dark_and_light_are_both_there() -> None:
    text = render_svg(graphs.encoder(1))
    assert "prefers-color-scheme: dark" in text
    assert "var(" not in text


def test_a_legend_is_drawn_only_where_it_helps() -> None:
    assert 'class="legend"' in render_svg(graphs.encoder(1))
    assert 'class="legend"' not in render_svg(graphs.ema())


def test_widths_are_near_those_of_a_real_font() -> None:
    """Measured in Liberation Sans at 100 px, which has the widths of Helvetica and Arial."""
    for text, width in (("linear", 244.6), ("layernorm", 444.5), ("*, N, h=8, d=D/8", 717.1), ("pos(N') <= pos(N)", 791.5)):
        assert 0.97 * width < text_width(text, 100) < 1.15 * width, text
