"""One HTML file that works offline from disk: styles, scripts and data stand inside, and nothing is fetched.

Colours come from variables that know day, night and paper; see `assets/page.css`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
"""The browser itself holds the page to what the first line above says."""


_HERE = __name__.rpartition(".")[0]


def asset(package: str | None, name: str) -> str:
    """The text of a file in the folder `assets` of a package, of this one without: `asset(__package__, "viewer.css")`."""
    return (files(package or _HERE) / "assets" / name).read_text(encoding="utf-8")


def page(title: str, body: str, *, styles: Sequence[str] = (), scripts: Sequence[str] = (), data: Any = None) -> str:
    """A whole document. `body` is HTML, `styles` and `scripts` are texts of CSS and JavaScript that come after those of every page.

    `data` is anything that JSON can say; scripts find it as `pageData()`. A button with the attribute `data-theme-button` changes
    between day and night. Raises ValueError where a script or style would end its element early.
    """
    sheet = "\n".join([asset(__package__, "page.css"), *styles])
    code = "\n".join([asset(__package__, "page.js"), *scripts])
    if "</style" in sheet.lower() or "</script" in code.lower():
        raise ValueError("a style or script must not contain its own end")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(title)}</title>",
            f"<style>\n{sheet}</style>",
            "</head>",
            "<body>",
            body,
            f'<script type="application/json" id="page-data">{json_inside(data)}</script>',
            f"<script>\n{code}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


def text(words: str) -> str:
    """Text that is safe between tags and in the quotes of an attribute."""
    return words.translate(_ESCAPES)


def json_inside(data: Any) -> str:
    """JSON that no HTML parser sees the end of a script in; the same bytes for the same data. No NaN, no infinity (ValueError)."""
    packed = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return packed.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
