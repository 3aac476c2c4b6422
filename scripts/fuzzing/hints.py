"""What a signature cannot say: kinds of number, ranges, and axes that depend on each other. Each hint writes one call, or gives None.

An operator without a hint is called by its signature alone. Where a function jumps (rounding, comparisons, orders) it is mostly given an
input as it came, in which no two numbers are equal, so that the order of sums cannot change the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from attn.compiler.ops.base import OPERATORS

from . import attention, moving
from .draft import Draft, Var
from .table import generic

Written = str | tuple[str, int] | None
"""An expression, with its number of results where that is not one."""

NUMBERS = ("float", "float", "float", "float", "int", "bool", "wide")
MORE_KINDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("any", "all", "not", "and", "or"), ("bool",)),
    **dict.fromkeys(("flip", "expand", "sum", "max", "min", "mean", "maximum", "minimum"), NUMBERS),
    **dict.fromkeys(("cumsum", "cummax", "where", "shift", "roll"), NUMBERS),
    **dict.fromkeys(("int", "float", "bool", "abs", "square", "relu"), NUMBERS),
}  # fmt: skip


def kinds_of(d: Draft, name: str) -> tuple[str, ...]:
    """Which kinds of number an operator is given."""
    kinds = MORE_KINDS.get(name)
    return ("float", "wide") if kinds is None else (d.rng.choice(kinds),)


# ---------------------------------------------------------------- number by number

INFIX = {
    "add": "{a} + {b}", "sub": "{a} - {b}", "mul": "{a} * {b}", "div": "{a} / (1 + square({b}))", "eq": "{a} == {b}", "ne": "{a} != {b}",
    "lt": "{a} < {b}", "le": "{a} <= {b}", "gt": "{a} > {b}", "ge": "{a} >= {b}", "and": "{a} and {b}", "or": "{a} or {b}",
    "not": "not {a}", "neg": "-{a}",
}  # fmt: skip
JUMPING = ("eq", "ne", "lt", "le", "gt", "ge")
CONSTANTS = ("2", "0.5", "1", "0", "-1", "3", "0.137", "size({x}, {n})", "pos({n})")


def infix(name: str, d: Draft) -> Written:
    """Signs between two values, or a value and a number."""
    if name in ("and", "or", "not"):
        a, b = mask(d), mask(d)
        return INFIX[name].format(a=a, b=b) if a and b else None
    a = d.steady() if name in JUMPING and d.chance(0.7) else d.pick("int") if name in JUMPING else d.pick(*NUMBERS)
    if a is None:
        return None
    b = d.pick(*NUMBERS) if name not in JUMPING and d.chance(0.7) else None
    right = b.name if b is not None else constant(d, a)
    if b is not None and name == "mul" and d.chance(0.4):
        return f"tanh({a.name}) * {right}"
    if b is None and name in ("add", "mul", "sub") and d.chance(0.4):
        return INFIX[name].format(a=right, b=a.name)
    return INFIX[name].format(a=a.name, b=right)


def constant(d: Draft, x: Var) -> str:
    """A number, a size or a position."""
    text = d.rng.choice(CONSTANTS)
    if "{n}" in text and not x.axes:
        return "2"
    return text.format(x=x.name, n=d.rng.choice(list(x.axes)) if x.axes else "")


def whole(sign: str, d: Draft) -> Written:
    """`//` and `%` of whole numbers, now and then of an input's floats."""
    a = d.steady() if d.chance(0.3) else d.pick("int")
    b = d.pick("int")
    if a is None:
        return None
    return f"{a.name} {sign} {d.rng.choice(['2', '3'])}" if b is None or d.chance(0.5) else f"{a.name} {sign} (square({b.name}) + 1)"


def power(d: Draft) -> Written:
    x = d.pick(*NUMBERS)
    if x is None:
        return None
    n = d.rng.choice(list(x.axes)) if x.axes else ""
    forms = [
        "{x} ** 2",
        "(1 + square({x})) ** -0.5",
        "tanh({x}) ** 3",
        "(1 + square({x})) ** 0.3",
        "2 ** tanh({x})",
        "{x} ** 1",
        "{x} ** 0",
    ]
    return d.rng.choice(forms + (["0.5 ** pos({n}) * {x}", "{x} * size({x}, {n}) ** -0.5"] if n else [])).format(x=x.name, n=n)


def applied(form: str, d: Draft) -> Written:
    """A function of an argument that it has an answer for."""
    x = d.pick()
    return form.format(x=x.name) if x is not None else None


def jumping(name: str, d: Draft) -> Written:
    """Mostly of inputs."""
    x = d.steady() if d.chance(0.8) else d.pick("int", "bool")
    return f"{name}({x.name})" if x is not None else None


def clamp(d: Draft) -> Written:
    x = d.pick(*NUMBERS)
    return f"clamp({x.name}, {d.rng.choice(['lo=-0.5', 'hi=0.5', 'lo=-0.5, hi=0.7', '0, 1'])})" if x is not None else None


def choice(d: Draft) -> Written:
    c, a, b = mask(d), d.pick(*NUMBERS), d.pick(*NUMBERS)
    if c is None or a is None or b is None:
        return None
    return f"where({c}, {a.name}, {d.rng.choice([b.name, '0', '0.5'])})"


def part(name: str, d: Draft) -> Written:
    """Of a complex value, or of one made for it."""
    z = d.pick("complex")
    made = z.name if z is not None else make_complex(d)
    return f"{name}({made})" if made is not None else None


def make_complex(d: Draft) -> str | None:
    a, b = d.pick(), d.pick()
    return f"complex({a.name}, {b.name})" if a is not None and b is not None else None


# ---------------------------------------------------------------- masks and places


def mask(d: Draft, over: Sequence[str] = ()) -> str | None:
    """Something true or false: a value, or a comparison of positions."""
    var = d.pick("bool")
    if var is not None and d.chance(0.6):
        return var.name
    names = list(over) or [axis for v in d.vars.values() for axis in v.axes]
    if not names:
        return None
    n, m = d.rng.choice(names), d.rng.choice(names)
    return d.rng.choice(
        [f"(pos({n}) % 2 == 0)", f"(pos({n}) <= pos({m}))", f"(pos({n}) > 0)", "true", "false"][: 5 if d.chance(0.1) else 3]
    )


def _mask(d: Draft, tensors: Sequence[Var]) -> str | None:
    return mask(d, list(tensors[0].axes) if tensors else ())


def _number(d: Draft, tensors: Sequence[Var]) -> str | None:
    return d.rng.choice(["0.5", "2.0", "0.3"])


def _like(d: Draft, tensors: Sequence[Var]) -> str | None:
    x = d.pick()
    return x.name if x is not None else None


TENSORS: dict[str, Callable[[Draft, Sequence[Var]], str | None]] = {"where": _mask, "scale": _number, "like": _like}
"""Tensors among the options, by the option's name."""


# ---------------------------------------------------------------- along axes


def reduction(name: str, d: Draft) -> Written:
    """The three forms: along axes, adaptive or scattered by an arrow, sliding."""
    x = d.pick(*kinds_of(d, name), axes=1)
    if x is None:
        return None
    n = d.rng.choice(list(x.axes))
    form = d.rng.randint(0, 5)
    if form == 0 and x.kind == "float":
        to = f"{name}({x.name}, {n} -> {d.axis()}={d.rng.randint(1, 3)}, at=(pos({n}) * 2 + 1) % 3 - 1)"
        return f"maximum({to}, -9.0)" if name == "max" else f"minimum({to}, 9.0)" if name == "min" else to
    if form == 1 and x.kind == "float":
        return f"{name}({x.name}, {n} -> {d.axis()}={d.rng.randint(1, x.axes[n])})"
    if form == 2 and x.kind == "float":
        kernel = d.rng.randint(1, min(3, x.axes[n]))
        return f"{name}({x.name}, over={n} -> {d.axis()}, kernel={kernel}, stride={d.rng.randint(1, 2)})"
    return f"{name}({x.name}, {' '.join(d.some(list(x.axes), 1, 3))})"


def bounded(name: str, d: Draft) -> Written:
    """Reductions that would grow beyond all bounds."""
    x = d.pick(axes=1)
    return f"{name}(tanh({x.name}), {' '.join(d.some(list(x.axes), 1, 2))})" if x is not None else None


def running(name: str, d: Draft) -> Written:
    """Along one axis."""
    x = d.pick(*kinds_of(d, name), axes=1)
    if x is None:
        return None
    words = [] if name == "cumprod" else d.some([", reverse=true", ", exclusive=true"][: 2 if name == "cumsum" else 1], 0, 2)
    return f"{name}({f'tanh({x.name})' if name == 'cumprod' else x.name}, {d.rng.choice(list(x.axes))}{''.join(words)})"


def ordering(name: str, d: Draft) -> Written:
    """Orders and places, of inputs only."""
    x = d.steady(axes=1)
    if x is None:
        return None
    n = d.rng.choice(list(x.axes))
    flag = d.rng.choice(["", ", descending=true"])
    if name in ("argmax", "argmin"):
        return f"{name}({x.name}, {' '.join(d.some(list(x.axes), 1, 2))})"
    if name == "topk":
        k = d.rng.randint(1, x.axes[n])
        return f"topk({x.name}, {n} -> {d.axis()}={k}{d.rng.choice(['', ', largest=false'])})", 2
    return (f"sort({x.name}, {n}{flag})", 2) if name == "sort" else f"argsort({x.name}, {n}{flag})"


def softmax(d: Draft) -> Written:
    x = d.pick(axes=1)
    if x is None:
        return None
    n = d.rng.choice(list(x.axes))
    if d.chance(0.15):
        return f"softmax({x.name}, over={n}, at=pos({n}) % 2)"
    if d.chance(0.2):
        m = mask(d, list(x.axes))
        return f"softmax(where({m}, {x.name}, -inf), {n})" if m else None
    return generic(d, OPERATORS["softmax"], x)


def norm(name: str, d: Draft) -> Written:
    """Over axes whose size is fixed where there are weights, with a clear `eps`."""
    x = d.pick(axes=1)
    if x is None:
        return None
    weighted = d.some(d.fixed(x), 1, 2)
    plain = not weighted or d.chance(0.2)
    axes = " ".join(d.some(list(x.axes), 1, 2) if plain else weighted)
    others = [axis for axis in x.axes if axis not in axes.split()]
    words = ["eps=1e-2"] + (["weight=false", "bias=false"] if plain else [])
    if not plain and d.chance(0.3):
        words += d.some(["weight=false", "bias=false", "init=normal(0.5)"], 1, 1)
    if name in ("groupnorm", "instancenorm") and others:
        words.insert(0, f"over={' '.join(d.some(others, 1, 2))}")
    elif name == "instancenorm":
        return None
    return f"{name}({', '.join([x.name, axes, *words])})"


def batchnorm(d: Draft) -> Written:
    x = d.pick(axes=1)
    known = d.some(d.fixed(x), 1, 1) if x is not None else []
    return f"batchnorm({', '.join([x.name, *known, 'eps=1e-2'])})" if x is not None and (known or d.chance(0.3)) else None


# ---------------------------------------------------------------- made from nothing


def constants(name: str, d: Draft) -> Written:
    """Positions, sizes, constants and draws over axes that there are."""
    x = d.pick(axes=1)
    if x is None:
        return None
    axes = d.some(list(x.axes), 1, 2)
    if name == "pos":
        return d.rng.choice([f"pos({axes[0]})", f"{x.name} * pos({axes[0]})", f"pos({axes[0]}) % 3"])
    if name == "size":
        return f"{x.name} * size({x.name}, {axes[0]}) / 4"
    if name in ("full", "bernoulli"):
        return f"{name}(0.5, {' '.join(axes)})"
    return f"{x.name} + {name}({' '.join(axes)})" if d.chance(0.5) else f"{name}({' '.join(axes)})"


Hint = Callable[[Draft], Written]
HINTS: dict[str, Hint] = {
    **{name: partial(infix, name) for name in INFIX},
    "floordiv": partial(whole, "//"), "mod": partial(whole, "%"), "pow": power,
    "exp": partial(applied, "exp(tanh({x}))"), "expm1": partial(applied, "expm1(tanh({x}))"),
    "log": partial(applied, "log(1 + square({x}))"),
    "log2": partial(applied, "log2(1 + square({x}))"), "log1p": partial(applied, "log1p(square({x}))"),
    "sqrt": partial(applied, "sqrt(1 + square({x}))"), "rsqrt": partial(applied, "rsqrt(1 + square({x}))"),
    **{name: partial(running, name) for name in ("cumsum", "cumprod", "cummax")}, "square": partial(applied, "square(tanh({x}))"),
    **{name: partial(part, name) for name in ("real", "imag", "conj")},
    "angle": partial(applied, "angle(complex(1 + square({x}), {x}))"), "complex": make_complex,
    **{name: partial(jumping, name) for name in ("sign", "floor", "ceil", "round", "int", "bool")},
    "clamp": clamp, "where": choice, "is_pow2": lambda d: f"is_pow2({v.name})" if (v := d.pick("int")) is not None else None,
    **{name: partial(reduction, name) for name in ("sum", "mean", "max", "min")},
    **{name: partial(bounded, name) for name in ("prod", "logsumexp")},
    **{name: partial(ordering, name) for name in ("argmax", "argmin", "argsort", "sort", "topk")},
    "softmax": softmax, **{name: partial(norm, name) for name in ("layernorm", "rmsnorm", "groupnorm", "instancenorm")},
    "batchnorm": batchnorm,
    **{name: partial(constants, name) for name in ("pos", "size", "zeros", "ones", "full", "rand", "randn", "bernoulli")},
    **moving.HINTS, **attention.HINTS,
}  # fmt: skip
