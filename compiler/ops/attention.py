"""Attention in parts (`scores`, `read`) and whole (`attend`). All the forms follow from which axes the tensors have.

`attend` with a named `by` and without its weights is one node; everything else is written out in contractions, arithmetic and softmax.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..graph import Node
from ..types import TensorType
from .attend_cost import attend_cost, attend_scratch
from .attention_lowering import lower_attend, lower_sink_softmax
from .attention_terms import Terms, as_keys, check_attend, read_terms
from .base import AxisRef, Call, Operator, Option, Signature, per_element, register
from .broadcast import floating_type, kinds, no_complex
from .contraction import agree, contraction, distinct, joined

WORDS = ("softmax", "sigmoid", "relu2", "entmax15", "sparsemax")
BROADCAST = ("scale", "bias", "where", "sink_logit")
"""Options of `attend` that may be tensors, in the order of a node's inputs after q, k and v."""

# ---------------------------------------------------------------- writing it out


def floating(call: Call, op: str, *nodes: Node, without: Sequence[str] = (), **attrs: Any) -> Node:
    """A node over all axes of its inputs; these are meant to line up, so nothing is said of outer products."""
    axes = joined(sorted(nodes, key=lambda node: -len(node.axes)), without)
    return call.node(op, nodes, TensorType(axes, floating_type(*kinds([node for node in nodes if node.dtype != "bool"]))), **attrs)


def scaled_scores(call: Call, terms: Terms, scale: Node | None) -> Node:
    """The sum of the terms, times the scale."""
    total: Node | None = None
    for q, k, dots in zip(terms.q, terms.k, terms.dots, strict=True):
        term = contraction(call, (q, k), dots)
        total = term if total is None else floating(call, "add", total, term)
    assert total is not None  # a call has a term at least
    return floating(call, "mul", total, scale if scale is not None else _default_scale(call, terms))


def _default_scale(call: Call, terms: Terms) -> Node:
    features = terms.features
    known = features.integer()
    if known is not None:
        return call.number(float(known) ** -0.5 if known else 1.0)
    return call.do("pow", call.number(features), call.number(-0.5))


def build_scores(call: Call) -> Node:
    """Contractions, their sum, and the scale."""
    terms, _ = read_terms(call)
    no_complex(call, call.tensors)
    scale: Node | None = call["scale"]
    extra = [] if scale is None else [scale]
    agree(call, [*terms.q, *terms.k, *extra], [*terms.spans, *(call.at("scale") for _ in extra)], sum(terms.dots, ()))
    return scaled_scores(call, terms, scale)


def build_read(call: Call) -> Node:
    """The weights' keys are the primed axis where they have it, else the axis itself; those of `v` are named alike."""
    a, v = call.tensors
    if not call.axes:
        raise call.fault("E0209", "`read` needs `over=`", call.span, "which axis holds the keys?", "write over=N")
    distinct(call, call.axes)
    names: dict[str, str] = {}
    for ref in call.axes:
        primed = call.make.prime(ref.symbol)
        names[ref.symbol] = primed if a.tensor.has(primed) else call.axis(ref, a).name
    values = as_keys(call, v, names)
    agree(call, [a, values], [*call.spans, a.span, v.span][:2], list(names.values()))
    return contraction(call, (a, values), list(names.values()))


# ---------------------------------------------------------------- attend


def build_attend(call: Call) -> Node | tuple[Node, ...]:
    """One node where it can be; the weights themselves, or a layer that makes them, need it written out."""
    terms, names = read_terms(call)
    if len(call.groups[2]) != 1:
        raise call.fault("E0303", "`attend` reads from one tensor", call.span, f"{len(call.groups[2])} are given as its third argument",
                         "concatenate the values, or attend once for each")  # fmt: skip
    no_complex(call, call.tensors)
    v = as_keys(call, call.groups[2][0], names)
    extras = {option: call[option] for option in BROADCAST if call[option] is not None}
    if "where" in extras and extras["where"].op == "scalar" and extras["where"]["value"] is True:
        del extras["where"]  # a program that adds conditions one by one starts from `true`
    check_attend(call, terms, v, extras)
    if call["weights"] or not isinstance(call["by"], str):
        return _written_out(call, terms, v, extras)
    rate = float(call["dropout"])
    return call.node(
        "attend", (*terms.q, *terms.k, v, *extras.values()), _type(terms, v, extras), terms=len(terms.q), keys=terms.keys, dots=terms.dots,
        extras=tuple(extras), features=terms.features, by=call["by"], softcap=_cap(call), dropout=rate, chunk=call["chunk"], kernel="auto",
        number=call.make.number() if rate else 0,
    )  # fmt: skip


def _type(terms: Terms, v: Node, extras: Mapping[str, Node]) -> TensorType:
    """All axes of the scores, of what meets them and of the values, but for the keys."""
    scores = [axis for q, k, dots in zip(terms.q, terms.k, terms.dots, strict=True) for axis in joined([q, k], dots)]
    found = {axis.name: axis for axis in (*scores, *joined([*extras.values(), v]))}
    dtype = floating_type(*kinds([*terms.q, *terms.k, v]))
    return TensorType(tuple(axis for axis in found.values() if axis.name not in terms.keys), dtype)


def _cap(call: Call) -> float | None:
    return None if call["softcap"] is None else float(call["softcap"])


# ---------------------------------------------------------------- attend, written out


def _written_out(call: Call, terms: Terms, v: Node, extras: Mapping[str, Node]) -> Node | tuple[Node, ...]:
    s = scaled_scores(call, terms, extras.get("scale"))
    cap = _cap(call)
    if cap is not None:
        number = call.number(cap)
        s = floating(call, "mul", floating(call, "tanh", floating(call, "div", s, number)), number)
    if "bias" in extras:
        s = floating(call, "add", s, extras["bias"])
    mask = extras.get("where")
    refs = tuple(AxisRef(call.make.local(key), key, None, call.span) for key in terms.keys)
    if isinstance(call["by"], str):
        a = _named_weights(call, s, mask, refs, extras.get("sink_logit"))
    else:
        a = _layer_weights(call, s, mask, refs)
    if call["dropout"]:
        a = call.do("dropout", a, p=float(call["dropout"]))
    agree(call, [a, v], [call.at("by"), v.span], terms.keys)
    y = contraction(call, (a, v), terms.keys)
    return (y, a) if call["weights"] else y


def _named_weights(call: Call, s: Node, mask: Node | None, refs: tuple[AxisRef, ...], sink: Node | None) -> Node:
    by: str = call["by"]
    if sink is not None:
        if mask is not None:
            s = floating(call, "where", mask, s, call.number(float("-inf")))
        return floating(call, "sink_softmax", s, sink, axes=tuple(ref.symbol for ref in refs))
    if by in ("softmax", "entmax15", "sparsemax"):
        return call.do(by, s, axes=refs, where=mask)
    if mask is not None:
        s = floating(call, "where", mask, s, call.number(float("-inf")))
    if by == "sigmoid":
        return floating(call, "sigmoid", s)
    kept = floating(call, "relu", s)
    return floating(call, "mul", kept, kept)


def _layer_weights(call: Call, s: Node, mask: Node | None, refs: tuple[AxisRef, ...]) -> Node:
    """What a layer makes of the scores; it does not see the mask, which has the last word."""
    a: Any = call["by"].apply((s,), call.at("by"))
    if not isinstance(a, Node):
        raise call.fault("E0303", "`by=` must give one tensor of weights", call.at("by"), "this layer gives several results")
    for ref in refs:
        call.axis(ref, a)
    return a if mask is None else floating(call, "where", mask, a, call.number(0))


# ---------------------------------------------------------------- the table

_SCORES = """Products of queries and keys, added up along `dot=` and scaled.

scores(q, k, over=N, dot=d, scale=): q [.., N, d] and k [.., N, d] give [.., N, N']. Where the queries have the axis `over=` too
(self-attention), the keys' copy of it is primed; where not (cross-attention) it keeps its name. Keys that have N' already are taken as they
are. `scale=` (a number or a tensor) is size(dot) ** -0.5 unless given. Several terms: scores((qn, qr), (kn, kr), over=N, dot=(d, r)) is the
score of the concatenated features."""

_READ = """The weighted sum of values: read(a, v, over=N).

a [.., N, N'] and v [.., N, e] give [.., N, e]. The weights' keys are N' where they have that axis, else N, and the values' N is
taken under the same name."""

_ATTEND = """Attention: reads from `v` what the scores of `q` and `k` point at, along `over=`, by features `dot=` (Vaswani et al., 2017).

attend(q, k, v, over=TOKENS, dot=FEATURES): every other axis is carried or broadcast by name. In order: scores = q . k * `scale`
(size(dot) ** -0.5 unless given; may be a tensor), `softcap` (cap * tanh(s / cap)), + `bias`, `where` (bool: which pairs may attend),
`sink_logit` (one more logit for a row), `by` (softmax, sigmoid, relu2, entmax15, sparsemax, or a layer from scores to weights, after
which `where` zeroes), `dropout` (in training), times v. A query without any allowed key gives zeros. `chunk=` goes through the keys that
many at a time and never holds all scores; the result is the same. `weights=true` also returns the weights. Masks are arithmetic
on positions: where=pos(N') <= pos(N) is causal."""

_SCALE = Option("scale", "tensor", None, "what the scores are multiplied with")
_DOT = Option("dot", "axes_list", None, "the axes that are multiplied and added up; one list for each term")
_OPTIONS = (
    _DOT, _SCALE,
    Option("softcap", "float", None, "scores stay between -softcap and softcap"),
    Option("bias", "tensor", None, "added to the scores"),
    Option("where", "tensor", None, "bool: which pairs may attend"),
    Option("sink_logit", "tensor", None, "one more logit for each row, which takes weight and gives nothing"),
    Option("by", "by", "softmax", "how scores become weights", WORDS),
    Option("dropout", "float", 0.0, "which part of the weights is dropped in training"),
    Option("chunk", "int", None, "how many keys are looked at together"),
    Option("weights", "bool", False, "whether the weights are returned too"),
)  # fmt: skip
_HEAD = "block t(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e]) -> [*, h, N, e] {\n    return "
_PAIR = "block t(qn: [*, h, N, d], qr: [*, h, N, r], kn: [*, h, N, d], kr: [*, N, r], v: [*, h, N, e]) -> [*, h, N, e] {\n"
_EXAMPLES = (
    _HEAD + "attend(q, k, v, over=N, dot=d, where=pos(N') <= pos(N))\n}",
    _HEAD + "attend(q, k, v, over=N, dot=d, softcap=5.0, bias=-0.5 * abs(pos(N) - pos(N')), sink_logit=0.5, chunk=2)\n}",
    _PAIR + "    return attend((qn, qr), (kn, kr), v, over=N, dot=(d, r), by=sigmoid)\n}",
)

register(
    Operator("scores", "attention", _SCORES, build_scores, Signature(("q", "k"), tuples=True, axes="list", options=(_DOT, _SCALE)),
             examples=("block t(q: [*, h, N, d], k: [*, N, d]) -> [*, h, N, N'] {\n    return scores(q, k, over=N, dot=d)\n}",)),
    Operator("read", "attention", _READ, build_read, Signature(("a", "v"), axes="list"),
             examples=("block t(a: [*, h, N, N'], v: [*, N, e]) -> [*, h, N, e] {\n    return read(a, v, over=N)\n}",)),
    Operator("attend", "attention", _ATTEND, build_attend, Signature(("q", "k", "v"), tuples=True, axes="list", options=_OPTIONS),
             lower_attend, attend_cost, examples=_EXAMPLES, scratch=attend_scratch),
    Operator("sink_softmax", "attention", "A softmax with one more logit for each row (`sink_logit=`, where attend is written out).",
             lower=lower_sink_softmax, cost=per_element),
)  # fmt: skip
