"""Axes put end to end: concat and the split into a sum; and tensors side by side: stack and unstack."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Node
from ..lower.emitter import Emitter, Value
from ..sizes import Size, equal, product
from ..types import Axis, DType, TensorType, promote
from .axes import merge_axes, rename_axes
from .base import ArrowRef, AxisRef, Call, Operator, Signature, no_cost, register
from .borders import no_twice
from .broadcast import operands, union
from .facts import is_number
from .indexing import cut, pick

Term = tuple[AxisRef, ...]

MAX_PARTS = 1024

# ---------------------------------------------------------------- split into a sum


def split_sum(call: Call) -> tuple[Node, ...]:
    """`l, p = split(a, A -> L + P)`: neighbouring pieces of an axis; one may be without a size and is the rest."""
    source, terms = _sum_arrow(call)
    total = call.axis(source).size
    sizes = _term_sizes(call, source, total, terms)
    kept = set(call.x.tensor.names) - {source.symbol}
    pieces: list[Node] = []
    start = Size.of(0)
    for ref, size in zip(terms, sizes, strict=True):
        if ref.symbol in kept:
            raise call.fault(
                "E0204", f"the tensor already has an axis `{ref.name}`", ref.span, "it would stand twice", "rename the other one first"
            )
        pieces.append(_piece(call, source, ref, start, size))
        start = start + size
    return tuple(pieces)


def _sum_arrow(call: Call) -> tuple[AxisRef, list[AxisRef]]:
    arrow = call.arrows[0]
    if len(call.arrows) != 1:
        raise call.fault("E0209", "a split into a sum stands alone", call.arrows[1].span, "a second arrow", "split twice")
    if call["fill"] is not None:
        raise call.fault("E0304", "`fill` goes with products, not with sums", call.at("fill"), "", "pad first: pad(x, H=[0, 3])")
    if len(arrow.left) != 1 or len(arrow.left[0]) != 1 or arrow.left[0][0].is_number:
        raise call.fault("E0209", "`split` takes one axis apart", arrow.span, "one name left of the arrow", "write A -> L + P")
    for term in arrow.right:
        if len(term) != 1:
            raise call.fault("E0209", "a piece is one axis", term[1].span, "a product inside a sum", "split the piece once more")
        _only_one(call, term[0])
    return arrow.left[0][0], [term[0] for term in arrow.right]


def _only_one(call: Call, ref: AxisRef) -> None:
    if ref.is_number and ref.name != "1":
        raise call.fault(
            "E0209", f"`{ref.name}` is not an axis", ref.span, "only `1` stands for a piece without an axis", f"name it: L={ref.name}"
        )


def _term_sizes(call: Call, source: AxisRef, total: Size, terms: Sequence[AxisRef]) -> list[Size]:
    known = [Size.of(1) if ref.is_number else ref.size for ref in terms]
    missing = [i for i, size in enumerate(known) if size is None]
    if len(missing) > 1:
        first, second = (terms[i] for i in missing[:2])
        raise call.fault(
            "E0206",
            f"`{first.name}` and `{second.name}` have no size",
            second.span,
            "one piece can be the rest, not two",
            f"give one: {first.name}=3",
        )
    whole = sum((size for size in known if size is not None), Size.of(0))
    if missing:
        call.make.require_at_least(total, whole, f"the pieces of `{source.name}` are longer than it", source.span, "E0202")
        return [total - whole if size is None else size for size in known]
    if equal(whole, total) is False:
        shown = " + ".join(ref.name if ref.is_number else f"{ref.name}={size}" for ref, size in zip(terms, known, strict=True))
        raise call.fault(
            "E0202",
            f"`{source.name}` of size {total} is not {shown} = {whole}",
            source.span,
            f"this is {total}",
            "leave one size out and it is the rest",
        )
    call.make.require_equal(whole, total, f"the pieces of `{source.name}` must add up to it", source.span)
    return [size for size in known if size is not None]


def _piece(call: Call, source: AxisRef, ref: AxisRef, start: Size, size: Size) -> Node:
    axis = call.axis(source)
    if ref.is_number:
        return pick(call.make, call.x, axis, start, call.span)
    piece = cut(call.make, call.x, axis, start, start + size, call.span)
    call.make.declare(ref, size)
    return rename_axes(call.make, piece, ((source.symbol, ref.symbol),), call.span)


# ---------------------------------------------------------------- concat


def _build_concat(call: Call) -> Node:
    parts, ref = _over_parts(call) if call.axes else _arrow_parts(call)
    size = sum((_length(part, ref.symbol) for part in parts), Size.of(0))
    if ref.given:
        call.make.require_equal(call.make.size_of(ref), size, f"the size given for `{ref.name}` must be the sum", ref.span)
    into = call.make.declare(ref, size)
    _require_same(call, parts, ref)
    others = [axis for axis in union(parts) if axis.name != into.name]
    dtypes: list[DType] = [part.dtype for part in parts]
    return call.node("concat", parts, TensorType((*others, into), promote(*dtypes)), axis=into.name)


def _length(part: Node, name: str) -> Size:
    return part.tensor.size(name) if part.tensor.has(name) else Size.of(1)


def _require_same(call: Call, parts: Sequence[Node], along: AxisRef) -> None:
    """All other axes have one size in every part."""
    seen: dict[str, Size] = {}
    for part, span in zip(parts, call.spans, strict=True):
        for axis in part.axes:
            if axis.name != along.symbol:
                first = seen.setdefault(axis.name, axis.size)
                call.make.require_equal(first, axis.size, f"axis `{call.make.local(axis.name)}` has two sizes", span)


def _over_parts(call: Call) -> tuple[list[Node], AxisRef]:
    if len(call.axes) != 1 or call.arrows:
        raise call.fault(
            "E0209", "`concat` joins along one axis", call.axes[-1].span, "", "write concat(a, b, over=N) or concat(a, b, L + P -> A)"
        )
    ref = call.axes[0]
    for tensor in call.tensors:
        call.axis(ref, tensor)
    return list(call.tensors), ref


def _arrow_parts(call: Call) -> tuple[list[Node], AxisRef]:
    if len(call.arrows) != 1:
        raise call.fault("E0209", "`concat` needs one arrow", None, "", "write concat(a, b, L + P -> A), or over=N to keep the name")
    arrow = call.arrows[0]
    if len(arrow.right) != 1 or len(arrow.right[0]) != 1 or arrow.right[0][0].is_number:
        raise call.fault("E0209", "`concat` makes one axis", arrow.span, "one name right of the arrow", "write L + P -> A")
    terms = _terms(call, arrow)
    into = arrow.right[0][0]
    return [_part(call, tensor, term, into) for tensor, term in zip(call.tensors, terms, strict=True)], into


def _terms(call: Call, arrow: ArrowRef) -> Sequence[Term]:
    count = len(call.tensors)
    if len(arrow.left) == 1:
        return arrow.left * count
    if len(arrow.left) != count:
        raise call.fault(
            "E0209",
            f"{count} tensors, but {len(arrow.left)} axes before the arrow",
            arrow.span,
            "one term for each tensor",
            "write L + P -> A for two",
        )
    return arrow.left


def _part(call: Call, x: Node, term: Term, into: AxisRef) -> Node:
    """One operand with its piece under the new name. One written `1` lacks the axis, and counts as one position."""
    make, span = call.make, term[0].span
    for ref in term:
        _only_one(call, ref)
    named = [ref for ref in term if not ref.is_number]
    no_twice(call, named)
    gone = [call.axis(ref, x).name for ref in named]
    if into.symbol not in gone and x.tensor.has(into.symbol):
        raise call.fault(
            "E0204",
            f"this tensor already has an axis `{into.name}`",
            span,
            "it would stand twice",
            "rename it first",
            notes=(f"its axes: {call.describe(x.tensor)}",),
        )
    if not named:
        return x
    return merge_axes(make, x, gone, Axis(into.symbol, product([x.tensor.size(name) for name in gone])), call.span)


def _operands(e: Emitter, node: Node) -> list[Value]:
    """The values in one kind of number; numbers become tensors of the working type where that is the result's."""
    values = operands(e, node.inputs, node.dtype)
    like = next(
        (value for source, value in zip(node.inputs, values, strict=True) if source.dtype == "float" and not is_number(source)), None
    )
    if node.dtype != "float" or like is None:
        return values
    pairs = zip(node.inputs, values, strict=True)
    return [Value(e.method("to", e.tensor(source).fx, like.fx), ()) if is_number(source) else value for source, value in pairs]


def _lower_concat(e: Emitter, node: Node) -> Value:
    along, values = node["axis"], _operands(e, node)
    order = max((value for value in values), key=lambda value: len(value.axes)).axes
    order = (*order, *(name for name in node.tensor.names if name not in order))
    parts = [
        e.full(value, [Axis(name, _length(source, along) if name == along else node.tensor.size(name)) for name in order])
        for source, value in zip(node.inputs, values, strict=True)
    ]
    return Value(e.call("torch.cat", parts, dim=order.index(along)), order)


# ---------------------------------------------------------------- stack


def _build_stack(call: Call) -> Node:
    if len(call.axes) != 1:
        raise call.fault("E0209", "`stack` makes one axis", None, "", "write stack(a, b, Z)")
    ref, count = call.axes[0], Size.of(len(call.tensors))
    if ref.given:
        call.make.require_equal(call.make.size_of(ref), count, f"`{ref.name}` has one position for each tensor", ref.span)
    for tensor in call.tensors:
        if tensor.tensor.has(ref.symbol):
            raise call.fault(
                "E0204",
                f"this tensor already has an axis `{ref.name}`",
                ref.span,
                "`stack` makes a new one",
                "take another name, or concat along it",
                notes=(f"its axes: {call.describe(tensor.tensor)}",),
            )
    _require_same(call, call.tensors, ref)
    made = call.make.declare(ref, count)
    dtypes: list[DType] = [tensor.dtype for tensor in call.tensors]
    return call.node("stack", call.tensors, TensorType((*union(call.tensors), made), promote(*dtypes)), axis=made.name, inner=False)


def _lower_stack(e: Emitter, node: Node) -> Value:
    values = _operands(e, node)
    axes = node.tensor.without((node["axis"],)).axes
    order = max(values, key=lambda value: len(value.axes)).axes
    order = (*order, *(axis.name for axis in axes if axis.name not in order))
    parts = [e.full(value, [Axis(name, node.tensor.size(name)) for name in order]) for value in values]
    if node["inner"]:
        return Value(e.call("torch.stack", parts, dim=-1), (*order, node["axis"]))
    if node.options.get("before") in order:
        at = order.index(node["before"])
        return Value(e.call("torch.stack", parts, dim=at), (*order[:at], node["axis"], *order[at:]))
    return Value(e.call("torch.stack", parts), (node["axis"], *order))


def _build_unstack(call: Call) -> tuple[Node, ...]:
    if len(call.axes) != 1:
        raise call.fault("E0209", "`unstack` takes one axis", None, "", "write a, b = unstack(x, Z)")
    axis = call.axis(call.axes[0])
    count = axis.size.integer()
    if count is None:
        name = call.axes[0].name
        raise call.fault(
            "E0206",
            f"how many tensors `unstack` gives must be known when the module is built, and `{name}` is {axis.size}",
            call.axes[0].span,
            "its size is dynamic",
            f"bind the size of `{name}`, or take single positions: x[{name}=0]",
        )
    if count > MAX_PARTS:
        raise call.fault("E0513", f"`unstack` gives at most {MAX_PARTS:,} tensors, here {count:,}", call.axes[0].span)
    return tuple(pick(call.make, call.x, axis, Size.of(i), call.span) for i in range(count))


register(
    Operator(
        "concat",
        "shape",
        """Put tensors end to end along an axis.

`concat(a, b, L + P -> A)` names each tensor's own axis and the result's; `concat(cls, x, 1 + N -> M)` gives a tensor without the axis
one place; `concat(a, b, over=N)` keeps the name. Any number of tensors; what lacks one of the other axes is repeated along it.""",
        _build_concat,
        Signature(("x",), variadic=True, axes="list|arrow", layer=False),
        _lower_concat,
        no_cost,
        examples=(
            """\
block t(a: [*, L, D], b: [*, P, D]) -> [*, A, D] {
    return concat(a, b, L + P -> A)
}
""",
            """\
# bind: D=3
block t(x: [*, N, D]) -> [*, M, D] {
    param cls: [D] = 0.5
    return concat(cls, x, 1 + N -> M)
}
""",
            """\
block t(a: [*, N, D], b: [*, N, D]) -> [*, M, D] {
    return concat(a, b, a * b, over=N) |> rename(N -> M)
}
""",
        ),
    ),
    Operator(
        "stack",
        "shape",
        """Put tensors side by side along a new axis: `stack(a, b, Z)` has `Z` of size 2.

What lacks one of the other axes is repeated along it.""",
        _build_stack,
        Signature(("x",), variadic=True, axes="list", layer=False),
        _lower_stack,
        no_cost,
        examples=(
            """\
block t(a: [*, N], b: [*, N]) -> [*, Z, N] {
    return stack(a, b * a, Z)
}
""",
            """\
block t(a: [*, f]) -> [*, d] {
    return stack(a, exp(a), p) |> merge(f p -> d)
}
""",
        ),
    ),
    Operator(
        "unstack",
        "shape",
        "Take the positions of an axis apart: `a, b = unstack(x, Z)`. The size of the axis must be known when the module is built.",
        _build_unstack,
        Signature(axes="list", layer=False),
        examples=(
            """\
block t(x: [*, N]) -> [*, f] {
    a, b = split(x, N -> f p=2, fill=0) |> unstack(p)
    return a * b
}
""",
        ),
    ),
)
