"""Running sums of products, as sums of outer products, as causal masks on pairs, and as loops, with and without a decay."""

from __future__ import annotations

from ..draft import Draft, Var

MASKS = ("pos({m}) <= pos({n})", "pos({n}) >= pos({m})", "pos({m}) < pos({n})", "pos({m}) >= pos({n})", "pos({m}) - pos({n}) > 0")
DECAYS = ("0.5", "sigmoid({k2})", "sigmoid({x})", "sigmoid(sum({x}, {c}))", "cos({x})", "(pos({n}) % 2)")


def _operands(d: Draft) -> tuple[str, str, Var, Var] | None:
    """An axis to run along, one to add up, queries and keys with both, and values with another instead of the second."""
    fit = [var for var in d.vars.values() if var.kind == "float" and len([n for n in var.axes if not n.endswith("'")]) > 1]
    if not fit:
        return None
    x = d.rng.choice(fit)
    n, c = d.some([name for name in x.axes if not name.endswith("'")], 2, 2)
    v = d.let(f"rename({x.name}, {c} -> {d.axis()})")
    return None if v is None else (n, c, x, v)


def sums(d: Draft) -> None:
    """`dot(q, cumsum(k * v))`."""
    found = _operands(d)
    if found is None:
        return
    n, c, x, v = found
    e = list(v.axes)[-1] if list(v.axes)[-1] not in x.axes else next(name for name in v.axes if name not in x.axes)
    options = d.rng.choice(["", "", ", reverse=true", ", exclusive=true", ", reverse=true, exclusive=true"])
    outer = d.let(f"cumsum(expand({d.rng.choice(['{x}', 'tanh({x})', '-{x}']).format(x=x.name)}, {e}) * {v.name}, {n}{options})")
    if outer is not None:
        d.let(d.rng.choice([f"dot({x.name}, {outer.name}, over={c})", f"sum(cos({x.name}) * {outer.name}, {c}) * 2"]))


def pairs(d: Draft) -> None:
    """Products of pairs under a mask, perhaps divided by their sum, perhaps with a decay."""
    found = _operands(d)
    if found is None:
        return
    n, c, x, v = found
    m = d.axis()
    mask = d.rng.choice(MASKS).format(n=n, m=m)
    if d.chance(0.3):
        d.let(f"dot(tanh({x.name}), rename({x.name}, {n} -> {m}), rename({v.name}, {n} -> {m}), over={c} {m}, where={mask})")
        return
    s = d.let(f"dot({x.name}, rename(cos({x.name}), {n} -> {m}), over={c}, where={mask})")
    if s is not None and d.chance(0.3):
        s = d.let(f"{s.name} * where(pos({n}) >= pos({m}), 0.5 ** maximum(pos({n}) - pos({m}), 0), 0.0)")
    if s is not None:
        y = f"dot({s.name}, rename({v.name}, {n} -> {m}), over={m})"
        d.let(d.rng.choice([y, f"{y} / (1 + square(sum({s.name}, {m})))", f"sum({s.name}, {m})"]))


def loops(d: Draft) -> None:
    """A loop whose carried values are scaled and added to, and mostly read by a product."""
    found = _operands(d)
    if found is None:
        return
    n, c, x, v = found
    e = next(name for name in v.axes if name not in x.axes)
    stay = [axis for axis in x.axes if axis != n]
    star = ["*"] * x.star
    state = ", ".join([*star, *stay, e])
    decay = d.rng.choice(DECAYS).format(x=x.name, c=c, n=n, k2="pos(" + c + ")")
    start = d.rng.choice(["0", "0", "0.5"])
    added = d.rng.choice([f"expand({x.name}, {e}) * {v.name}", f"expand(tanh({x.name}), {e}) * ({v.name} * 0.5)"])
    update = d.rng.choice([f"s = s + {added}", f"s = {decay} * s + {added}", f"s = {decay} * (s - {added})", f"s = s / 2 - {added}"])
    read = d.rng.choice([f"dot({x.name}, s, over={c})"] * 4 + ["sum(s, " + c + ")", f"tanh(dot({x.name}, s, over={c}))"])
    results = d.rng.choice([1, 1, 2])
    text = f"scan {n}{d.rng.choice(['', '', ' reverse'])} (s: [{state}] = {start}) {{\n        {update}\n        yield {read}\n    }}"
    d.let(text, results)


def averages(d: Draft) -> None:
    """A moving average, number by number."""
    x = d.pick(axes=1)
    names = [name for name in x.axes if not name.endswith("'")] if x is not None else []
    if x is None or not names or x.kind != "float":
        return
    n = d.rng.choice(names)
    state = ", ".join([*["*"] * x.star, *[axis for axis in x.axes if axis != n]])
    decay = d.rng.choice(["0.5", f"sigmoid({x.name})", "0.0", "-0.9"])
    read = d.rng.choice(["s", "s * 2", f"s * {x.name}", "tanh(s)"])
    text = f"scan {n}{d.rng.choice(['', ' reverse'])} (s: [{state}] = {d.rng.choice(['0', '0.5'])}) {{\n"
    text += f"        s = {decay} * s + {x.name} * (1 - {decay})\n        yield {read}\n    }}"
    d.let(text, d.rng.choice([1, 1, 2]))


POLICIES = (sums, pairs, loops, loops, averages)
