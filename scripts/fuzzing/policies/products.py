"""Chains of linear maps and contractions, siblings of one input, Gram forms, linear attention, and norms beside linear maps."""

from __future__ import annotations

from ..attention import parameter
from ..draft import Draft, Var


def _bias(d: Draft) -> str:
    return d.rng.choice(["", ", bias=false"])


def _fixed(d: Draft, axes: int = 1) -> tuple[Var, str] | None:
    """A value of floats and one of its axes that may be in a weight."""
    fit = [(var, axis) for var in d.vars.values() if var.kind == "float" and len(var.axes) >= axes for axis in d.fixed(var)]
    return d.rng.choice(fit) if fit else None


def chain(d: Draft) -> None:
    """Two or three linear maps in a row, perhaps with something between them that commutes."""
    found = _fixed(d)
    if found is None:
        return
    x, axis = found
    for _ in range(d.rng.randint(2, 3)):
        made = d.axis()
        y = d.let(f"linear({x.name}, {axis} -> {made}={d.rng.randint(1, 4)}{_bias(d)})")
        if y is None:
            return
        between = d.rng.choice(
            ["", "", "{y} * 0.5", "rename({y}, {m} -> {n})", "tanh({y})", "{y} / 2", "-{y}", "{y} * {s}", "expand({y}, {n}=2)"]
        )
        x, axis = y, made
        if between:
            n = d.axis()
            scalar = next((v.name for v in d.vars.values() if v.kind == "float" and made not in v.axes and v.name != y.name), "2")
            z = d.let(between.format(y=y.name, m=made, n=n, s=scalar))
            if z is not None:
                x, axis = z, n if n in z.axes and made not in z.axes else made


def siblings(d: Draft) -> None:
    """Projections of one input: equal or different axes, with and without bias, perhaps renamed or normed after."""
    found = _fixed(d)
    if found is None:
        return
    x, axis = found
    same = d.axis()
    size = d.rng.randint(1, 3)
    made: list[Var] = []
    for _ in range(d.rng.randint(2, 4)):
        out = d.rng.choice([f"{same}={size}", f"{d.axis()}={d.rng.randint(1, 3)}", f"{d.axis()}=2 {d.axis()}=2"])
        y = d.let(f"linear({x.name}, {axis} -> {out}{_bias(d)})")
        made += [y] if y is not None else []
    if len(made) > 1:
        a, b = d.some(made, 2, 2)
        d.let(d.rng.choice([f"{a.name} * sigmoid({b.name})", f"{a.name} + {b.name}", f"gelu({a.name}) * {b.name}"]))


def product(d: Draft) -> None:
    """A chain of `dot`s that has a cheaper order, pointwise factors and sums on the way."""
    found = _fixed(d)
    if found is None:
        return
    x, axis = found
    w, made = parameter(d, [axis, f"{d.axis()}={d.rng.randint(1, 4)}"])
    if not w:
        return
    y = d.let(f"dot({x.name}, {w}, over={axis})")
    u, _ = parameter(d, [made, f"{d.axis()}={d.rng.randint(1, 4)}"])
    if y is None or not u:
        return
    others = [a for a in y.axes if a != made]
    forms = [f"dot({y.name}, {u}, over={made})", f"dot({y.name} * 0.5, {u}, over={made})", f"dot({u}, {y.name}, {w}, over={made})",
             f"sum({y.name} * {u}, {made})", f"dot(dot({u}, {w}, over={made}), {x.name}, over={axis})"]  # fmt: skip
    if others:
        forms += [f"sum(dot({y.name}, {u}, over={made}), {others[0]})", f"dot(sum({y.name}, {others[0]}), {u}, over={made})"]
    d.let(d.rng.choice(forms))


def gram(d: Draft) -> None:
    """Attention between channels: scores contracted along tokens."""
    found = _fixed(d, 2)
    if found is None:
        return
    x, c = found
    n = d.rng.choice([axis for axis in x.axes if axis != c])
    e = d.axis()
    q = d.let(f"linear({x.name}, {c} -> {e}={d.rng.randint(1, 3)}{_bias(d)})")
    k = d.let(f"linear({x.name}, {c} -> {e}{_bias(d)})")
    if q is None or k is None:
        return
    m = d.axis()
    forms = [f"scores({q.name}, {k.name}, over={e}, dot={n})", f"dot({q.name}, rename({k.name}, {e} -> {m}), over={n}) * 0.3",
             f"attend({q.name}, {k.name}, {q.name}, over={e}, dot={n})",
             f"dot({x.name}, rename({x.name}, {c} -> {m}), over={n})"]  # fmt: skip
    d.let(d.rng.choice(forms))


def linear_attention(d: Draft) -> None:
    """Keys and values are summed up first, or could be."""
    found = _fixed(d, 2)
    if found is None:
        return
    x, c = found
    n = d.rng.choice([axis for axis in x.axes if axis != c])
    f, e, m = d.axis(), d.axis(), d.axis()
    q = d.let(f"linear({x.name}, {c} -> {f}={d.rng.randint(1, 3)}) |> {d.rng.choice(['sigmoid', 'softmax(' + f + ')', 'tanh'])}")
    k = d.let(f"linear({x.name}, {c} -> {f}) |> softmax({n}) |> rename({n} -> {m})")
    v = d.let(f"linear({x.name}, {c} -> {e}={d.rng.randint(1, 3)}) |> rename({n} -> {m})")
    if q is None or k is None or v is None:
        return
    forms = ["dot({q}, {k}, {v}, over={f} {m})", "dot(dot({q}, {k}, over={f}), {v}, over={m})",
             "dot({q}, dot({k}, {v}, over={m}), over={f})",
             "dot({q}, {k}, {v}, over={f} {m}, where=pos({m}) <= pos({n}))"]  # fmt: skip
    d.let(d.rng.choice(forms).format(q=q.name, k=k.name, v=v.name, f=f, m=m, n=n))


def norm_beside(d: Draft) -> None:
    """Batch norm or a scaling before or after a linear map or convolution; dropout anywhere."""
    found = _fixed(d, 2)
    if found is None:
        return
    x, c = found
    n = d.rng.choice([axis for axis in x.axes if axis != c])
    e, size = d.axis(), d.rng.randint(1, 3)
    own = d.rng.choice([f"linear({c} -> {e}={size}{_bias(d)})", f"conv({c} -> {e}={size}, over={n}, kernel=3{_bias(d)})",
                        f"conv({c} -> {e}={size}, over={n}, kernel=1{_bias(d)})"])  # fmt: skip
    y = d.let(
        f"{x.name} |> {d.rng.choice(['', '', f'batchnorm({c}, eps=1e-2) as n{d.count} |> ', 'dropout(p=0.3) |> '])}{own} as m{d.count}"
    )
    if y is None:
        return
    after = d.rng.choice(
        [f"batchnorm({y.name}, {e}, eps=1e-2)", f"batchnorm({y.name}, {e}, eps=1e-2) |> relu", f"dropout({y.name}, p=0.2)"]
    )
    z = d.let(after)
    if d.chance(0.5) and z is not None:
        w = d.name()
        d.say(f"param {w}: [{e}] = {d.rng.choice(['0.5', 'normal(0.5)'])}")
        d.let(d.rng.choice([f"{z.name} * {w}", f"{y.name} * {w}", f"{x.name} + {z.name} * {w}", f"({y.name} + 1) * 0.5"]))


def depthwise_norm(d: Draft) -> None:
    found = _fixed(d, 2)
    if found is None:
        return
    x, c = found
    n = d.rng.choice([axis for axis in x.axes if axis != c])
    y = d.let(f"conv({x.name}, over={n}, each={c}, kernel=3{_bias(d)}) as m{d.count} |> batchnorm({c}, eps=1e-2) as n{d.count}")
    if y is not None:
        d.let(f"layernorm({y.name}, {c}, eps=1e-2) as l{d.count} |> linear({c} -> {d.axis()}=2) as m{d.count}")


POLICIES = (chain, siblings, siblings, product, gram, linear_attention, norm_beside, depthwise_norm)
