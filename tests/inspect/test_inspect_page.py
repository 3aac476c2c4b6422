"""The report in a browser: it opens without a complaint, in both colours, and what is chosen is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from browser_support import chromium, opened
from playwright.sync_api import Browser

import attn

NET = """
block net(image: [B, C, H, W], D: axis) -> [B, N, D] {
    x = conv(image, C -> D, over=H W, kernel=4, stride=4, padding=0) as patches |> merge(H W -> N)
    axis h = 2, d = D / 2
    for i in 0..2 {
        q, k, v = linear(x, D -> h d) as layers[i].q, linear(x, D -> h d) as layers[i].k, linear(x, D -> h d) as layers[i].v
        x = x * sigmoid(linear(mean(x, N), D -> D) as layers[i].gate) + merge(attend(q, k, v, over=N, dot=d), h d -> D)
    }
    return x
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    module = attn.compile(attn.text(NET), C=3, H=8, W=8, D=8)
    path = tmp_path_factory.mktemp("report") / "report.html"
    attn.inspect(module, {"image": torch.randn(2, 3, 8, 8)}).save(path)
    return path


def test_the_report_opens_and_follows_what_is_chosen(browser: Browser, page_path: Path) -> None:
    with opened(browser, page_path) as page:
        titles = page.locator("h2").all_inner_texts()
        assert titles == ["Maps", "Heads", "Sinks", "Rollout and flow", "Heads alike", "Gates"]
        assert page.locator(".heads canvas").count() == 4
        assert page.locator("#sinks .name").first.inner_text() == "Received in x#1"
        page.locator(".heads canvas").nth(3).click()
        assert page.locator(".maps figure > .name").inner_text().endswith("head 1")
        assert page.locator('.heads canvas[aria-pressed="true"]').count() == 1
        page.locator("#sample").select_option("1")
        page.locator(".maps .over canvas").click(position={"x": 370, "y": 370})
        assert page.locator(".maps .said").first.inner_text().startswith("what 1,1 reads")
        assert page.locator("#rollout-and-flow .name").all_inner_texts() == ["Rollout to 1,1", "Flow to 1,1"]
        marks = page.locator(".over .chosen").evaluate_all("marks => marks.map((mark) => [mark.style.left, mark.style.top])")
        assert marks == [["50%", "50%"]] * 3
        ink = page.evaluate("getComputedStyle(document.body).color")
        page.locator("[data-theme-button]").click()
        assert page.evaluate("getComputedStyle(document.body).color") != ink


def test_the_report_is_as_wide_as_the_window(browser: Browser, page_path: Path) -> None:
    with opened(browser, page_path, "dark") as page:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
