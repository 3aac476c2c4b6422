"""The report as one HTML file that works offline: maps with labels or over the image, and every number that was found."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from ..view.page import asset, page, text
from .records import MapRecord, Report, SampleRecord

Packed = dict[str, Any]


def report_page(report: Report) -> str:
    """The whole document. It says the same as the JSON, with weights of maps in 256 steps."""
    samples = "".join(f'<option value="{place}">{text(sample.name)}</option>' for place, sample in enumerate(report.samples))
    body = f"""<header class="bar">
<div><h1>Attention in {text(report.block)}</h1><p class="soft signature">{text(report.signature)}</p></div>
<div class="tools no-print">
<label>Sample <select id="sample">{samples}</select></label> <button data-theme-button>Light or dark</button>
</div>
</header>
<main id="report"></main>"""
    data = {**report.model_dump(exclude={"program", "samples"}), "samples": [_sample(sample) for sample in report.samples]}
    return page(
        f"Attention in {report.block}", body, styles=[asset(__package__, "inspect.css")],
        scripts=[asset(__package__, "figures.js"), asset(__package__, "inspect.js")], data=data,
    )  # fmt: skip


def _sample(sample: SampleRecord) -> Packed:
    packed = sample.model_dump(exclude={"maps"})
    return {**packed, "maps": [_map(one) for one in sample.maps]}


def _map(record: MapRecord) -> Packed:
    return {**record.model_dump(exclude={"maps"}), "maps": [pack(map) for map in record.maps]}


def pack(matrix: Sequence[Sequence[float]]) -> Packed:
    """A matrix of numbers that are not negative in 256 steps of its largest: rows, columns, the largest, and bytes in base64."""
    most = max((value for row in matrix for value in row), default=0.0)
    steps = 255 / most if most > 0 else 0.0
    data = bytes(min(int(value * steps + 0.5), 255) for row in matrix for value in row)
    columns = len(matrix[0]) if matrix else 0
    return {"rows": len(matrix), "columns": columns, "most": most, "bytes": base64.b64encode(data).decode()}
