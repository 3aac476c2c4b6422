"""The one record that every message to a user is made of.

Rendering is in `render.py`; the catalogue of codes with their explanations is in `codes.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from .source import Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Label:
    """A further place that matters, with a few words about why."""

    span: Span
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """A mistake, or a doubt, told in the user's terms.

    `title` is one short sentence. `label` stands under the primary span. `notes` are further facts (the sizes known so far);
    `help` is the likely fix.
    """

    code: str
    title: str
    span: Span
    label: str = ""
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str = ""

    @property
    def severity(self) -> Severity:
        return "warning" if self.code.startswith("W") else "error"

    def also(self, span: Span, text: str) -> Diagnostic:
        """The same diagnostic with one more labelled place."""
        return replace(self, labels=(*self.labels, Label(span, text)))


class AttnError(Exception):
    """The one exception attn raises for a mistake in a program or in a call; it carries every diagnostic found.

    `str(error)` is the rendered text, so an uncaught one reads well.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        from .render import render_all

        return "\n" + render_all(self.diagnostics, color=False)


class Fault(Exception):
    """Internal: carries one diagnostic from where it is found to the statement that gives up on it."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(diagnostic.title)


def fault(
    code: str, title: str, span: Span, label: str = "", labels: tuple[Label, ...] = (), notes: tuple[str, ...] = (), help: str = ""
) -> Fault:
    """A Fault with a diagnostic of these parts."""
    return Fault(Diagnostic(code, title, span, label, labels, notes, help))
