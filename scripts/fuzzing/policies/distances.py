"""Attention whose mask speaks of distances: bands, residues, segments, and several of these together, with other conditions beside them."""

from __future__ import annotations

from ..attention import distances
from ..draft import Draft


def attention(d: Draft) -> None:
    """Over one axis, or two with a distance along each."""
    fit = [v for v in d.vars.values() if v.kind == "float" and len([n for n in v.axes if not n.endswith("'")]) > 1]
    if not fit:
        return
    x = d.rng.choice(fit)
    names = [n for n in x.axes if not n.endswith("'")]
    c = d.rng.choice([n for n in names if n != "*"] or names)
    known = d.fixed(x)
    rest = [n for n in names if n not in (c, "*")]
    free = [n for n in rest if n not in known]  # sizes are so small that blocks are worth their while only where the run alone knows them
    over = d.some(free if free and d.chance(0.7) else rest, 1, 1 if d.chance(0.6) else 2)
    if not over:
        return
    conditions = [d.rng.choice(distances(n, f"{n}'")) for n in over for _ in range(d.rng.randint(1, 2))]
    if d.chance(0.3):
        conditions.append(d.rng.choice([f"pos({over[0]}') > 0", f"pos({over[0]}) > 0", f"pos({over[0]}') % 3 == 0"]))
    d.rng.shuffle(conditions)
    words = [f"over={' '.join(over)}", f"dot={c}", "where=" + " and ".join(f"({one})" for one in conditions)]
    if d.chance(0.3):
        words.pop()
    elif d.chance(0.2):
        n = over[0]
        words[-1] = f"where=is_pow2(pos({n}) - pos({n}')) or pos({n}) == pos({n}')"
    elif d.chance(0.5):
        n = over[0]
        near = d.rng.choice(distances(n, f"{n}'"))
        other = d.rng.choice([f"pos({n}') < 1", f"pos({n}) * pos({n}') % 5 == 1"])
        words[-1] = f"where={near} or {other}"
    words += [f"bias={bias(d, over[0])}"] if d.chance(0.5) else []
    words += [f"by={d.rng.choice(['sigmoid', 'relu2', 'sparsemax'])}"] if d.chance(0.2) else []
    d.let(f"attend({x.name}, {x.name}, {x.name}, {', '.join(words)})")


def bias(d: Draft, n: str) -> str:
    """A function of the distance, computed or read from a table, and perhaps something else beside it."""
    far = f"(pos({n}') - pos({n}))"
    found = [f"0.3 * {far}", f"-0.5 * abs{far}", f"0.2 * pos({n}') - 0.2 * pos({n})"]
    table = d.name()
    if d.chance(0.4) and d.say(f"param {table}: [{table}k=5] = normal(0.5)"):
        found = [f"{table}[{table}k = clamp({far}, lo=-2, hi=2) + 2]"]
    more = d.rng.choice(["", "", f" + 0.1 * pos({n})", f" - 0.1 * pos({n}')"])
    return f"{d.rng.choice(found)}{more}"


def groups(d: Draft) -> None:
    """Attention among positions with the same number, and perhaps to earlier keys, or to some keys, alone."""
    fit = [v for v in d.vars.values() if v.kind == "int" and any(not n.endswith("'") and f"{n}'" not in v.axes for n in v.axes)]
    if not fit:
        return
    ids = d.rng.choice(fit)
    n = d.rng.choice([n for n in ids.axes if not n.endswith("'") and f"{n}'" not in ids.axes])
    x = d.pick(having=[n]) if n != "*" else None
    inner = [c for c in x.axes if c not in (n, "*", f"{n}'") and not c.endswith("'")] if x is not None else []
    if x is None or not inner:
        return
    conditions = [f"{ids.name} == rename({ids.name}, {n} -> {n}')"]
    conditions += [f"pos({n}') <= pos({n})"] if d.chance(0.5) else []
    conditions += [f"pos({n}') % 3 != 1"] if d.chance(0.3) else []
    d.rng.shuffle(conditions)
    d.let(f"attend({x.name}, {x.name}, {x.name}, over={n}, dot={d.rng.choice(inner)}, where={' and '.join(conditions)})")


def routed(d: Draft) -> None:
    """Attention to blocks of keys that every query chooses."""
    x = d.pick(axes=2)
    names = [n for n in x.axes if n != "*" and not n.endswith("'") and f"{n}'" not in x.axes] if x is not None else []
    if x is None or len(names) < 2:
        return
    n, c = d.rng.sample(names, 2)
    many, blocks = (d.number(d.node(x.name).tensor.size(d.live.symbol(one))) for one in (n, c))
    where = f"({x.name} > 0)[{c} = pos({n}') // {max(1, -(-many // max(1, blocks)))}]"
    more = f" and pos({n}') <= pos({n})" if d.chance(0.6) else ""
    d.let(f"attend({x.name}, {x.name}, {x.name}, over={n}, dot={c}, where={where}{more})")


POLICIES = (attention, attention, attention, groups, routed)
