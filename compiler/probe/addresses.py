"""Addresses of values: `layers[3].attention.q`, and `layers[3].attention.weights` for what an attention reads with.

An address is the path that weights have, and the name of a binding: what a program binds in a block is found under the block's path, and
the path alone is the result of a block or operator. A name that is bound several times means the last one; `x#1` is the first.
In a pattern `*` stands for anything within a part, `**` for any number of parts, `[0..3]` for the numbers 0, 1 and 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from ...dsl.closest import closest
from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from ..graph import Graph, Named, Node
from ..types import TupleType

WEIGHTS = "weights"
"""The last part of the address of an attention's weights."""
SHOWN = 8
_INDEX = re.compile(r"\[([^\]]*)\]")
_RANGE = re.compile(r"(\d+)\\\.\\\.(\d+)")


@dataclass(frozen=True)
class Address:
    """What can be asked for. `kind`: `value` is what `node` is worth, `weights` what the attention `node` reads with."""

    text: str
    kind: Literal["value", "weights"]
    node: Node
    place: int
    """Which of the graph's names it is."""


def addresses(graph: Graph) -> dict[str, Address]:
    """Every address of a graph, in the order the values are made; of names bound again the last, and each with its number."""
    found: dict[str, list[Address]] = {}
    for place, named in enumerate(graph.names):
        for address in _of(named, place):
            known = found.setdefault(address.text, [])
            if all(other.node is not address.node for other in known):
                known.append(address)
    _add_short(found)
    return {one.text: one for text, known in found.items() for one in _numbered(text, known)}


def _of(named: Named, place: int) -> list[Address]:
    if isinstance(named.node.type, TupleType):
        return []
    text = written((*named.path, named.name) if named.name else named.path)
    if named.kind == "value":
        return [Address(text, "value", named.node, place)] if text else []
    own = written((*named.path, *((named.name,) if named.name else ()), WEIGHTS))
    return [Address(own, "weights", named.node, place)]


def _add_short(found: dict[str, list[Address]]) -> None:
    """`attention.weights` for `attention.y.weights`, where the block has one attention alone."""
    short: dict[str, list[Address]] = {}
    for text, known in found.items():
        head = text.removesuffix("." + WEIGHTS)
        if known[0].kind == "weights" and head != text:
            around = head.rpartition(".")[0]
            short.setdefault(f"{around}.{WEIGHTS}" if around else WEIGHTS, []).extend(known)
    for text, known in short.items():
        if len(known) == 1 and text not in found:
            found[text] = [Address(text, "weights", known[0].node, known[0].place)]


def _numbered(text: str, known: Sequence[Address]) -> list[Address]:
    """The last of several under the plain name, all of them under their number."""
    last = known[-1]
    if len(known) == 1:
        return [last]
    return [*(Address(f"{text}#{count}", one.kind, one.node, one.place) for count, one in enumerate(known, 1)), last]


def written(path: Iterable[str]) -> str:
    """`layers[3].attention` of the parts `layers`, `3`, `attention`."""
    text = ""
    for part in path:
        text += f"[{part}]" if part.isdigit() and text else f".{part}" if text else part
    return text


# ---------------------------------------------------------------- asking


def chosen(graph: Graph, patterns: Sequence[str]) -> list[Address]:
    """The addresses that names and patterns mean, in the order they are asked for. Raises AttnError (E0606) for one that means nothing."""
    known = addresses(graph)
    found: dict[str, Address] = {}
    problems: list[Diagnostic] = [] if patterns else [_unknown(graph, "", known)]
    for pattern in patterns:
        if not isinstance(cast(Any, pattern), str):
            title = f"the name of a value is a text, not {type(pattern).__name__}"
            raise AttnError([Diagnostic("E0606", title, NOWHERE, help='several names are several arguments: module.probe("q", "k")')])
        texts = matching(pattern, known)
        found.update((text, known[text]) for text in texts)
        problems += [] if texts else [_unknown(graph, pattern, known)]
    if problems:
        raise AttnError(problems)
    return list(found.values())


def matching(pattern: str, known: Iterable[str]) -> list[str]:
    """The addresses that a pattern means. One that is no name is taken to mean no numbered and no long form of what has a shorter one."""
    plain = normal(pattern)
    if plain in known:
        return [plain]
    if "*" not in pattern and ".." not in pattern:
        return []
    expression = re.compile(_expression(plain))
    hits = [text for text in known if expression.fullmatch(text) and ("#" in pattern or "#" not in text)]
    return _shortest(hits)


def _shortest(texts: Sequence[str]) -> list[str]:
    """Without `attention.y.weights` where `attention.weights` is there, too."""
    short = {text for text in texts if text.endswith("." + WEIGHTS)}
    return [text for text in texts if text not in short or _shorter(text) not in short]


def _shorter(text: str) -> str:
    around = text.removesuffix("." + WEIGHTS).rpartition(".")[0]
    return f"{around}.{WEIGHTS}" if around else WEIGHTS


def normal(text: str) -> str:
    """`layers.3.q` as `layers[3].q`."""
    return re.sub(r"\.(\d+)(?=[.\[#]|$)", r"[\1]", text.strip())


def _expression(pattern: str) -> str:
    text = re.escape(pattern).replace(r"\*\*\.", "(?:.+[.])?").replace(r"\*\*", ".*").replace(r"\*", "[^.]*")
    return _RANGE.sub(lambda found: _numbers(int(found[1]), int(found[2])), text)


def _numbers(first: int, end: int) -> str:
    return "(?:" + "|".join(map(str, range(first, min(end, first + 4096)))) + ")"


def _unknown(graph: Graph, pattern: str, known: dict[str, Address]) -> Diagnostic:
    title = f"block `{graph.name}` has no value `{pattern}`" if pattern else "no value is asked for"
    near = near_names(pattern, known)
    if near:
        help = "did you mean " + " or ".join(f"`{text}`" for text in near) + "?"
    else:
        names = [name for name in known if "#" not in name]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        help = f"its values: {', '.join(names[:SHOWN])}{more}" if names else "it names no value"
    return Diagnostic("E0606", title, NOWHERE, help=help + "; module.value_names() lists them")


def near_names(text: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Names that may have been meant: those that end like it, then the nearest by letters, then those with the nearest last part."""
    plain, names = normal(text), [name for name in known if "#" not in name]
    ends = [name for name in names if plain and (name.endswith("." + plain) or _bare(name) == _bare(plain))]
    if ends:
        return ends[:most]
    nearest = closest(plain, names)
    if nearest:
        return [nearest]
    last = closest(_last(plain), map(_last, names)) or _last(plain)
    return [name for name in names if _last(name) == last][:most]


def _last(text: str) -> str:
    return text.rpartition(".")[2]


def _bare(text: str) -> str:
    """Without the numbers in brackets."""
    return _INDEX.sub("", text)
