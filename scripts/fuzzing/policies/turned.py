"""Rolls and flips along several axes, with axes taken apart and put together around them, of places with some numbers each."""

from __future__ import annotations

from ..draft import Draft


def places(d: Draft) -> None:
    """Two axes of known sizes outside all others, and moves along them in a row."""
    x = d.pick()
    if x is None:
        return
    a, b, r, p, q = (d.axis() for _ in range(5))
    gone = " ".join(list(x.axes)[1:])
    few = f"mean({x.name}, {gone})" if gone else x.name
    wide = d.let(f"expand({few}, {r}={d.rng.choice([3, *[16] * 7])}, {a}=2, {b}=4) - pos({r}) + pos({a}) * 2 + pos({b})")
    if wide is None:
        return
    both = f"roll({a}={d.rng.choice([-1, 1, 3])}, {b}={d.rng.randint(1, 3)})"
    turns = [both, both, f"flip({a}) |> roll({b}=-1)", f"flip({a}) |> flip({b})", f"roll({b}=1)"]
    inner = [f"split({b} -> {p}=2 {q}=2)", f"merge({a} {b} -> {p})", f"merge({b} {a} -> {p}) |> roll({p}=3)",
             f"split({b} -> {p} {q}=2) |> flip({p})"]  # fmt: skip
    d.let(f"{wide.name} |> {' |> '.join([*d.some(turns, 1, 2), *d.some(inner, 0, 1)])}")


POLICIES = (places,)
