"""Randomness. Every draw is a node of its own: two calls never give the same numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..graph import Node
from ..types import TensorType
from .base import Call, Operator, Option, Signature, register
from .broadcast import as_float, floating_type, no_complex
from .facts import is_number
from .position import axes_of

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value

# ------------------------------------------------ dropout


def _chance(call: Call) -> float:
    """The option `p`, a probability."""
    p: float = call["p"]
    if not 0 <= p <= 1:
        raise call.fault("E0303", f"`p` is a probability, {p} is not", call.at("p"), "must be from 0 to 1")
    return p


def build_dropout(call: Call) -> Node:
    no_complex(call, (call.x,))
    p = _chance(call)
    if p == 0:
        return call.x
    return call.node("dropout", (call.x,), call.x.tensor.cast(floating_type(call.x.dtype)), p=p, number=call.make.number())


def lower_dropout(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    x = as_float(e, node.inputs[0])
    return Value(e.call("torch.nn.functional.dropout", x.fx, node["p"], e.training()), x.axes)


def build_droppath(call: Call) -> Node:
    """One draw for each element of the axes `per=`; without it, of those `*` stands for."""
    no_complex(call, (call.x,))
    p = _chance(call)
    if call["per"] is None:
        per = tuple(name for name in call.make.hidden() if call.x.tensor.has(name))
    else:
        per = tuple(call.axis(ref).name for ref in call["per"])
    if p == 0:
        return call.x
    return call.node("droppath", (call.x,), call.x.tensor.cast(floating_type(call.x.dtype)), p=p, per=per, number=call.make.number())


def lower_droppath(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    x = as_float(e, node.inputs[0])
    dims = [x.axes.index(name) for name in node["per"]]
    return Value(e.call("runtime.drop_path", x.fx, node["p"], dims, e.training()), x.axes)


# ------------------------------------------------ draws


def build_draw(call: Call) -> Node:
    """`randn(N D)`, or `randn(like=x)`."""
    like: Node | None = call["like"]
    axes = axes_of(call)
    if like is not None:
        if axes:
            raise call.fault("E0304", f"`{call.name}` takes axes or `like=`, not both", call.span, "two shapes are given here")
        return call.node(call.name, (like,), like.tensor.cast(floating_type(like.dtype)), number=call.make.number())
    return call.node(call.name, (), TensorType(axes, "wide"), number=call.make.number())


def lower_draw(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    if node.inputs:
        like = as_float(e, node.inputs[0])
        return Value(e.call(f"torch.{node.op}_like", like.fx), like.axes)
    return Value(e.call(f"torch.{node.op}", e.sizes(node.axes), **_place(e)), node.tensor.names)


def _place(e: Emitter) -> dict[str, Any]:
    return {"dtype": e.wide_dtype(), "device": e.device()}


def build_bernoulli(call: Call) -> Node:
    """True with probability `p`: a number with axes, or a tensor that gives one to each of its elements."""
    p, axes = call.x, axes_of(call)
    no_complex(call, (p,))
    if p.op == "scalar" and not 0 <= p["value"] <= 1:
        raise call.fault("E0303", f"`p` is a probability, {p['value']} is not", call.spans[0], "must be from 0 to 1")
    if axes and p.axes:
        raise call.fault("E0304", "`bernoulli` takes axes or a tensor of probabilities, not both", call.span, "two shapes are given here",
                         "expand the tensor of probabilities first: expand(p, M)")  # fmt: skip
    return call.node("bernoulli", (p,), TensorType(axes or p.axes, "bool"), number=call.make.number())


def lower_bernoulli(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    p = node.inputs[0]
    if is_number(p):
        draw = e.call("torch.rand", e.sizes(node.axes), **_place(e))
        return Value(e.call("operator.lt", draw, e.value(p).fx), node.tensor.names)
    value = as_float(e, p)
    draw = Value(e.full(value, node.axes), node.tensor.names) if len(value.axes) < len(node.axes) else value
    return Value(e.method("bool", e.call("torch.bernoulli", draw.fx)), draw.axes)


# ------------------------------------------------ the rows

_P = Option("p", "float", 0.5, "The probability of dropping.")
_PER = Option("per", "axes", None, "The axes whose elements are dropped one by one; those `*` stands for if not given.")
_LIKE = Option("like", "tensor", None, "Draw one number for each of this tensor's.")


def _draw(name: str, doc: str) -> Operator:
    examples = (
        f"block t(x: [*, N, D]) -> [*, N, D] {{\n    return x + 0 * {name}(N D)\n}}",
        f"block t(x: [*, N, D]) -> [*, N, D] {{\n    return x + 0 * {name}(like=x)\n}}",
    )
    signature = Signature((), axes="list?", settings="int", options=(_LIKE,), layer=False)
    return Operator(name, "random", doc, build_draw, signature, lower_draw, differentiable=False, examples=examples)


_DROPOUT_DOC = """Each number is 0 with probability `p` and divided by `1 - p` otherwise, in training (Srivastava et al., 2014).

In evaluation nothing happens."""
_DROPPATH_DOC = """Whole paths are dropped with probability `p` and divided by `1 - p` otherwise, in training (Huang et al., 2016).

All numbers that share an element of the axes `per=` are kept or dropped together. In evaluation nothing happens."""
_BERNOULLI_DOC = "True with probability `p`, else false: `bernoulli(0.5, N D)`, or `bernoulli(p)` for a tensor of probabilities."
_DROPOUT_EXAMPLES = ("block t(x: [*, N]) -> [*, N] {\n    return dropout(x, p=0.2)\n}",)
_DROPPATH_EXAMPLES = (
    "block t(x: [*, N, D]) -> [*, N, D] {\n    return droppath(x, p=0.2)\n}",
    "block t(x: [*, N, D]) -> [*, N, D] {\n    return droppath(x, p=0.2, per=N)\n}",
)
_BERNOULLI = Signature(("p",), axes="list?", settings="int", layer=False)
_BERNOULLI_EXAMPLES = (
    "block t(x: [*, N]) -> [*, N] {\n    return where(bernoulli(0.3, N), x, x)\n}",
    "block t(x: [*, N]) -> bool [*, N] {\n    return bernoulli(sigmoid(x))\n}",
)

register(
    Operator("dropout", "random", _DROPOUT_DOC, build_dropout, Signature(options=(_P,)), lower_dropout, examples=_DROPOUT_EXAMPLES),
    Operator(
        "droppath", "random", _DROPPATH_DOC, build_droppath, Signature(options=(_P, _PER)), lower_droppath, examples=_DROPPATH_EXAMPLES
    ),
    _draw("rand", "Numbers drawn evenly from 0 (included) to 1: `rand(N D)`, or `rand(like=x)`."),
    _draw("randn", "Numbers drawn from the normal distribution of mean 0 and variance 1: `randn(N D)`, or `randn(like=x)`."),
    Operator(
        "bernoulli",
        "random",
        _BERNOULLI_DOC,
        build_bernoulli,
        _BERNOULLI,
        lower_bernoulli,
        differentiable=False,
        examples=_BERNOULLI_EXAMPLES,
    ),
)
