"""What keeps an attention from one fused call, each with the smallest edit that takes it away."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..ops.attend_way import Blocker, Roles, Way
from .places import argument_place
from .report import Obstacle

CHUNKABLE = ("softmax", "sigmoid", "relu2")
KERNEL = "PyTorch's fused attention"


def obstacles(parts: Roles, way: Way) -> list[Obstacle]:
    """One for each blocker of the way taken, all of which have to go; none for a fused call."""
    return [_obstacle(parts, blocker) for blocker in way.blockers]


def _obstacle(parts: Roles, blocker: Blocker) -> Obstacle:
    text, edit = _SENTENCES[blocker.reason](parts, blocker)
    place = argument_place(parts.node.span, blocker.option)
    return Obstacle(reason=blocker.reason, text=text, place=place, edit=edit)


def _chunk(parts: Roles, blocker: Blocker) -> tuple[str, str]:
    if "block" in parts.node.options:
        return "the memory limit asks for some keys at a time, in a loop", "a higher limit, or none"
    return "`chunk=` asks for some keys at a time, in a loop", "leave `chunk=` out: the fused call never holds the scores either"


def _kernel(parts: Roles, blocker: Blocker) -> tuple[str, str]:
    return "a pass asked for all scores to be held", "compile with a lower level"


def _by(parts: Roles, blocker: Blocker) -> tuple[str, str]:
    by: str = parts.node["by"]
    way = f"; to save memory alone, {_chunks(parts)}" if by in CHUNKABLE else ""
    return f"`by={by}` is no part of {KERNEL}, which is a softmax", f"leave `by=` out, which is another function{way}"


def _softcap(parts: Roles, blocker: Blocker) -> tuple[str, str]:
    text = f"`softcap={parts.node['softcap']:g}` is no part of {KERNEL}"
    return text, f"leave `softcap=` out, which is another function; to save memory alone, {_chunks(parts)}"


def _scale(parts: Roles, blocker: Blocker) -> tuple[str, str]:
    keys = " ".join(name for name in blocker.axes if name in parts.keys)
    text = f"`scale=` has the axes {' '.join(blocker.axes)}: it differs from pair to pair of a query and a key"
    return text, f"a scale without {keys} (or with {keys} and axes of the keys alone) is multiplied into the queries (or keys)"


def _query_keys(parts: Roles, blocker: Blocker) -> tuple[str, str]:
    axes = " ".join(blocker.axes)
    return f"the queries have the axis {axes} of the keys: there is another query for every key", f"queries without {axes}"


def _chunks(parts: Roles) -> str:
    return "add `chunk=256`" if parts.node["by"] in CHUNKABLE else "take `by=softmax` with `chunk=256`"


_SENTENCES: Mapping[str, Callable[[Roles, Blocker], tuple[str, str]]] = {
    "chunk": _chunk, "kernel": _kernel, "by": _by, "softcap": _softcap, "scale": _scale, "query keys": _query_keys,
}  # fmt: skip
