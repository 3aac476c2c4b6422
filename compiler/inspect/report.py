"""What `attn.inspect` gives: the report, as a page, as JSON, and in a notebook."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..view.page import text
from .html import report_page
from .records import Report


@dataclass(frozen=True, eq=False)
class Inspection:
    """A report on attention. `report` has every number; `html()` and `json()` are texts, `save` writes either."""

    report: Report

    def html(self) -> str:
        """One HTML file that works offline."""
        return report_page(self.report)

    def json(self) -> str:
        """Every figure in numbers."""
        return self.report.model_dump_json(indent=1) + "\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, or the numbers where the path ends in .json. Raises OSError."""
        from ..lower.pruning import write_together

        target = Path(path)
        write_together({target: (self.json() if target.suffix == ".json" else self.html()).encode()})

    def _repr_html_(self) -> str:
        """For notebooks: the page in a frame of its own."""
        return f'<iframe srcdoc="{text(self.html())}" style="width:100%;height:900px;border:0" title="attention"></iframe>'

    def __repr__(self) -> str:
        heads = sum(site.head_count for site in self.report.sites)
        gates = len(self.report.samples[0].gates)
        sites = len(self.report.sites)
        parts = [f"{sites} attention{'s' * (sites != 1)} with {heads} head{'s' * (heads != 1)}"] if heads else []
        parts += [f"{gates} gate{'s' * (gates != 1)}"] if gates else []
        count = len(self.report.samples)
        return f"<{' and '.join(parts)} of {self.report.block}, on {count} sample{'s' * (count != 1)}>"
