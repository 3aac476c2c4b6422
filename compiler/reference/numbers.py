"""Rules for operators that work number by number."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, reduce

import torch
from torch import Tensor

from ..graph import Node
from ..types import DType, promote
from .named import KINDS, Named, filled, pointwise, positions
from .rules import Run, rule

# ---------------------------------------------------------------- two operands

COMPARISONS: dict[str, Callable[..., Tensor]] = {
    "eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge,
}  # fmt: skip
ARITHMETIC: dict[str, Callable[..., Tensor]] = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "neg": torch.neg, "mod": torch.remainder,
    "and": torch.logical_and, "or": torch.logical_or, "not": torch.logical_not,
    "floordiv": partial(torch.div, rounding_mode="floor"), "div": torch.div, "pow": torch.pow,
    "maximum": torch.maximum, "minimum": torch.minimum, "complex": torch.complex,
}  # fmt: skip


@rule(*ARITHMETIC)
def _arithmetic(run: Run, node: Node, inputs: list[Named]) -> Named:
    """In the kind of number of the result; from the left where there are more than two operands."""
    kind = "wide" if node.op == "complex" else node.dtype
    values = [value.cast(kind) for value in inputs]
    function = ARITHMETIC[node.op]
    return reduce(partial(pointwise, function), values) if len(values) > 1 else pointwise(function, *values)


@rule(*COMPARISONS)
def _comparison(run: Run, node: Node, inputs: list[Named]) -> Named:
    kinds: list[DType] = [source.dtype for source in node.inputs]
    kind = promote(*kinds)
    return pointwise(COMPARISONS[node.op], *(value.cast(kind) for value in inputs))


@rule("where")
def _where(run: Run, node: Node, inputs: list[Named]) -> Named:
    return pointwise(torch.where, inputs[0], inputs[1].cast(node.dtype), inputs[2].cast(node.dtype))


@rule("clamp")
def _clamp(run: Run, node: Node, inputs: list[Named]) -> Named:
    value, *limits = [value.cast(node.dtype) for value in inputs]
    if node["lo"]:
        value = pointwise(torch.maximum, value, limits.pop(0))
    return pointwise(torch.minimum, value, limits.pop(0)) if node["hi"] else value


# ---------------------------------------------------------------- one operand


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), which the powers would overflow in."""
    return (1 + torch.tanh(x / 2)) / 2


def _relu(x: Tensor) -> Tensor:
    return torch.where(x <= 0, torch.zeros_like(x), x)  # what is no number stays none


def _softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)); at 0 the slope of the larger of both is half, as that of the whole is."""
    return torch.maximum(x, torch.zeros_like(x)) + torch.log1p(torch.exp(-torch.abs(x)))


def hardsigmoid_(x: Tensor) -> Tensor:
    return torch.minimum(_relu(x / 6 + 0.5), torch.ones_like(x))


def _negative_part(x: Tensor) -> Tensor:
    return torch.where(x > 0, torch.zeros_like(x), x)


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "exp": torch.exp, "expm1": torch.expm1, "log": torch.log, "log2": lambda x: torch.log(x) / math.log(2.0), "log1p": torch.log1p,
    "sqrt": torch.sqrt, "rsqrt": lambda x: 1 / torch.sqrt(x), "square": lambda x: x * x, "abs": torch.abs, "sign": torch.sign,
    "floor": torch.floor, "ceil": torch.ceil, "round": torch.round, "sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh,
    "erf": torch.erf, "sigmoid": sigmoid, "relu": _relu, "silu": lambda x: x * sigmoid(x),
    "hardswish": lambda x: x * hardsigmoid_(x), "hardsigmoid": hardsigmoid_, "mish": lambda x: x * torch.tanh(_softplus(x)),
    "real": torch.real, "imag": torch.imag, "conj": torch.conj_physical, "angle": torch.angle,
}  # fmt: skip
WHOLE = frozenset({"square", "abs", "sign", "floor", "ceil", "round", "relu"})
"""Whole numbers stay whole under these."""


@rule(*FUNCTIONS)
def _function(run: Run, node: Node, inputs: list[Named]) -> Named:
    (value,) = inputs
    kind = node.inputs[0].dtype
    if kind != "complex":
        value = value.cast("int" if kind in ("int", "bool") and node.op in WHOLE else "wide")
    return pointwise(FUNCTIONS[node.op], value)


@rule("gelu")
def _gelu(run: Run, node: Node, inputs: list[Named]) -> Named:
    def exact(x: Tensor) -> Tensor:
        return x * (1 + torch.erf(x / math.sqrt(2))) / 2

    def approximate(x: Tensor) -> Tensor:
        return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2

    return pointwise(approximate if node["approximate"] == "tanh" else exact, inputs[0].cast("wide"))


@rule("softplus", "elu", "leaky_relu")
def _bent(run: Run, node: Node, inputs: list[Named]) -> Named:
    x = inputs[0].cast("wide")
    if node.op == "softplus":
        beta = float(node["beta"])
        return pointwise(lambda data: _softplus(beta * data) / beta, x)
    if node.op == "elu":
        return pointwise(lambda data: _relu(data) + float(node["alpha"]) * torch.expm1(_negative_part(data)), x)
    return pointwise(lambda data: _relu(data) + float(node["slope"]) * _negative_part(data), x)


@rule("int", "float", "float32", "bool")
def _cast(run: Run, node: Node, inputs: list[Named]) -> Named:
    return inputs[0].cast(node.dtype)


@rule("detach")
def _detach(run: Run, node: Node, inputs: list[Named]) -> Named:
    return Named(inputs[0].data.detach(), inputs[0].axes)


@rule("lay")
def _lay(run: Run, node: Node, inputs: list[Named]) -> Named:
    """The order in memory is no matter here."""
    return inputs[0]


# ---------------------------------------------------------------- from nothing


@rule("scalar", "literal")
def _literal(run: Run, node: Node, inputs: list[Named]) -> Named:
    return Named(torch.tensor(node["value"], dtype=KINDS[node.dtype]).reshape(list(run.lengths(node.axes).values())), node.tensor.names)


@rule("size")
def _size(run: Run, node: Node, inputs: list[Named]) -> Named:
    return Named(torch.tensor(run.size(node["value"]), dtype=KINDS[node.dtype]))


@rule("pos")
def _pos(run: Run, node: Node, inputs: list[Named]) -> Named:
    (axis,) = node.axes
    return positions(axis.name, run.size(axis.size))


@rule("full")
def _full(run: Run, node: Node, inputs: list[Named]) -> Named:
    return filled(inputs[0], run.lengths(node.axes))


@rule("weight")
def _weight(run: Run, node: Node, inputs: list[Named]) -> Named:
    """A stored tensor with its groups of axes taken apart."""
    slot: int = node["slot"]
    weight = run.slots[slot]
    lengths = run.lengths(weight.axes)
    stored = run.weights[weight.path]
    if tuple(stored.shape) != tuple(run.size(size) for size in weight.shape):
        raise ValueError(f"the weight {weight.path} has the shape {tuple(stored.shape)}")
    order = [name for group in weight.groups for name in group]
    return Named(stored.reshape([lengths[name] for name in order]), tuple(order)).cast(weight.dtype)


# ---------------------------------------------------------------- random


@rule("dropout", "droppath")
def _dropout(run: Run, node: Node, inputs: list[Named]) -> Named:
    """In training what is kept is divided by the chance of keeping it; `droppath` draws for some axes only."""
    value = inputs[0].cast(node.dtype)
    if not run.training:
        return value
    axes = node.axes if node.op == "dropout" else tuple(axis for axis in node.axes if axis.name in node["per"])
    return kept(value, run.drawn(node, axes), node["p"])


def kept(value: Named, draw: Named, chance: float) -> Named:
    """Dropout of what a draw says, each with this chance; what is kept is divided by the chance of keeping it."""
    share = 1 - float(chance)
    factor = Named((draw.data < share).to(value.data.dtype) / (share or 1.0), draw.axes)
    return pointwise(torch.mul, value, factor)


@rule("rand", "randn")
def _draw(run: Run, node: Node, inputs: list[Named]) -> Named:
    return run.drawn(node, node.axes).cast(node.dtype)


@rule("bernoulli")
def _bernoulli(run: Run, node: Node, inputs: list[Named]) -> Named:
    return pointwise(torch.lt, run.drawn(node, node.axes), inputs[0].cast("wide"))
