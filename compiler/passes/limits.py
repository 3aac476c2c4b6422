"""Memory limits as they are written: `2GiB`, `500 MB`, or a number of bytes."""

from __future__ import annotations

import re
from typing import Any

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE

UNITS = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip


def memory_limit(value: Any) -> int | None:
    """The bytes of a limit; None for none. Raises AttnError (E0503) for what is none."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", value) if isinstance(value, str) else None
    unit = UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None or float(found[1]) * unit < 1:
        help = 'write "2GiB", "500MB", or a number of bytes'
        raise AttnError([Diagnostic("E0503", f"`memory={value!r}` is no amount of memory", NOWHERE, help=help)])
    return int(float(found[1]) * unit)


def spoken_bytes(count: int) -> str:
    """`2 GiB`, where it is a whole number of these, else bytes."""
    for unit in ("GiB", "MiB", "KiB"):
        size = UNITS[unit.lower()]
        if count >= size and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count} bytes"
