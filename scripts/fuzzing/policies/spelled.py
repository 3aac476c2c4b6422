"""Attention spelled out: products, scale, bias, mask and softmax in every order that means the same, or nearly."""

from __future__ import annotations

from ..draft import Draft, Var


def _parts(d: Draft) -> tuple[str, str, str, str, str, str] | None:
    """Names of queries, keys and values; tokens, keys' tokens, and features."""
    fit = [(v, n, c) for v in d.vars.values() if v.kind == "float" for n in v.axes for c in v.axes if n != c and not n.endswith("'")]
    if not fit:
        return None
    x, n, c = d.rng.choice(fit)
    q, k, v = x.name, x.name, x.name
    if c in d.fixed(x) and d.chance(0.6):
        made = d.axis()
        many = d.chance(0.4)
        first = f"{d.axis()}=2 " if many else ""
        again = first.split("=")[0] + " " if many else ""
        parts = [d.let(f"linear({x.name}, {c} -> {first}{made}={d.rng.randint(1, 3)})"),
                 d.let(f"linear({x.name}, {c} -> {again if d.chance(0.7) else ''}{made})"),
                 d.let(f"linear({x.name}, {c} -> {again}{made})")]  # fmt: skip
        if any(part is None for part in parts):
            return None
        q, k, v = (part.name for part in parts if part is not None)
        c = made
    m = f"{n}'" if d.chance(0.7) else d.axis()
    return q, k, v, n, m, c


def attention(d: Draft) -> None:
    """Step by step, each a line or all in one."""
    parts = _parts(d)
    if parts is None:
        return
    q, k, v, n, m, c = parts
    shared = d.let(f"rename({k}, {n} -> {m})")
    values = shared if v == k else d.let(f"rename({v}, {n} -> {m})")
    if shared is None or values is None:
        return
    a, b = d.rng.choice([(q, shared.name), (shared.name, q)])
    scale = d.rng.choice([f"size({q}, {c}) ** -0.5", "0.3", "2", f"(1 / sqrt(size({q}, {c})))"])
    s: Var | None
    place = d.rng.choice(["after", "query", "key", "none", "divided"])
    if place == "query":
        s = d.let(f"dot({q} * {scale}, {shared.name}, over={c})")
    elif place == "key":
        s = d.let(f"dot({q}, {shared.name} * {scale}, over={c})")
    elif d.chance(0.2):
        s = d.let(f"sum({a} * {b}, {c})")
    else:
        s = d.let(f"dot({a}, {b}, over={c})")
    if s is not None and place in ("after", "divided"):
        s = d.let(f"{s.name} * {scale}" if place == "after" else f"{s.name} / {d.rng.choice(['2', '1.5'])}")
    s = _masked(d, s, n, m)
    if s is None:
        return
    w = _weights(d, s, n, m)
    if w is None:
        return
    forms = [f"dot({w.name}, {values.name}, over={m})", f"dot({values.name}, {w.name}, over={m})", f"sum({w.name} * {values.name}, {m})"]
    d.let(d.rng.choice(forms))


def _masked(d: Draft, s: Var | None, n: str, m: str) -> Var | None:
    """A bias and a mask on scores, in some order and spelling; none of them sometimes."""
    bias = d.rng.choice(["", "", f"-0.5 * abs(pos({n}) - pos({m}))", f"0.1 * pos({m})"])
    for _ in range(d.rng.randint(0, 2)):
        if s is None:
            return None
        mask = d.rng.choice(
            [f"pos({m}) <= pos({n})", f"pos({m}) < pos({n})", f"abs(pos({n}) - pos({m})) < 2", f"pos({m}) % 2 == 0", f"pos({n}) > 0"]
        )
        forms = [f"where({mask}, {s.name}, -inf)", f"where(not ({mask}), -inf, {s.name})", f"{s.name} + where({mask}, 0, -inf)"]
        forms += [f"{s.name} + {bias}", f"{bias} + {s.name}"] if bias else []
        forms += [f"2 * tanh({s.name} / 2)"] if d.chance(0.3) else []
        s = d.let(d.rng.choice(forms))
    return s


def _weights(d: Draft, s: Var, n: str, m: str) -> Var | None:
    """Softmax, or the same with exponentials; over another axis now and then, which is something else."""
    forms = [f"softmax({s.name}, {m})", f"softmax({s.name}, {m})", f"softmax({s.name}, {m}, where=pos({m}) <= pos({n}))"]
    if d.chance(0.3):
        forms += [f"sigmoid({s.name})", f"softmax({s.name}, {n})", f"exp({s.name} - logsumexp({s.name}, {m}))"]
    w = d.let(d.rng.choice(forms))
    if w is not None and d.chance(0.2):
        w = d.let(d.rng.choice([f"dropout({w.name}, p=0.2)", f"{w.name} * 0.5", f"where(pos({m}) > 0, {w.name}, 0)"]))
    return w


def late_norm(d: Draft) -> None:
    """The weights are divided by their sum after the values are added up."""
    parts = _parts(d)
    if parts is None:
        return
    q, k, v, n, m, c = parts
    p = d.let(f"exp(dot({q}, rename({k}, {n} -> {m}), over={c}) * 0.1 |> tanh)")
    values = d.let(f"rename({v}, {n} -> {m})")
    if p is not None and values is not None:
        d.let(f"dot({p.name}, {values.name}, over={m}) / sum({p.name}, {m})")


POLICIES = (attention, attention, attention, late_norm)
