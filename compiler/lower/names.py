"""Names of a program as Python identifiers: nothing but letters, digits and underscores ever reaches generated code."""

from __future__ import annotations

import keyword
import re
from collections.abc import Container, Iterable

# What generated code refers to by these names would be hidden by an argument called so.
TAKEN = frozenset(
    {"self", "torch", "device", "inf", "nan", "NoneType", "fx_pytree", "pytree", "runtime", "attn", "nn", "F", "math", "Tensor"}
)


def identifier(name: str, taken: Container[str] = ()) -> str:
    """The nearest Python identifier that is not one of `taken`: `k'` becomes `k_prime`, `class` becomes `class_`."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name.replace("'", "_prime"))
    if not plain or plain[0].isdigit() or plain.startswith("__"):
        plain = "x" + plain
    while keyword.iskeyword(plain) or keyword.issoftkeyword(plain) or plain in TAKEN or plain in taken:
        plain += "_"
    return plain


def identifiers(names: Iterable[str]) -> list[str]:
    """Each name as an identifier, all different."""
    made: list[str] = []
    for name in names:
        made.append(identifier(name, made))
    return made


def field_names(names: Iterable[str]) -> list[str]:
    """Names for the fields of a named tuple, which may not begin with an underscore or hide its methods."""
    methods = dir(tuple)
    made: list[str] = []
    for name in names:
        made.append(identifier(identifier(name).lstrip("_") or "y", [*made, *methods]))
    return made
