"""Lines of random programs with more than one operator inside: attention, blocks, layers, loops."""

from __future__ import annotations

from collections.abc import Callable

from random_programs import GATE, PAIR, Draft, Var, union, without

Line = Callable[[Draft], object]

# ---------------------------------------------------------------- attention


def attend(d: Draft) -> object:
    """Self- or cross-attention over one or two axes, with some of the options."""
    q = d.any("float", axes=2)
    over, dots = _roles(d, q) if q is not None else ([], [])
    if q is None or not over:
        return None
    others = [var for var in d.vars if var.kind == "float" and all(axis in var.axes for axis in over)]
    k = d.rng.choice([var for var in others if all(axis in var.axes for axis in dots)])
    v = d.rng.choice(others)
    primes = {f"{axis}'": q.axes[axis] for axis in over}
    if any(prime in var.axes for prime in primes for var in (q, k, v)):
        return None
    words, extra = _options(d, q, over, True)
    axes, star = union(q, k, *extra)
    pairs, _ = union(q, k)
    added, _ = union(*extra)
    axes, star = without({**without(pairs, *dots), **added, **v.axes}, *primes), star or v.star
    smooth = not any("max" in word for word in words)
    if d.chance(0.15) and not any("chunk" in word for word in words):
        return _with_weights(
            d, f"{q.name}, {k.name}, {v.name}, over={' '.join(over)}, dot={' '.join(dots)}", words, [q, k, *extra], v, over, dots
        )
    text = f"attend({q.name}, {k.name}, {v.name}, {', '.join(['over=' + ' '.join(over), 'dot=' + ' '.join(dots), *words])})"
    if d.chance(0.25):
        axes, star = union(q, k)
        axes, star = {**without(axes, *dots), **v.axes}, star or v.star
        scores = f"scores({q.name}, {k.name}, over={' '.join(over)}, dot={' '.join(dots)})"
        text = f"{scores} |> softmax(over={' '.join(primes)}) |> read({v.name}, over={' '.join(over)})"
    return d.emit(text, axes, star, "float", smooth)


def _with_weights(d: Draft, given: str, words: list[str], scoring: list[Var], v: Var, over: list[str], dots: list[str]) -> object:
    """The result and the weights."""
    _, star = union(*scoring)
    rows = {**without(union(*scoring[:2])[0], *dots), **union(*scoring[2:])[0]}
    weights = {**rows, **{f"{axis}'": v.axes[axis] for axis in over}}
    result = {**rows, **v.axes}
    if not d.room(weights) or not d.room(result):
        return None
    d.count += 1
    names = f"p{d.count}", f"q{d.count}"
    d.lines.append(f"{names[0]}, {names[1]} = attend({', '.join([given, *words])}, weights=true)")
    d.vars.append(Var(names[0], result, star or v.star, "float"))
    d.vars.append(Var(names[1], weights, star, "float"))
    d.smooth = d.smooth and not any("max" in word for word in words)
    d.bound |= {f"{axis}'" for axis in over if axis in d.bound}
    return d.vars[-1]


def cross(d: Draft) -> object:
    """Keys over an axis that the queries lack; one term or two; the queries perhaps with an axis of their own, as in grouped heads."""
    k = d.any("float", axes=2)
    if k is None:
        return None
    over = d.some([axis for axis in k.axes if not axis.endswith("'")], 1, 2)
    dots = d.some([axis for axis in k.axes if axis not in over], 1, 2)
    fit = [var for var in d.vars if var.kind == "float" and not {*over} & {*var.axes} and {*dots} <= {*var.axes}]
    values = [var for var in d.vars if var.kind == "float" and {*over} <= {*var.axes}]
    if not over or not dots or not fit:
        return None
    q, v = d.rng.choice(fit), d.rng.choice(values)
    words, extra = _options(d, q, over, False)
    axes, star = union(q, k, *extra)
    left = {**without(axes, *dots), **{axis: size for var in extra for axis, size in var.axes.items()}, **v.axes}
    pair, lists = f"{q.name}, {k.name}", f"dot={' '.join(dots)}"
    if d.chance(0.3):
        pair, lists = f"({q.name}, {q.name}), ({k.name}, {k.name})", f"dot=({' '.join(dots)}, {' '.join(dots)})"
    text = f"attend({pair}, {v.name}, {', '.join(['over=' + ' '.join(over), lists, *words])})"
    return d.emit(text, without(left, *over), star or v.star, "float", not any("max" in word for word in words))


def _roles(d: Draft, q: Var) -> tuple[list[str], list[str]]:
    """Tokens and features among the axes of the queries."""
    names = [axis for axis in q.axes if not axis.endswith("'")]
    over = d.some(names, 1, 2)
    dots = d.some([axis for axis in q.axes if axis not in over], 1, 2)
    return (over, dots) if dots else ([], [])


def _options(d: Draft, q: Var, over: list[str], own: bool) -> tuple[list[str], list[Var]]:
    """Some options, and the tensors among them that may have further axes."""
    n = over[0]
    key = f"{n}'" if own else n
    masks = [f"pos({key}) % 2 == 0", f"pos({key}) > 0"]
    biases = [f"-0.5 * pos({key})"]
    if own:
        masks += [f"pos({key}) <= pos({n})", f"pos({key}) < pos({n})", f"abs(pos({n}) - pos({key})) < 2"]
        biases.append(f"-0.5 * abs(pos({n}) - pos({key}))")
    words: list[str] = []
    extra: list[Var] = []
    given = [var for var in d.vars if not own and n in var.axes and not {*over} - {n} & {*var.axes}]
    for word, kind, choices in (("where", "bool", masks), ("bias", "float", biases)):
        tensors = [var for var in given if var.kind == kind]
        if tensors and d.chance(0.3):
            extra.append(d.rng.choice(tensors))
            words.append(f"{word}={extra[-1].name}")
        elif d.chance(0.4):
            words.append(f"{word}={d.rng.choice(choices)}")
    if d.chance(0.2):
        words.append("softcap=2.0")
    if d.chance(0.3):
        scale = d.any("float")
        use = scale is not None and d.chance(0.4) and not any(axis.endswith("'") or axis in over for axis in scale.axes)
        words.append(f"scale={scale.name}" if use and scale is not None else "scale=0.3")
        extra += [scale] if use and scale is not None else []
    by = d.rng.choice(["sigmoid", "relu2", "entmax15", "sparsemax"])
    if d.chance(0.3):
        words.append(f"by={by}")
    elif d.chance(0.25):
        sink = d.any("float")
        if sink is not None and all(not axis.endswith("'") for axis in sink.axes) and (own or not {*over} & {*sink.axes}):
            words.append(f"sink_logit={sink.name}")
            extra.append(sink)
    if d.chance(0.3) and not any("max" in word for word in words):
        words.append(f"chunk={d.rng.randint(1, 3)}")
    return words, extra


# ---------------------------------------------------------------- blocks, layers and loops


def blocks(d: Draft) -> object:
    """Another block, with its axes renamed, one of them perhaps to a group."""
    x = d.any("float", axes=2)
    if x is None:
        return None
    names = d.some(list(x.axes), 2, 3)
    if d.chance(0.5):
        d.helpers.add(GATE)
        q = names[1] if len(names) == 2 else f"({names[1]} {names[2]})"
        return d.emit(f"gate({x.name}, P={names[0]}, Q={q})", x.axes, x.star, "float", False)
    if f"{names[0]}'" in x.axes or names[0].endswith("'"):
        return None
    d.helpers.add(PAIR)
    y = d.rng.choice([var for var in d.vars if var.kind == "float" and names[0] in var.axes and f"{names[0]}'" not in var.axes])
    axes, star = union(x, y)
    return d.emit(f"pair({x.name}, {y.name}, P={names[0]})", {**axes, f"{names[0]}'": x.axes[names[0]]}, star)


def layers(d: Draft) -> object:
    """A layer that is applied twice, once perhaps to a tensor of other axes."""
    x = d.any("float", axes=1)
    inner = d.some(d.known(x), 1, 1) if x is not None else []
    if x is None or not inner:
        return None
    n = inner[0]
    y = d.rng.choice([var for var in d.vars if var.kind == "float" and n in var.axes])
    d.count += 1
    name = f"f{d.count}"
    forms = [
        "linear({n} -> {n})", "layernorm({n})", "linear({n} -> {n}) |> softmax({n})",
        "linear({n} -> r{c}=3, bias=false) as in{c} |> tanh |> linear(r{c} -> {n}) as out{c}",
    ]  # fmt: skip
    layer = d.rng.choice(forms)
    if "norm" in layer:
        d.slack *= 1000
    d.lines.append(f"{name} = {layer.format(n=n, c=d.count)}")
    axes, star = union(x, y)
    return d.emit(f"{name}({x.name}) + tanh({name}({y.name}))", axes, star)


def loops(d: Draft) -> object:
    """A `for` that unrolls, or a `scan`."""
    x = d.any("float", axes=1)
    if x is None:
        return None
    if d.chance(0.3):
        d.lines.append(f"s0 = {x.name}")
        d.lines.append("for i in 0..3 { s0 = tanh(s0 + i) * 0.5 }")
        return d.emit(f"s0 + {x.name}", x.axes, x.star)
    n = d.rng.choice(list(x.axes))
    rest = without(x.axes, n)
    y = d.rng.choice([var for var in d.vars if var.kind in ("float", "int", "bool")])
    if any(axis.endswith("'") for axis in y.axes) or (y.star and not x.star):
        y = x
    carried = ", ".join([*(["*"] if x.star else []), *rest])
    back = " reverse" if d.chance(0.4) else ""
    more = d.rng.choice(["", f" * (pos({n}) + 1)", f" + {x.name} ** 2"])
    made = f"s * (1 + {y.name})" if d.chance(0.5) else "s"
    axes = {**rest, **(without(y.axes, n) if made != "s" else {}), n: x.axes[n]}
    body = f"s = tanh(s * 0.5 + {x.name}{more})\n        yield {made}"
    if d.chance(0.3):
        d.count += 1
        names = f"p{d.count}", f"q{d.count}"
        if not d.room(axes):
            return None
        d.lines.append(f"{names[0]}, {names[1]} = scan {n}{back} (s: [{carried}] = 0.5) {{\n        {body}\n    }}")
        d.vars.append(Var(names[0], axes, x.star, "float"))
        d.vars.append(Var(names[1], rest, x.star, "float"))
        return d.vars[-1]
    return d.emit(f"scan {n}{back} (s: [{carried}] = 0.5) {{\n        {body}\n    }}", axes, x.star)


WHOLES: list[tuple[Line, int]] = [(attend, 5), (cross, 4), (blocks, 2), (layers, 2), (loops, 2)]
