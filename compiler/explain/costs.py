"""Costs before and after, as formulas and as numbers."""

from __future__ import annotations

from collections.abc import Mapping

from ..cost import graph_cost, readable, type_bytes
from ..graph import Graph, Node
from ..lower.caches import Put, spared
from ..memory import Peak, peak_memory
from ..passes.base import Mode
from ..sizes import Size
from .places import place_of
from .report import Amount, Compared, Costs


def amount(size: Size) -> Amount:
    """A formula, and its number once nothing is left open."""
    shown = readable(size)
    return Amount(formula=str(shown), value=shown.integer())


def compared(before: Size, after: Size) -> Compared:
    return Compared(before=amount(before), after=amount(after), ratio=_ratio(before, after))


def _ratio(before: Size, after: Size) -> float | None:
    """after / before, where it is the same number for all sizes."""
    if not before.terms:
        return 1.0 if not after.terms else None
    quotient = (after / before).constant()
    return None if quotient is None else round(float(quotient), 4)


def costs(before: Graph, after: Graph, mode: Mode, found: Mapping[Node, Put]) -> Costs:
    """What one run costs before and after the passes; of a state that is written in place, the part that is written."""
    left_out = spared(after, found)
    old, new = graph_cost(before, mode), graph_cost(after, mode, left_out)
    peaks = peak_memory(before, mode), peak_memory(after, mode, left_out)
    moved = new.bytes
    for put in found.values():
        moved = moved + type_bytes(put.value.type) * 2
    return Costs(
        flops=compared(old.flops, new.flops),
        bytes=compared(old.bytes, moved),
        peak_memory=compared(peaks[0].bytes, peaks[1].bytes),
        peak_at=place_of(peaks[1].at.span) if peaks[1].at is not None else None,
        peak_sizes=_nominal(*peaks),
        parameters=amount(new.parameters),
        buffers=amount(new.buffers),
        prepared=amount(new.prepared),
        kept=amount(new.kept),
    )


def _nominal(*peaks: Peak) -> dict[str, int]:
    """The sizes at which the peaks were found; `*` is called batch."""
    return {"batch" if name == "*" else name: size for peak in peaks for name, size in peak.nominal}


def conditions(left: Size, right: Size) -> tuple[str, str]:
    """`left <= right` and its contrary, the side with unbound sizes first: `N >= 319` and `N < 319`."""
    a, b = readable(left), readable(right)
    return (f"{b} >= {a}", f"{b} < {a}") if a.constant() is not None else (f"{a} <= {b}", f"{a} > {b}")
