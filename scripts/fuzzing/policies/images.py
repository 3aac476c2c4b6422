"""Linear maps before convolutions, of tensors whose places lie innermost."""

from __future__ import annotations

from ..draft import Draft, Var


def _image(d: Draft) -> tuple[Var, str, str] | None:
    """A value of floats, an axis of it that may be in a weight, and another along which to slide: mostly the last one."""
    fit = [(v, c, [n for n in v.axes if n != c]) for v in d.vars.values() if v.kind == "float" and len(v.axes) > 1 for c in d.fixed(v)]
    if not fit:
        return None
    inner = [one for one in fit if one[1] != [*one[0].axes][-1]]
    x, c, others = d.rng.choice(inner or fit)
    return x, c, others[-1] if d.chance(0.8) else d.rng.choice(others)


def before_a_convolution(d: Draft) -> None:
    """Linear maps of an image that convolutions alone read, perhaps beyond functions of one number; one, or three of one image."""
    found = _image(d)
    if found is None:
        return
    x, c, n = found
    e, size = d.axis(), d.rng.randint(1, 3)
    made: list[Var] = []
    for _ in range(d.rng.choice([1, 1, 3])):
        image = d.rng.choice([f"{e}={size}", f"{e}={size}", f"{d.axis()}=2 {e}={size}"])
        mixed = d.rng.choice([f"each={e}", f"{e} -> {d.axis()}=2"])
        slid = f"conv({mixed}, over={n}, kernel={d.rng.choice('13')}{_bias(d)})"
        start = f"{x.name} |> linear({c} -> {image}{_bias(d)}) as m{d.count}a"
        y = d.let(f"{start} |> {d.rng.choice(['', '', 'relu |> ', 'tanh |> '])}{slid} as m{d.count}b")
        made += [y] if y is not None else []
    if len(made) > 1 and d.chance(0.5):
        d.let(f"{made[0].name} * sigmoid({made[1].name})")


def between_channels(d: Draft) -> None:
    """Attention between the channels of a head along the places, of maps that were convolved; queries and keys of length 1 or not."""
    found = _image(d)
    if found is None:
        return
    x, c, n = found
    h, e, size = d.axis(), d.axis(), d.rng.randint(1, 2)
    made: list[str] = []
    for name in "qkv":
        start = f"{x.name} |> linear({c} -> {h}=2 {e}={size}{_bias(d)}) as m{d.count}{name}a"
        y = d.let(f"{start} |> conv(over={n}, each={h} {e}, kernel=3{_bias(d)}) as m{d.count}{name}b")
        made += [y.name] if y is not None else []
    if len(made) < 3:
        return
    q, k = (f"l2norm({one}, {n})" if d.chance(0.8) else one for one in made[:2])
    y = d.let(f"attend({q}, {k}, {made[2]}, over={e}, dot={n}, scale=0.7)")
    if y is not None and d.chance(0.5):
        d.let(f"linear({y.name}, {h} {e} -> {c}{_bias(d)})")


def _bias(d: Draft) -> str:
    return d.rng.choice(["", ", bias=false"])


POLICIES = (before_a_convolution, between_channels, between_channels)
