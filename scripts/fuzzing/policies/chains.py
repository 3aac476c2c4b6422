"""Linear maps one after the other over the features of positions, with norms and sums between them."""

from __future__ import annotations

from ..draft import Draft


def feed(d: Draft) -> None:
    """Two maps or more, of positions along two axes at least; the sum with what went in, now and then."""
    x = d.pick(axes=2)
    fixed = d.fixed(x) if x is not None else []
    if x is None or not fixed:
        return
    inner, made, more = d.rng.choice(fixed), d.axis(), d.axis()
    size = d.node(x.name).tensor.size(d.live.symbol(inner))
    wide = d.let(f"expand({x.name}, {more}=2) * (pos({more}) + 1)") if len(x.axes) < 3 or d.chance(0.2) else x
    if wide is None:
        return
    first = d.some([f"layernorm({inner})", f"rmsnorm({inner})", f"linear({inner} -> {inner})", "gelu()"], 0, 2)
    between = d.some(["gelu()", "relu()", f"layernorm({made})", f"linear({made} -> {made}, bias=false)"], 0, 2)
    maps = [f"linear({inner} -> {made}={d.rng.randint(1, 4)})", *between, f"linear({made} -> {inner}={size})"]
    y = d.let(" |> ".join([wide.name, *(f"{stage} as {d.name()}" for stage in (*first, *maps))]))
    if y is not None and d.chance(0.7):
        d.let(f"{wide.name} {d.rng.choice('+-*')} {y.name}{d.rng.choice(['', ' * 2', f' + {y.name}'])}")


POLICIES = (feed,)
