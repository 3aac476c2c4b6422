"""Blocks that are called, layers that are applied twice, indexing, states, and the library."""

from __future__ import annotations

from ..draft import Draft

HELPERS = """block gate(x: [*, P, Q]) -> [*, P, Q] {
    return x * sigmoid(mean(x, P)) + max(x, Q)
}

block pair(x: [*, P], y: [*, P]) -> [*, P, P'] {
    return x * rename(y, P -> P') - softmax(x, P)
}

block mix(x: [*, N, D], heads: int = 1) -> [*, N, D] {
    axis h = heads, d = D / heads
    q = linear(x, D -> h d)
    k = linear(x, D -> h d)
    v = linear(x, D -> h d)
    return attend(q, k, v, over=N, dot=d) |> linear(h d -> D) as out
}

"""
"""Blocks for programs to call; they stand before some of them."""


def gate(d: Draft) -> None:
    x = d.pick(axes=2)
    if x is None or not d.helpers:
        return
    names = d.some(list(x.axes), 2, 3)
    d.let(f"gate({x.name}, P={names[0]}, Q={names[1] if len(names) == 2 else f'({names[1]} {names[2]})'})")


def pair(d: Draft) -> None:
    x = d.pick(axes=1)
    if x is None or not d.helpers:
        return
    n = d.rng.choice(list(x.axes))
    y = d.pick(having=[n])
    if y is not None and not n.endswith("'") and f"{n}'" not in {*x.axes, *y.axes}:
        d.let(f"pair({x.name}, {y.name}, P={n})")


def mix(d: Draft) -> None:
    """Attention as a block; twice in a row makes two layers."""
    fit = [(v, c, n) for v in d.vars.values() if v.kind == "float" for c in d.fixed(v) for n in v.axes if n != c and not n.endswith("'")]
    if not fit or not d.helpers:
        return
    x, c, n = d.rng.choice(fit)
    heads = d.rng.choice([k for k in range(1, x.axes[c] + 1) if x.axes[c] % k == 0])
    y = d.let(f"mix({x.name}, N={n}, D={c}, heads={heads})")
    if y is not None and d.chance(0.3):
        d.let(f"{x.name} + mix({y.name}, N={n}, D={c}) as m{d.count}")


def layers(d: Draft) -> None:
    """A layer that is applied twice."""
    x = d.pick(axes=1)
    inner = d.some(d.fixed(x), 1, 1) if x is not None else []
    if x is None or not inner:
        return
    n, name = inner[0], d.name()
    y = d.pick(having=[n]) or x
    c = d.count
    forms = [f"linear({n} -> {n})", f"layernorm({n}, eps=1e-2)", f"linear({n} -> {n}) |> softmax({n})",
             f"linear({n} -> r{c}=3, bias=false) as in{c} |> tanh |> linear(r{c} -> {n}) as out{c}"]  # fmt: skip
    if d.say(f"{name} = {d.rng.choice(forms)}"):
        d.let(f"{name}({x.name}) + tanh({name}({y.name}))")


def index(d: Draft) -> None:
    """One position, a part, or places that a tensor names."""
    x = d.pick("float", "float", "int", "bool", axes=1)
    if x is None:
        return
    n = d.rng.choice(list(x.axes))
    size, count, m = x.axes[n], f"size({x.name}, {n})", d.rng.choice(list(x.axes))
    at = d.pick("int")
    forms = [f"{x.name}[{n}={d.rng.choice([0, -1, size - 1])}]", f"{x.name}[{n}={d.rng.randint(0, size - 1)}..]",
             f"{x.name}[{n}=..-1] |> rename({n} -> {d.axis()})" if size > 1 else f"{x.name}[{n}=0]",
             f"{x.name}[{n}=(pos({m}) * 2 + 1) % {count}]", f"{x.name}[{n}=pos({d.axis()}=2) % {count}]",
             *([f"{x.name}[{n}={at.name} % {count}]"] if at is not None and n not in at.axes else [])]  # fmt: skip
    d.let(d.rng.choice(forms))


def state(d: Draft) -> None:
    """What a module remembers: read as of entry, written once."""
    x = d.pick(axes=1)
    inner = d.some(d.fixed(x), 1, 1) if x is not None else []
    if x is None or not inner or not (x.star or len(x.axes) > 1):
        return
    n, name = inner[0], d.name()
    others = [axis for axis in x.axes if axis != n] + ["*"] * x.star
    if d.say(f"state {name}: [{n}] = 0.5") and d.say(f"next {name} = {name} * 0.5 + mean({x.name}, {' '.join(others)}) * 1"):
        d.let(f"{x.name} * {name}")


POLICIES = (gate, pair, mix, layers, index, index, state)
