"""The lines that random programs are made of: each function adds one to a draft, or nothing where the values at hand do not allow it."""

from __future__ import annotations

from collections.abc import Callable

from random_programs import Draft, Var, union, without

Line = Callable[[Draft], object]

SMOOTH = ("tanh", "sigmoid", "sin", "cos", "gelu", "silu", "softplus", "erf", "mish", "square")
BENT = ("relu", "abs", "elu", "leaky_relu", "hardswish")

# ---------------------------------------------------------------- number by number


def unary(d: Draft) -> object:
    x = d.any("float", "float", "int", "bool")
    if x is None:
        return None
    smooth = d.chance(0.7)
    name = d.rng.choice(SMOOTH if smooth else BENT)
    kind = "float" if x.kind == "float" or name not in ("square", "relu", "abs") else "int"
    if name == "square" and x.kind == "float":
        return d.emit(f"square(tanh({x.name}))", x.axes, x.star)
    return d.emit(f"{name}({x.name})" if d.chance(0.6) else f"{x.name} |> {name}", x.axes, x.star, kind, smooth)


def binary(d: Draft) -> object:
    a, b = d.any("float", "int", "bool"), d.any("float", "float", "int")
    if a is None or b is None:
        return None
    axes, star = union(a, b)
    if "float" in (a.kind, b.kind):
        forms = ["{a} + {b}", "{a} - {b} * 0.5", "tanh({a}) * {b}", "{a} / (1 + {b} ** 2)", "maximum({a}, {b})", "minimum({a}, {b}, 0.3)"]
        text = d.rng.choice(forms)
        return d.emit(text.format(a=a.name, b=b.name), axes, star, "float", "imum" not in text)
    text = d.rng.choice(["{a} + {b}", "{a} - {b}", "{a} * {b} % 11", "({a} - 2) // ({b} ** 2 + 1)", "minimum({a}, {b})"])
    return d.emit(text.format(a=a.name, b=b.name), axes, star, "int")


def numbers(d: Draft) -> object:
    """Scalars, sizes and positions."""
    x = d.any("float", axes=1)
    if x is None:
        return None
    axis = d.rng.choice(list(x.axes))
    forms = [
        "{x} * 0.25 + 1", "{x} / size({x}, {n})", "{x} * (pos({n}) + 1) / 4", "{x} ** 2 / (1 + {x} ** 2)", "2 - {x}", "-{x}",
        "cos({x} + pos({n}) ** 2)", "{x} * size({x}, {n}) ** -0.5", "tanh({x}) ** 3", "0.5 ** pos({n}) * {x}", "{x} + full(0.5, {n})",
    ]  # fmt: skip
    return d.emit(d.rng.choice(forms).format(x=x.name, n=axis), x.axes, x.star)


def compare(d: Draft) -> object:
    x = d.any("float", "int", axes=1)
    if x is None:
        return None
    sign = d.rng.choice(["<", "<=", ">", ">=", "==", "!="])
    form = d.rng.randint(0, 3)
    n = d.rng.choice(list(x.axes))
    if form == 0 and x.raw:
        return d.emit(f"{x.name} {sign} 0.137", x.axes, x.star, "bool", False)
    if form == 1 and x.kind == "int":
        return d.emit(f"{x.name} {sign} {d.rng.randint(0, 4)}", x.axes, x.star, "bool")
    m = d.rng.choice(list(x.axes))
    if m == n:
        return d.emit(f"pos({n}) % 3 {sign} 1", {n: x.axes[n]}, False, "bool")
    return d.emit(f"pos({n}) {sign} pos({m}) + {d.rng.randint(-1, 2)}", {n: x.axes[n], m: x.axes[m]}, False, "bool")


def logic(d: Draft) -> object:
    a, b = d.any("bool"), d.any("bool")
    if a is None or b is None:
        return None
    axes, star = union(a, b)
    text = d.rng.choice(["{a} and {b}", "{a} or not {b}", "not {a}", "where({a}, {b}, {a} or {b})"])
    return d.emit(text.format(a=a.name, b=b.name), axes if "{b}" in text else a.axes, star if "{b}" in text else a.star, "bool")


def where(d: Draft) -> object:
    c, a, b = d.any("bool"), d.any("float", "int"), d.any("float", "float", "int")
    if c is None or a is None or b is None:
        return None
    text = d.rng.choice(["where({c}, {a}, {b})", "where({c}, {a}, 0)", "where({c}, sqrt(1 + {a} ** 2), {b})", "{c} * {a}"])
    used = (c, a, b) if "{b}" in text else (c, a)
    axes, star = union(*used)
    kind = "float" if "sqrt" in text or any(var.kind == "float" for var in used) else "int"
    return d.emit(text.format(c=c.name, a=a.name, b=b.name), axes, star, kind)


# ---------------------------------------------------------------- along axes


def reduce(d: Draft) -> object:
    x = d.any("float", "float", "int", "bool", axes=1)
    if x is None:
        return None
    gone = d.some(list(x.axes), 1, 3)
    left = without(x.axes, *gone)
    if x.kind == "bool":
        name = d.rng.choice(["any", "all", "sum", "mean", "max"])
        kind = {"sum": "int", "mean": "float"}.get(name, "bool")
        return d.emit(f"{name}({x.name}, {' '.join(gone)})", left, x.star, kind)
    name = d.rng.choice(["sum", "mean", "max", "min", "var", "logsumexp", "norm", "prod"])
    argument = f"tanh({x.name})" if name in ("prod", "logsumexp") else x.name
    kind = "float" if x.kind == "float" or name in ("mean", "var", "logsumexp", "norm", "prod") else "int"
    return d.emit(f"{name}({argument}, {' '.join(gone)})", left, x.star, kind, name not in ("max", "min", "norm"))


def weights(d: Draft) -> object:
    """softmax and its relatives, with and without a mask."""
    x, m = d.any("float", axes=1), d.any("bool")
    if x is None:
        return None
    name = d.rng.choice(["softmax", "softmax", "softmax", "softmax1", "sparsemax", "entmax15", "log_softmax"])
    over = " ".join(d.some(list(x.axes), 1, 2))
    if m is None or name == "log_softmax" or d.chance(0.4):
        return d.emit(f"{name}({x.name}, {over})", x.axes, x.star, "float", name not in ("sparsemax", "entmax15"))
    axes, star = union(x, m)
    if d.chance(0.3) and name == "softmax":
        return d.emit(f"softmax(where({m.name}, {x.name}, -inf), {over})", axes, star)
    return d.emit(f"{name}({x.name}, {over}, where={m.name})", axes, star, "float", name not in ("sparsemax", "entmax15"))


def running(d: Draft) -> object:
    x = d.any("float", "int", axes=1)
    if x is None:
        return None
    axis = d.rng.choice(list(x.axes))
    forms = [
        "cumsum({x}, {n})", "cumsum({x}, {n}, reverse=true, exclusive=true)", "cummax({x}, {n}, reverse=true)", "flip({x}, {n})",
        "roll({x}, {n}=-1)", "shift({x}, {n}=1)", "shift({x}, {n}=-3, fill=2)",
    ]  # fmt: skip
    text = d.rng.choice(forms)
    return d.emit(text.format(x=x.name, n=axis), x.axes, x.star, x.kind, "max" not in text)


def norms(d: Draft) -> object:
    x = d.any("float", axes=1)
    if x is None or d.slack > 1:
        return None
    axes = " ".join(d.some(list(x.axes), 1, 2))
    known = d.some(d.known(x), 1, 2)
    text = d.rng.choice(["standardize({x}, {a})", "rmsnorm({x}, {a}, weight=false)", "layernorm({x}, {k})", "rmsnorm({x}, {k})",
                         "groupnorm({x}, {k}, over={o}, groups=1)", "batchnorm({x}, {k})", "layernorm({x}, {k}, bias=false)"])  # fmt: skip
    others = [axis for axis in x.axes if axis not in known]
    if ("{k}" in text and not known) or ("{o}" in text and not others):
        return None
    d.slack *= 1000
    return d.emit(text.format(x=x.name, a=axes, k=" ".join(known), o=" ".join(d.some(others, 1, 2))), x.axes, x.star, "float", True)


# ---------------------------------------------------------------- sums of products


def linear(d: Draft) -> object:
    x = d.any("float", axes=1)
    inner = d.some(d.known(x), 1, 2) if x is not None else []
    if x is None or not inner:
        return None
    left = without(x.axes, *inner)
    each = d.some([axis for axis in d.known(x) if axis not in inner], 1, 1) if d.chance(0.3) else []
    options = "".join([", bias=false" if d.chance(0.3) else "", f", each={each[0]}" if each else ""])
    if d.chance(0.15):
        return d.emit(f"linear({x.name}, {' '.join(inner)} -> 1{options})", left, x.star)
    made: dict[str, int] = {}
    words: list[str] = []
    for _ in range(d.rng.randint(1, 2)):
        same = [axis for axis in inner if axis not in made]
        axis = d.rng.choice(same) if same and d.chance(0.3) else d.axis()
        size = x.axes[axis] if axis in x.axes else d.rng.randint(1, 4)
        made[axis] = size
        words.append(axis if axis in x.axes else f"{axis}={size}")
    if not d.room({**left, **made}):
        return None
    d.bound |= made.keys()
    return d.emit(f"linear({x.name}, {' '.join(inner)} -> {' '.join(words)}{options})", {**left, **made}, x.star)


def given_weight(d: Draft) -> object:
    """A linear map or plain product with a parameter of the block."""
    x = d.any("float", axes=1)
    inner = d.some(d.known(x), 1, 2) if x is not None else []
    if x is None or not inner:
        return None
    made, size = d.axis(), d.rng.randint(1, 4)
    axes = [*inner, f"{made}={size}"]
    d.rng.shuffle(axes)
    d.bound.add(made)
    d.count += 1
    name = f"w{d.count}"
    d.lines.append(f"param {name}: [{', '.join(axes)}] = normal(0.5)")
    sizes = {**{axis: x.axes[axis] for axis in inner}, made: size}
    d.vars.append(Var(name, sizes, False, "float"))
    left = {**without(x.axes, *inner), made: size}
    if d.chance(0.5):
        return d.emit(f"dot({x.name}, {name}, over={' '.join(inner)})", left, x.star)
    return d.emit(f"linear({x.name}, {' '.join(inner)} -> {made}, weight={name}, bias=false)", left, x.star)


def dot(d: Draft) -> object:
    tensors = [
        var
        for var in (d.any("float", axes=1), d.any("float", "float", "int", axes=1), d.any("float", "bool") if d.chance(0.3) else None)
        if var
    ]
    if len(tensors) < 2:
        return None
    axes, star = union(*tensors)
    shared = [axis for axis in axes if sum(axis in var.axes for var in tensors) > 1]
    over = d.some(shared, 1, 3)
    if not over and shared:
        return None
    mask = d.any("bool") if d.chance(0.25) else None
    text = ", ".join(var.name for var in tensors) + f", over={' '.join(over)}" if over else ""
    if not over:
        return None
    if mask is not None:
        axes, star = union(*tensors, mask)
        text += f", where={mask.name}"
    kind = "float" if any(var.kind == "float" for var in tensors) else "int"
    return d.emit(f"dot({text})", without(axes, *over), star, kind)


# ---------------------------------------------------------------- windows


def slide(d: Draft) -> object:
    """Convolutions and pooling along one axis."""
    x = d.any("float", axes=2)
    if x is None:
        return None
    n = d.rng.choice(list(x.axes))
    made, size = d.axis(), x.axes[n]
    kernel = d.rng.randint(1, min(3, size))
    stride = d.rng.randint(1, 2)
    left = {**without(x.axes, n), made: (size - kernel) // stride + 1}
    if n in d.bound:
        d.bound.add(made)
    known = d.some([axis for axis in d.known(x) if axis != n], 1, 1)
    form = d.rng.randint(0, 5)
    if form == 0 and known:
        c, e = known[0], d.axis()
        d.bound.add(e)
        return d.emit(
            f"conv({x.name}, {c} -> {e}=2, over={n} -> {made}, kernel={kernel}, stride={stride}, padding=0)",
            {**without(left, c), e: 2},
            x.star,
        )
    if form == 1:
        each = f", each={known[0]}" if known and d.chance(0.6) else ""
        return d.emit(f"conv({x.name}, over={n}, kernel=3{each}, padding={d.rng.choice(['same', 'causal', '1'])})", x.axes, x.star)
    if form == 2:
        width = d.axis()
        d.bound.add(width)
        return d.emit(f"unfold({x.name}, {n} -> {made} {width}={kernel}, stride={stride})", {**left, width: kernel}, x.star)
    if form == 3:
        small = d.rng.randint(1, size)
        d.bound.add(made)
        how = d.rng.choice(["mean", "sum", "max"])
        return d.emit(f"{how}({x.name}, {n} -> {made}={small})", {**left, made: small}, x.star, "float", how != "max")
    how = d.rng.choice(["mean", "sum", "max", "min"])
    return d.emit(f"{how}({x.name}, over={n} -> {made}, kernel={kernel}, stride={stride})", left, x.star, "float", how in ("mean", "sum"))


OPERATORS: list[tuple[Line, int]] = [
    (unary, 3), (binary, 5), (numbers, 3), (compare, 3), (logic, 1), (where, 3), (reduce, 4), (weights, 4), (running, 3), (norms, 2),
    (linear, 5), (given_weight, 2), (dot, 5), (slide, 4),
]  # fmt: skip
