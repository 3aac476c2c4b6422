"""Which way an `attend` node is computed, from its types alone: lowering follows this, and `explain` tells it.

PyTorch's fused attention works on [batch, heads, rows, features], with a number as the scale and a mask or bias that broadcasts. Every
axis of a row of scores that keys or values have too is a leading one; what lacks it there is expanded without a copy. A sink is one more
key, without a value. Axes that only queries, bias and mask have (grouped and single key heads) become more rows where no mask tells them
apart, else keys are expanded along them. Axes that the mask lacks stay apart from those it has, so that it is not repeated. The option
`leading` (axes of batch, heads and rows) is another choice of the same, made where it copies less.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..graph import Node
from ..sizes import Size, at_least, equal
from ..types import TensorType
from .facts import is_number
from .mask_groups import Groups, Prefix, Routed, planned, prefix
from .mask_offsets import Band, conditions, facts

Names = tuple[str, ...]
Reason = Literal["chunk", "kernel", "by", "softcap", "scale", "query keys"]


@dataclass(frozen=True)
class Layout:
    """Which axes make up the four dimensions, which side a scale that is a tensor is multiplied into, and what gets zeros as further
    features, because PyTorch's kernels want as many of queries as of values."""

    batch: Names
    heads: Names
    rows: Names
    features: Names
    scaled: Literal["", "queries", "keys"] = ""
    padded: Literal["", "queries and keys", "values"] = ""
    causal: bool = False
    """The mask is a flag: every query looks at the keys up to its own position."""
    line: Literal["", "all", "back"] = ""
    """Keys lie in reverse, and the bias, with the mask inside, tells distances alone; `back`: it refuses keys after the query."""
    planned: Groups | Routed | Prefix | None = None
    """The mask has a form that depends on data: what is worked out is planned when the module runs."""


@dataclass(frozen=True)
class Blocker:
    """What PyTorch's fused attention cannot say: `option` is the argument of the call (empty for none), `axes` those that matter."""

    reason: Reason
    option: str
    axes: Names = ()


@dataclass(frozen=True)
class Way:
    """`fused`: in one call on `layout`. `chunked`: some keys at a time. `explicit`: all scores are held, for what `blockers` say."""

    kind: Literal["fused", "chunked", "explicit"]
    layout: Layout | None = None
    blockers: tuple[Blocker, ...] = ()


@dataclass(frozen=True)
class Roles:
    """The inputs of an attend node by name, and the axes each adds to a row of scores (without the keys and what is added up)."""

    node: Node
    q: tuple[Node, ...]
    k: tuple[Node, ...]
    v: Node
    extras: dict[str, Node]
    keys: Names

    def side(self, nodes: Sequence[Node]) -> Names:
        """The axes of queries or keys, without what their own term adds up."""
        dots: tuple[Names, ...] = self.node["dots"]
        return _once(name for node, own in zip(nodes, dots, strict=True) for name in node.tensor.names if name not in own)

    def option(self, *names: str) -> Names:
        return _once(axis for name in names if name in self.extras for axis in self.extras[name].tensor.names)

    @property
    def rows(self) -> Names:
        """The axes of one row of scores, and so of the result before the values' own."""
        found = (self.side(self.q), self.side(self.k), self.option("scale", "bias", "where", "sink_logit"))
        return tuple(name for name in _once(name for names in found for name in names) if name not in self.keys)


def roles(node: Node) -> Roles:
    """The inputs of an attend node, told apart."""
    terms: int = node["terms"]
    extras = dict(zip(node["extras"], node.inputs[2 * terms + 1 :], strict=True))
    return Roles(node, node.inputs[:terms], node.inputs[terms : 2 * terms], node.inputs[2 * terms], extras, node["keys"])


def attend_way(node: Node) -> Way:
    """How an attend node is computed."""
    if node["chunk"] is not None:
        return Way("chunked", None, (Blocker("chunk", "chunk"),))
    parts = roles(node)
    found = blockers(parts)
    return Way("explicit", None, found) if found else Way("fused", _layout(parts))


def blockers(parts: Roles) -> tuple[Blocker, ...]:
    """All that keeps this attention from being one fused call."""
    node, found = parts.node, list[Blocker]()
    if node["kernel"] == "explicit":
        found.append(Blocker("kernel", ""))
    if node["by"] != "softmax":
        found.append(Blocker("by", "by"))
    if node["softcap"] is not None:
        found.append(Blocker("softcap", "softcap"))
    if _scaled(parts) is None:
        found.append(Blocker("scale", "scale", parts.option("scale")))
    told = tuple(name for name in parts.side(parts.q) if name in parts.keys)
    if told:
        found.append(Blocker("query keys", "", told))
    return tuple(found)


def _scaled(parts: Roles) -> Literal["", "queries", "keys"] | None:
    """Where the scale goes: nowhere for a number, into the queries, into the keys, or None where it is for pairs of both."""
    scale = parts.extras.get("scale")
    if scale is None or is_number(scale):
        return ""
    names = scale.tensor.names
    if not any(name in parts.keys for name in names):
        return "queries"
    return "keys" if all(name in parts.keys or name in parts.side(parts.k) for name in names) else None


def _layout(parts: Roles) -> Layout:
    keys, values = parts.side(parts.k), parts.v.tensor.names
    masked = parts.option("bias", "where")
    features = tuple(name for name in values if name not in parts.keys and name not in parts.rows)
    chosen: tuple[Names, Names, Names] | None = parts.node.options.get("leading")
    if chosen is not None:
        return Layout(*chosen, features, _scaled(parts) or "", _padded(parts, features), *_flags(parts, chosen[2]))
    lead = tuple(name for name in parts.rows if name in keys or name in values)
    loose = tuple(name for name in parts.rows if name not in lead)
    rows = tuple(name for name in loose if name in masked) or loose
    groups = tuple(name for name in loose if name not in rows)
    sides = (parts.side(parts.q), keys, values)
    batch, heads = _leading(lead, groups, masked, sides)
    return Layout(batch, heads, rows, features, _scaled(parts) or "", _padded(parts, features), *_flags(parts, rows))


def _flags(parts: Roles, rows: Names) -> tuple[bool, Literal["", "all", "back"], Groups | Routed | Prefix | None]:
    """`causal`, `line` and `planned`."""
    query, back = parts.node.options.get("line", ("", False))
    line: Literal["all", "back"] = "back" if back else "all"
    return _causal(parts, rows), line if rows == (query,) and "where" not in parts.extras else "", _planned(parts, rows)


def _planned(parts: Roles, rows: Names) -> Groups | Routed | Prefix | None:
    """Where nothing is drawn at random; queries are told apart only where nothing else is said of pairs."""
    mask = parts.extras.get("where")
    if mask is None or len(parts.keys) != 1 or parts.node["dropout"] or "sink_logit" in parts.extras:
        return None
    found = prefix(mask, parts.keys[0])
    if found is not None or len(rows) != 1 or "bias" in parts.extras:
        return found
    return planned(mask, rows[0], parts.keys[0])


def _causal(parts: Roles, rows: Names) -> bool:
    """Whether the mask says just that no key lies behind its query, and nothing else is said of pairs."""
    if "where" not in parts.extras or len(rows) != 1 or len(parts.keys) != 1:
        return False
    if "bias" in parts.extras or "sink_logit" in parts.extras:
        return False
    found = [fact for node, names in conditions(parts.extras["where"]) for fact in facts(node, names, frozenset(parts.keys)) or (None,)]
    if {*found} != {Band(rows[0], parts.keys[0], high=Size.of(0))}:
        return False
    return equal(parts.extras["where"].tensor.size(rows[0]), parts.extras["where"].tensor.size(parts.keys[0])) is True


def _padded(parts: Roles, features: Names) -> Literal["", "queries and keys", "values"]:
    """What has fewer features for certain; a sink pads by itself."""
    asked: Size = parts.node["features"]
    read = TensorType(tuple(axis for axis in parts.v.axes if axis.name in features)).elements()
    if equal(asked, read) is not False or "sink_logit" in parts.extras:
        return ""
    return "values" if at_least(asked, read) else "queries and keys" if at_least(read, asked) else ""


def _leading(lead: Names, groups: Names, masked: Collection[str], sides: Sequence[Names]) -> tuple[Names, Names]:
    """The two leading dimensions: in each of them mask and bias together have every axis or none, and so do queries, keys and values
    where that is possible."""
    told, untold = (tuple(name for name in lead if (name in masked) is wanted) for wanted in (True, False))
    if groups:
        return (told, (*untold, *groups)) if told else (lead, groups)
    if told and untold:
        return untold, told
    kinds = list(dict.fromkeys(tuple(name in side for side in sides) for name in lead))
    if len(kinds) == 2:
        first = tuple(name for name in lead if tuple(name in side for side in sides) == kinds[0])
        return first, tuple(name for name in lead if name not in first)
    return lead[:-1], lead[-1:]


def copied(parts: Roles, layout: Layout) -> dict[str, Names]:
    """The inputs that are repeated in memory, and along which axes: those that have some axes of a leading dimension and lack others."""
    sides = {"queries": parts.side(parts.q), "keys": parts.side(parts.k), "values": parts.v.tensor.names}
    found: dict[str, Names] = {}
    for name, side in sides.items():
        lacking = [[axis for axis in group if axis not in side] for group in (layout.batch, layout.heads)]
        mixed = [axis for axis, group in zip(lacking, (layout.batch, layout.heads), strict=True) if 0 < len(axis) < len(group)]
        if mixed:
            found[name] = tuple(axis for axes in mixed for axis in axes)
    return found


def _once(names: Iterable[str]) -> Names:
    return tuple(dict.fromkeys(names))
