"""Normalisations of channels: `groupnorm`, `instancenorm`, `batchnorm`. They name the channels and pool over other axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..graph import Init, Node
from ..sizes import Size, divisors
from ..types import Axis, DType, TensorType
from .base import AxisRef, Call, Option, Signature, register
from .norm_parts import affine_options, applied, axes_named, eps_option, lowered_parts, norm, normalised, own_weights, program, row

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value

# ------------------------------------------------ channels in groups: groupnorm, instancenorm


def build_groupnorm(call: Call) -> Node:
    channels = axes_named(call, call.axes)
    over = axes_named(call, call.over) if call.over or "over" in call.option_spans else _all_but(call, channels)
    _apart(call, channels, call.over)
    groups = _groups(call, channels)
    weight, bias = own_weights(call, channels, flat=True)
    later = bias if weight is None else None  # PyTorch's function has no gradient for a bias alone
    here = None if later is not None else bias
    y = norm(call, "groupnorm", channels, weight, here, over=tuple(axis.name for axis in over), groups=groups, eps=call["eps"])
    return applied(call, y, None, later)


def _groups(call: Call, channels: Sequence[Axis]) -> Size:
    """The option `groups`, which divides the channels."""
    groups: Size = call["groups"]
    total = TensorType(tuple(channels)).elements()
    names = " ".join(ref.name for ref in call.axes)
    call.make.require_at_least(groups, Size.of(1), "the number of groups is too small", call.at("groups"), "E0303")
    top, bottom = total.integer(), groups.integer()
    if top is not None and bottom is not None and top % bottom:
        fits = ", ".join(map(str, divisors(top)))
        raise call.fault("E0203", f"`{names}` has {top} channels, which {bottom} groups do not divide", call.at("groups"),
                         f"{top} = {bottom} * {top // bottom} + {top % bottom}", f"{top} divides by {fits}")  # fmt: skip
    call.make.require_whole(total / groups, call.at("groups"), f"a group of `{names}`")
    return groups


def _all_but(call: Call, channels: Sequence[Axis]) -> tuple[Axis, ...]:
    """The axes that this block names itself: all but the channels and those `*` stands for."""
    left_out = {*call.make.hidden(), *(axis.name for axis in channels)}
    return tuple(axis for axis in call.x.axes if axis.name not in left_out)


def _apart(call: Call, channels: Sequence[Axis], over: Sequence[AxisRef]) -> None:
    for ref in over:
        if any(ref.symbol == axis.name for axis in channels):
            raise call.fault("E0204", f"axis `{ref.name}` is both the channels and pooled over", ref.span, "leave it out here")


def build_instancenorm(call: Call) -> Node:
    """Standardised along `over=`; naming the channels asks for weights along them."""
    channels = axes_named(call, call.axes)
    over = axes_named(call, call.over) if call.over else _all_but(call, channels) if channels else ()
    if not over:
        raise call.fault("E0212", f"`{call.name}` must be told what to pool over", call.span, "no axes here", "write over=H W",
                         (f"its axes: {call.describe(call.x.tensor)}",))  # fmt: skip
    _apart(call, channels, call.over)
    if not channels:
        _no_channels(call)
    weight, bias = own_weights(call, channels, flat=True) if channels else _given(call)
    y = normalised(call, "layernorm", call.x, (None, None), axes=tuple(axis.name for axis in over), eps=call["eps"])
    return applied(call, y, weight, bias)


def _no_channels(call: Call) -> None:
    """Own weights need an axis to lie along."""
    for name in ("weight", "bias", "init", "each"):
        if name in call.option_spans and (call[name] is True or (name in ("init", "each") and call[name])):
            raise call.fault(
                "E0305", f"`{name}=` needs the channels", call.at(name), "own weights lie along them", f"{call.name}(C, over=..)"
            )


def _given(call: Call) -> tuple[Node | None, Node | None]:
    weight, bias = (call[name] if isinstance(call[name], Node) else None for name in ("weight", "bias"))
    return weight, bias


def lower_groupnorm(e: Emitter, node: Node) -> Value:
    x, weight, bias = lowered_parts(e, node)
    sizes = {axis.name: axis for axis in node.inputs[0].axes}
    channels, over = [sizes[name] for name in node["axes"]], [sizes[name] for name in node["over"]]
    outer = [sizes[name] for name in x.axes if name not in (*node["axes"], *node["over"])]
    groups = [outer, channels, *([axis] for axis in over)]
    # Not the function in torch.nn.functional, which refuses a single number where the batch is one, and only there.
    fx = e.call("torch.group_norm", e.flat(x, groups), e.size(node["groups"]), *_flat(e, [channels], weight, bias), node["eps"])
    return e.unflat(fx, groups)


def _flat(e: Emitter, groups: Sequence[Sequence[Axis]], *weights: Value | None) -> list[Any]:
    return [e.flat(weight, groups) if weight else None for weight in weights]


# ------------------------------------------------ with running statistics: batchnorm


def build_batchnorm(call: Call) -> Node:
    """`each=` only adds channels: every element has its own statistics and weights."""
    channels = (*axes_named(call, call["each"]), *axes_named(call, call.axes))
    names = tuple(axis.name for axis in channels)
    weight, bias = (_own_or_given(call, name, channels) for name in ("weight", "bias"))
    state = (
        _buffer(call, "running_mean", channels, (names,), Init("zeros"), "float"),
        _buffer(call, "running_var", channels, (names,), Init("ones"), "float"),
        _buffer(call, "num_batches_tracked", (), (), Init("zeros"), "int"),
    )
    return norm(call, "batchnorm", channels, weight, bias, state, eps=call["eps"], momentum=call["momentum"])


def _own_or_given(call: Call, name: str, channels: Sequence[Axis]) -> Node | None:
    wanted = call[name]
    if wanted is not True:
        return wanted if isinstance(wanted, Node) else None
    init = Init("zeros") if name == "bias" else call["init"] or Init("ones")
    return call.make.weight(name, channels, (tuple(axis.name for axis in channels),), init, call.at(name))


def _buffer(call: Call, name: str, axes: Sequence[Axis], groups: Sequence[Sequence[str]], init: Init, dtype: DType) -> Node:
    return call.make.weight(name, axes, groups, init, call.span, "buffer", dtype)


def lower_batchnorm(e: Emitter, node: Node) -> Value:
    x, weight, bias = lowered_parts(e, node)
    sizes = {axis.name: axis for axis in node.inputs[0].axes}
    channels = [sizes[name] for name in node["axes"]]
    groups = _around(x, channels, sizes)
    mean, var = (e.flat(e.as_kept(buffer), [channels]) for buffer in node.inputs[-3:-1])
    count = e.value(node.inputs[-1]).fx
    weights = _flat(e, [channels], weight, bias)
    fx = e.call("runtime.batch_norm", e.flat(x, groups), mean, var, count, *weights, e.training(), node["momentum"], node["eps"])
    return e.unflat(fx, groups)


def _around(x: Value, channels: Sequence[Axis], sizes: dict[str, Axis]) -> list[list[Axis]]:
    """One dimension for what stands before the channels, one for these, one for what stands after; nothing moves where it can stay.

    Never more: of images with a dimension of size 1, PyTorch 2.13 gives wrong gradients where these come in another order of memory.
    """
    names = tuple(axis.name for axis in channels)
    first = x.axes.index(names[0]) if names else len(x.axes)
    outer = [sizes[name] for name in x.axes[:first] if name not in names]
    rest = [sizes[name] for name in x.axes[first:] if name not in names]
    return [outer, list(channels), *([rest] if rest else [])]


# ------------------------------------------------ the rows

_GROUPNORM_DOC = """Standardises each group of channels together with the axes in `over=` (Wu and He, 2018).

The channels are cut into `groups=` neighbours of equal size. Without `over=`, every axis is pooled that this block names itself: all but
the channels and those `*` stands for. Weights: `weight` and `bias` along the channels."""
_INSTANCENORM_DOC = """Standardises along the axes in `over=`, for everything else by itself (Ulyanov et al., 2016).

`instancenorm(over=H W)` has no weights; `instancenorm(C, over=H W)` has `weight` and `bias` along C."""
_BATCHNORM_DOC = """Standardises every channel over all other axes, `*` included (Ioffe and Szegedy, 2015).

In training the statistics are those of the batch, and `running_mean`, `running_var` move towards them by `momentum=`; in evaluation the
running ones are used. `batchnorm()` treats all numbers as one channel. Weights and buffers have PyTorch's names and shapes."""

_X = "x: [*, C, H, W]"
_GROUPS = Option("groups", "int", Size.of(1), "How many groups.")
_MOMENTUM = Option(
    "momentum", "float", 0.1, "How far the running statistics move towards those of a batch; `none` averages all batches.", optional=True
)
_COMMON = (eps_option(1e-5), *affine_options(True, True))

register(
    row(
        "groupnorm", _GROUPNORM_DOC, build_groupnorm, Signature(axes="list", over="list?", options=(_GROUPS, *_COMMON)), lower_groupnorm,
        "# bind: C=6\n" + program(_X, "groupnorm(x, C, groups=3)"),
        "# bind: C=4\n" + program(_X, "groupnorm(x, C, over=W, groups=2, weight=false)"),
    ),
    row(
        "instancenorm", _INSTANCENORM_DOC, build_instancenorm, Signature(axes="list?", over="list?", options=_COMMON), None,
        program(_X, "instancenorm(x, over=H W)"), program(_X, "instancenorm(x, C, over=H W)"),
    ),
    row(
        "batchnorm", _BATCHNORM_DOC, build_batchnorm, Signature(axes="list?", options=(_MOMENTUM, *_COMMON)), lower_batchnorm,
        program(_X, "batchnorm(x, C)"), program(_X, "batchnorm(x)"),
    ),
)  # fmt: skip
