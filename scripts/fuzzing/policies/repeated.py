"""The same thing twice, several reductions of one tensor, and loops."""

from __future__ import annotations

from ..draft import Draft
from ..table import WRITTEN, write

REDUCTIONS = ("sum", "mean", "max", "min", "var", "std", "logsumexp", "norm", "prod", "any", "all")


def reductions(d: Draft) -> None:
    """Several reductions of one tensor along the same or other axes, put together."""
    x = d.pick(axes=1)
    if x is None:
        return
    axes = " ".join(d.some(list(x.axes), 1, 2))
    made = []
    for name in d.some(REDUCTIONS[:8], 2, 4):
        over = axes if d.chance(0.8) else " ".join(d.some(list(x.axes), 1, 2))
        y = d.let(f"{name}({f'tanh({x.name})' if name == 'logsumexp' else x.name}, {over})")
        made += [y.name] if y is not None else []
    if len(made) > 1:
        d.let(d.rng.choice([" + ".join(made), f"{x.name} - {made[0]} * {made[1]}", f"({x.name} - {made[0]}) / (1 + square({made[1]}))"]))


def moments(d: Draft) -> None:
    """Mean and variance of one tensor in one line, along the same axes or nearly."""
    x = d.pick(axes=1)
    if x is None:
        return
    axes = " ".join(d.some(list(x.axes), 1, 2))
    other = axes if d.chance(0.8) else " ".join(d.some(list(x.axes), 1, 2))
    spread = d.rng.choice(["var({x}, {b})", "std({x}, {b})", "var({x}, {b}, unbiased=false)"])
    forms = ["({x} - mean({x}, {a})) / (1 + " + spread + ")", "mean({x}, {a}) * " + spread, "mean({x}, {a}) + " + spread]
    d.let(d.rng.choice(forms).format(x=x.name, a=axes, b=other))


def twice(d: Draft) -> None:
    """A call written twice, letter by letter or with its operands exchanged."""
    before = len(d.lines)
    write(d, d.rng.choice(WRITTEN))
    made = [
        line for line in d.lines[before:] if " = " in line and not line.startswith(("param", "const")) and "," not in line.split(" = ")[0]
    ]
    if not made or any(word in made[-1] for word in ("linear", "conv", "norm", "rand", "bernoulli", "drop")):
        return
    name, text = made[-1].split(" = ", 1)
    again = d.let(text)
    if again is not None and again.kind in ("float", "int", "wide") and name in d.vars:
        d.let(d.rng.choice([f"{name} + {again.name}", f"tanh({name}) * tanh({again.name})", f"{name} - {again.name}"]))


def spelled_norm(d: Draft) -> None:
    """Norms and softmax by hand."""
    x = d.pick(axes=1)
    if x is None:
        return
    n = d.rng.choice(list(x.axes))
    forms = ["({x} - mean({x}, {n})) / sqrt(var({x}, {n}) + 0.01)",
             "({x} - mean({x}, {n})) * rsqrt(mean(square({x} - mean({x}, {n})), {n}) + 0.01)",
             "{x} * rsqrt(mean(square({x}), {n}) + 0.01)", "exp({x} - max({x}, {n})) / sum(exp({x} - max({x}, {n})), {n})",
             "{x} / (norm({x}, {n}) + 0.1)", "sum({x}, {n}) / size({x}, {n})",
             "mean(square({x}), {n}) - square(mean({x}, {n}))"]  # fmt: skip
    d.let(d.rng.choice(forms).format(x=x.name, n=n))


def unrolled(d: Draft) -> None:
    x = d.pick()
    if x is None:
        return
    name = d.name()
    body = d.rng.choice([f"{name} = tanh({name} + i) * 0.5", f"{name} = {name} * 0.5 + {x.name}", f"{name} = ({name} + {x.name}) * 1"])
    if d.say(f"{name} = {x.name}") and d.say(f"for i in 0..{d.rng.randint(1, 3)} {{ {body} }}"):
        d.let(f"{name} + {x.name}")


def steps(d: Draft) -> None:
    """A `scan`, with work inside that does not depend on the step or that could stand before it."""
    x = d.pick(axes=1)
    if x is None:
        return
    n = d.rng.choice(list(x.axes))
    rest = [axis for axis in x.axes if axis != n]
    others = [v for v in d.vars.values() if v.kind == "float" and n not in v.axes and {*v.axes} <= {*rest} and (x.star or not v.star)]
    y = d.rng.choice(others).name if others else "0.5"
    still = d.rng.choice(["{y}", "tanh({y})", "tanh({y}) * 2 + 0", "{y} * 1", "(pos({n}) + 1)", "tanh({x})"]).format(y=y, x=x.name, n=n)
    carried = ", ".join(["*"] * x.star + rest)
    body = f"s = tanh(s * 0.5 + {x.name} * {still})\n        yield {d.rng.choice(['s', 's * 2', 's + ' + still, '-s * 1'])}"
    text = f"scan {n}{d.rng.choice(['', ' reverse'])} (s: [{carried}] = 0.5) {{\n        {body}\n    }}"
    d.let(text, d.rng.choice([1, 1, 2]))


POLICIES = (reductions, moments, moments, moments, twice, spelled_norm, unrolled, steps)
