"""Random programs that are valid by construction: axes and kinds of number are chosen first, then operators that they allow.

A draft grows line by line; the lines are in `random_operators.py`, `random_moves.py` and `random_wholes.py`. Numbers are kept small, and
what jumps (comparisons, rounding, orders) looks only at inputs and positions, so that rounding cannot change an answer.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TypeVar

T = TypeVar("T")
NAMES = ("N", "D", "H", "C", "t")
MOST_AXES = 5
MOST_NUMBERS = 3000
LEAD = 2

GATE = "block gate(x: [*, P, Q]) -> [*, P, Q] {\n    return x * sigmoid(mean(x, P)) + max(x, Q)\n}\n\n"
PAIR = "block pair(x: [*, P], y: [*, P]) -> [*, P, P'] {\n    return x * rename(y, P -> P') - softmax(x, P)\n}\n\n"


@dataclass(frozen=True, eq=False)
class Var:
    """A value of the program: its axes but for `*`, whether it has `*`, and its kind. `raw`: an input as it came, without equal numbers."""

    name: str
    axes: Mapping[str, int]
    star: bool
    kind: str
    raw: bool = False


@dataclass(frozen=True)
class Text:
    """A finished program, what to bind, the sizes left open, and how far rounding may be blown up."""

    text: str
    bind: dict[str, int]
    free: dict[str, int]
    smooth: bool
    slack: float
    below: dict[str, int]


@dataclass
class Draft:
    """A program being written."""

    rng: random.Random
    bound: set[str] = field(default_factory=set[str])
    vars: list[Var] = field(default_factory=list[Var])
    lines: list[str] = field(default_factory=list[str])
    helpers: set[str] = field(default_factory=set[str])
    smooth: bool = True
    slack: float = 1.0
    count: int = 0

    # ------------------------------------------------ choosing

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def some(self, names: Sequence[T], least: int = 1, most: int = 2) -> list[T]:
        """A few of these in random order."""
        if len(names) < least:
            return []
        return self.rng.sample(list(names), self.rng.randint(least, min(most, len(names))))

    def any(self, *kinds: str, axes: int = 0) -> Var | None:
        """A value of one of the kinds with that many axes at least; late ones are likelier."""
        fit = [var for var in self.vars if var.kind in (kinds or ("float",)) and len(var.axes) >= axes]
        return fit[min(int(self.rng.triangular(0, len(fit), len(fit))), len(fit) - 1)] if fit else None

    def raw(self, axes: int = 0) -> Var | None:
        fit = [var for var in self.vars if var.raw and var.kind == "float" and len(var.axes) >= axes]
        return self.rng.choice(fit) if fit else None

    def known(self, var: Var) -> list[str]:
        """The axes whose size stands when the module is built."""
        return [axis for axis in var.axes if axis in self.bound]

    def axis(self) -> str:
        """A new name."""
        self.count += 1
        return f"{self.rng.choice('abuvgrk')}{self.count}"

    # ------------------------------------------------ writing

    def room(self, axes: Mapping[str, int], star: bool = True) -> bool:
        return len(axes) <= MOST_AXES and prod(axes.values()) * (LEAD if star else 1) <= MOST_NUMBERS

    def emit(self, text: str, axes: Mapping[str, int], star: bool, kind: str = "float", smooth: bool = True) -> Var | None:
        """One more line, if the value is not too large."""
        if not self.room(axes, star):
            return None
        self.count += 1
        var = Var(f"v{self.count}", dict(axes), star, kind)
        self.lines.append(f"{var.name} = {text}")
        self.vars.append(var)
        self.smooth = self.smooth and smooth
        return var

    def declare(self, kind: str, axes: list[str], sizes: Mapping[str, int]) -> Var:
        """A parameter of the block, all of whose axes are bound."""
        self.count += 1
        var = Var(f"w{self.count}", {axis: sizes[axis] for axis in axes}, False, kind)
        self.lines.append(f"param {var.name}: [{', '.join(axes)}] = normal(0.5)")
        self.vars.append(var)
        return var


def union(*vars: Var) -> tuple[dict[str, int], bool]:
    """All axes, and whether one has `*`."""
    axes: dict[str, int] = {}
    for var in vars:
        axes.update(var.axes)
    return axes, any(var.star for var in vars)


def without(axes: Mapping[str, int], *gone: str) -> dict[str, int]:
    return {axis: size for axis, size in axes.items() if axis not in gone}


# ---------------------------------------------------------------- beginning and end


def _inputs(draft: Draft, sizes: Mapping[str, int]) -> list[str]:
    """Two to four tensors over the axes; the first has them all."""
    declared: list[str] = []
    for i in range(draft.rng.randint(2, 4)):
        axes = list(sizes) if i == 0 else draft.some(list(sizes), 1, len(sizes))
        draft.rng.shuffle(axes)
        kind = "float" if i == 0 else draft.rng.choice(["float", "float", "float", "int", "bool"])
        star = i == 0 or draft.chance(0.4)
        written = list(axes)
        if star:
            written.insert(0 if draft.chance(0.8) else draft.rng.randint(0, len(axes)), "*")
        name = f"x{i}"
        draft.vars.append(Var(name, {axis: sizes[axis] for axis in axes}, star, kind, kind == "float"))
        declared.append(f"{name}: {'' if kind == 'float' else kind + ' '}[{', '.join(written)}]")
    return declared


def _outputs(draft: Draft, sizes: Mapping[str, int]) -> tuple[str, str]:
    """The declared results and the return line: the last value and some others."""
    made = [var for var in draft.vars if var.name.startswith("v")]
    chosen = list(dict.fromkeys([made[-1], *draft.some(made, 0, 2)])) if draft.chance(0.5) else [made[-1]]
    types: list[str] = []
    for i, var in enumerate(chosen):
        axes = list(var.axes)
        draft.rng.shuffle(axes)
        if var.star:
            axes.insert(0 if draft.chance(0.8) else draft.rng.randint(0, len(axes)), "*")
        kind = "" if var.kind == "float" else var.kind + " "
        types.append(f"{kind}[{', '.join(axes)}]" if len(chosen) == 1 else f"y{i}: {kind}[{', '.join(axes)}]")
    head = types[0] if len(types) == 1 else f"({', '.join(types)})"
    return head, "return " + ", ".join(var.name for var in chosen)


def program(seed: int, length: int = 7) -> Text:
    """The program of this number."""
    from random_moves import MOVES
    from random_operators import OPERATORS
    from random_wholes import WHOLES

    lines = [*OPERATORS, *MOVES, *WHOLES]

    draft = Draft(random.Random(seed))
    rng = draft.rng
    names = rng.sample(NAMES, rng.randint(2, 4))
    sizes = {name: rng.choice([1, 2, 3, 4, 4, 5, 6]) for name in names}
    draft.bound = {name for name in names if draft.chance(0.5)}
    declared = _inputs(draft, sizes)
    wanted = rng.randint(2, length)
    for _ in range(20 * wanted):
        if sum(var.name.startswith("v") for var in draft.vars) >= wanted:
            break
        rng.choices([line for line, _ in lines], [weight for _, weight in lines])[0](draft)
    if not any(var.name.startswith("v") for var in draft.vars):
        draft.emit("tanh(x0)", draft.vars[0].axes, True)
    head, last = _outputs(draft, sizes)
    body = "".join(f"    {line}\n" for line in [*draft.lines, last])
    helpers = "".join(sorted(draft.helpers))
    text = f"{helpers}block t({', '.join(declared)}) -> {head} {{\n{body}}}\n"
    bind = {name: sizes[name] for name in names if name in draft.bound}
    free = {name: size for name, size in sizes.items() if name not in draft.bound}
    return Text(text, bind, free, draft.smooth, draft.slack, {f"x{i}": 7 for i in range(5)})
