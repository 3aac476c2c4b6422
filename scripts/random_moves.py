"""Lines of random programs that move, name and pick."""

from __future__ import annotations

from collections.abc import Callable

from random_programs import Draft, Var, union, without

Line = Callable[[Draft], object]


def split(d: Draft) -> object:
    x = d.any("float", "int", "bool", axes=1)
    if x is None:
        return None
    n = d.rng.choice(list(x.axes))
    size = x.axes[n]
    outer, inner = d.axis(), d.axis()
    parts = [k for k in range(1, size + 1) if size % k == 0]
    k = d.rng.choice(parts)
    if d.chance(0.25) and x.kind == "float":
        k = d.rng.randint(1, 3)
        made = {outer: -(-size // k), inner: k}
        text = f"split({x.name}, {n} -> {outer} {inner}={k}, fill=0.5)"
    elif d.chance(0.25):
        k = d.rng.randint(0, size - 1) if size > 1 else 0
        first, second = (f"{outer}={k}", inner) if k else ("1", inner)
        if k == 0 and size == 1:
            return None
        d.count += 1
        names = f"p{d.count}", f"q{d.count}"
        d.lines.append(f"{names[0]}, {names[1]} = split({x.name}, {n} -> {first} + {second})")
        rest = without(x.axes, n)
        d.vars.append(Var(names[0], {**rest, outer: k} if k else rest, x.star, x.kind))
        d.vars.append(Var(names[1], {**rest, inner: size - max(k, 1)}, x.star, x.kind))
        d.bound |= {outer} | ({inner} if n in d.bound else set())
        return d.vars[-1]
    else:
        made = {outer: size // k, inner: k}
        text = f"split({x.name}, {n} -> {outer} {inner}={k})"
        if d.chance(0.4):
            made, text = {outer: k, inner: size // k}, f"{x.name} |> split({n} -> {outer}={k} {inner})"
    if n in d.bound:
        d.bound |= {outer, inner}
    else:
        d.bound.add(inner if f"{inner}=" in text else outer)
    return d.emit(text, {**without(x.axes, n), **made}, x.star, x.kind)


def merge(d: Draft) -> object:
    x = d.any("float", "int", "bool", axes=2)
    if x is None:
        return None
    names = d.some(list(x.axes), 2, 3)
    into = d.axis()
    size = 1
    for name in names:
        size *= x.axes[name]
    if all(name in d.bound for name in names):
        d.bound.add(into)
    return d.emit(f"merge({x.name}, {' '.join(names)} -> {into})", {**without(x.axes, *names), into: size}, x.star, x.kind)


def rename(d: Draft) -> object:
    x = d.any("float", "int", "bool", axes=1)
    if x is None:
        return None
    n = d.rng.choice(list(x.axes))
    same = [m for m in x.axes if m != n and x.axes[m] == x.axes[n] and (m in d.bound) == (n in d.bound) and m in d.bound]
    if same and d.chance(0.4):
        m = d.rng.choice(same)
        return d.emit(f"rename({x.name}, {n} -> {m}, {m} -> {n})", x.axes, x.star, x.kind)
    new = f"{n}'" if not n.endswith("'") and f"{n}'" not in x.axes and d.chance(0.5) else d.axis()
    if n in d.bound:
        d.bound.add(new)
    return d.emit(f"rename({x.name}, {n} -> {new})", {(new if m == n else m): size for m, size in x.axes.items()}, x.star, x.kind)


def concat(d: Draft) -> object:
    a, b = d.any("float", "int", axes=1), d.any("float", "float", "int", axes=1)
    if a is None or b is None:
        return None
    n, m, into = d.rng.choice(list(a.axes)), d.rng.choice(list(b.axes)), d.axis()
    kind = "float" if "float" in (a.kind, b.kind) else "int"
    if d.chance(0.2) and n not in b.axes:
        axes, star = union(a, b)
        return d.emit(f"concat({b.name}, {a.name}, 1 + {n} -> {into})", {**without(axes, n), into: 1 + a.axes[n]}, star, kind)
    if n in without(b.axes, m) or m in without(a.axes, n):
        return None
    axes = {**without(a.axes, n), **without(b.axes, m), into: a.axes[n] + b.axes[m]}
    if n in d.bound and m in d.bound:
        d.bound.add(into)
    if n == m and d.chance(0.5):
        return d.emit(f"concat({a.name}, {b.name}, over={n}) |> rename({n} -> {into})", axes, a.star or b.star, kind)
    return d.emit(f"concat({a.name}, {b.name}, {n} + {m} -> {into})", axes, a.star or b.star, kind)


def stack(d: Draft) -> object:
    tensors = [var for var in (d.any("float", "int"), d.any("float"), d.any("float") if d.chance(0.4) else None) if var]
    into = d.axis()
    axes, star = union(*tensors)
    d.bound.add(into)
    kind = "float" if any(var.kind == "float" for var in tensors) else "int"
    return d.emit(f"stack({', '.join(var.name for var in tensors)}, {into})", {**axes, into: len(tensors)}, star, kind) if tensors else None


def index(d: Draft) -> object:
    """One position, a part, or places that a tensor names."""
    x = d.any("float", "float", "int", "bool", axes=1)
    if x is None:
        return None
    n = d.rng.choice(list(x.axes))
    size, rest = x.axes[n], without(x.axes, n)
    form = d.rng.randint(0, 3)
    if form == 0:
        return d.emit(f"{x.name}[{n}={d.rng.choice([0, -1, size - 1])}]", rest, x.star, x.kind)
    if form == 1:
        return _part(d, x, n)
    index, axes, star = _places(d, x, n)
    if n in axes:
        return None
    return d.emit(f"{x.name}[{n}={index}]", {**rest, **axes}, x.star or star, x.kind) if index else None


def _part(d: Draft, x: Var, n: str) -> object:
    size, into = x.axes[n], d.axis()
    start = d.rng.randint(0, size - 1)
    text, left = d.rng.choice([(f"{start}..", size - start), (f"..{size}", size), (f"{start}..size({x.name}, {n})", size - start)])
    if size > 1 and d.chance(0.3):
        text, left = "..-1", size - 1
    if n in d.bound:
        d.bound.add(into)
    return d.emit(f"{x.name}[{n}={text}] |> rename({n} -> {into})", {**without(x.axes, n), into: left}, x.star, x.kind)


def _places(d: Draft, x: Var, n: str) -> tuple[str, dict[str, int], bool]:
    """An integer expression within the axis, with its axes."""
    count = f"size({x.name}, {n})"
    given = d.any("int")
    if given is not None and d.chance(0.6):
        return f"{given.name} % {count}", dict(given.axes), given.star
    others = [m for m in x.axes if m != n]
    text = d.rng.choice(["(pos({m}) * 2 + 1) % {c}", "-1 - pos({m}) % {c}", "(pos({m}) - 1) % {c}", "minimum(pos({m}), {c} - 1)"])
    if others and d.chance(0.5):
        m = d.rng.choice(others)
        return text.format(m=m, c=count), {m: x.axes[m]}, False
    m, size = d.axis(), d.rng.randint(1, 4)
    d.bound.add(m)
    return text.format(m=f"{m}={size}", c=count), {m: size}, False


def scatter(d: Draft) -> object:
    x, at = d.any("float", axes=1), d.any("int", axes=1)
    if x is None:
        return None
    n = d.rng.choice(list(x.axes))
    extra: dict[str, int] = {}
    star = x.star
    if at is not None and n in at.axes and d.chance(0.7):
        where, extra, star = f"{at.name} % 3 - 1", dict(at.axes), x.star or at.star
    else:
        where = f"(pos({n}) * 2 + 1) % 3"
    if d.chance(0.3):
        return d.emit(f"softmax({x.name}, over={n}, at={where})", {**x.axes, **extra}, star)
    to = d.axis()
    d.bound.add(to)
    how = d.rng.choice(["sum", "mean", "max"])
    text = f"{how}({x.name}, {n} -> {to}=3, at={where})"
    text = f"maximum({text}, -9.0)" if how == "max" else text
    return d.emit(text, {**without({**x.axes, **extra}, n), to: 3}, star, "float", how != "max")


def repeat(d: Draft) -> object:
    x = d.any("float", "int")
    if x is None:
        return None
    m, size = d.axis(), d.rng.randint(1, 3)
    d.bound.add(m)
    return d.emit(f"expand({x.name}, {m}={size})", {**x.axes, m: size}, x.star, x.kind)


def border(d: Draft) -> object:
    x = d.any("float", "float", "int", axes=1)
    if x is None:
        return None
    n, into = d.rng.choice(list(x.axes)), d.axis()
    before, after = d.rng.randint(0, 2), d.rng.randint(0, 2)
    mode = d.rng.choice(["", "", ", fill=2", ", mode=replicate"])
    if n in d.bound:
        d.bound.add(into)
    axes = {**without(x.axes, n), into: x.axes[n] + before + after}
    return d.emit(f"pad({x.name}, {n}=[{before}, {after}]{mode}) |> rename({n} -> {into})", axes, x.star, x.kind)


def order(d: Draft) -> object:
    """Orders and places of the largest, of inputs only: there no two numbers are alike."""
    x = d.raw(axes=1)
    if x is None:
        return None
    n = d.rng.choice(list(x.axes))
    form = d.rng.randint(0, 3)
    if form == 0:
        gone = d.some(list(x.axes), 1, 2)
        return d.emit(f"{d.rng.choice(['argmax', 'argmin'])}({x.name}, {' '.join(gone)})", without(x.axes, *gone), x.star, "int")
    if form == 1:
        return d.emit(f"argsort({x.name}, {n}, descending={d.rng.choice(['true', 'false'])})", x.axes, x.star, "int")
    d.count += 1
    names = f"p{d.count}", f"q{d.count}"
    if form == 2:
        d.lines.append(f"{names[0]}, {names[1]} = sort({x.name}, {n})")
        axes = dict(x.axes)
    else:
        to, k = d.axis(), d.rng.randint(1, x.axes[n])
        d.bound.add(to)
        d.lines.append(f"{names[0]}, {names[1]} = topk({x.name}, {n} -> {to}={k}, largest={d.rng.choice(['true', 'false'])})")
        axes = {**without(x.axes, n), to: k}
    d.vars.append(Var(names[0], axes, x.star, "float", True))
    d.vars.append(Var(names[1], axes, x.star, "int"))
    return d.vars[-1]


MOVES: list[tuple[Line, int]] = [
    (split, 4), (merge, 4), (rename, 4), (concat, 4), (stack, 3), (index, 5), (scatter, 2), (repeat, 2), (border, 2), (order, 2),
]  # fmt: skip
