"""Indexing by name: one position (`x[s=0]`), a part (`x[C=0..w]`), and whatever an integer tensor says (`x[T=at]`)."""

from __future__ import annotations

from collections.abc import Iterable

from ...dsl.diagnostics import Diagnostic, Fault
from ...dsl.source import Span
from ..graph import Node
from ..lower.emitter import Emitter, Value
from ..sizes import Size, at_least
from ..types import Axis, TensorType
from .base import Maker, Operator, no_cost, register
from .facts import is_number

# ---------------------------------------------------------------- building


def pick(make: Maker, x: Node, axis: Axis, index: Size, span: Span) -> Node:
    """One position of `axis`, which is gone after. A negative index counts from the end; a Fault E0211 where it is out of range."""
    name = make.local(axis.name)
    if at_least(-1, index) is True:
        make.require_at_least(axis.size, -index, _outside(name, index, axis.size), span, "E0211")
    else:
        make.require_at_least(axis.size, index + 1, _outside(name, index, axis.size), span, "E0211")
        make.require_at_least(index, Size.of(0), f"index {index} of axis `{name}` must not be negative", span, "E0211")
    return make.node("pick", (x,), x.tensor.without((axis.name,)), span, axis=axis.name, index=index)


def _outside(name: str, index: Size, size: Size) -> str:
    return f"index {index} is outside axis `{name}` of size {size}"


def cut(make: Maker, x: Node, axis: Axis, start: Size | None, stop: Size | None, span: Span) -> Node:
    """The positions from `start` to before `stop`; the axis keeps its name. Negative ends count from the end of the axis.

    A Fault E0211 where a part is provably not inside the axis, a guard where only the caller's tensors tell.
    """
    name = make.local(axis.name)
    first = _from_end(start, axis.size, Size.of(0))
    last = _from_end(stop, axis.size, axis.size)
    if first == 0 and last == axis.size:
        return x
    shown = f"`{name}={'' if start is None else start}..{'' if stop is None else stop}` of an axis of size {axis.size}"
    make.require_at_least(first, Size.of(0), f"{shown} begins before the axis", span, "E0211")
    make.require_at_least(axis.size, last, f"{shown} ends after the axis", span, "E0211")
    make.require_at_least(last, first, f"{shown} ends before it begins", span, "E0211")
    axes = tuple(Axis(axis.name, last - first) if known.name == axis.name else known for known in x.axes)
    return make.node("cut", (x,), TensorType(axes, x.dtype), span, axis=axis.name, start=first)


def _from_end(place: Size | None, size: Size, default: Size) -> Size:
    if place is None:
        return default
    return size + place if at_least(-1, place) is True else place


def gather(make: Maker, x: Node, axis: Axis, index: Node, span: Span) -> Node:
    """The positions of `axis` that the integer tensor `index` says. Axes that both have line up; the other ones of `index` are new, and so
    is one called like `axis` itself. Negative indices count from the end; one outside is an error when the module runs."""
    if index.dtype != "int":
        kind = {"bool": "true or false", "complex": "complex"}.get(index.dtype, "floating point")
        raise Fault(
            Diagnostic(
                "E0310",
                f"axis `{make.local(axis.name)}` is indexed by a tensor that is not whole",
                span,
                f"its values are {kind}",
                help="convert it: int(at)" if index.dtype != "bool" else "choose with where(keep, x, 0)",
            )
        )
    rest = x.tensor.without((axis.name,))
    for other in index.axes:
        if rest.has(other.name):
            make.require_equal(
                rest.size(other.name), other.size, f"axis `{make.local(other.name)}` has two sizes in the tensor and its index", span
            )
    new = [other for other in index.axes if not rest.has(other.name)]
    return make.node("gather", (x, index), rest.plus(new), span, axis=axis.name)


# ---------------------------------------------------------------- lowering


_VIEWS = frozenset({"pick", "cut", "rename", "split", "merge", "expand", "item"})


def apart(nodes: Iterable[Node], results: Iterable[Node] = ()) -> dict[Node, tuple[tuple[int, ...], int]]:
    """The picks and cuts that together take a whole axis apart, in known pieces: the sizes of all pieces, and which one each node is.

    The sizes of picks are none. One call gives all pieces, and its gradient is one call as well. Left out are pieces that a caller may
    get as `results`: PyTorch refuses to write to one of several views.
    """
    shown: set[Node] = set()
    stack = list(results)
    while stack:
        node = stack.pop()
        if node not in shown and node.op in _VIEWS:
            shown.add(node)
            stack.extend(node.inputs)
    families: dict[tuple[Node, str, str], dict[int, tuple[int, list[Node]]]] = {}
    for node in nodes:
        if node.op in ("pick", "cut") and node not in shown:
            start = (node["index"] if node.op == "pick" else node["start"]).integer()
            size = 1 if node.op == "pick" else node.tensor.size(node["axis"]).integer()
            if start is not None and size is not None and start >= 0:
                pieces = families.setdefault((node.inputs[0], node["axis"], node.op), {})
                pieces.setdefault(start, (size, []))[1].append(node)
    found: dict[Node, tuple[tuple[int, ...], int]] = {}
    for (source, axis, op), pieces in families.items():
        order = sorted(pieces)
        sizes = tuple(pieces[start][0] for start in order)
        whole = source.tensor.size(axis).integer()
        if len(order) < 2 or whole != sum(sizes) or order != [sum(sizes[:i]) for i in range(len(sizes))]:
            continue
        for i, start in enumerate(order):
            found.update(
                dict.fromkeys([node for node in pieces[start][1] if _has_size(node, sizes[i])], (() if op == "pick" else sizes, i))
            )
    return found


def _has_size(node: Node, size: int) -> bool:
    return node.op == "pick" or node.tensor.size(node["axis"]).integer() == size


def _piece(e: Emitter, node: Node) -> Value | None:
    """A pick or cut as one piece of many, where all of the axis is taken apart."""
    place = e.piece(node)
    if place is None:
        return None
    value, (sizes, index) = e.value(node.inputs[0]), place
    at = value.axes.index(node["axis"])
    if sizes:
        parts = e.once(("apart", value.fx, at, sizes), lambda: e.call("torch.split_with_sizes", value.fx, list(sizes), at))
        return Value(e.call("operator.getitem", parts, index), value.axes)
    parts = e.once(("apart", value.fx, at), lambda: e.call("torch.unbind", value.fx, at))
    return Value(e.call("operator.getitem", parts, index), (*value.axes[:at], *value.axes[at + 1 :]))


def _lower_pick(e: Emitter, node: Node) -> Value:
    piece = _piece(e, node)
    if piece is not None:
        return piece
    value = e.value(node.inputs[0])
    at = value.axes.index(node["axis"])
    return Value(e.call("torch.select", value.fx, at, e.size(node["index"])), (*value.axes[:at], *value.axes[at + 1 :]))


def _lower_cut(e: Emitter, node: Node) -> Value:
    piece = _piece(e, node)
    if piece is not None:
        return piece
    value = e.value(node.inputs[0])
    at = value.axes.index(node["axis"])
    length = e.size(node.tensor.size(node["axis"]))
    return Value(e.call("torch.narrow", value.fx, at, e.size(node["start"]), length), value.axes)


def _lower_gather(e: Emitter, node: Node) -> Value:
    x, index = node.inputs
    kept = x.tensor.without((node["axis"],)).names
    shared = [axis for axis in index.axes if axis.name in kept]
    if not shared:
        return _lookup(e, node)
    if len(shared) == len(kept):
        return _one_each(e, node, shared)
    return _rows(e, node, shared)


def _lookup(e: Emitter, node: Node) -> Value:
    """No axis lines up: the same positions of every row."""
    x, index = node.inputs
    value, at = e.value(x), node["axis"]
    if is_number(index):
        dim = value.axes.index(at)
        return Value(e.call("torch.select", value.fx, dim, e.value(index).fx), tuple(name for name in value.axes if name != at))
    places, wanted = _places(e, node), e.value(index).axes
    if len(x.axes) == 2 and wanted and x.dtype in ("float", "wide"):
        (row,) = (name for name in value.axes if name != at)
        return Value(e.call("torch.nn.functional.embedding", places, e.order(value, (at, row))), (*wanted, row))
    dim = value.axes.index(at)
    axes = (*value.axes[:dim], *wanted, *value.axes[dim + 1 :])
    if len(wanted) == 1:
        return Value(e.call("torch.index_select", value.fx, dim, places), axes)
    if not wanted:
        return Value(e.method("squeeze", e.call("torch.index_select", value.fx, dim, places), dim), axes)
    found = e.call("torch.index_select", value.fx, dim, e.method("flatten", places))
    return Value(e.method("unflatten", found, dim, e.sizes([Axis(name, index.tensor.size(name)) for name in wanted])), axes)


def _places(e: Emitter, node: Node) -> object:
    """The index without negative numbers, for calls that do not know them."""
    x, index = node.inputs
    fx = e.value(index).fx
    return fx if counts(index) else e.call("runtime.from_end", fx, e.size(x.tensor.size(node["axis"])))


def _one_each(e: Emitter, node: Node, shared: list[Axis]) -> Value:
    """Every other axis lines up: `torch.gather` along the last dimension."""
    x, index = node.inputs
    names = tuple(axis.name for axis in shared)
    new = [axis for axis in index.axes if axis.name not in names]
    rows = e.order(e.value(x), (*names, node["axis"]))
    wanted = Value(_places(e, node), e.value(index).axes)
    places = e.flat(wanted, [*([axis] for axis in shared), new])
    return e.unflat(e.call("torch.gather", rows, -1, places), [*([axis] for axis in shared), new])


def _rows(e: Emitter, node: Node, shared: list[Axis]) -> Value:
    """Some axes line up, others are carried whole: `x[arange, arange, .., index]`, which copies rows and knows negative indices."""
    x, index = node.inputs
    names = [axis.name for axis in shared]
    carried = [name for name in e.value(x).axes if name not in names and name != node["axis"]]
    new = [axis.name for axis in index.axes if axis.name not in names]
    rows = e.order(e.value(x), (*names, node["axis"], *carried))
    places = e.order(e.value(index), (*names, *new))
    count = len(names) + len(new)
    at = [_along(e, axis, count - 1 - i) for i, axis in enumerate(shared)]
    return Value(e.call("operator.getitem", rows, (*at, places)), (*names, *new, *carried))


def _along(e: Emitter, axis: Axis, after: int) -> object:
    """0, 1, .. along an axis, followed by that many dimensions of size 1."""
    steps = e.call("torch.arange", e.size(axis.size), device=e.device())
    return e.method("reshape", steps, [-1] + [1] * after) if after else steps


# ---------------------------------------------------------------- which indices are never negative

_KEEPS = frozenset(
    [
        "add",
        "mul",
        "floordiv",
        "maximum",
        "minimum",
        "rename",
        "expand",
        "split",
        "merge",
        "pick",
        "cut",
        "gather",
        "roll",
        "flip",
        "concat",
        "stack",
        "pad",
        "shift",
        "abs",
    ],
)
"""Operators that make no negative number of numbers that are not."""


def counts(node: Node) -> bool:
    """Whether every value is provably 0 or more: positions and what arithmetic keeps so. False where it cannot tell."""
    stack, seen = [node], {node}
    while stack:
        top = stack.pop()
        if top.op in ("pos", "argmax", "argmin") or _is_from(0, top):
            continue
        if top.op == "mod" and _is_from(1, top.inputs[1]):
            continue
        if top.op not in _KEEPS or top.options.get("fill", 0) < 0:
            return False
        fresh = [source for source in dict.fromkeys(top.inputs) if source not in seen]
        seen.update(fresh)
        stack.extend(fresh)
    return True


def _is_from(least: int, node: Node) -> bool:
    """Whether a number is provably `least` or more."""
    if node.op == "size":
        return at_least(node["value"], least) is True
    return node.op == "scalar" and bool(node["value"] >= least)


register(
    Operator(
        "pick",
        "indexing",
        "One position of an axis, `x[s=0]`. A negative index counts from the end.",
        lower=_lower_pick,
        cost=no_cost,
        examples=(
            """\
# bind: s=3
block t(x: [*, s, D]) -> [*, D] {
    return x[s=0] * x[s=-1]
}
""",
        ),
    ),
    Operator(
        "cut",
        "indexing",
        "A part of an axis, `x[C=0..w]`, `x[N=1..]`, `x[N=..-1]`; the end is excluded.",
        lower=_lower_cut,
        cost=no_cost,
        examples=(
            """\
block t(x: [*, N, D]) -> [*, M, D] {
    return x[N=1..] * x[N=..-1] |> rename(N -> M)
}
""",
        ),
    ),
    Operator(
        "gather",
        "indexing",
        """The positions an integer tensor says, `x[T=at]`. Axes that both have line up, the other ones of `at` are new.""",
        lower=_lower_gather,
        cost=no_cost,
        examples=(
            """\
block t(x: [*, T, D]) -> [*, N, D] {
    const at: [N=4] = [0, 2, 1, 0]
    return x[T=int(at)]
}
""",
            """\
block t(x: [*, T, D]) -> [*, T, D] {
    return x[T=pos(T) // 2] * x
}
""",
            """\
block t(x: [*, N, T, D]) -> [*, N, D] {
    return x[T=pos(N) % size(x, T)]
}
""",
            """\
block t(x: [N, T]) -> [N, M] {
    return x[T=(pos(N) + pos(M=3)) % size(x, T)]
}
""",
        ),
    ),
)
