"""Backward: which positions of every axis of every value are computed, and which its inputs must have for that.

A node keeps the positions that some reader wants and that are not zero, along axes that its operator works through one by one; all along
the others. Operators without a row here keep everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ...graph import Graph, Node
from ...types import TensorType
from ..base import Mode
from .bits import countable, full, length, parts, spread
from .taps import met
from .zeros import Zeros, extra, live_over

Kept = dict[str, int]
"""Positions by axis; an axis that is missing is kept whole."""

LEAVES = frozenset(("input", "weight", "scalar", "size", "literal", "pos", "param", "unknown", "layer"))
"""Values that are there; their readers take the parts they need."""


class Demand:
    """`kept[node]`: what of a node is computed; `needs[node]`: for each of its inputs, what it reads."""

    def __init__(self, graph: Graph, zeros: Zeros, mode: Mode) -> None:
        self.zeros = zeros
        self.mode = mode
        self.kept: dict[Node, Kept] = {}
        self.needs: dict[Node, tuple[Kept, ...]] = {}
        self._wanted: dict[Node, Kept] = {}
        for root in [*(output.node for output in graph.outputs), *(node for _, node in graph.updates)]:
            self._want(root, {})
        for node in reversed(graph.nodes):
            if node in self._wanted and not zeros.vanishes(node):
                self._visit(node)

    def _want(self, node: Node, positions: Kept) -> None:
        if not isinstance(node.type, TensorType):
            self._wanted.setdefault(node, {})
            return
        known = self._wanted.setdefault(node, {name: 0 for name, _ in countable(node)})
        for name, count in countable(node):
            known[name] |= positions.get(name, full(count))

    def _visit(self, node: Node) -> None:
        free, unknown = self._free(node), _unknown(node)
        kept: Kept = {}
        for name, count in countable(node):
            wanted = self._wanted[node][name] & ~self.zeros.at(node, name) if name in free and name not in unknown else full(count)
            if wanted != full(count):
                kept[name] = wanted
        kept = _whole_parts(node, kept)
        self.kept[node] = kept
        rule = RULES.get(node.op)
        needs: list[Kept] = [{} for _ in node.inputs]
        if rule is not None and free:
            needs = rule[1](self, node, kept)
        self.needs[node] = tuple({name: mask for name, mask in need.items() if name not in unknown} for need in needs)
        for source, need in zip(node.inputs, self.needs[node], strict=True):
            self._want(source, need)

    def _free(self, node: Node) -> Collection[str]:
        """The axes along which a node can be computed in part."""
        if node.op not in RULES or not isinstance(node.type, TensorType) or (self.mode == "train" and _draws(node)):
            return ()
        return RULES[node.op][0](node)


def _unknown(node: Node) -> set[str]:
    """The axes that an input has with a length that is not known: another input may have it, which has to stay as long."""
    return {name for x in node.inputs if isinstance(x.type, TensorType) for name in x.tensor.names if length(x, name) is None}


def _draws(node: Node) -> bool:
    """Whether random numbers are drawn for it, which are the same in number and order whatever is left out."""
    return node.op == "droppath" or bool(node.options.get("p") and node.op == "dropout") or bool(node.options.get("dropout"))


def _whole_parts(node: Node, kept: Kept) -> Kept:
    """A merged axis is kept in all combinations of the positions of its parts."""
    if node.op != "merge":
        return kept
    (x,) = node.inputs
    for axis, group in zip(node["axes"], node["parts"], strict=True):
        counts = [length(x, name) for name in group]
        known = [count for count in counts if count is not None]
        if axis in kept and len(known) < len(counts):
            del kept[axis]
        elif axis in kept:
            kept[axis] = spread(parts(kept[axis], known), known)
    return kept


# ---------------------------------------------------------------- axes that are worked through one by one

Free = Callable[[Node], Collection[str]]
Needs = Callable[[Demand, Node, Kept], "list[Kept]"]


def _every(node: Node) -> Collection[str]:
    return node.tensor.names


def _but(option: str) -> Free:
    """All but the axes of an option, which is one name or several."""

    def free(node: Node) -> Collection[str]:
        gone = node[option]
        return [name for name in node.tensor.names if name != gone and name not in (gone if isinstance(gone, tuple) else ())]

    return free


def _of_attend(node: Node) -> Collection[str]:
    """The axes of the scores. The features of the values stay, because kernels want them as many as those of the keys."""
    terms: int = node["terms"]
    scores = {name for source in node.inputs[: 2 * terms] for name in source.tensor.names} - {
        name for dots in node["dots"] for name in dots
    }
    return [name for name in node.tensor.names if name in scores]


# ---------------------------------------------------------------- what the inputs must have


def _aligned(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    """Every input along the axes it shares with the result."""
    return [_share(source, kept) for source in node.inputs]


def _share(source: Node, kept: Mapping[str, int], but: Collection[str] = ()) -> Kept:
    return {name: mask for name, mask in kept.items() if source.tensor.has(name) and name not in but}


def _chosen(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    """`where`: neither side is wanted where the other is always taken."""
    mask, a, b = node.inputs
    true = demand.zeros.true.get(mask)
    left, right = dict(kept), dict(kept)
    for name, count in countable(mask):
        here = kept.get(name, full(count))
        always = full(count) if true is not None and true.whole else true.axes.get(name, 0) if true is not None else 0
        left[name], right[name] = here & ~demand.zeros.at(mask, name), here & ~always
    return [_share(mask, kept), _share(a, left), _share(b, right)]


def _added_up(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    """A sum leaves out what is zero; other reductions look at everything."""
    (x,) = node.inputs
    need = _share(x, kept)
    if node.op == "sum":
        need |= {name: full(count) & ~demand.zeros.at(x, name) for name, count in countable(x) if name in node["axes"]}
    return [need]


def _dot(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    over = {name: live for name in node["over"] if (live := live_over(demand.zeros, node.inputs, name))}
    return [_share(source, {**kept, **over}) for source in node.inputs]


def _linear(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    return _weighted(demand, node, kept, dict(zip(node["own"], node["made"], strict=True)), node["over"])


def _conv(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    x, weight, *bias = _weighted(demand, node, kept, {}, node["inner"])
    return [x, {**weight, **(met(node) if node.op == "conv" else {})}, *bias]


def _weighted(demand: Demand, node: Node, kept: Kept, names: Mapping[str, str], over: tuple[str, ...]) -> list[Kept]:
    """The input, the weight (whose axes may have other names than in the result) and the bias."""
    x, weight = node.inputs[:2]
    live = {name: found for name in over if (found := live_over(demand.zeros, (x, weight), name))}
    inner: Kept = {}
    for name in weight.tensor.names:
        outer = names.get(name, name)
        if name not in over and outer in kept:
            inner[name] = kept[outer]
    made = names.values()
    return [{**_share(x, kept, [*over, *made]), **live}, {**inner, **live}, *(_share(bias, kept) for bias in node.inputs[2:])]


def _attend(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    """Keys that the mask never allows are wanted by nobody."""
    terms: int = node["terms"]
    mask = extra(node, "where")
    keys: Kept = {}
    for name in node["keys"] if mask is not None and not (demand.mode == "train" and node["dropout"]) else ():
        count = length(mask, name) if mask is not None else None
        if mask is not None and count is not None and demand.zeros.at(mask, name) not in (0, full(count)):
            keys[name] = full(count) & ~demand.zeros.at(mask, name)
    dots = {name for group in node["dots"] for name in group}
    needs = [{**_share(source, kept, dots), **_share(source, keys)} for source in node.inputs[: 2 * terms]]
    return needs + [_share(source, {**kept, **keys}) for source in node.inputs[2 * terms :]]


def _rename(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    names = {new: old for old, new in node["pairs"]}
    return [{names.get(name, name): mask for name, mask in kept.items()}]


def _split(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    (x,), axis = node.inputs, node["axis"]
    counts = [length(node, name) for name in node["parts"]]
    known = [count for count in counts if count is not None]
    need = _share(x, kept, node["parts"])
    if len(known) == len(counts) and length(x, axis) is not None:
        need[axis] = spread([kept.get(name, full(count)) for name, count in zip(node["parts"], known, strict=True)], known)
    return [need]


def _free_split(node: Node) -> Collection[str]:
    """The parts too, where all of them are known."""
    whole = length(node.inputs[0], node["axis"]) is not None and all(length(node, name) is not None for name in node["parts"])
    return [name for name in node.tensor.names if whole or name not in node["parts"]]


def _merge(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    (x,) = node.inputs
    need = _share(x, kept)
    for axis, group in zip(node["axes"], node["parts"], strict=True):
        if axis in kept:
            counts = [length(x, name) or 0 for name in group]
            need |= dict(zip(group, parts(kept[axis], counts), strict=True))
    return [need]


def _pick(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    (x,), axis = node.inputs, node["axis"]
    need, index, count = _share(x, kept), node["index"].integer(), length(x, axis)
    if index is not None and count is not None:
        need[axis] = 1 << (index % count)
    return [need]


def _cut(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    (x,), axis = node.inputs, node["axis"]
    start, count, here = node["start"].integer(), length(x, axis), length(node, axis)
    need = _share(x, kept, (axis,))
    if start is not None and count is not None and here is not None:
        need[axis] = kept.get(axis, full(here)) << start
    return [need]


def _free_cut(node: Node) -> Collection[str]:
    whole = node["start"].integer() is not None and length(node.inputs[0], node["axis"]) is not None
    return [name for name in node.tensor.names if whole or name != node["axis"]]


def _concat(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    axis, start = node["axis"], 0
    needs: list[Kept] = []
    for source in node.inputs:
        need = _share(source, kept, (axis,))
        if axis in kept:
            count = length(source, axis) or 1
            if source.tensor.has(axis):
                need[axis] = kept[axis] >> start & full(count)
            start += count
        needs.append(need)
    return needs


def _free_concat(node: Node) -> Collection[str]:
    axis = node["axis"]
    whole = all(length(source, axis) is not None for source in node.inputs if source.tensor.has(axis))
    return [name for name in node.tensor.names if whole or name != axis]


def _stack(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    return [_share(source, kept) for source in node.inputs]


def _gather(demand: Demand, node: Node, kept: Kept) -> list[Kept]:
    x, index = node.inputs
    return [_share(x, kept, (node["axis"],)), _share(index, kept)]


POINTWISE = (
    *("add", "sub", "mul", "div", "floordiv", "mod", "pow", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "neg", "square"),
    *("exp", "expm1", "log", "log2", "log1p", "sqrt", "rsqrt", "abs", "sign", "floor", "ceil", "round", "sin", "cos", "tanh", "erf"),
    *("sigmoid", "relu", "gelu", "silu", "softplus", "elu", "leaky_relu", "hardswish", "hardsigmoid", "mish", "clamp"),
    *("int", "float", "bool", "float32", "detach", "maximum", "minimum", "real", "imag", "conj", "angle", "complex"),
    *("dropout", "expand", "full"),
)
_REDUCED = ("sum", "mean", "max", "min", "prod", "any", "all", "logsumexp", "norm", "var", "std")
_ALONG = ("softmax", "log_softmax", "sparsemax", "entmax15", "sink_softmax", "layernorm", "rmsnorm", "l2norm", "flip")

RULES: dict[str, tuple[Free, Needs]] = {
    **dict.fromkeys(POINTWISE, (_every, _aligned)),
    **dict.fromkeys(_REDUCED, (_every, _added_up)),
    **dict.fromkeys(_ALONG, (_but("axes"), _aligned)),
    **dict.fromkeys(("cumsum", "cumprod", "cummax"), (_but("axis"), _aligned)),
    **dict.fromkeys(("conv", "conv_transpose"), (_but("over"), _conv)),
    "where": (_every, _chosen),
    "dot": (_every, _dot),
    "linear": (_every, _linear),
    "attend": (_of_attend, _attend),
    "rename": (_every, _rename),
    "split": (_free_split, _split),
    "merge": (_every, _merge),
    "pick": (_every, _pick),
    "cut": (_free_cut, _cut),
    "concat": (_free_concat, _concat),
    "stack": (_every, _stack),
    "gather": (_every, _gather),
}  # fmt: skip
