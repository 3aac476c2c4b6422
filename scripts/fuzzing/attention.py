"""Hints for sums of products: linear maps, contractions and attention."""

from __future__ import annotations

from collections.abc import Callable

from .draft import Draft, Var


def linear(d: Draft) -> str | None:
    """One or two axes in, none to two out; a weight of its own or for each element of an axis, or one that is given."""
    x = d.pick(axes=1)
    inner = d.some(d.fixed(x), 1, 2) if x is not None else []
    if x is None or not inner:
        return None
    each = d.some([axis for axis in d.fixed(x) if axis not in inner], 1, 1) if d.chance(0.25) else []
    options = "".join([", bias=false" if d.chance(0.4) else "", f", each={each[0]}" if each else ""])
    if d.chance(0.1):
        return f"linear({x.name}, {' '.join(inner)} -> 1{options})"
    if d.chance(0.15):
        return given(d, x, inner)
    made = [inner[0]] if d.chance(0.25) else [f"{d.axis()}={d.rng.randint(1, 4)}" for _ in range(d.rng.randint(1, 2))]
    return f"linear({x.name}, {' '.join(inner)} -> {' '.join(made)}{options})"


def given(d: Draft, x: Var, inner: list[str]) -> str | None:
    """A linear map with a parameter of the block."""
    w, made = parameter(d, [*inner, f"{d.axis()}={d.rng.randint(1, 3)}"])
    return f"linear({x.name}, {' '.join(inner)} -> {made}, weight={w}, bias=false)" if w else None


def parameter(d: Draft, axes: list[str]) -> tuple[str, str]:
    """The name of a new parameter with these axes, in any order, and its last axis; no name where it is refused."""
    made = axes[-1].split("=")[0]
    d.rng.shuffle(axes)
    name = d.name()
    return (name if d.say(f"param {name}: [{', '.join(axes)}] = normal(0.5)") else ""), made


def dot(d: Draft) -> str | None:
    tensors = [d.pick(axes=1), d.pick("float", "float", "int", axes=1), d.pick(axes=1) if d.chance(0.3) else None]
    found = [var for var in tensors if var is not None]
    names = list(dict.fromkeys(axis for var in found for axis in var.axes))
    shared = [axis for axis in names if sum(axis in var.axes for var in found) > 1]
    over = d.some(shared, 1, 2)
    if len(found) < 2 or not over:
        return None
    from .hints import mask

    where = mask(d, names) if d.chance(0.2) else None
    return f"dot({', '.join(var.name for var in found)}, over={' '.join(over)}{f', where={where}' if where else ''})"


# ---------------------------------------------------------------- attention


def _roles(d: Draft) -> tuple[Var, Var, Var, list[str], list[str]] | None:
    """Queries, keys, values, the axes of tokens and those of features; the queries may lack the tokens' axes."""
    k = d.pick(axes=2)
    names = [axis for axis in k.axes if not axis.endswith("'")] if k is not None else []
    over = d.some(names, 1, 1 if d.chance(0.7) else 2)
    dots = d.some([axis for axis in names if axis not in over], 1, 1 if d.chance(0.7) else 2)
    if k is None or not over or not dots:
        return None
    v = d.pick(having=over)
    queries = [
        x for x in d.vars.values() if x.kind == "float" and all(a in x.axes for a in dots) and not {f"{a}'" for a in over} & {*x.axes}
    ]
    fit = [x for x in queries if all(a in x.axes for a in over) or not {*over} & {*x.axes}]
    return (d.rng.choice(fit), k, v, over, dots) if fit and v is not None else None


def scores(d: Draft) -> str | None:
    roles = _roles(d)
    if roles is None:
        return None
    q, k, _, over, dots = roles
    scale = d.rng.choice(["", ", scale=0.5", ", scale=1"])
    return f"scores({q.name}, {k.name}, over={' '.join(over)}, dot={' '.join(dots)}{scale})"


def read(d: Draft) -> str | None:
    roles = _roles(d)
    if roles is None or roles[3][0] not in roles[0].axes:
        return None
    q, k, v, over, dots = roles
    primes = " ".join(f"{axis}'" for axis in over)
    tokens = " ".join(over)
    return f"scores({q.name}, {k.name}, over={tokens}, dot={' '.join(dots)}) |> softmax(over={primes}) |> read({v.name}, over={tokens})"


def attend(d: Draft) -> str | tuple[str, int] | None:
    roles = _roles(d)
    if roles is None:
        return None
    q, k, v, over, dots = roles
    words = [f"over={' '.join(over)}", f"dot={' '.join(dots)}", *options(d, over, over[0] in q.axes)]
    pair = f"{q.name}, {k.name}"
    if d.chance(0.1):
        pair, words[1] = f"({q.name}, {q.name}), ({k.name}, {k.name})", f"dot=({' '.join(dots)}, {' '.join(dots)})"
    several = d.chance(0.1) and not any(word.startswith("chunk") for word in words)
    text = f"attend({pair}, {v.name}, {', '.join([*words, *(['weights=true'] if several else [])])})"
    return (text, 2) if several else text


def options(d: Draft, over: list[str], own: bool) -> list[str]:
    """Some of the options of `attend`."""
    n = over[0]
    key = f"{n}'" if own else n
    masks = [f"pos({key}) % 2 == 0", f"pos({key}) > 0", *(distances(n, key) if own else [])]
    biases = [f"-0.5 * pos({key})", *([f"-0.5 * abs(pos({n}) - pos({key}))"] if own else [])]
    words = [f"where={d.rng.choice(masks)}"] if d.chance(0.4) else []
    words += [f"bias={d.rng.choice(biases)}"] if d.chance(0.3) else []
    words += ["softcap=2.0"] if d.chance(0.15) else []
    words += [f"scale={d.rng.choice(['0.3', '1', '1.5'])}"] if d.chance(0.3) else []
    if d.chance(0.2):
        words.append(f"by={d.rng.choice(['sigmoid', 'relu2', 'entmax15', 'sparsemax'])}")
    elif d.chance(0.15):
        words.append("sink_logit=0.5")
    if d.chance(0.2) and not any("max" in word for word in words):
        words.append(f"chunk={d.rng.randint(1, 3)}")
    return words


def distances(n: str, key: str) -> list[str]:
    """Masks that say how far a key may be from its query."""
    behind, apart = f"pos({key}) <= pos({n})", f"pos({n}) - pos({key})"
    return [
        behind,
        f"abs({apart}) < 2",
        f"{behind} and {apart} < 3",
        f"({apart}) % 2 == 0 and {behind}",
        f"pos({n}) // 2 == pos({key}) // 2",
    ]


HINTS: dict[str, Callable[[Draft], str | tuple[str, int] | None]] = {
    "linear": linear, "dot": dot, "scores": scores, "read": read, "attend": attend,
}  # fmt: skip
