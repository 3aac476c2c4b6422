"""Sums of products: `dot` of any tensors, and `linear` with weights of its own."""

from __future__ import annotations

from collections.abc import Sequence

from ...dsl.diagnostics import Fault, Label
from ...dsl.source import Span
from ..graph import Init, Node
from ..lower.emitter import Emitter, Value
from ..sizes import Size
from ..types import Axis, TensorType
from .base import AxisRef, Call, Operator, Option, Signature, register
from .broadcast import kinds
from .products import contract, operands, operations, plan, product, product_type, sizes_of
from .shape import rename_axes

# ---------------------------------------------------------------- checks that attention shares


def agree(call: Call, nodes: Sequence[Node], spans: Sequence[Span], over: Sequence[str] = ()) -> None:
    """Every axis has one size in all tensors that have it: a Fault E0202 that shows both places, or a guard."""
    seen: dict[str, tuple[Size, Span]] = {}
    for node, span in zip(nodes, spans, strict=True):
        for axis in node.axes:
            size, place = seen.setdefault(axis.name, (axis.size, span))
            if size != axis.size:
                name = call.make.local(axis.name)
                use = "is added up over" if axis.name in over else "lines up on"
                labels = (Label(place, f"here `{name}` is {size}"),)
                call.make.require_equal(size, axis.size, f"`{call.name}` {use} `{name}`, which has two sizes", span, labels=labels)


def distinct(call: Call, refs: Sequence[AxisRef]) -> None:
    """A Fault E0204 where a list names an axis twice."""
    seen: set[str] = set()
    for ref in refs:
        if ref.symbol in seen:
            raise call.fault("E0204", f"axis `{ref.name}` is named twice", ref.span, "named before", "leave one of them out")
        seen.add(ref.symbol)


def need_bool(call: Call, option: str, node: Node) -> None:
    """A Fault E0303 where a mask is not one."""
    if node.dtype != "bool":
        title, label = f"`{option}=` needs true or false for each place", f"this is {call.describe(node.tensor)} of numbers"
        raise call.fault("E0303", title, call.at(option), label, "compare it with something, as in `x != 0`")


def joined(nodes: Sequence[Node], without: Sequence[str] = ()) -> tuple[Axis, ...]:
    """Every axis of the nodes once, in order of appearance, except some."""
    found = {axis.name: axis for node in reversed(nodes) for axis in reversed(node.axes) if axis.name not in without}
    return tuple(reversed(found.values()))


# ---------------------------------------------------------------- dot


def build_dot(call: Call) -> Node:
    """One n-ary node: the order of products is chosen when it is lowered."""
    nodes, over = list(call.tensors), [ref.symbol for ref in call.axes]
    spans = [*call.spans, *(node.span for node in nodes[len(call.spans) :])]
    if len(nodes) < 2:
        raise call.fault("E0209", "`dot` needs two tensors or more", call.span, "there is one", "to add up one, write sum")
    distinct(call, call.axes)
    for ref in call.axes:
        _need_two(call, ref, nodes, spans)
    mask: Node | None = call["where"]
    if mask is None:
        agree(call, nodes, spans, over)
        return contraction(call, nodes, over)
    need_bool(call, "where", mask)
    agree(call, [*nodes, mask], [*spans, call.at("where")], over)
    return _masked(call, nodes, over, mask)


def contraction(call: Call, nodes: Sequence[Node], over: Sequence[str]) -> Node:
    """The node; every axis of `over` is in two of the tensors, and sizes agree."""
    return call.node("dot", nodes, TensorType(joined(nodes, over), product_type(kinds(nodes))), over=tuple(over))


def _need_two(call: Call, ref: AxisRef, nodes: Sequence[Node], spans: Sequence[Span]) -> None:
    holders = [index for index, node in enumerate(nodes) if node.tensor.has(ref.symbol)]
    if len(holders) > 1:
        return
    if not holders:
        labels = tuple(Label(span, call.describe(node.tensor)) for node, span in zip(nodes, spans, strict=True))
        title = f"none of these tensors has an axis `{ref.name}`"
        raise call.fault("E0201", title, ref.span, "`dot` needs it in two of them", labels=labels)
    only = Label(spans[holders[0]], f"the only one with `{ref.name}`: {call.describe(nodes[holders[0]].tensor)}")
    title = f"`dot` adds up products along `{ref.name}`, but only one tensor has it"
    raise call.fault("E0205", title, ref.span, "two tensors must have it", f"to add up one, write sum: sum(.., {ref.name})", labels=(only,))


def _masked(call: Call, nodes: list[Node], over: Sequence[str], mask: Node) -> Node:
    """What is not chosen counts as zero, even where it is infinite: tensors with all axes of the mask, or else the result, are cleared."""
    axes = frozenset(mask.tensor.names)
    if axes.isdisjoint(over):
        return _chosen(call, mask, contraction(call, nodes, over))
    whole = [axes <= frozenset(node.tensor.names) for node in nodes]
    if not any(whole):
        return contraction(call, [*nodes, mask], over)
    return contraction(call, [_chosen(call, mask, node) if has else node for node, has in zip(nodes, whole, strict=True)], over)


def _chosen(call: Call, mask: Node, node: Node) -> Node:
    zero = call.make.scalar(False if node.dtype == "bool" else 0, call.span)
    return call.node("where", (mask, node, zero), TensorType(joined([node, mask]), node.dtype))


def lower_dot(e: Emitter, node: Node) -> Value:
    """Products two at a time; whole numbers without matmul, which not every device has for them."""
    values = operands(e, node.inputs, node.dtype)
    return contract(e, values, node["over"], sizes_of(node.inputs), exact=node.dtype == "int")


def dot_cost(node: Node) -> Size:
    return operations([frozenset(source.tensor.names) for source in node.inputs], node["over"], sizes_of(node.inputs))


def dot_scratch(node: Node) -> Size:
    """The products of some of its tensors that come before the last one."""
    sizes, known = sizes_of(node.inputs), [frozenset(source.tensor.names) for source in node.inputs]
    total = Size.of(0)
    for step in plan(known, node["over"], sizes)[:-1]:
        known.append((known[step.left] | known[step.right]).difference(step.over))
        total = total + TensorType(tuple(Axis(name, sizes[name]) for name in sorted(known[-1]))).elements()
    return total


# ---------------------------------------------------------------- linear


def build_linear(call: Call) -> Node:
    """The node `linear` of the input, the weight and, with `bias`, the bias."""
    x, (left, right) = call.x, _sides(call)
    distinct(call, left)
    distinct(call, right)
    inner = [call.axis(ref) for ref in left]
    each = _each(call, left)
    for ref in right:
        _not_carried(call, ref, x, left)
    given: Node | None = call["weight"]
    if given is None:
        made = [call.new_axis(ref) for ref in right]
        weight, own = _own_weight(call, x, each, made, inner)
    else:
        made, weight, own = _given_weight(call, given, left, right, each)
    inputs = [x, weight]
    if call["bias"]:
        axes = [*each, *made]
        init = call["bias_init"] or Init("torch_bias", (_count(inner),))
        bias = call.make.weight("bias", axes, [[axis.name for axis in axes]], init, call.at("bias_init"))
        inputs.append(under(call, bias, axes))
    result = (*joined([x, weight], [*(axis.name for axis in inner), *own]), *made)
    names = tuple(axis.name for axis in inner), tuple(axis.name for axis in made), tuple(axis.name for axis in each)
    dtype = product_type(kinds(inputs))
    return call.node("linear", inputs, TensorType(result, dtype), over=names[0], made=names[1], each=names[2], own=own)


def _sides(call: Call) -> tuple[tuple[AxisRef, ...], tuple[AxisRef, ...]]:
    """The axes that go and those that come; a 1 stands for none."""
    arrow = call.arrows[0]
    if len(arrow.left) != 1 or len(arrow.right) != 1:
        title = "`linear` maps a product of axes, not a sum"
        raise call.fault("E0209", title, arrow.span, "one list of axes on each side", "write it as in `D -> h d`")
    for ref in (*arrow.left[0], *arrow.right[0]):
        if ref.is_number and ref.name != "1":
            help = f"name it, as in `D -> c={ref.name}`"
            raise call.fault("E0209", "a new axis needs a name", ref.span, "only 1 stands for no axis", help)
    left, right = (tuple(ref for ref in side[0] if not ref.is_number) for side in (arrow.left, arrow.right))
    return left, right


def _each(call: Call, left: Sequence[AxisRef]) -> list[Axis]:
    refs: tuple[AxisRef, ...] = call["each"] or ()
    distinct(call, refs)
    for ref in refs:
        if any(other.symbol == ref.symbol for other in left):
            title = f"axis `{ref.name}` is mapped, so it cannot have weights for each position"
            raise call.fault("E0204", title, ref.span, "also left of the arrow", "leave it out of one of them")
    return [call.axis(ref) for ref in refs]


def _not_carried(call: Call, ref: AxisRef, x: Node, left: Sequence[AxisRef]) -> None:
    if x.tensor.has(ref.symbol) and all(other.symbol != ref.symbol for other in left):
        title, label = f"the result would have axis `{ref.name}` twice", f"the input keeps its own `{ref.name}`"
        notes = (f"axes of the input: {call.describe(x.tensor)}",)
        raise call.fault("E0204", title, ref.span, label, f"map it too ({ref.name} on the left), or name the new axis otherwise", notes)


def _own_weight(call: Call, x: Node, each: list[Axis], made: list[Axis], inner: list[Axis]) -> tuple[Node, tuple[str, ...]]:
    """The stored weight [each*made, inner] and its names for the made axes, which clash with none of the input's."""
    avoid = [*x.tensor.names]
    own: list[Axis] = []
    for axis in made:
        own.append(Axis(call.make.fresh(axis.name, avoid), axis.size))
        avoid.append(own[-1].name)
    init = call["init"] or Init("torch_linear", (_count(inner),))
    groups = [[axis.name for axis in (*each, *own)], [axis.name for axis in inner]]
    axes = [*each, *own, *inner]
    return under(call, call.make.weight("weight", axes, groups, init, call.at("init")), axes), tuple(axis.name for axis in own)


def under(call: Call, weight: Node, axes: Sequence[Axis]) -> Node:
    """A weight under these names; a layer that is applied once more has it under those of the first time."""
    return rename_axes(call.make, weight, [(old.name, new.name) for old, new in zip(weight.axes, axes, strict=True)], call.span)


def _given_weight(
    call: Call, weight: Node, left: Sequence[AxisRef], right: Sequence[AxisRef], each: list[Axis]
) -> tuple[list[Axis], Node, tuple[str, ...]]:
    """The made axes, the weight, and its names for them: where an axis maps to itself, the weight's primed one."""
    if call["init"] is not None:
        title = "`init=` and `weight=` exclude each other"
        raise call.fault("E0304", title, call.at("init"), "a given weight has its values already", "leave out one")
    outer = [_second(call, ref, left) for ref in right]
    places = [*((ref.symbol, ref.span) for ref in left), *((name, ref.span) for name, ref in zip(outer, right, strict=True))]
    for name, span in (*places, *((axis.name, call.at("each")) for axis in each)):
        if not weight.tensor.has(name):
            raise _weight_lacks(call, call.make.local(name), weight, span)
    agree(call, [call.x, weight], [call.spans[0] if call.spans else call.x.span, call.at("weight")], [ref.symbol for ref in left])
    made = [_made(call, ref, weight.tensor.size(name)) for ref, name in zip(right, outer, strict=True)]
    renamed, own = _apart(call, weight, outer)
    return made, renamed, own


def _apart(call: Call, weight: Node, outer: Sequence[str]) -> tuple[Node, tuple[str, ...]]:
    """The weight with its made axes under names that the input does not have."""
    avoid = [*call.x.tensor.names, *weight.tensor.names]
    own: list[str] = []
    for name in outer:
        own.append(call.make.fresh(name, avoid) if call.x.tensor.has(name) else name)
        avoid.append(own[-1])
    return rename_axes(call.make, weight, list(zip(outer, own, strict=True)), call.span), tuple(own)


def _second(call: Call, ref: AxisRef, left: Sequence[AxisRef]) -> str:
    return call.make.prime(ref.symbol) if any(other.symbol == ref.symbol for other in left) else ref.symbol


def _made(call: Call, ref: AxisRef, size: Size) -> Axis:
    if ref.given and ref.size is not None:
        label = Label(call.at("weight"), f"here it is {size}")
        call.make.require_equal(ref.size, size, f"`{ref.name}` has two sizes", ref.span, labels=(label,))
    return call.make.declare(ref, size)


def _weight_lacks(call: Call, name: str, weight: Node, span: Span) -> Fault:
    return call.fault("E0201", f"this weight has no axis `{name}`", call.at("weight"), f"its axes: {call.describe(weight.tensor)}",
                      "the axes on both sides of the arrow; where one maps to itself, the new one is primed: `[D', D]` for `D -> D`",
                      labels=(Label(span, "needed here"),))  # fmt: skip


def _count(axes: Sequence[Axis]) -> Size:
    return TensorType(tuple(axes)).elements()


def lower_linear(e: Emitter, node: Node) -> Value:
    """PyTorch's linear on the last dimensions; a product where the weights differ along axes of the input."""
    values = operands(e, node.inputs, node.dtype)
    x, weight, bias = values[0], values[1], values[2] if len(values) > 2 else None
    sizes = sizes_of(node.inputs[:2])  # the bias may call its axis like a contracted one of another size
    over, made, own = node["over"], node["made"], node["own"]
    if node.options.get("rows"):
        return _rows_inside(e, (x, weight, bias), node)
    if set(weight.axes) == {*over, *own} and node.dtype != "int":
        return _plain_linear(e, (x, weight, bias), (over, own, made), sizes)
    names = dict(zip(own, made, strict=True))
    inner = None if bias is None or {*bias.axes} != {*made} else Value(bias.fx, tuple(own[made.index(name)] for name in bias.axes))
    y = product(e, x, weight, over, sizes, exact=node.dtype == "int", bias=inner)
    y = Value(y.fx, tuple(names.get(name, name) for name in y.axes))
    return y if bias is None or inner is not None else Value(e.call("torch.add", *e.align([y, bias], y.axes)), y.axes)


def _plain_linear(
    e: Emitter, values: tuple[Value, Value, Value | None], names: tuple[Sequence[str], Sequence[str], Sequence[str]], sizes: dict[str, Size]
) -> Value:
    x, weight, bias = values
    inner, own = ([Axis(name, sizes[name]) for name in part] for part in names[:2])
    made = [Axis(name, axis.size) for name, axis in zip(names[2], own, strict=True)]
    others = [[Axis(name, sizes[name])] for name in x.axes if name not in names[0]]
    flat = [e.flat(x, [*others, inner]), e.flat(weight, [own, inner])]
    if bias is not None:
        flat.append(e.flat(bias, [made]))
    return e.unflat(e.call("torch.nn.functional.linear", *flat), [*others, made])


def _rows_inside(e: Emitter, values: tuple[Value, Value, Value | None], node: Node) -> Value:
    """Weights times input, so that the axes `rows` of the input come innermost. Made by the optimiser."""
    x, weight, bias = values
    sizes = {**sizes_of(node.inputs[:2]), **dict(node.axes)}
    inner, own, made, rows = ([Axis(name, sizes[name]) for name in node[key]] for key in ("over", "own", "made", "rows"))
    others = [[Axis(name, sizes[name])] for name in x.axes if name not in (*node["over"], *node["rows"])]
    left = e.flat(weight, [own, inner])
    if others:
        left = e.call("torch.unsqueeze", left, 0)  # matrices on both sides: else PyTorch takes the rows first
    y = e.call("torch.matmul", left, e.flat(x, [*others, inner, rows]))
    if bias is not None:
        y = e.call("torch.add", y, e.call("torch.unsqueeze", e.flat(bias, [made]), 1))
    return e.unflat(y, [*others, made, rows])


def linear_cost(node: Node) -> Size:
    """Two operations for each number of the input and each made index, and one addition of the bias."""
    x, weight = node.inputs[:2]
    total = operations([frozenset(x.tensor.names), frozenset(weight.tensor.names)], node["over"], sizes_of(node.inputs[:2]))
    return total + node.tensor.elements() if len(node.inputs) > 2 else total


# ---------------------------------------------------------------- the table

_DOT = """Multiplies tensors that line up by name, and adds up along axes.

dot(a, b, .., over=d M, where=mask): any number of tensors, two at least; each axis in `over=` must be in two of them or more,
and is gone from the result, which has all the others. The order of products is the cheapest one. `where=` (bool) leaves out
what is not chosen, and so does a mask among the tensors. Matrix product: dot(a [M, K], b [K, N], over=K) -> [M, N]."""

_LINEAR = """Maps the axes on the left of the arrow to those on the right, with weights of its own.

linear(x, D -> h d): x [.., D] becomes [.., h, d]. `D -> D` is a square map, `h d -> D` maps two axes, `C -> 1` leaves none,
`1 -> D` makes one.
Weights: `weight` [each*out, in] and, unless bias=false, `bias` [each*out], started as PyTorch does. `init=` and `bias_init=` are
other starts. `each=g` gives every position of g (an axis of x) weights of its own. `weight=` is a tensor with the axes of both sides (the
new axis primed where it is an old one too: [D', D] for `D -> D`) and perhaps further axes: then the weights differ along those."""

_DOT_EXAMPLES = (
    "block t(a: [*, N, D], b: [*, M, D]) -> [*, N, M] {\n    return dot(a, b, over=D)\n}",
    "block t(q: [*, h, N, D], k: [*, h, M, D], v: [*, h, M, E], keep: [h, N, M]) -> [*, h, N, E] {\n"
    "    return dot(q, k, v, over=D M, where=keep > 0)\n}",
    "block t(a: [*, N, D], b: [*, N, D]) -> [*] {\n    return dot(a, b, over=N D)\n}",
)
_LINEAR_EXAMPLES = (
    "# bind: D=6, heads=2\nblock t(x: [*, N, D], heads: int) -> [*, N, D] {\n    axis h = heads, d = D / heads\n"
    "    return linear(x, D -> h d) as q |> linear(h d -> D, bias=false) as out\n}",
    "# bind: g=3, C=4\nblock t(x: [*, g, C]) -> [*, g, e=5] {\n    return linear(x, C -> e=5, each=g)\n}",
    "# bind: D=4\nblock t(x: [*, N, D], w: [N, D', D]) -> [*, N, D] {\n    return linear(x, D -> D, weight=w)\n}",
)

register(
    Operator("dot", "contraction", _DOT, build_dot,
             Signature(("a",), variadic=True, tuples=True, axes="list", options=(
                 Option("where", "tensor", None, "bool: which products count"),), layer=False),
             lower_dot, dot_cost, examples=_DOT_EXAMPLES, scratch=dot_scratch),
    Operator("linear", "contraction", _LINEAR, build_linear,
             Signature(("x",), axes="arrow", options=(
                 Option("bias", "bool", True, "whether a number is added for each made index"),
                 Option("init", "init", None, "how the weight starts"),
                 Option("bias_init", "init", None, "how the bias starts, where there is one"),
                 Option("each", "axes", None, "axes of x that have weights of their own for each position"),
                 Option("weight", "tensor", None, "a tensor to take instead of an own weight"))),
             lower_linear, linear_cost, examples=_LINEAR_EXAMPLES),
)  # fmt: skip
