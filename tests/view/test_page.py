"""Promises of the page that every HTML report stands in: one file, nothing from elsewhere, data that cannot break out."""

from __future__ import annotations

import json
import re

import pytest

from attn.compiler.view.page import json_inside, page


def test_a_page_asks_for_nothing_from_elsewhere() -> None:
    made = page("a page", "<p>text</p>", styles=["p { color: red; }"], scripts=["void 0;"], data={"a": 1})
    assert "default-src 'none'" in made
    assert re.findall(r"https?://|@import|url\(", made) == []
    assert re.findall(r"<(?:link|img|iframe|script src)", made) == []


def test_data_cannot_end_its_script() -> None:
    data = {"name": "</script><script>alert(1)</script>", "line": "\u2028"}
    assert "<" not in json_inside(data)
    assert json.loads(json_inside(data)) == data


def test_a_title_is_text() -> None:
    assert "<title>&lt;b&gt; &amp; &quot;c&quot;</title>" in page('<b> & "c"', "")


@pytest.mark.parametrize("more", [{"styles": ["</style>"]}, {"scripts": ["'</SCRIPT>'"]}])
def test_a_script_or_style_that_ends_early_is_refused(more: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="its own end"):
        page("a page", "", **more)


def test_a_number_that_json_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        json_inside([float("nan")])
