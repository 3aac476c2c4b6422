"""The error for a call that does not fit what a compiled module was built for."""

from __future__ import annotations

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import Span


class InputError(AttnError, ValueError):
    """Raised at the entry of a compiled module; its one diagnostic points at the `.attn` line that declares the input.

    Codes: E0601 a size, E0602 the number of dimensions, E0603 the kind of number, E0604 the device, E0605 a guard on sizes.
    """

    def __init__(self, code: str, title: str, place: Span, label: str = "", help: str = "") -> None:
        super().__init__([Diagnostic(code, title, place, label, help=help)])
