"""Normalisations along the axes they name. Statistics of half precision numbers are float32 inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..graph import Node
from ..types import Axis
from .base import Call, Option, Signature, register
from .broadcast import as_float, floating_type
from .norm_parts import affine_options, applied, axes_named, eps_option, lowered_parts, norm, own_weights, program, row

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value

# ------------------------------------------------ along its own axes: layernorm, rmsnorm, l2norm, standardize


def build_layernorm(call: Call) -> Node:
    axes = axes_named(call, call.axes)
    return norm(call, "layernorm", axes, *own_weights(call, axes), eps=call["eps"])


def build_rmsnorm(call: Call) -> Node:
    """PyTorch's function has a factor only; a summand is added after it."""
    axes = axes_named(call, call.axes)
    weight, bias = own_weights(call, axes)
    return applied(call, norm(call, "rmsnorm", axes, weight, None, eps=call["eps"]), None, bias)


def build_standardize(call: Call) -> Node:
    return norm(call, "layernorm", axes_named(call, call.axes), None, None, eps=call["eps"])


def build_l2norm(call: Call) -> Node:
    axes = axes_named(call, call.axes)
    return call.node(
        "l2norm", (call.x,), call.x.tensor.cast(floating_type(call.x.dtype)), axes=tuple(axis.name for axis in axes), eps=call["eps"]
    )


def lower_layernorm(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    x, weight, bias = lowered_parts(e, node)
    axes, order = node["axes"], _last(x, node["axes"])
    shape = e.sizes([Axis(name, node.inputs[0].tensor.size(name)) for name in axes])
    args: list[Any] = [e.order(x, order), shape, e.order(weight, axes) if weight else None]
    if node.op == "layernorm":
        args.append(e.order(bias, axes) if bias else None)
    target = "torch.layer_norm" if node.op == "layernorm" else "torch.rms_norm"
    return Value(e.call(target, *args, node["eps"]), order)


def _last(x: Value, names: Sequence[str]) -> tuple[str, ...]:
    """The axes of `x` with these at the end."""
    return (*(name for name in x.axes if name not in names), *names)


def lower_l2norm(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    x = as_float(e, node.inputs[0])
    dims = [x.axes.index(name) for name in node["axes"]]
    return Value(e.call("runtime.l2_normalize", x.fx, dims, node["eps"]), x.axes)


# ------------------------------------------------ the rows

_LAYERNORM_DOC = """`(x - mean) / sqrt(variance + eps)` along the axes named, then a factor and a summand (Ba et al., 2016).

The variance is the biased one; several axes are normalised together. Weights: `weight` and `bias` with the axes named."""
_RMSNORM_DOC = """`x / sqrt(mean(x * x) + eps)` along the axes named, then a factor (Zhang and Sennrich, 2019). Weight: `weight`."""
_STANDARDIZE_DOC = "`(x - mean) / sqrt(variance + eps)` along the axes named, with the biased variance."
_L2NORM_DOC = "`x / maximum(norm(x), eps)` with the Euclidean norm along the axes named."

_X = "x: [*, N, D]"
_LAYERNORM = Signature(axes="list", options=(eps_option(1e-5), *affine_options(True, True)))
_RMSNORM = Signature(axes="list", options=(eps_option(1e-6), *affine_options(True, False)))
_STANDARDIZE = Signature(axes="list", options=(eps_option(1e-5),))
_L2NORM = Signature(axes="list", options=(Option("eps", "float", 1e-12, "The least norm that is divided by."),))

register(
    row(
        "layernorm", _LAYERNORM_DOC, build_layernorm, _LAYERNORM, lower_layernorm,
        program(_X, "layernorm(x, D)"), program(_X, "layernorm(x, N D, bias=false, eps=0.001)"), program(_X, "layernorm(x, D, each=N)"),
    ),
    row(
        "rmsnorm", _RMSNORM_DOC, build_rmsnorm, _RMSNORM, lower_layernorm,
        program(_X, "rmsnorm(x, D)"), program(_X, "rmsnorm(x, N, weight=false)"),
    ),
    row("standardize", _STANDARDIZE_DOC, build_standardize, _STANDARDIZE, None, program(_X, "standardize(x, N)")),
    row("l2norm", _L2NORM_DOC, build_l2norm, _L2NORM, lower_l2norm, program(_X, "l2norm(x, D)"), program(_X, "l2norm(x, N D)")),
)  # fmt: skip
