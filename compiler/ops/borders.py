"""What happens at the ends of an axis: pad and shift fill, roll goes round, flip turns."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ...dsl.source import Span
from ..graph import Node
from ..lower.emitter import Emitter, Value
from ..sizes import Size, at_least, maximum, minimum
from ..types import Axis, TensorType
from .base import AxisRef, Call, Maker, Operator, Option, Signature, no_cost, register

MODES = ("constant", "reflect", "replicate", "circular")
FILL = Option("fill", "float", 0, "what stands in the new places")


def pad_axes(make: Maker, x: Node, pads: Sequence[tuple[str, Size, Size]], span: Span, fill: float = 0, mode: str = "constant") -> Node:
    """`x` with `(axis, before, after)` more positions; the axes keep their names."""
    wanted = {name: (before, after) for name, before, after in pads if before != 0 or after != 0}
    if not wanted:
        return x
    axes = tuple(Axis(name, size + sum(wanted[name], Size.of(0))) if name in wanted else Axis(name, size) for name, size in x.axes)
    flat = tuple((name, before, after) for name, (before, after) in wanted.items())
    return make.node("pad", (x,), TensorType(axes, x.dtype), span, pads=flat, fill=plain(fill), mode=mode)


def plain(value: Any) -> int | float:
    """A number of a program as Python's own: whole ones as int."""
    if isinstance(value, Size):
        value = value.constant()
    if isinstance(value, bool | int):
        return int(value)
    exact = Fraction(value) if value == value and abs(value) != float("inf") else None
    return int(exact) if exact is not None and exact.denominator == 1 else float(value)


def no_twice(call: Call, refs: Sequence[AxisRef]) -> None:
    """A Fault E0204 where one axis is named twice."""
    seen: set[str] = set()
    for ref in refs:
        if ref.symbol in seen:
            raise call.fault("E0204", f"axis `{ref.name}` stands twice here", ref.span, "the second time", "name it once")
        seen.add(ref.symbol)


def _pairs(call: Call) -> list[tuple[AxisRef, Size, Size]]:
    """The settings of `pad` as (axis, before, after)."""
    no_twice(call, [ref for ref, _ in call.settings])
    if not call.settings:
        raise call.fault("E0209", f"`{call.name}` needs an axis", None, "", f"write {call.name}(x, H=1)")
    return [(ref, *_pair(call, ref, value)) for ref, value in call.settings]


def _pair(call: Call, ref: AxisRef, value: Size | tuple[Size, ...]) -> tuple[Size, Size]:
    both: tuple[Any, ...] = (value, value) if isinstance(value, Size) else value
    if len(both) != 2 or not all(isinstance(part, Size) for part in both):
        raise call.fault("E0303", f"`{ref.name}` needs two numbers", ref.span, "before and after", f"write {ref.name}=[5, 0]")
    for size in both:
        if at_least(size, 0) is False:
            raise call.fault("E0207", f"a pad of {size} is negative", ref.span, "", f"to cut, write x[{ref.name}=1..-1]")
    return both[0], both[1]


def _build_pad(call: Call) -> Node:
    pads, mode = _pairs(call), call["mode"]
    x = call.x
    for ref, before, after in pads:
        size = call.axis(ref).size
        if mode != "constant":
            most = Size.of(1) if mode == "replicate" else maximum(before, after) + (1 if mode == "reflect" else 0)
            call.make.require_at_least(size, most, f"`{ref.name}` is too short for this {mode} padding", ref.span, "E0208")
        call.make.declare(ref, size + before + after)
    flat = [(ref.symbol, before, after) for ref, before, after in pads]
    if mode == "constant":
        return pad_axes(call.make, x, flat, call.span, call["fill"])
    for start in range(0, len(flat), 3):  # torch copies borders along three axes at most
        x = pad_axes(call.make, x, flat[start : start + 3], call.span, mode=mode)
    return x


def _lower_pad(e: Emitter, node: Node) -> Value:
    source, pads = node.inputs[0], node["pads"]
    value = e.value(source)
    padded = {name: (e.size(before), e.size(after)) for name, before, after in pads}
    if node["mode"] == "constant":
        fx = _constant_pad(e, value, padded, node)
        return Value(fx, value.axes)
    rest = [axis for axis in source.axes if axis.name not in padded]
    rest.sort(key=lambda axis: value.axes.index(axis.name))
    inner = sorted(padded, key=value.axes.index)
    fx = e.flat(value, [rest, [], *([Axis(name, source.tensor.size(name))] for name in inner)])  # of no batch PyTorch copies nothing
    amounts = [number for name in reversed(inner) for number in padded[name]]
    fx = _copy_borders(e, fx, amounts, node["mode"], node.dtype == "bool")
    return e.unflat(fx, [rest, [], *([Axis(name, node.tensor.size(name))] for name in inner)])


def _copy_borders(e: Emitter, fx: Any, amounts: list[Any], mode: str, is_bool: bool) -> Any:
    if not is_bool:
        return e.call("torch.nn.functional.pad", fx, amounts, mode=mode)
    return e.method("bool", e.call("torch.nn.functional.pad", e.method("long", fx), amounts, mode=mode))


def _constant_pad(e: Emitter, value: Value, padded: dict[str, tuple[Any, Any]], node: Node) -> Any:
    """`lent`: where nothing is added, the tensor itself will do."""
    first = min(value.axes.index(name) for name in padded)
    amounts = [number for name in reversed(value.axes[first:]) for number in padded.get(name, (0, 0))]
    options = {"value": node["fill"]} if node["fill"] else {}
    lent = node.options.get("lent", False) and not all(isinstance(number, int) for number in amounts)
    return e.call("runtime.padded" if lent else "torch.nn.functional.pad", value.fx, amounts, **options)


def _moves(call: Call) -> list[tuple[AxisRef, Size]]:
    """The settings of `roll` and `shift`."""
    if not call.settings:
        raise call.fault("E0209", f"`{call.name}` needs an axis", None, "", f"write {call.name}(x, H=1)")
    no_twice(call, [ref for ref, _ in call.settings])
    for ref, _ in call.settings:
        call.axis(ref)
    return [(ref, size) for ref, size in call.settings if size != 0]


def _build_roll(call: Call) -> Node:
    moves = tuple((ref.symbol, size) for ref, size in _moves(call))
    return call.node("roll", (call.x,), call.x.tensor, moves=moves) if moves else call.x


def _build_shift(call: Call) -> Node:
    moves: list[tuple[str, Size]] = []
    for ref, by in _moves(call):
        size = call.axis(ref).size
        moves.append((ref.symbol, maximum(minimum(by, size), -size)))  # further than the axis is long, all is filled
    return call.node("shift", (call.x,), call.x.tensor, moves=tuple(moves), fill=plain(call["fill"])) if moves else call.x


def _build_flip(call: Call) -> Node:
    no_twice(call, call.axes)
    names = tuple(call.axis(ref).name for ref in call.axes)
    return call.node("flip", (call.x,), call.x.tensor, axes=names)


def _lower_roll(e: Emitter, node: Node) -> Value:
    value = e.value(node.inputs[0])
    amounts = [e.size(by) for _, by in node["moves"]]
    return Value(e.call("torch.roll", value.fx, amounts, [value.axes.index(name) for name, _ in node["moves"]]), value.axes)


def _lower_shift(e: Emitter, node: Node) -> Value:
    """A pad that is negative at the other end; for an axis that may be empty, and has nothing to give there, a cut after the pad."""
    value, x = e.value(node.inputs[0]), node.inputs[0].tensor
    padded: dict[str, tuple[Any, Any]] = {}
    cuts: list[tuple[str, Any]] = []
    for name, by in node["moves"]:
        forward, back = e.size(by), e.size(-by)
        padded[name] = forward, back
        if x.size(name).integer() is None and at_least(by, 0) is not None:
            padded[name] = (forward, 0) if at_least(by, 0) else (0, back)
            cuts.append((name, 0 if at_least(by, 0) else back))
    fx = _constant_pad(e, value, padded, node)
    for name, start in cuts:
        fx = e.call("torch.narrow", fx, value.axes.index(name), start, e.size(x.size(name)))
    return Value(fx, value.axes)


def _lower_flip(e: Emitter, node: Node) -> Value:
    value = e.value(node.inputs[0])
    return Value(e.call("torch.flip", value.fx, [value.axes.index(name) for name in node["axes"]]), value.axes)


register(
    Operator(
        "pad",
        "shape",
        """Add positions before and after: `pad(x, H=[5, 0], W=1)`; one number is both sides. The axes keep their names at the larger sizes.

`fill` is the number in them; `mode` may copy instead: `reflect` (without the border itself), `replicate`, `circular`.""",
        _build_pad,
        Signature(settings="ints", options=(FILL, Option("mode", "word", "constant", "where the new values come from", MODES))),
        _lower_pad,
        no_cost,
        examples=(
            """\
block t(x: [*, H, W]) -> [*, Y, X] {
    return pad(x, H=[5, 0], W=1, fill=0.5) |> rename(H -> Y, W -> X)
}
""",
            """\
block t(x: [*, H, W]) -> [*, Y, W] {
    return pad(x, H=[2, 1], mode=reflect) |> rename(H -> Y)
}
""",
        ),
    ),
    Operator(
        "roll",
        "shape",
        "Move content along axes in a circle: `roll(x, H=-3)` brings position 3 to 0. Negative numbers move towards the front.",
        _build_roll,
        Signature(settings="int"),
        _lower_roll,
        no_cost,
        examples=(
            """\
block t(x: [*, H, W]) -> [*, H, W] {
    return roll(x, H=-3, W=1)
}
""",
        ),
    ),
    Operator(
        "shift",
        "shape",
        """Move content along axes and fill what gets free: `shift(x, N=1)` gives each position what was before it.

`fill` stands in the free places.""",
        _build_shift,
        Signature(settings="int", options=(FILL,)),
        _lower_shift,
        no_cost,
        examples=(
            """\
block t(x: [*, N, D]) -> [*, N, D] {
    return shift(x, N=1, fill=0.5) + shift(x, N=-2)
}
""",
        ),
    ),
    Operator(
        "flip",
        "shape",
        "Reverse the order along axes: `flip(x, H W)`.",
        _build_flip,
        Signature(axes="list"),
        _lower_flip,
        no_cost,
        examples=(
            """\
block t(x: [*, H, W]) -> [*, H, W] {
    return flip(x, H) + 2 * flip(x, H W)
}
""",
        ),
    ),
)
