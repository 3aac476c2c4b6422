"""Every attention of a program: how it is computed, and what stands in the way of a faster way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...dsl.source import Span
from ..cost import readable, scratch_bytes
from ..graph import Body, Graph, Node, topological
from ..ops.attend_held import has_gradients, told
from ..ops.attend_way import Layout, Roles, Way, attend_way, copied, roles
from ..ops.mask_groups import Groups, Prefix, Routed
from ..ops.pairs import Flexible, by_positions, flexible
from ..passes.pipeline import Optimised
from ..passes.rewriting import everything
from ..sizes import Size, equal
from ..types import STAR, Axis, TensorType
from .costs import amount, conditions
from .obstacles import obstacles
from .places import place_of, touches
from .report import Attention, Dimensions
from .written_out import written_out

EXPLICIT = {"softmax": "softmax", "sigmoid": "sigmoid", "relu2": "relu", "entmax15": "entmax15", "sparsemax": "sparsemax"}
"""What the weights are computed with where all scores are held."""
FUSED = {"sink_logit": "sink_attention", "where": "masked_attention"}
"""What is called for PyTorch's fused attention where an option asks for something before and after it."""
PLANNED: dict[type[Groups | Routed | Prefix], tuple[str, str]] = {
    Groups: (
        "grouped_attention",
        "`where=` tells queries and keys apart by a number: in each run one call for each number, or a mask where that has as many pairs",
    ),
    Routed: (
        "routed_attention",
        "`where=` has blocks of keys that queries choose: in each run a block is read by the queries that chose it, or a mask is taken "
        "where many are chosen",
    ),
    Prefix: ("prefix_attention", "`where=` allows the keys up to a number: in each run those behind it are not read"),
}
"""The function for a mask that depends on data, and what is said of it."""
BY_POSITIONS = (
    "`where=` is told by positions alone: which blocks of pairs it leaves is worked out once for each size; where these are few, queries "
    "that meet equally many blocks of keys are one call, else it is a mask"
)
ELSEWHERE = "on a GPU, and in a graph that is exported or compiled, it is a mask"
SCORES = 1 << 17
"""Products are not taken for fewer scores; so does the runtime."""
BLOCKS = "blocks without an allowed pair are left out, as told by positions and numbers"
WHOLE_MASK = "it is looked at whole for the blocks that have no allowed pair"
Site = tuple[Span, tuple[str, ...]]


def attentions(optimised: Optimised) -> list[Attention]:
    """The attentions of the graph that runs, those written out in it, and those that passes took apart; in the order of the text."""
    when, training = _conditions(optimised.graph), optimised.mode == "train"
    on_gpu = optimised.target.device == "cuda"
    found = [(node, _one(node, training, when.get(node, ""), on_gpu)) for node in _attends(optimised.graph)]
    found += written_out(optimised)
    found += _taken_apart(optimised)
    return _gathered(found)


def _gathered(found: Sequence[tuple[Node, Attention]]) -> list[Attention]:
    """Those of one place that are computed alike are told once, with the blocks they stand in."""
    alike: dict[tuple[object, ...], list[tuple[Node, Attention]]] = {}
    for node, one in found:
        alike.setdefault((node.span.source.name, node.span.start, node.span.end, str(one)), []).append((node, one))
    gathered = [group[0][1].model_copy(update={"scopes": ["/".join(node.scope) for node, _ in group]}) for group in alike.values()]
    return sorted(
        gathered, key=lambda one: (one.place.library, one.place.file, one.place.line, one.place.column) if one.place else (True, "", 0, 0)
    )


def _conditions(graph: Graph) -> dict[Node, str]:
    """For what stands inside one way of a choice: when that way is taken."""
    found: dict[Node, str] = {}
    for node in everything(graph):
        if node.op != "choose":
            continue
        for name, words in zip(("first", "second"), conditions(node["left"], node["right"]), strict=True):
            body: Body = node[name]
            found.update(dict.fromkeys(topological(body.yields), f"only where {words}: see the choices"))
    return found


def _one(node: Node, training: bool, condition: str, on_gpu: bool = False) -> Attention:
    parts, way = roles(node), attend_way(node)
    found = flexible(parts, way.layout) if on_gpu and way.layout is not None else None
    if found is not None:
        return _flexible(parts, way, found, condition)
    return Attention(
        place=place_of(node.span),
        name=node.name,
        scopes=[],
        way="products" if node.options.get("products") and way.layout is not None else way.kind,
        function=function_of(node, way),
        scores=scores_text(parts),
        layout=_dimensions(way.layout),
        scratch=amount(scratch_bytes(node)),
        text=_text(parts, way),
        obstacles=obstacles(parts, way),
        remarks=[*([condition] if condition else []), *_remarks(parts, way, training)],
    )


def _flexible(parts: Roles, way: Way, found: Flexible, condition: str) -> Attention:
    """One call of FlexAttention."""
    assert way.layout is not None
    remarks = [condition] if condition else []
    if found.mask is not None:
        known = found.told is not None and any(one is not None for one in found.told)
        remarks.append(f"`where=` is a function of a pair, and {BLOCKS if known else WHOLE_MASK}")
    if found.bias is not None:
        remarks.append("`bias=` is a function of a score and its pair")
    return Attention(
        place=place_of(parts.node.span), name=parts.node.name, scopes=[], way="fused", function="flex_attention", scores=scores_text(parts),
        layout=_dimensions(way.layout), scratch=amount(scratch_bytes(parts.node)),
        text=f"one call of PyTorch's FlexAttention on {_dimensions_text(way.layout)}; the scores {scores_text(parts)} are never held",
        obstacles=[], remarks=remarks,
    )  # fmt: skip


def function_of(node: Node, way: Way) -> str:
    """The function that the generated code calls."""
    if way.layout is not None and way.layout.causal:
        return "scaled_dot_product_attention"
    if way.layout is not None and way.layout.line:
        return "distance_attention"
    if way.layout is not None and way.layout.planned is not None:
        return PLANNED[type(way.layout.planned)][0]
    if way.layout is not None and by_positions(roles(node), way.layout) is not None:
        return "block_attention"
    if way.kind == "fused":
        plain = "few_keys_attention" if node.options.get("products") else "scaled_dot_product_attention"
        return next((name for option, name in FUSED.items() if option in node["extras"]), plain)
    if way.kind == "chunked":
        return "chunked_attention"
    if "sink_logit" in node["extras"]:
        return "sink_softmax"
    return EXPLICIT[node["by"]]


def scores_text(parts: Roles) -> str:
    """`[*, h, N, N']`: the axes of all scores."""
    sizes = {axis.name: axis.size for source in parts.node.inputs for axis in source.axes}
    shared = (*parts.side(parts.k), *parts.v.tensor.names)
    rows = sorted(parts.rows, key=lambda name: (name != STAR, name not in shared))
    return str(TensorType(tuple(Axis(name, sizes[name]) for name in (*rows, *parts.keys))))


def _dimensions(layout: Layout | None) -> Dimensions | None:
    if layout is None:
        return None
    return Dimensions(batch=list(layout.batch), heads=list(layout.heads), rows=list(layout.rows), features=list(layout.features))


# ---------------------------------------------------------------- sentences


def _text(parts: Roles, way: Way) -> str:
    if way.layout is not None and parts.node.options.get("products"):
        return f"on {_dimensions_text(way.layout)}, as keys are few; the scores {scores_text(parts)} are held"
    if way.layout is not None:
        return f"one call of PyTorch's fused attention on {_dimensions_text(way.layout)}; the scores {scores_text(parts)} are never held"
    if way.kind == "chunked":
        names = " and ".join(f"`{name}=`" for name in told(parts).names)
        also = f", and {names} made again for each chunk" if names else ""
        return f"{parts.node['chunk']} keys at a time, so that the scores {scores_text(parts)} are never held whole{also}"
    return f"step by step; all scores {scores_text(parts)} are held, and all weights"


def _dimensions_text(layout: Layout) -> str:
    names = {"batch": layout.batch, "heads": layout.heads, "rows": layout.rows, "features": layout.features}
    return ", ".join(f"{name} [{' '.join(axes)}]" for name, axes in names.items())


def _remarks(parts: Roles, way: Way, training: bool) -> list[str]:
    """What a fused call costs besides itself, and where PyTorch itself falls back to holding all scores."""
    if way.layout is None:
        return []
    found = _repeated(copied(parts, way.layout))
    if parts.node.options.get("products"):
        found.append(f"where there are fewer than {SCORES:,} scores, and in half precision, it is PyTorch's fused attention")
    if way.layout.scaled:
        found.append(f"the scale is multiplied into the {way.layout.scaled} first")
    if len(parts.q) > 1:
        found.append(f"the {len(parts.q)} terms are one: their features stand side by side")
    if "sink_logit" in parts.extras:
        found.append("the sink is one more feature of the queries and one more key, which has no value")
    if way.layout.padded:
        found.append(f"{way.layout.padded} get zeros as further features, as PyTorch's kernels want as many of queries as of values")
    if way.layout.causal:
        found.append("`where=` is its flag for causal attention: pairs that are refused are not worked out")
    elif way.layout.planned is not None:
        found += [PLANNED[type(way.layout.planned)][1], ELSEWHERE]
    elif way.layout.line:
        found.append("the bias is read as it lies; where few distances are allowed, in each run a query meets the keys at these alone")
        if parts.node.options.get("few") == "kernel":
            found.append("by a kernel that inductor makes of it when sizes are met first")
        if way.layout.line == "back":
            found.append("else rows are taken in up to 8 parts, each with the keys up to its last row")
    elif by_positions(parts, way.layout) is not None:
        found += [BY_POSITIONS, ELSEWHERE]
    elif "where" in parts.extras:
        found.append("`where=` is a mask to it: pairs that are refused are worked out too, and thrown away")
    return found + _falls_back(parts, way.layout, training)


def _repeated(copies: Mapping[str, Sequence[str]]) -> list[str]:
    """`keys and values are repeated in memory along h`."""
    along: dict[str, list[str]] = {}
    for name, axes in copies.items():
        along.setdefault(" ".join(axes), []).append(name)
    return [f"{' and '.join(names)} are repeated in memory along {axes}" for axes, names in along.items()]


def _falls_back(parts: Roles, layout: Layout, training: bool) -> list[str]:
    """Where PyTorch's own kernels on the CPU do not apply, and it holds the scores inside of the call."""
    found: list[str] = []
    sizes = {axis.name: axis.size for axis in parts.v.axes}
    values = TensorType(tuple(Axis(name, sizes[name]) for name in layout.features)).elements()
    features: Size = parts.node["features"]
    if equal(values, features) is not True and not layout.padded and "sink_logit" not in parts.extras:
        why = f"queries have {readable(features)} features and values {readable(values)}"
        found.append(f"on the CPU PyTorch holds the scores inside, as {why}, unless these are the same number")
    if training and parts.node["dropout"]:
        found.append("in training dropout makes PyTorch hold the scores inside on the CPU")
    if training and "bias" in parts.extras and has_gradients(parts.extras["bias"]):
        found.append("in training `bias=` gets gradients, which makes PyTorch hold the scores inside on the CPU")
    return found


# ---------------------------------------------------------------- what passes made of others


def _taken_apart(optimised: Optimised) -> list[tuple[Node, Attention]]:
    """The attends that were there before some pass and are gone afterwards, with what that pass says it did."""
    now = {_site(node) for node in _attends(optimised.graph)}
    found: dict[Site, tuple[Node, Attention]] = {}
    for step in optimised.steps:
        after = {_site(node) for node in _attends(step.after)}
        for node in _attends(step.before):
            site = _site(node)
            if site in after or site in now:
                continue
            told = any(touches(span, node.span) for change in step.changes for span in change.spans)
            found[site] = node, _apart(node, step.done.name, told)
    return list(found.values())


def _attends(graph: Graph) -> Iterable[Node]:
    return (node for node in everything(graph) if node.op == "attend")


def _site(node: Node) -> Site:
    return node.span, node.scope


def _apart(node: Node, name: str, told: bool) -> Attention:
    text = f"the pass {name} made something else of it{': see the rewrites' if told else ''}"
    return Attention(
        place=place_of(node.span), name=node.name, scopes=[], way="taken apart", function="", scores=scores_text(roles(node)), layout=None,
        scratch=amount(scratch_bytes(node) * 0), text=text, obstacles=[], remarks=[],
    )  # fmt: skip
