"""Slices of an axis that reach no result: gates, values, projections and masks that are zero in places."""

from __future__ import annotations

from ..draft import Draft, Var

GATES = ("pos({h}) > 0", "pos({h}) != {i}", "pos({h}) < {i}", "(pos({h}) % 2 == 0)", "pos({h}) >= 0", "pos({h}) < 0", "pos({h}) == {i}")


def _gate(d: Draft, h: str, size: int) -> str:
    """Something that is 0 or false along parts of an axis: a formula or a constant."""
    if d.chance(0.5):
        return "(" + d.rng.choice(GATES).format(h=h, i=d.rng.randint(0, size - 1)) + ")"
    name = d.name()
    values = ", ".join(d.rng.choice(["0", "1", "0", "0.5"]) for _ in range(size))
    return name if d.say(f"const {name}: [{h}] = [{values}]") else "1"


def gated_heads(d: Draft) -> None:
    """Attention with heads, some of which are shut before the output projection; grouped keys too."""
    fit = [(v, n, c) for v in d.vars.values() if v.kind == "float" for n in v.axes for c in d.fixed(v) if n != c and not n.endswith("'")]
    if not fit:
        return
    x, n, c = d.rng.choice(fit)
    h, e, heads = d.axis(), d.axis(), d.rng.randint(2, 3)
    group = f"{d.axis()}=2" if d.chance(0.25) else ""
    g = group.split("=")[0]
    q = d.let(f"linear({x.name}, {c} -> {f'{group} ' if group else ''}{h}={heads} {e}={d.rng.randint(1, 2)})")
    k = d.let(f"linear({x.name}, {c} -> {h if d.chance(0.7) else ''} {e})")
    v = d.let(f"linear({x.name}, {c} -> {h} {e})")
    if q is None or k is None or v is None:
        return
    y = d.let(f"attend({q.name}, {k.name}, {v.name}, over={n}, dot={e})")
    if y is None:
        return
    z = d.let(f"{y.name} * {_gate(d, h, heads)}") if d.chance(0.8) else y
    if z is not None:
        d.let(f"linear({z.name}, {g} {h} {e} -> {c})")


def shut_channels(d: Draft) -> None:
    """A hidden layer whose channels are partly zero before the next map."""
    found = _mapped(d)
    if found is None:
        return
    y, e, c = found
    size = y.axes[e]
    z = d.let(
        d.rng.choice(["{y} * {g}", "where({g} > 0, {y}, 0)", "relu({y}) * {g}", "{g} * tanh({y}) * 2"]).format(
            y=y.name, g=_gate(d, e, size)
        )
    )
    if z is not None:
        d.let(d.rng.choice([f"linear({z.name}, {e} -> {c})", f"sum({z.name}, {e})", f"linear({z.name}, {e} -> {d.axis()}=2, bias=false)"]))


def cut_channels(d: Draft) -> None:
    """Only a part of what is worked out is read."""
    found = _mapped(d)
    if found is None:
        return
    y, e, _ = found
    i = d.rng.randint(0, y.axes[e] - 1)
    z = d.let(d.rng.choice([f"tanh({y.name})", f"{y.name} * 2", f"layernorm({y.name}, {e}, eps=1e-2)"]))
    if z is not None:
        d.let(d.rng.choice([f"{z.name}[{e}={i}]", f"{z.name}[{e}={i}..]", f"{z.name}[{e}=..{i + 1}] |> rename({e} -> {d.axis()})"]))


def _mapped(d: Draft) -> tuple[Var, str, str] | None:
    """A linear map or convolution onto a new axis: the result, that axis, and the one it came from."""
    fit = [(v, c) for v in d.vars.values() if v.kind == "float" for c in d.fixed(v)]
    if not fit:
        return None
    x, c = d.rng.choice(fit)
    e, size = d.axis(), d.rng.randint(2, 4)
    others = [n for n in x.axes if n != c]
    over = f", over={d.rng.choice(others)}, kernel=3" if others and d.chance(0.3) else ""
    y = d.let(f"{'conv' if over else 'linear'}({x.name}, {c} -> {e}={size}{over}{d.rng.choice(['', ', bias=false'])})")
    return (y, e, c) if y is not None else None


def empty_mask(d: Draft) -> None:
    """Nothing may be attended by some rows or heads, or a whole term is multiplied by nothing."""
    x = d.pick(axes=2)
    if x is None:
        return
    n, c = d.some([axis for axis in x.axes if not axis.endswith("'")], 2, 2) or ("", "")
    if not n:
        return
    others = [axis for axis in x.axes if axis not in (n, c)]
    gates = [f"pos({n}') < 0", f"pos({n}') < pos({n})", "false", *(f"pos({h}) > 0" for h in others)]
    y = d.let(f"attend({x.name}, {x.name}, {x.name}, over={n}, dot={c}, where={d.rng.choice(gates)})")
    if y is not None:
        d.let(d.rng.choice([f"{x.name} + 0 * {y.name}", f"{x.name} + {y.name}", f"{y.name} * zeros({c})"]))


POLICIES = (gated_heads, gated_heads, shut_channels, cut_channels, empty_mask)
