"""What is known before the run, identities of arithmetic, and names and shapes that are undone again."""

from __future__ import annotations

from ..draft import Draft
from ..moving import HINTS as MOVES

IDENTITIES = (
    "{x} * 1", "{x} + 0", "0 + {x}", "{x} - 0", "{x} / 1", "-(-{x})", "{x} * 0", "0 * {x} + {x}", "{x} ** 1", "{x} * 2 * 3", "{x} + 1 + 2",
    "({x} * 0.5) * 4", "{x} - {x}", "{x} * (1 + 1)", "{x} * -1", "2 * ({x} + 0.5)", "{x} + (-{x})", "1 * {x} * 1.0", "where(true, {x}, 0)",
    "where(false, 0, {x})", "where(1 < 2, {x}, -{x})", "maximum({x}, {x})", "{x} + {x}", "abs(abs({x}))", "relu(relu({x}))", "exp(0 * {x})",
    "clamp({x}, lo=-inf, hi=inf)", "float({x})", "float(float({x}))", "detach(detach({x}))", "dropout({x}, p=0)", "dropout({x}, p=0.4)",
    "softplus({x}) - softplus({x})", "{x} / 2 / 2", "{x} * sqrt(4)", "{x} + sin(0)", "{x} * (3 - 2)", "not (not ({x} > 0))",
    "({x} > 0) and true", "({x} > 0) or ({x} > 0)", "({x} > 0) * {x}", "{x} ** 2 ** 0.5", "square({x}) ** 0",
)  # fmt: skip
POSITIONS = (
    "{x} * (pos({n}) >= 0)", "where(pos({n}) < size({x}, {n}), {x}, 0)", "{x} + pos({n}) - pos({n})", "{x} * (pos({n}) * 2 + 1)",
    "where(pos({n}) < 0, 1, {x})", "{x} * full(1, {n})", "{x} + zeros({n})", "{x} * ones({n})", "{x} + full(0.5, {n}) * full(2, {n})",
    "sum(ones({n}), {n}) * {x}", "{x} * size({x}, {n}) / size({x}, {n})", "{x} + cos(pos({n}) * 0)", "{x} * exp(-pos({n}) / 3)",
    "sum(pos({n}), {n}) + {x}", "max({x} * 0, {n}) + {x}", "where(pos({n}) % 2 == 0, {x}, {x})", "cumsum(ones({n}), {n}) * {x}",
    "{x} + mean(full(0.5, {n}), {n})", "{x} * softmax(zeros({n}), {n})",
)  # fmt: skip


def identity(d: Draft) -> None:
    x = d.pick("float", "float", "int")
    if x is not None:
        d.let(d.rng.choice(IDENTITIES).format(x=x.name))


def position(d: Draft) -> None:
    x = d.pick("float", "float", "int", axes=1)
    if x is not None:
        d.let(d.rng.choice(POSITIONS).format(x=x.name, n=d.rng.choice(list(x.axes))))


def table(d: Draft) -> None:
    """A constant of the program, from a formula or a list."""
    x = d.pick(axes=1)
    known = d.fixed(x) if x is not None else []
    if x is None or not known:
        return
    n, name = d.rng.choice(known), d.name()
    size = x.axes[n]
    forms = [f"pos({n}) * 0.5", "1", "0", f"cos(pos({n}))", "[" + ", ".join(str(d.rng.choice([0, 1, 0.5])) for _ in range(size)) + "]"]
    if d.say(f"const {name}: [{n}] = {d.rng.choice(forms)}"):
        d.let(d.rng.choice([f"{x.name} * {name}", f"{x.name} + {name} * 2", f"{x.name} * sin({name})", f"sum({x.name} * {name}, {n})"]))


# ---------------------------------------------------------------- views

POINTWISE = ("tanh({x})", "{x} * 2", "relu({x})", "{x} + 1", "-{x}", "gelu({x})", "{x} * {x}", "sigmoid({x}) * 3")


def there_and_back(d: Draft) -> None:
    """A rename, split or merge, something number by number, and the way back."""
    x = d.pick("float", "float", "int", axes=1)
    if x is None:
        return
    n = d.rng.choice(list(x.axes))
    size, a, b = x.axes[n], d.axis(), d.axis()
    k = d.rng.choice([k for k in range(1, size + 1) if size % k == 0])
    ways = [(f"rename({n} -> {a})", f"rename({a} -> {n})"), (f"split({n} -> {a} {b}={k})", f"merge({a} {b} -> {n})"),
            (f"rename({n} -> {a})", f"rename({a} -> {b})"), (f"split({n} -> {a} {b}={k})", f"merge({b} {a} -> {d.axis()})"),
            (f"flip({n})", f"flip({n})"), (f"roll({n}=1)", f"roll({n}=-1)"), (f"split({n} -> {a} {b}={k})", f"sum({a})"),
            (f"expand({a}=2)", f"mean({a})"), (f"expand({a}=3)", f"sum({a})"),
            (f"split({n} -> {a} {b}={k})", f"rename({a} -> {d.axis()})")]  # fmt: skip
    others = [m for m in x.axes if m != n]
    if others:
        m = d.rng.choice(others)
        ways += [(f"merge({n} {m} -> {a})", f"split({a} -> {n} {m}={x.axes[m]})")] * 2
    there, back = d.rng.choice(ways)
    y = d.let(f"{x.name} |> {there}")
    if y is not None and d.chance(0.7):
        y = d.let(d.rng.choice(POINTWISE).format(x=y.name))
    if y is not None:
        d.let(f"{y.name} |> {back}")


def moves(d: Draft) -> None:
    """Two views on end, with a pointwise function between them and more than one reader."""
    for name in d.rng.choices(["split", "merge", "rename", "expand", "stack", "concat", "pad", "roll", "shift"], k=2):
        written = MOVES[name](d)
        if written is not None:
            y = d.let(*written) if isinstance(written, tuple) else d.let(written)
            if y is not None and d.chance(0.4) and y.kind == "float":
                d.let(d.rng.choice(POINTWISE).format(x=y.name))


def transposed(d: Draft) -> None:
    """A pair of axes that changes places, added to what did not."""
    x = d.pick(axes=2)
    if x is None:
        return
    pairs = [(n, m) for n in x.axes for m in x.axes if n < m and x.axes[n] == x.axes[m]]
    if not pairs:
        return
    n, m = d.rng.choice(pairs)
    y = d.let(f"rename({x.name}, {n} -> {m}, {m} -> {n})")
    if y is not None:
        z = d.let(d.rng.choice([f"{x.name} + {y.name}", f"dot({x.name}, {y.name}, over={n})", f"tanh({y.name})"]))
        if z is not None and m in z.axes and n in z.axes:
            d.let(f"rename({z.name}, {n} -> {m}, {m} -> {n})")


POLICIES = (identity, identity, position, table, there_and_back, there_and_back, moves, transposed)
