"""Moving axes about: products (split, merge) and names (rename, expand).

All are views when lowered, as far as the order in memory allows; `rename` is nothing at all. Sums of axes are in `sums.py`, borders
in `borders.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...dsl.diagnostics import Fault
from ..graph import Node
from ..lower.emitter import Emitter, Value
from ..sizes import Size, divisors, equal, nearest_multiples, product
from ..types import Axis
from .axes import (
    arrow_sides,
    expand_axes,
    free_sources,
    merge_axes,
    merge_groups,
    rename_axes,
    split_axis,
)
from .base import AxisRef, Call, Operator, Option, Signature, no_cost, register
from .borders import no_twice, pad_axes

__all__ = ["expand_axes", "merge_axes", "rename_axes", "split_axis"]

# ---------------------------------------------------------------- split and merge


def _build_split(call: Call) -> Node | tuple[Node, ...]:
    if any(len(arrow.right) > 1 for arrow in call.arrows):
        from .sums import split_sum

        return split_sum(call)
    sides = arrow_sides(call)
    x, now = free_sources(call, sides)
    for left, right in sides:
        if len(left) != 1:
            raise call.fault(
                "E0209",
                "`split` takes one axis apart at a time",
                left[1].span,
                "a second axis left of the arrow",
                "write one arrow for each axis",
            )
        x = _split_one(call, x, left[0], now[left[0].symbol], right)
    return x


def _split_one(call: Call, x: Node, source: AxisRef, name: str, refs: Sequence[AxisRef]) -> Node:
    total = x.tensor.size(name)
    missing = _missing_part(call, refs)
    known = product([call.make.size_of(ref) for i, ref in enumerate(refs) if i != missing])
    if missing is None:
        if equal(known, total) is False:
            raise _unequal_parts(call, source, total, refs, known)
        call.make.require_equal(known, total, f"the parts of `{source.name}` must multiply to it", source.span)
        parts = [call.make.declare(ref, call.make.size_of(ref)) for ref in refs]
        return split_axis(call.make, x, name, parts, call.span)
    if known == 0:
        raise call.fault("E0203", f"axis `{source.name}` cannot be split into parts of size 0", source.span)
    rest = total / known
    if call["fill"] is not None:
        rest = -((-total) // known)
        x = pad_axes(call.make, x, ((name, Size.of(0), rest * known - total),), call.span, call["fill"])
    else:
        _require_divides(call, source, total, known, refs, missing)
    parts = [call.make.declare(ref, rest if i == missing else call.make.size_of(ref)) for i, ref in enumerate(refs)]
    return split_axis(call.make, x, name, parts, call.span)


def _missing_part(call: Call, refs: Sequence[AxisRef]) -> int | None:
    """Which part is computed: the one without a size, else the only one whose size is not written here. None: every size is said."""
    unknown = [i for i, ref in enumerate(refs) if ref.size is None]
    if len(unknown) > 1:
        names = " and ".join(f"`{refs[i].name}`" for i in unknown)
        first = refs[unknown[0]]
        raise call.fault(
            "E0206", f"{names} have no size", refs[unknown[1]].span, "one part can be computed, not two", f"give one here: {first.name}=7"
        )
    if unknown:
        return unknown[0]
    silent = [i for i, ref in enumerate(refs) if not ref.given]
    return silent[0] if len(silent) == 1 and len(refs) > 1 else None


def _require_divides(call: Call, source: AxisRef, total: Size, known: Size, refs: Sequence[AxisRef], missing: int) -> None:
    n, k = total.integer(), known.integer()
    if n is None or k is None or k <= 0 or n % k == 0:
        call.make.require_whole(total / known, source.span, f"`{refs[missing].name}`, which is `{source.name}` / {known},")
        return
    others = [ref.name for i, ref in enumerate(refs) if i != missing]
    into = " ".join(f"`{name}`" for name in others)
    near = [size for size in nearest_multiples(n, k) if size > 0]
    fits = sorted(divisors(n, 64), key=lambda d: (abs(d - k), d))[:3]
    title = f"`{source.name}` of size {n} does not divide into {k} ({into})"
    help = f"sizes of `{source.name}` that work: {_listed(near)}; of {into}: {_listed(sorted(fits))}; or pad the tail with fill=0"
    raise call.fault("E0203", title, source.span, f"{n} = {k} * {n // k} + {n % k}", help)


def _listed(numbers: Sequence[int]) -> str:
    return " or ".join(str(number) for number in numbers)


def _unequal_parts(call: Call, source: AxisRef, total: Size, refs: Sequence[AxisRef], known: Size) -> Fault:
    shown = " * ".join(f"{ref.name}={call.make.size_of(ref)}" for ref in refs)
    return call.fault(
        "E0203",
        f"`{source.name}` of size {total} is not {shown} = {known}",
        source.span,
        f"this is {total}",
        "leave one size out and it is computed",
    )


def _build_merge(call: Call) -> Node:
    sides = arrow_sides(call)
    x, now = free_sources(call, sides)
    groups: list[tuple[tuple[str, ...], Axis]] = []
    for left, right in sides:
        if len(right) != 1:
            raise call.fault("E0209", "`merge` makes one axis", right[1].span, "a second name right of the arrow", "write Y u -> H")
        names = tuple(now[ref.symbol] for ref in left)
        size = product([x.tensor.size(name) for name in names])
        if right[0].given:
            reason = f"the size given for `{right[0].name}` must be the product"
            call.make.require_equal(call.make.size_of(right[0]), size, reason, right[0].span)
        groups.append((names, call.make.declare(right[0], size)))
    return merge_groups(call.make, x, groups, call.span)


def _lower_split(e: Emitter, node: Node) -> Value:
    value = e.value(node.inputs[0])
    at = value.axes.index(node["axis"])
    sizes = e.sizes([Axis(name, node.tensor.size(name)) for name in node["parts"]])
    return Value(e.method("unflatten", value.fx, at, sizes), (*value.axes[:at], *node["parts"], *value.axes[at + 1 :]))


def _lower_merge(e: Emitter, node: Node) -> Value:
    """Each product where its innermost part stands, so that nothing moves where it is in order already."""
    value, groups = e.value(node.inputs[0]), dict(zip(node["axes"], node["parts"], strict=True))
    merged = {part: (name, parts) for name, parts in groups.items() for part in parts}
    order: list[tuple[str, tuple[str, ...]]] = []
    for axis in value.axes:
        name, parts = merged.get(axis, (axis, (axis,)))
        if axis == parts[-1]:
            order.append((name, parts))
    sizes = {axis.name: axis.size for axis in node.inputs[0].axes}
    fx = e.flat(value, [[Axis(part, sizes[part]) for part in parts] for _, parts in order])
    return Value(fx, tuple(name for name, _ in order))


# ---------------------------------------------------------------- rename and expand


def _build_rename(call: Call) -> Node:
    sides = arrow_sides(call)
    pairs: list[tuple[str, str]] = []
    for left, right in sides:
        if len(left) != 1 or len(right) != 1:
            raise call.fault("E0209", "`rename` takes one name on each side", (left + right)[-1].span, "", "split and merge take products")
    free_sources(call, sides)
    for (old,), (new,) in sides:
        size = call.axis(old).size
        if new.given:
            call.make.require_equal(call.make.size_of(new), size, f"`{new.name}` must have the size of `{old.name}`", new.span)
        call.make.declare(new, size)
        pairs.append((old.symbol, new.symbol))
    return rename_axes(call.make, call.x, pairs, call.span)


def _build_expand(call: Call) -> Node:
    hidden = call.make.hidden()  # `expand(a, *)` adds those that are not there yet
    places = [ref for ref in call.axes if ref.symbol not in hidden or not call.x.tensor.has(ref.symbol)]
    refs = [*places, *(ref for ref, _ in call.settings)]
    no_twice(call, refs)
    if not call.axes and not call.settings:
        raise call.fault("E0209", "`expand` needs an axis", None, "", "write expand(a, M) or expand(a, M=4)")
    for ref in refs:
        if call.x.tensor.has(ref.symbol):
            raise call.fault(
                "E0204",
                f"the tensor already has an axis `{ref.name}`",
                ref.span,
                "it would stand twice",
                notes=(f"its axes: {call.describe(call.x.tensor)}",),
            )
    axes = [call.new_axis(ref) for ref in places]
    axes += [call.make.declare(ref, size) for ref, size in call.settings]
    return expand_axes(call.make, call.x, axes, call.span)


def _lower_rename(e: Emitter, node: Node) -> Value:
    value, names = e.value(node.inputs[0]), dict(node["pairs"])
    return Value(value.fx, tuple(names.get(name, name) for name in value.axes))


def _lower_expand(e: Emitter, node: Node) -> Value:
    value = e.tensor(node.inputs[0])
    sizes = e.sizes([Axis(name, node.tensor.size(name)) for name in node["axes"]])
    return Value(e.method("expand", value.fx, *sizes, *([-1] * len(value.axes))), (*node["axes"], *value.axes))


register(
    Operator(
        "split",
        "shape",
        """Take an axis apart.

`split(x, H -> Y u=7)` is a product: position `H` is `Y * 7 + u`, the left part is outer. One part may be without a size and is computed;
a size that does not divide is an error, and `fill=0` pads a ragged tail instead. `l, p = split(a, A -> L + P)` is a sum: neighbouring
pieces. A `1` on the right is a piece without the axis. Several arrows act at once.""",
        _build_split,
        Signature(axes="arrows", options=(Option("fill", "float", None, "pad a ragged tail with this"),)),
        _lower_split,
        no_cost,
        examples=(
            """\
# bind: h=2
block t(x: [*, N, D], heads: int = 2) -> [*, h, N, d] {
    return split(x, D -> h=heads d)
}
""",
            """\
block t(x: [*, H, W]) -> [*, Y, u, X, v] {
    return split(x, H -> Y u=3, W -> X v=2, fill=0.5)
}
""",
            """\
# bind: A=7
block t(x: [*, A, D]) -> [*, D] {
    l, p = split(x, A -> L=3 + P)
    return sum(l, L) * sum(p, P)
}
""",
        ),
    ),
    Operator(
        "merge",
        "shape",
        """Make one axis of several.

`merge(x, Y u -> H)`: the left one is outer, so position `Y`, `u` becomes `Y * size(u) + u`. The inverse of `split`. Several arrows act
at once.""",
        _build_merge,
        Signature(axes="arrows"),
        _lower_merge,
        no_cost,
        examples=(
            """\
block t(x: [*, h, N, d]) -> [*, N, D] {
    return merge(x, h d -> D)
}
""",
            """\
block t(x: [*, Y, u, X, v]) -> [*, H, W] {
    return merge(x, Y u -> H, X v -> W)
}
""",
        ),
    ),
    Operator(
        "rename",
        "shape",
        """Give axes other names, all at once. `rename(x, N -> N')` makes the second copy of `N`; `rename(x, A -> B, B -> A)` exchanges two.

Costs nothing when it runs.""",
        _build_rename,
        Signature(axes="arrows"),
        _lower_rename,
        no_cost,
        examples=(
            """\
block t(x: [*, N]) -> [*, N, N'] {
    return x * rename(x, N -> N')
}
""",
            """\
block t(x: [*, N, M]) -> [*, N, M] {
    y = rename(x, N -> M, M -> N) |> exp
    return rename(y, N -> M, M -> N)
}
""",
        ),
    ),
    Operator(
        "expand",
        "shape",
        """Repeat a tensor along a new axis: `expand(a, M)` at the size `M` has here, `expand(a, M=4)` at a new one. Makes no copy.

Says that an outer product is meant.""",
        _build_expand,
        Signature(axes="list?", settings="int"),
        _lower_expand,
        no_cost,
        examples=(
            """\
block t(x: [*, N]) -> [*, N, M] {
    return expand(x, M=3) * 2
}
""",
            """\
block t(a: [*, N], b: [*, M]) -> [*, N, M] {
    return expand(a, M) * b
}
""",
        ),
    ),
)
