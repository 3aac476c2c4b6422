"""The kernel of a convolution: which axis of a call plays which part, and the weight and bias it owns or is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..graph import Init, Node
from ..sizes import Size, product
from ..types import Axis
from .axes import rename_axes
from .base import AxisRef, Call
from .borders import no_twice
from .broadcast import wrong_kind
from .sliding import kept_names, require_positive


@dataclass(frozen=True)
class Roles:
    """What each axis of a call is, as written. `to` are the new names of `over` (the same ones where none are given)."""

    inner: tuple[AxisRef, ...]
    made: tuple[AxisRef, ...]
    each: tuple[AxisRef, ...]
    over: tuple[AxisRef, ...]
    to: tuple[AxisRef, ...]


@dataclass(frozen=True)
class Kernel:
    """The kernel as a node, with the names of its axes: those that slide, those that are contracted, those a bias has too."""

    node: Node
    taps: tuple[str, ...]
    inner: tuple[str, ...]
    outer: tuple[Axis, ...]
    sizes: tuple[Size, ...]
    fan: Size


def roles_of(call: Call) -> Roles:
    inner: tuple[AxisRef, ...] = ()
    made: tuple[AxisRef, ...] = ()
    if call.arrows:
        arrow = call.arrows[0]
        if len(arrow.left) != 1 or len(arrow.right) != 1:
            raise call.fault("E0209", f"`{call.name}` takes no `+`", arrow.span, "a sum of axes", "concat joins axes")
        inner = tuple(ref for ref in arrow.left[0] if not _is_one(call, ref))
        made = tuple(ref for ref in arrow.right[0] if not _is_one(call, ref))
    over, to = call.over, call.over
    if call.over_arrow is not None:
        over, to = call.over_arrow.left[0], call.over_arrow.right[0]
        kept_names(call, over, to, call.over_arrow.span)
    if not over:
        raise call.fault("E0209", f"`{call.name}` needs an axis to slide along", None, "", "write over=H W")
    roles = Roles(inner, made, tuple(call["each"] or ()), over, to)
    _check_roles(call, roles)
    return roles


def _is_one(call: Call, ref: AxisRef) -> bool:
    if ref.is_number and ref.name != "1":
        raise call.fault("E0209", f"`{ref.name}` is not an axis", ref.span, "only `1` stands for none", f"name it: E={ref.name}")
    return ref.is_number


def _check_roles(call: Call, roles: Roles) -> None:
    no_twice(call, roles.inner)
    no_twice(call, roles.made)
    no_twice(call, [*roles.over, *roles.inner, *roles.each])
    for ref in (*roles.inner, *roles.over):
        call.axis(ref)
    gone = {ref.symbol for ref in roles.inner}
    for ref in roles.made:
        if call.x.tensor.has(ref.symbol) and ref.symbol not in gone:
            raise call.fault(
                "E0204",
                f"the tensor already has an axis `{ref.name}`",
                ref.span,
                "it would stand twice",
                "take another name, or contract it too",
                notes=(f"its axes: {call.describe(call.x.tensor)}",),
            )
    if call.x.dtype == "complex":
        raise wrong_kind(call, call.x, 0, "real numbers", "slide over real(x) and imag(x)")


def kernel_of(call: Call, roles: Roles, transposed: bool) -> Kernel:
    return _given_kernel(call, roles) if call["weight"] is not None else _own_kernel(call, roles, transposed)


def _own_kernel(call: Call, roles: Roles, transposed: bool) -> Kernel:
    """A weight stored as PyTorch does: `[each*out, in, kernel..]`, for a transposed one `[each*in, out, kernel..]`."""
    if call["kernel"] is None:
        raise call.fault("E0305", f"`{call.name}` needs `kernel=`", None, "", "write kernel=3")
    if call["taps"] is not None:
        raise call.fault("E0305", "`taps` names axes of a given `weight=`", call.at("taps"), "there is none")
    sizes = call.per_axis("kernel", len(roles.over))
    require_positive(call, "kernel", sizes)
    each = [call.axis(ref) if call.x.tensor.has(ref.symbol) else Axis(ref.symbol, call.make.size_of(ref)) for ref in roles.each]
    made = [call.new_axis(ref) for ref in roles.made]
    names = [*call.x.tensor.names, *(axis.name for axis in (*each, *made))]
    inner = _fresh(call, [call.axis(ref) for ref in roles.inner], [axis.name for axis in (*each, *made)], names)
    taps = _fresh(call, [Axis(f"{ref.symbol}_kernel", size) for ref, size in zip(roles.over, sizes, strict=True)], names, names)
    first, second = ([*each, *inner], made) if transposed else ([*each, *made], inner)
    axes = [*first, *second, *taps]
    groups = [[a.name for a in first], [a.name for a in second], *([a.name] for a in taps)]
    fan = product([axis.size for axis in (*second, *taps)])  # what PyTorch counts, also where it is the number of results
    node = call.make.weight("weight", axes, groups, call["init"] or Init("torch_linear", (fan,)), call.span)
    return Kernel(_under(call, node, axes), tuple(a.name for a in taps), tuple(a.name for a in inner), (*each, *made), sizes, fan)


def _fresh(call: Call, axes: Sequence[Axis], avoid: Sequence[str], names: list[str]) -> list[Axis]:
    """Axes under names that are free: of all `names` where one is in `avoid`. Takes the names it gives."""
    found: list[Axis] = []
    for axis in axes:
        name = call.make.fresh(axis.name, names) if axis.name in avoid else axis.name
        names.append(name)
        found.append(Axis(name, axis.size))
    return found


def _under(call: Call, node: Node, axes: Sequence[Axis]) -> Node:
    """A weight under the names of this application: a layer that is applied again has those of the first."""
    pairs = [(old.name, new.name) for old, new in zip(node.axes, axes, strict=True)]
    return rename_axes(call.make, node, pairs, call.span)


def _given_kernel(call: Call, roles: Roles) -> Kernel:
    weight: Node = call["weight"]
    if call["taps"] is None:
        raise call.fault(
            "E0305",
            "a given `weight=` needs `taps=`",
            call.at("weight"),
            "which of its axes slide?",
            "name them in the order of over=: taps=i j",
        )
    if call["init"] is not None:
        raise call.fault("E0304", "`init` and `weight` exclude each other", call.at("init"), "the given weight has its own values")
    taps: tuple[AxisRef, ...] = tuple(call["taps"])
    if len(taps) != len(roles.over):
        raise call.fault(
            "E0303", f"`taps` names {len(taps)} axes for {len(roles.over)} of `over`", call.at("taps"), "one for each, in the same order"
        )
    sizes = tuple(call.axis(ref, weight).size for ref in taps)
    if call["kernel"] is not None:
        for ref, size, told in zip(taps, sizes, call.per_axis("kernel", len(taps)), strict=True):
            call.make.require_equal(told, size, f"`kernel` and the axis `{ref.name}` of the weight", call.at("kernel"))
    for ref in (*roles.inner, *roles.made, *roles.each):
        call.axis(ref, weight)
    _check_given(call, roles, weight, taps)
    for ref in roles.inner:
        call.make.require_equal(call.axis(ref).size, call.axis(ref, weight).size, f"`{ref.name}` of the tensor and of the weight", ref.span)
    for ref in roles.made:
        call.make.declare(ref, call.axis(ref, weight).size)
    outer = tuple(call.axis(ref, weight) for ref in (*roles.each, *roles.made))
    fan = product([*(call.axis(ref).size for ref in roles.inner), *sizes])
    return Kernel(weight, tuple(ref.symbol for ref in taps), tuple(ref.symbol for ref in roles.inner), outer, sizes, fan)


def _check_given(call: Call, roles: Roles, weight: Node, taps: Sequence[AxisRef]) -> None:
    made = {ref.symbol for ref in roles.made}
    for ref in roles.inner:
        if ref.symbol in made:
            raise call.fault(
                "E0204",
                f"a given weight cannot have `{ref.name}` on both sides",
                ref.span,
                "contracted and made",
                f"make it under another name: {ref.name} -> {ref.name}'",
            )
    for ref in roles.over:
        if weight.tensor.has(ref.symbol):
            raise call.fault(
                "E0204",
                f"the weight has the sliding axis `{ref.name}`",
                call.at("weight"),
                "it would be another kernel at every place",
                "for that, unfold the tensor and contract with dot",
            )
    for ref in taps:
        if call.x.tensor.has(ref.symbol):
            raise call.fault("E0204", f"the tensor has an axis `{ref.name}` too", ref.span, "this one slides", "rename it in the weight")
    for axis in weight.axes:
        if call.x.tensor.has(axis.name):
            shown = call.make.local(axis.name)
            call.make.require_equal(
                call.x.tensor.size(axis.name), axis.size, f"axis `{shown}` has two sizes in the tensor and its weight", call.at("weight")
            )


def bias_of(call: Call, kernel: Kernel) -> Node | None:
    """The owned bias, `[each*out]`; None where none is wanted. Beside a given kernel of dynamic size it starts at zero."""
    if not call["bias"]:
        return None
    groups = [[axis.name for axis in kernel.outer]]
    dynamic = call["weight"] is not None and kernel.fan.integer() is None
    init = call["bias_init"] or (Init("zeros") if dynamic else Init("torch_bias", (kernel.fan,)))
    return _under(call, call.make.weight("bias", kernel.outer, groups, init, call.at("bias_init")), kernel.outer)
