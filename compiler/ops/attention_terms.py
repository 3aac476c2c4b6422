"""What `scores` and `attend` are called with: queries and keys term by term, and whether masks and options make sense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...dsl.diagnostics import Diagnostic
from ...dsl.source import Span
from ..graph import Node
from ..sizes import Size
from .base import AxisRef, Call
from .contraction import agree, distinct, need_bool
from .masks import EmptyRow, empty_row
from .shape import rename_axes


@dataclass(frozen=True)
class Terms:
    """The terms of scores: `q[i] . k[i]` along `dots[i]`. The keys' axes are primed where the queries have them too: `keys`."""

    q: tuple[Node, ...]
    k: tuple[Node, ...]
    dots: tuple[tuple[str, ...], ...]
    keys: tuple[str, ...]
    spans: tuple[Span, ...]

    @property
    def features(self) -> Size:
        """How many products make one score: over all terms, as if they were concatenated."""
        total = Size.of(0)
        for q, dots in zip(self.q, self.dots, strict=True):
            size = Size.of(1)
            for name in dots:
                size = size * q.tensor.size(name)
            total = total + size
        return total


def read_terms(call: Call) -> tuple[Terms, Mapping[str, str]]:
    """The terms of a call, checked, and the keys' name of every axis in `over`."""
    q, k = call.groups[0], call.groups[1]
    distinct(call, call.axes)
    dots = _dots(call, len(q), len(k))
    if not call.axes:
        raise call.fault("E0209", f"`{call.name}` needs `over=`", call.span, "which axis holds the keys?", "write over=N")
    spans = [*call.spans, *(node.span for node in call.tensors[len(call.spans) :])]
    names: dict[str, str] = {}
    for ref in call.axes:
        names[ref.symbol] = call.make.prime(ref.symbol) if any(node.tensor.has(ref.symbol) for node in q) else ref.symbol
    keys = tuple(as_keys(call, node, names) for node in k)
    for q_term, k_term, refs in zip(q, keys, dots, strict=True):
        _check_dot(call, q_term, k_term, refs)
    symbols = tuple(tuple(ref.symbol for ref in refs) for refs in dots)
    return Terms(tuple(q), keys, symbols, tuple(names.values()), tuple(spans[: len(q) + len(k)])), names


def _dots(call: Call, queries: int, keys: int) -> tuple[tuple[AxisRef, ...], ...]:
    """The lists of `dot=`: as many as there are terms."""
    dots: tuple[tuple[AxisRef, ...], ...] | None = call["dot"]
    if not dots:
        label = "along which axis are queries and keys multiplied?"
        raise call.fault("E0305", f"`{call.name}` needs `dot=`", call.span, label, "write dot=d")
    if not queries == keys == len(dots):
        title = f"`{call.name}` has {queries} queries, {keys} keys and {len(dots)} lists in `dot=`"
        help = "for two terms: scores((qn, qr), (kn, kr), over=N, dot=(d, r))"
        raise call.fault("E0303", title, call.at("dot"), "as many of each", help)
    return dots


def as_keys(call: Call, node: Node, names: Mapping[str, str]) -> Node:
    """A tensor over the keys' axes. One that already has the primed axis is taken as it is (it may have its own for every query)."""
    pairs: list[tuple[str, str]] = []
    for ref in call.axes:
        key = names[ref.symbol]
        if node.tensor.has(key):
            continue
        if not node.tensor.has(ref.symbol):
            raise call.missing_axis(ref, node.tensor)
        pairs.append((ref.symbol, key))
    return rename_axes(call.make, node, pairs, call.span)


def _check_dot(call: Call, q: Node, k: Node, refs: Sequence[AxisRef]) -> None:
    distinct(call, refs)
    for ref in refs:
        if any(other.symbol == ref.symbol for other in call.axes):
            title, help = f"axis `{ref.name}` cannot be in `over=` and in `dot=`", "`over=` is the axis of tokens, `dot=` that of features"
            raise call.fault("E0204", title, ref.span, "multiplied and added up here", help)
        call.axis(ref, q)
        call.axis(ref, k)


# ---------------------------------------------------------------- checks


def check_attend(call: Call, terms: Terms, v: Node, extras: Mapping[str, Node]) -> None:
    """Sizes agree, masks are masks and are about keys, options go together. `extras`: the options that are tensors."""
    _check_options(call)
    spans = [*terms.spans, call.spans[-1] if call.spans else v.span, *(call.at(option) for option in extras)]
    agree(call, [*terms.q, *terms.k, v, *extras.values()], spans, sum(terms.dots, ()))
    mask = extras.get("where")
    if mask is not None:
        need_bool(call, "where", mask)
    sink = extras.get("sink_logit")
    _check_sink(call, terms, sink)
    _warn_queries(call, terms, extras)
    if mask is not None and sink is None and any(mask.tensor.has(key) for key in terms.keys):
        row = empty_row(mask, terms.keys)
        if row is not None:
            _warn_empty(call, row)


def _check_sink(call: Call, terms: Terms, sink: Node | None) -> None:
    for key in terms.keys:
        if sink is not None and sink.tensor.has(key):
            title, notes = f"`sink_logit=` has the key axis `{call.make.local(key)}`", (f"its axes: {call.describe(sink.tensor)}",)
            raise call.fault("E0204", title, call.at("sink_logit"), "a sink is no key: one logit for a row", notes=notes)


def _check_options(call: Call) -> None:
    by, chunk, cap, rate = call["by"], call["chunk"], call["softcap"], float(call["dropout"])
    if call["sink_logit"] is not None and by != "softmax":
        title = "`sink_logit=` is a part of softmax"
        raise call.fault("E0304", title, call.at("sink_logit"), "`by=` is something else", "leave one of them out")
    if not 0 <= rate <= 1:
        raise call.fault("E0303", f"`dropout=` is a probability, {rate} is not", call.at("dropout"), "must be from 0 to 1")
    if cap is not None and float(cap) <= 0:
        raise call.fault("E0303", "`softcap=` must be positive", call.at("softcap"), f"it is {float(cap)}")
    if chunk is None:
        return
    call.make.require_at_least(chunk, Size.of(1), "`chunk=` must be 1 or more", call.at("chunk"), "E0303")
    if call["weights"] or by not in ("softmax", "sigmoid", "relu2"):
        why = "`weights=true` asks for whole rows" if call["weights"] else "this `by=` needs whole rows"
        raise call.fault("E0304", "`chunk=` never has a whole row of weights", call.at("chunk"), why, "leave one of them out")


def _warn_queries(call: Call, terms: Terms, extras: Mapping[str, Node]) -> None:
    """W0803: a mask that does not tell one key from another. For weights that are not compared a bias without keys has its use."""
    for option in ("where", "bias"):
        node = extras.get(option)
        if node is None or not node.axes or any(node.tensor.has(key) for key in terms.keys):
            continue
        if option == "bias" and (call["by"] in ("sigmoid", "relu2") or call["sink_logit"] is not None):
            continue
        keys = " ".join(call.make.local(key) for key in terms.keys)
        bare = " ".join(call.make.local(key).removesuffix("'") for key in terms.keys)
        effect = "it masks whole queries" if option == "where" else "softmax does not see what is the same for every key"
        notes = (f"its axes: {call.describe(node.tensor)}; the keys' axis: {keys}",)
        help = "to choose keys give it their axis" + (f": rename(.., {bare} -> {keys})" if bare != keys else "")
        call.make.warn(Diagnostic("W0803", f"`{option}=` has no key axis", call.at(option), effect, notes=notes, help=help))


def _warn_empty(call: Call, row: EmptyRow) -> None:
    """W0804: a row that no data can fill."""
    place = ", ".join(f"{call.make.local(name)} = {position}" for name, position in row.position)
    sizes = ", ".join(f"{call.make.local(symbol)} = {number}" for symbol, number in row.sizes)
    label = (f"the query at {place}" if place else "every query") + " has none" + (f" when the size of {sizes}" if sizes else "")
    notes, help = ("attend gives zeros for such a query",), "allow one key at least; for the query's own position write `<=`"
    call.make.warn(Diagnostic("W0804", "this mask can leave a query without any key", call.at("where"), label, notes=notes, help=help))
