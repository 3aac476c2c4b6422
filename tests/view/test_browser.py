"""The viewer in a real browser: it opens from disk, opens blocks, searches, steps, selects, and lays out as Python does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest
from browser_support import chromium, opened
from playwright.sync_api import Browser, Page
from view import graphs, random_drawings

from attn import load, view
from attn.compiler.view.folding import fold
from attn.compiler.view.layout import Picture, lay_out
from attn.compiler.view.model import Drawing
from attn.compiler.view.page import asset, page
from attn.compiler.view.reading import read
from attn.compiler.view.scene import scene_record
from attn.compiler.view.stages import Stage
from attn.compiler.view.viewer import view_stages

VIT = Path(__file__).parents[1] / "programs" / "vit.attn"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of a network of twelve layers, and of a block that the optimiser changes."""
    made = tmp_path_factory.mktemp("pages")
    view(VIT, "vit", heads=4, profile={"layers.3": 0.25, "layers.5.fc1": 0.125}).save(made / "vit.html")
    view("std.linear", "linformer").save(made / "linformer.html")
    return made


@pytest.fixture
def vit(browser: Browser, folder: Path) -> Iterator[Page]:
    with opened(browser, folder / "vit.html") as found:
        yield found


@pytest.fixture
def linformer(browser: Browser, folder: Path) -> Iterator[Page]:
    with opened(browser, folder / "linformer.html") as found:
        yield found


def titles(found: Page, selector: str = "#right .node .title") -> list[str]:
    return [text.strip() for text in found.locator(selector).all_text_contents()]


def stage(found: Page, name: str) -> int:
    """The number of a stage."""
    return int(found.evaluate(f"viewer.data.stages.findIndex((one) => one.name === '{name}')"))


# ---------------------------------------------------------------- the layout


def cases() -> list[tuple[Drawing, list[int]]]:
    """Drawings with all groups open, with none, and with some."""
    drawings = [random_drawings.drawing(seed, 5 + 2 * seed) for seed in range(12)]
    drawings += [read(graphs.encoder(2)), read(graphs.cbam()), read(graphs.ema())]
    found: list[tuple[Drawing, list[int]]] = []
    for seed, drawing in enumerate(drawings):
        numbers, random = range(1, len(drawing.groups)), Random(seed)
        found += [(drawing, list(numbers)), (drawing, []), (drawing, [number for number in numbers if random.random() < 0.6])]
    return found


def positions(picture: Picture) -> Any:
    rects = [[[rect.x, rect.y, rect.width, rect.height] for rect in rects] for rects in (picture.boxes, picture.groups)]
    return [
        *rects,
        list(map(list, picture.titles)),
        [[[list(map(list, way)) for way in wire.ways], list(wire.label)] for wire in picture.wires],
    ]


def test_the_browser_lays_out_as_python_does(browser: Browser, tmp_path: Path) -> None:
    asked = cases()
    data = [{"drawing": scene_record(drawing), "opened": opened} for drawing, opened in asked]
    path = tmp_path / "layout.html"
    path.write_text(page("layout", "", scripts=[asset("attn.compiler.view", "layout.js")], data=data), encoding="utf-8")
    with opened(browser, path) as found:
        script = "() => JSON.stringify(pageData().map((one) => layOut(fold(one.drawing, new Set(one.opened)))))"
        answers = json.loads(found.evaluate(script))
    for (drawing, opened_groups), answer in zip(asked, answers, strict=True):
        got = [answer["boxes"], answer["groups"], answer["titles"], [[wire["ways"], wire["label"]] for wire in answer["wires"]]]
        want = json.loads(json.dumps(positions(lay_out(fold(drawing, opened_groups).drawing))))
        assert got == want, drawing.title


# ---------------------------------------------------------------- opening and moving


def test_twelve_layers_open_as_twelve_boxes(vit: Page) -> None:
    assert titles(vit, "#right .closed .title") == [f"layers.{number}" for number in range(12)]


def test_a_block_opens_and_closes(vit: Page) -> None:
    vit.locator("#right [data-key='glayers.2'] .toggle").click()
    assert {"norm1", "attention"} & {name.split(" ")[-1] for name in titles(vit)} == {"norm1", "attention"}
    before = vit.locator("#right .node").count()
    vit.locator("#right [data-key='glayers.2'] .toggle").click()
    assert vit.locator("#right .node").count() < before
    vit.keyboard.press("e")
    assert vit.locator("#right .closed").count() == 0
    vit.keyboard.press("c")
    assert vit.locator("#right .closed").count() == 12


def test_search_opens_what_is_around_it_and_shows_it(vit: Page) -> None:
    vit.keyboard.press("/")
    vit.keyboard.type("layers.7 attend")
    vit.keyboard.press("Enter")
    assert vit.locator("#panel h2").text_content() == "attend"
    assert vit.locator("#right .chosen .title").text_content() == "attend"
    box = vit.locator("#right .chosen").bounding_box()
    assert box is not None
    assert 0 < box["y"] < 800
    vit.locator("#search").fill("no such thing")
    assert vit.locator("#results").text_content() == "nothing has these words"


def test_panning_and_zooming_move_the_picture(vit: Page) -> None:
    def width() -> float:
        box = vit.locator("#right [data-key='glayers.0']").bounding_box()
        assert box is not None
        return box["width"]

    before = width()
    vit.keyboard.press("+")
    assert width() == pytest.approx(before * 1.25, rel=0.05)
    vit.keyboard.press("f")
    assert titles(vit)[-1] == "result"


# ---------------------------------------------------------------- stages


def test_keys_step_through_the_passes(linformer: Page) -> None:
    assert linformer.locator("#steps [aria-pressed=true]").text_content() == "as written"
    for _ in range(stage(linformer, "plan")):
        linformer.keyboard.press("ArrowRight")
    assert "plan" in (linformer.locator("#steps [aria-pressed=true]").text_content() or "")
    assert titles(linformer, "#right .closed .title") == ["choose", "choose"]
    assert linformer.locator("#right .badge").count() == 2
    assert "taken in the cheapest order" in (linformer.locator("#panel").text_content() or "")
    linformer.keyboard.press("e")
    assert linformer.locator("#right .came").count() > 5
    linformer.keyboard.press("ArrowLeft")
    assert "choose" not in titles(linformer)


def test_what_stays_keeps_its_place(linformer: Page) -> None:
    linformer.locator("#right .node", has_text="attend").click()

    def where() -> tuple[int, int]:
        box = linformer.locator("#right .chosen .box").bounding_box()
        assert box is not None
        return round(box["x"]), round(box["y"])

    before = where()
    linformer.evaluate(f"viewer.setStage({stage(linformer, 'plan')})")
    linformer.evaluate("document.getAnimations().forEach((one) => one.finish())")
    assert where() == pytest.approx(before, abs=2)


def test_two_stages_stand_side_by_side_and_choose_together(linformer: Page) -> None:
    linformer.locator("#slider").fill(str(stage(linformer, "plan")))
    linformer.locator("#beside").select_option("as written")
    linformer.locator("#left .node", has_text="attend").click()
    assert [linformer.locator(f"{side} .chosen .title").text_content() for side in ("#left", "#right")] == ["attend", "attend"]


def test_two_pictures_move_together_until_told_not_to(linformer: Page) -> None:
    def views() -> list[list[float]]:
        return linformer.evaluate("viewer.canvases.map(({ view }) => [view.k, view.x, view.y])")

    linformer.locator("#beside").select_option("plan")
    before = views()
    linformer.locator("#right svg").hover()
    linformer.mouse.wheel(7, 40)
    linformer.keyboard.down("Control")
    linformer.mouse.wheel(0, -20)
    linformer.keyboard.up("Control")
    moved = views()
    changes = [
        [after[0] / old[0], after[1] - old[1] * after[0] / old[0], after[2] - old[2] * after[0] / old[0]]
        for old, after in zip(before, moved, strict=True)
    ]
    assert changes[0] == pytest.approx(changes[1])
    assert changes[0][0] > 1.1
    linformer.locator("#do-link").uncheck()
    linformer.keyboard.press("+")
    assert views()[1] == moved[1] != views()[0]


# ---------------------------------------------------------------- text, axes, colours


def test_a_box_and_its_line_find_each_other(linformer: Page) -> None:
    linformer.locator("#right .node", has_text="attend").click()
    marked = linformer.locator(".line.marked code").all_text_contents()
    assert len(marked) == 1
    assert "attend(q, k, v" in marked[0]
    told = linformer.locator("#panel").text_content() or ""
    assert "Works along" in told
    assert "FLOPs" in told
    assert "Attention: reads from" in told
    linformer.locator(".line", has_text="q = linear(x, D -> h d, bias=bias)").last.click()
    assert linformer.locator("#right .chosen .note").text_content() == "q"
    assert "q.weight" in (linformer.locator("#panel").text_content() or "")


def test_a_box_of_the_library_lights_the_line_that_calls_it(vit: Page) -> None:
    vit.evaluate("viewer.toggle('layers.4'); viewer.toggle('layers.4.attention')")
    vit.locator("#right .node", has_text="attend").click()
    assert [line.strip() for line in vit.locator(".line.marked code").all_text_contents()] == [
        "x = x + mha(layernorm(x, D) as norm1, heads=heads) as attention"
    ]
    assert "as layers[i]" in (vit.locator(".line.calling code").text_content() or "")
    assert vit.locator("#panel a").all_text_contents() == ["vit.attn:6", "std.heads:38", "vit.attn:12"]
    vit.locator("#panel a").nth(1).click()
    assert "attend(q, k, v" in (vit.locator(".line.marked code").text_content() or "")
    vit.locator("#right .node", has_text="linear q").click()
    assert "q = linear(x" in (vit.locator(".line.marked code").text_content() or "")


def test_a_line_that_calls_a_block_chooses_the_block(vit: Page) -> None:
    for number in (0, 1):
        vit.locator(".line", has_text="as layers[i]").click()
        assert vit.locator("#right .chosen .title").text_content() == f"layers.{number}"
    assert "layers.1.fc1.weight" in (vit.locator("#panel").text_content() or "")


def test_an_axis_and_its_primed_twin_light_up_together(vit: Page) -> None:
    vit.evaluate("viewer.toggle('layers.0'); viewer.toggle('layers.0.attention')")
    vit.locator("#axes [data-axis=N]").hover()
    assert titles(vit, "#right .twin:not(.closed) .title") == ["attend"]
    names = {
        kind: set(vit.eval_on_selector_all(f"#right .strand.{kind}", "(all) => all.map((one) => one.dataset.axis)"))
        for kind in ("this", "twin")
    }
    assert names == {"this": {"N"}, "twin": {"N'"}}
    dashes = [vit.locator(f"#right .strand.{kind}").first.evaluate("(one) => getComputedStyle(one).strokeDasharray") for kind in names]
    assert dashes[0] == "none" != dashes[1]


def test_an_axis_lights_up_what_happens_along_it(linformer: Page) -> None:
    linformer.locator("#axes [data-axis=N]").hover()
    acting = titles(linformer, "#right .acts .title")
    assert "linear e" in acting
    assert "linear q" not in acting
    assert linformer.locator("#right .edge.lit").count() > 0
    linformer.locator("#search").hover()
    assert linformer.locator("#right .tracing").count() == 0


def test_colours_follow_a_measure(vit: Page) -> None:
    for measure in ("flops", "bytes", "time"):
        vit.locator("#colour").select_option(measure)
        fills = vit.eval_on_selector_all("#right .closed .box:not(.under)", "(all) => all.map((one) => one.style.fill)")
        assert len(set(fills)) == (3 if measure == "time" else 1)
    assert "250 ms" in (vit.locator("#legend").text_content() or "")


# ---------------------------------------------------------------- export, themes, size


def test_the_picture_is_exported_as_svg_and_png(vit: Page, tmp_path: Path) -> None:
    found: list[bytes] = []
    for kind in ("svg", "png"):
        with vit.expect_download() as download:
            vit.locator(f"#do-{kind}").click()
        assert download.value.suggested_filename == f"vit.{kind}"
        download.value.save_as(tmp_path / f"vit.{kind}")
        found.append((tmp_path / f"vit.{kind}").read_bytes())
    assert found[1][:8] == b"\x89PNG\r\n\x1a\n"
    svg = found[0].decode()
    assert svg.count("layers.") >= 12
    assert "<script" not in svg
    assert "tracing" not in svg.split("</style>")[1]
    vit.evaluate("viewer.pin('D')")
    assert "strand axis" in vit.evaluate("viewer.active.exported('light')[0]").split('class="edge lit"')[1]
    assert "var(" not in svg


def test_paper_has_the_whole_picture_in_the_colours_of_day(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "vit.html", "dark") as found:
        found.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert found.locator("#paper .sheet").count() == 1
        assert found.locator("#paper svg .closed").count() == 12
        assert "#0d1117" not in found.locator("#paper").inner_html()
        found.evaluate("viewer.openAll(true); dispatchEvent(new Event('beforeprint'))")
        assert found.locator("#paper .sheet").count() > 2
        boxes = found.evaluate("[...document.querySelectorAll('#paper .node')].map((one) => one.dataset.key)")
        assert set(boxes) == set(found.evaluate("viewer.active.items.filter((one) => one.kind === 'box').map((one) => one.key)"))
        assert len(boxes) == len(set(boxes)), "no box is cut in two"
        assert found.pdf()[:4] == b"%PDF"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_day_and_night(browser: Browser, folder: Path, scheme: Literal["light", "dark"]) -> None:
    with opened(browser, folder / "linformer.html", scheme) as found:
        colour = "() => getComputedStyle(document.body).backgroundColor"
        seen = [found.evaluate(colour)]
        found.locator("[data-theme-button]").click()
        seen.append(found.evaluate(colour))
    assert seen == (["rgb(255, 255, 255)", "rgb(13, 17, 23)"] if scheme == "light" else ["rgb(13, 17, 23)", "rgb(255, 255, 255)"])


def test_ten_thousand_nodes_stay_few_elements(browser: Browser, tmp_path: Path) -> None:
    """What makes it smooth: the document holds only what can be seen, whatever is open. Half of it is written without blocks."""
    s = graphs.Sketch("deep")
    x = s.input("x", graphs.tensor("N", "D"))
    for number in range(10_000):
        s.scope = (f"layers.{number // 25}",) if number < 5000 else ()
        x = s.op("relu" if number % 2 else "exp", x)
    graph = s.graph(x)
    view_stages("deep", [Stage("as written", "", graph)]).save(tmp_path / "deep.html")
    with opened(browser, tmp_path / "deep.html") as found:
        counts = [found.locator("#right *").count()]
        for action in ("viewer.openAll(true)", "viewer.active.fit()", "viewer.active.zoom(40)", "viewer.active.pan(0, -90000)"):
            found.evaluate(action)
            counts.append(found.locator("#right *").count())
        assert found.evaluate("viewer.active.items.length") > 10_000
    assert max(counts) < 8000, counts


def test_a_notebook_shows_the_page_in_a_frame() -> None:
    shown = view("std.channel", "se")
    assert shown._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert load("std.channel", "se").name == shown.title
