"""One value scaled by several smaller ones: gates that are added, multiplied, or made by linear maps."""

from __future__ import annotations

from ..draft import Draft

SUMS = (
    "{x} * {a} + {x} * {b}",
    "({a} * {x} + {x} * {b}) / 3",
    "{x} * {a} - {b} * {x}",
    "({x} * {a} + ({x} * {b} + {c} * {x})) * 0.5",
    "{x} * ({a} + {b}) * 0.3",
    "({a} - {b}) / 4 * {x}",
    "{x} * {a} * {b} * 2",
)


def scaled(d: Draft) -> None:
    """Sums and products of one value with its means, maxima and sums."""
    x = d.pick(axes=2)
    if x is None:
        return
    gates = []
    for _ in range(3):
        over = " ".join(d.some(list(x.axes), 1, len(x.axes) - 1))
        gate = d.let(d.rng.choice(["mean({x}, {n})", "tanh(max({x}, {n}))", "sigmoid(sum({x}, {n}))"]).format(x=x.name, n=over))
        gates += [gate.name] if gate is not None else []
    if len(gates) == 3:
        y = d.let(d.rng.choice(SUMS).format(x=x.name, a=gates[0], b=gates[1], c=gates[2]))
        if y is not None and d.chance(0.2):
            d.let(f"{y.name} + {x.name} * {gates[0]}")


def mapped(d: Draft) -> None:
    """Gates of two axes that linear maps make, one or two of them, of a value with more."""
    x = d.pick(axes=3)
    fixed = d.fixed(x) if x is not None else []
    if x is None or not fixed:
        return
    c = d.rng.choice(fixed)
    others = [axis for axis in x.axes if axis != c]
    over = d.rng.choice([axis for axis in others if axis not in fixed] or others)
    z = d.let(f"mean({x.name}, {over})")
    hidden = d.axis()
    if z is not None and d.chance(0.5):
        z = d.let(f"relu(linear({z.name}, {c} -> {hidden}={d.rng.randint(1, 3)}))")
    if z is not None:
        gate = f"linear({z.name}, {hidden if hidden in z.axes else c} -> {c}{d.rng.choice(['', ', bias=false'])})"
        d.let(d.rng.choice(["{x} * sigmoid({g})", "tanh({g}) * {x} + {x}", "{x} * {g} * 2"]).format(x=x.name, g=gate))


def plane(d: Draft) -> None:
    """A gate over two axes, from the maxima and means along others, by a convolution to one channel."""
    x = d.pick(axes=3)
    if x is None:
        return
    free = [axis for axis in x.axes if axis not in d.fixed(x)]
    last = d.rng.choice(free or list(x.axes))
    other, *rest = d.some([axis for axis in x.axes if axis != last], 2, 2)
    pooled, n = d.axis(), " ".join(rest)
    kernel = d.rng.choice(["3", "[1, 5]", "[3, 5]"])
    z = d.let(f"stack(max({x.name}, {n}), mean({x.name}, {n}), {pooled})")
    if z is not None:
        y = d.let(f"conv({z.name}, {pooled} -> 1, over={other} {last}, kernel={kernel}{d.rng.choice(['', ', bias=false'])})")
        d.let(f"{x.name} * sigmoid({y.name})") if y is not None else None


POLICIES = (scaled, scaled, mapped, plane)
