"""Functions of one number, a row each; casts; and what cuts gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..graph import Node
from ..sizes import Size
from ..types import DType
from .base import Call, Operator, Option, Signature, no_cost, per_element, register
from .broadcast import arithmetic_type, as_float, floating_type, fold, no_complex
from .facts import NUMBER_TARGETS, is_number

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value


@dataclass(frozen=True)
class Function:
    """One function of one number.

    `number` is the Python function of the same meaning, where there is one. `whole`: whole numbers stay whole (else they become wide).
    `flops` counts operations per number. `safe` is an argument whose value and slope are finite, for functions where some are not.
    `real`: not defined for complex numbers here. `keywords` are the names PyTorch has for the options, `always` what it is given besides.
    """

    name: str
    target: str
    doc: str
    number: str = ""
    flops: int = 1
    whole: bool = False
    safe: int | None = None
    real: bool = True
    differentiable: bool = True
    options: tuple[Option, ...] = ()
    keywords: dict[str, str] = field(default_factory=dict[str, str])
    always: dict[str, float] = field(default_factory=dict[str, float])
    example: str = "x"


def _f(name: str) -> str:
    return f"torch.nn.functional.{name}"


_APPROXIMATE = Option("approximate", "word", None, "`none` (exact) or `tanh` (the approximation of GPT-2).", ("none", "tanh"))

TABLE = (
    Function("exp", "torch.exp", "e to the power `x`.", "math.exp", safe=0, real=False),
    Function("expm1", "torch.expm1", "`exp(x) - 1`, exact near 0.", "math.expm1", safe=0),
    Function("log", "torch.log", "Natural logarithm.", "math.log", safe=1, real=False, example="x * x + 0.5"),
    Function("log2", "torch.log2", "Logarithm to base 2.", "math.log2", safe=1, example="x * x + 0.5"),
    Function("log1p", "torch.log1p", "`log(1 + x)`, exact near 0.", "math.log1p", safe=0, example="x * x"),
    Function("sqrt", "torch.sqrt", "Square root.", "math.sqrt", safe=1, real=False, example="x * x + 0.5"),
    Function("rsqrt", "torch.rsqrt", "`1 / sqrt(x)`.", flops=2, safe=1, example="x * x + 0.5"),
    Function("square", "torch.square", "`x * x`.", whole=True, real=False),
    Function("abs", "torch.abs", "Absolute value; of a complex number its length, a real number.", "operator.abs", whole=True, real=False),
    Function("sign", "torch.sign", "-1, 0 or 1.", whole=True, differentiable=False),
    Function("floor", "torch.floor", "The next whole number below; `int(floor(x))` also has a whole type.", "math.floor", whole=True,
             differentiable=False),
    Function("ceil", "torch.ceil", "The next whole number above.", "math.ceil", whole=True, differentiable=False),
    Function("round", "torch.round", "The nearest whole number, halves to the even one.", "builtins.round", whole=True,
             differentiable=False),
    Function("sin", "torch.sin", "Sine of an angle in radians.", "math.sin", real=False),
    Function("cos", "torch.cos", "Cosine of an angle in radians.", "math.cos", real=False),
    Function("tanh", "torch.tanh", "Hyperbolic tangent.", "math.tanh", 5, real=False),
    Function("erf", "torch.erf", "The error function.", "math.erf", 5),
    Function("sigmoid", "torch.sigmoid", "`1 / (1 + exp(-x))`.", flops=4),
    Function("relu", "torch.relu", "`maximum(x, 0)`.", whole=True),
    Function("gelu", _f("gelu"), "Gaussian error linear unit (Hendrycks and Gimpel, 2016): `x * (1 + erf(x / sqrt(2))) / 2`.", flops=8,
             options=(_APPROXIMATE,), keywords={"approximate": "approximate"}),
    Function("silu", _f("silu"), "`x * sigmoid(x)`, also called swish (Elfwing et al., 2017; Ramachandran et al., 2017).", flops=5),
    Function("softplus", _f("softplus"), "`log(1 + exp(beta * x)) / beta`, a smooth relu.", flops=4,
             options=(Option("beta", "float", 1.0, "How sharp the bend is."),), keywords={"beta": "beta"},
             always={"threshold": 40}),  # above 20, PyTorch's own, 2e-9 is missing
    Function("elu", _f("elu"), "`x` above 0, `alpha * (exp(x) - 1)` below (Clevert et al., 2015).", flops=3,
             options=(Option("alpha", "float", 1.0, "Minus the limit far below 0."),), keywords={"alpha": "alpha"}),
    Function("leaky_relu", _f("leaky_relu"), "`x` above 0, `slope * x` below.", flops=2,
             options=(Option("slope", "float", 0.01, "The slope below 0."),), keywords={"slope": "negative_slope"}),
    Function("hardswish", _f("hardswish"), "`x * hardsigmoid(x)` (Howard et al., 2019).", flops=4),
    Function("hardsigmoid", _f("hardsigmoid"), "`x / 6 + 1/2`, kept between 0 and 1.", flops=3),
    Function("mish", _f("mish"), "`x * tanh(softplus(x))` (Misra, 2019).", flops=9),
)  # fmt: skip

SAFE_ARGUMENTS = {row.name: row.safe for row in TABLE if row.safe is not None}
"""Functions that are infinite or undefined somewhere, or have such a slope, and an argument where they are not."""


def build_function(row: Function, call: Call) -> Node:
    """One node over the axes of the operand."""
    x = call.x
    if row.real:
        no_complex(call, (x,))
    if row.name == "softplus" and call["beta"] == 0:
        raise call.fault("E0303", "`beta` must not be 0: the result is divided by it", call.at("beta"))
    dtype = arithmetic_type(x.dtype) if row.whole else floating_type(x.dtype)
    if row.name == "abs" and dtype == "complex":
        dtype = "float"
    folded = fold(call, (x,), python_function(row.number), dtype) if row.number and not row.options else None
    if folded is not None:
        return folded
    return call.node(row.name, (x,), x.tensor.cast(dtype), **{option.name: _option(call, option) for option in row.options})


def _option(call: Call, option: Option) -> Any:
    return "none" if option.kind == "word" and call[option.name] is None else call[option.name]


def python_function(path: str) -> Callable[..., Any]:
    """A function of Python's own modules, by its dotted name."""
    module, name = path.rsplit(".", 1)
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


def lower_function(row: Function, e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    source = node.inputs[0]
    if is_number(node):
        return Value(e.call(NUMBER_TARGETS[row.name], e.value(source).fx), ())
    value = _argument(e, source, row.whole)
    keywords = {row.keywords[option.name]: node[option.name] for option in row.options if node[option.name] != option.default}
    if keywords.get("approximate") == "none":
        del keywords["approximate"]
    return Value(e.call(row.target, value.fx, **keywords, **row.always), value.axes)


def _argument(e: Emitter, source: Node, whole: bool) -> Value:
    """The operand as a tensor of a kind that the function takes."""
    from ..lower.emitter import Value

    if not whole:
        return as_float(e, source)
    value = e.tensor(source)
    return Value(e.method("long", value.fx), value.axes) if source.dtype == "bool" else value


def _cost(row: Function, node: Node) -> Size:
    return per_element(node) * row.flops


def _function(row: Function) -> Operator:
    program = f"block t(x: [*, N]) -> [*, N] {{\n    return {row.name}({row.example})\n}}"
    return Operator(
        row.name, "pointwise", row.doc, partial(build_function, row), Signature(options=row.options), partial(lower_function, row),
        partial(_cost, row), row.differentiable, True, (program, *_with_options(row)),
    )  # fmt: skip


def _with_options(row: Function) -> tuple[str, ...]:
    values = {"approximate": "tanh", "beta": "2.0", "alpha": "0.5", "slope": "0.2"}
    lines = (f"return {row.name}(x, {option.name}={values[option.name]})" for option in row.options)
    return tuple(f"block t(x: [*, N]) -> [*, N] {{\n    {line}\n}}" for line in lines)


# ------------------------------------------------ casts

_CASTS: dict[str, tuple[DType, str, str]] = {
    "int": ("int", "builtins.int", "The number without its fraction, as int64; a bool is 0 or 1."),
    "float": ("wide", "builtins.float", "Floating point numbers; those that already are stay as they are."),
    "bool": ("bool", "builtins.bool", "`x != 0`."),
    "float32": (
        "wide",
        "builtins.float",
        "At least float32 (float64 where the module works in it), for what is too fine for half precision.",
    ),
}


def build_cast(call: Call) -> Node:
    """The operand itself where it is of that kind already."""
    x, (dtype, function, _) = call.x, _CASTS[call.name]
    no_complex(call, (x,))
    if x.dtype == dtype or (call.name == "float" and x.dtype == "float"):
        return x
    return fold(call, (x,), python_function(function), dtype) or call.node(call.name, (x,), x.tensor.cast(dtype))


def lower_cast(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    source = node.inputs[0]
    if is_number(node):
        return Value(e.call(NUMBER_TARGETS[node.op], e.value(source).fx), ())
    if node.dtype == "wide":
        return e.wide(source)
    value = e.tensor(source)
    return Value(e.method("long" if node.dtype == "int" else "bool", value.fx), value.axes)


_CAST_EXAMPLES = {
    "int": "block t(x: [*, N]) -> int [*, N] {\n    return int(x * 3)\n}",
    "float": "block t(x: [*, N]) -> [*, N] {\n    return x * float(x > 0)\n}",
    "bool": "block t(x: [*, N]) -> bool [*, N] {\n    return bool(floor(x))\n}",
    "float32": "block t(x: [*, N, D]) -> [*, N, D] {\n    return x * sum(float32(x), D)\n}",
}


def _cast(name: str) -> Operator:
    differentiable = name in ("float", "float32")
    return Operator(name, "pointwise", _CASTS[name][2], build_cast, Signature(), lower_cast, no_cost, differentiable, True,
                    (_CAST_EXAMPLES[name],))  # fmt: skip


# ------------------------------------------------ gradients


def build_detach(call: Call) -> Node:
    return call.x if is_number(call.x) else call.node("detach", (call.x,), call.x.tensor)


def lower_detach(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    value = e.value(node.inputs[0])
    return Value(e.method("detach", value.fx), value.axes)


_DETACH = Operator(
    "detach", "pointwise", "The same values, through which no gradient flows.", build_detach, Signature(), lower_detach, no_cost,
    differentiable=False, pointwise=True, examples=("block t(x: [*, N]) -> [*, N] {\n    return x + detach(round(x) - x)\n}",),
)  # fmt: skip

# What keeps a dynamic size symbolic while a module is traced. Other functions of a size are computed on a tensor without dimensions.
NUMBER_TARGETS.update({"abs": "operator.abs", "floor": "runtime.rounded_down", "ceil": "runtime.rounded_up", "sqrt": "runtime.square_root"})
NUMBER_TARGETS.update({"int": "runtime.cut_off", "float": "torch.sym_float", "float32": "torch.sym_float"})
register(*map(_function, TABLE), *map(_cast, _CASTS), _DETACH)
