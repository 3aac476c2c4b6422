"""Hints for operators that move, name and pick, and for windows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .draft import Draft, Var

ANY = ("float", "float", "int", "bool")


def _some(d: Draft, *kinds: str, axes: int = 1) -> tuple[Var, str] | None:
    """A value and one of its axes."""
    x = d.pick(*kinds, axes=axes)
    return None if x is None else (x, d.rng.choice(list(x.axes)))


def split(d: Draft) -> str | tuple[str, int] | None:
    found = _some(d, *ANY)
    if found is None:
        return None
    x, n = found
    size, outer, inner = x.axes[n], d.axis(), d.axis()
    k = d.rng.choice([k for k in range(1, size + 1) if size % k == 0])
    if x.kind == "float" and d.chance(0.25):
        return f"split({x.name}, {n} -> {outer} {inner}={d.rng.randint(1, 3)}, fill=0.5)"
    if size > 1 and d.chance(0.25):
        k = d.rng.randint(1, size - 1)
        return f"split({x.name}, {n} -> {f'{outer}={k}' if k > 1 else '1'} + {inner})", 2
    return f"split({x.name}, {n} -> {outer} {inner}={k})" if d.chance(0.6) else f"{x.name} |> split({n} -> {outer}={k} {inner})"


def merge(d: Draft) -> str | None:
    x = d.pick(*ANY, axes=2)
    return f"merge({x.name}, {' '.join(d.some(list(x.axes), 2, 3))} -> {d.axis()})" if x is not None else None


def rename(d: Draft) -> str | None:
    found = _some(d, *ANY)
    if found is None:
        return None
    x, n = found
    others = [m for m in x.axes if m != n]
    if others and d.chance(0.4):
        m = d.rng.choice(others)
        return (
            f"rename({x.name}, {n} -> {m}, {m} -> {n})"
            if x.axes[m] == x.axes[n]
            else f"rename({x.name}, {n} -> {d.axis()}, {m} -> {d.axis()})"
        )
    primed = not n.endswith("'") and f"{n}'" not in x.axes and d.chance(0.5)
    return f"rename({x.name}, {n} -> {n + chr(39) if primed else d.axis()})"


def expand(d: Draft) -> str | None:
    x = d.pick("float", "float", "int")
    return f"expand({x.name}, {d.axis()}={d.rng.randint(1, 3)})" if x is not None else None


def concat(d: Draft) -> str | None:
    found, other = _some(d, "float", "int"), d.pick("float", axes=1)
    if found is None or other is None:
        return None
    x, n = found
    if d.chance(0.25):
        return f"concat({other.name}, {x.name}, 1 + {n} -> {d.axis()})" if n not in other.axes else None
    if n in other.axes and d.chance(0.6):
        return f"concat({x.name}, {other.name}, over={n})"
    m = d.rng.choice(list(other.axes))
    return f"concat({x.name}, {other.name}, {n} + {m} -> {d.axis()})" if n not in other.axes and m not in x.axes else None


def stack(d: Draft) -> str | None:
    tensors = [d.pick("float", "int"), d.pick(), d.pick() if d.chance(0.3) else None]
    names = [var.name for var in tensors if var is not None]
    return f"stack({', '.join(names)}, {d.axis()})" if names else None


def unstack(d: Draft) -> tuple[str, int] | None:
    fit = [(v, n) for v in d.vars.values() for n in d.fixed(v) if v.axes[n] <= 3]
    if not fit:
        return None
    x, n = d.rng.choice(fit)
    return f"unstack({x.name}, {n})", x.axes[n]


def pad(d: Draft) -> str | None:
    found = _some(d, "float", "float", "int")
    if found is None:
        return None
    x, n = found
    mode = d.rng.choice(["", "", ", fill=2", ", mode=replicate", ", mode=circular", ", mode=reflect"])
    most = x.axes[n] - 1 if "reflect" in mode else x.axes[n] if "circular" in mode else 2
    before, after = d.rng.randint(0, min(2, most)), d.rng.randint(0, min(2, most))
    return f"pad({x.name}, {n}=[{before}, {after}]{mode}) |> rename({n} -> {d.axis()})"


def shifted(name: str, d: Draft) -> str | None:
    found = _some(d, "float", "float", "int")
    if found is None:
        return None
    x, n = found
    fill = d.rng.choice(["", ", fill=2"]) if name == "shift" else ""
    return f"{name}({x.name}, {n}={d.rng.randint(-3, 3)}{fill})"


# ---------------------------------------------------------------- windows


def conv(d: Draft) -> str | None:
    """Mixing, depthwise and plain, over one axis or two."""
    x = d.pick(axes=2)
    if x is None:
        return None
    n = d.rng.choice(list(x.axes))
    known = [axis for axis in d.fixed(x) if axis != n]
    kernel, stride = d.rng.randint(1, min(3, x.axes[n])), d.rng.randint(1, 2)
    bias = d.rng.choice(["", ", bias=false"])
    if known and d.chance(0.6):
        c = d.rng.choice(known)
        each = d.some([axis for axis in known if axis != c], 1, 1) if d.chance(0.3) else []
        owners = f", each={each[0]}" if each else ""
        mixed, window = f"{c} -> {d.axis()}={d.rng.randint(1, 3)}", f"kernel={kernel}, stride={stride}, padding=0"
        return f"conv({x.name}, {mixed}, over={n} -> {d.axis()}, {window}{owners}{bias})"
    each = f", each={d.rng.choice(known)}" if known and d.chance(0.6) else ""
    return f"conv({x.name}, over={n}, kernel=3{each}, padding={d.rng.choice(['same', 'causal', '1'])}{bias})"


def conv_transpose(d: Draft) -> str | None:
    x = d.pick(axes=2)
    known = d.fixed(x) if x is not None else []
    if x is None or not known:
        return None
    c = d.rng.choice(known)
    n = d.rng.choice([axis for axis in x.axes if axis != c])
    return (
        f"conv_transpose({x.name}, {c} -> {d.axis()}={d.rng.randint(1, 2)}, over={n} -> {d.axis()}, kernel=2, stride={d.rng.randint(1, 2)})"
    )


def unfold(d: Draft) -> str | None:
    found = _some(d, "float")
    if found is None:
        return None
    x, n = found
    return f"unfold({x.name}, {n} -> {d.axis()} {d.axis()}={d.rng.randint(1, x.axes[n])}, stride={d.rng.randint(1, 2)})"


def fold(d: Draft) -> str | None:
    fit = [(v, n) for v in d.vars.values() if v.kind == "float" and len(v.axes) > 1 for n in d.fixed(v)]
    if not fit:
        return None
    x, u = d.rng.choice(fit)
    y = d.rng.choice([axis for axis in x.axes if axis != u])
    return f"fold({x.name}, {y} {u} -> {d.axis()}, stride={d.rng.randint(1, 2)})"


def resize(d: Draft) -> str | None:
    found = _some(d, "float")
    if found is None:
        return None
    x, n = found
    mode = d.rng.choice(["", ", mode=nearest", ", mode=bicubic", ", mode=area", ", align_corners=true"])
    return f"resize({x.name}, {n} -> {d.axis()}={d.rng.randint(1, 5)}{mode})"


def sample(d: Draft) -> str | None:
    """Places between the whole numbers: a value, or a formula."""
    found = _some(d, "float")
    if found is None:
        return None
    x, n = found
    fit = [var.name for var in d.vars.values() if var.raw and n not in var.axes]
    at = d.rng.choice(fit) if fit and d.chance(0.7) else f"pos({d.axis()}={d.rng.randint(1, 3)}) * 0.4 + 0.3"
    return f"sample({x.name}, {n}={at}{d.rng.choice(['', ', padding=border', ', mode=nearest'])})"


def spectral(name: str, d: Draft) -> str | None:
    """A transform, and for the inverse ones its way there."""
    found = _some(d, "float")
    if found is None:
        return None
    x, n = found
    way = d.rng.choice(["", ", norm=ortho", ", norm=forward"])
    arrow = f"{n} -> {d.axis()}"
    if name == "irfft":
        f = d.axis()
        return f"rfft({x.name}, {n} -> {f}{way}) |> irfft({f} -> {d.axis()}={x.axes[n]}{way})"
    if name == "ifft":
        return f"real(fft({x.name}, {n}{way}) |> ifft({n}{way}))" if d.chance(0.5) else f"ifft({x.name}, {n}{way})"
    return f"{name}({x.name}, {arrow}{way})"


HINTS: dict[str, Callable[[Draft], str | tuple[str, int] | None]] = {
    "split": split, "merge": merge, "rename": rename, "expand": expand, "concat": concat, "stack": stack, "unstack": unstack, "pad": pad,
    "roll": partial(shifted, "roll"), "shift": partial(shifted, "shift"), "conv": conv, "conv_transpose": conv_transpose, "unfold": unfold,
    "fold": fold, "resize": resize, "sample": sample, **{name: partial(spectral, name) for name in ("fft", "ifft", "rfft", "irfft")},
}  # fmt: skip
