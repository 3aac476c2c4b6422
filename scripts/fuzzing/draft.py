"""A random program being written: a sheet with a source of chance, and ways to choose among what is there."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from .program import Program
from .sheet import Sheet, Var

T = TypeVar("T")
NAMES = ("N", "D", "H", "C", "T")
SIZES = (1, 1, 2, 2, 3, 3, 4, 5)

__all__ = ["NAMES", "SIZES", "Draft", "Var"]


class Draft(Sheet):
    """`made` and `refused` count operators by name."""

    def __init__(self, seed: int, helpers: str = "") -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.made: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.count = 0
        names = self.rng.sample(NAMES, self.rng.randint(2, 4))
        self.sizes = {name: self.rng.choice(SIZES) for name in names}
        bind = {name: size for name, size in self.sizes.items() if self.chance(0.6)}
        free = {**{name: size for name, size in self.sizes.items() if name not in bind}, "*": self.rng.choice((1, 2, 3))}
        super().__init__(self._inputs(), bind, free, helpers)

    def _inputs(self) -> list[str]:
        """Two to four tensors over the axes; the first has them all."""
        declared: list[str] = []
        for i in range(self.rng.randint(2, 4)):
            axes = list(self.sizes) if i == 0 else self.some(list(self.sizes), 1, len(self.sizes))
            self.rng.shuffle(axes)
            kind = "float" if i == 0 else self.rng.choice(["float", "float", "float", "int", "bool"])
            if i == 0 or self.chance(0.4):
                axes.insert(0 if self.chance(0.8) else self.rng.randint(0, len(axes)), "*")
            declared.append(f"x{i}: {'' if kind == 'float' else kind + ' '}[{', '.join(axes)}]")
        return declared

    # ------------------------------------------------ choosing

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def some(self, names: Sequence[T], least: int = 1, most: int = 2) -> list[T]:
        """A few of these in random order; none where there are fewer than `least`."""
        if len(names) < least:
            return []
        return self.rng.sample(list(names), self.rng.randint(least, min(most, len(names))))

    def pick(self, *kinds: str, axes: int = 0, having: Sequence[str] = ()) -> Var | None:
        """A value of one of the kinds with that many axes at least, and these; late ones are likelier."""
        wanted = kinds or ("float", "wide")
        fit = [v for v in self.vars.values() if v.kind in wanted and len(v.axes) >= axes and all(name in v.axes for name in having)]
        return fit[min(int(self.rng.triangular(0, len(fit), len(fit))), len(fit) - 1)] if fit else None

    def steady(self, axes: int = 0) -> Var | None:
        """An input of floats: rounding has not touched it, and no two of its numbers are equal."""
        fit = [var for var in self.vars.values() if var.raw and len(var.axes) >= axes]
        return self.rng.choice(fit) if fit else None

    def fixed(self, var: Var) -> list[str]:
        """The axes whose size stands when the module is built: they may be in a weight."""
        tensor = self.node(var.name).tensor
        return [axis for axis in var.axes if tensor.size(self.live.symbol(axis)).integer() is not None]

    def axis(self) -> str:
        """A new name of an axis."""
        self.count += 1
        return f"{self.rng.choice('abugrk')}{self.count}"

    def name(self) -> str:
        """A new name of a value."""
        self.count += 1
        return f"v{self.count}"

    # ------------------------------------------------ writing

    def let(self, text: str, results: int = 1) -> Var | None:
        """A new name for an expression; the last of them where it has several results. None where it is refused or too large."""
        names = [self.name() for _ in range(results)]
        return self.vars.get(names[-1]) if self.say(f"{', '.join(names)} = {text}") else None

    def finish(self) -> Program:
        """The program with its last value and a few others as results."""
        made = [var for var in self.vars.values() if var.name.startswith("v") and var.kind != "complex"]
        if not made:
            self.let("tanh(x0)" if self.vars else f"mean(x0, {' '.join(self.sizes)})")  # of inputs that are all too large, something small
            made = [self.vars[list(self.vars)[-1]]]
        chosen = [made[-1], *self.some(made, 0, 3)] if self.chance(0.6) else [made[-1]]
        return self.program(self.seed, self._orders(chosen))

    def _orders(self, chosen: Sequence[Var]) -> Mapping[str, Sequence[str]]:
        """Each value with a random order of its axes; an axis whose size is not the declared one gets another name."""
        orders: dict[str, list[str]] = {}
        for var in dict.fromkeys(chosen):
            clashes = self.clashes(var.name)
            other = self.let(f"rename({var.name}, {', '.join(f'{axis} -> {self.axis()}' for axis in clashes)})") if clashes else var
            assert other is not None
            axes = list(other.axes)
            self.rng.shuffle(axes)
            if other.star:
                axes.insert(0 if self.chance(0.8) else self.rng.randint(0, len(axes)), "*")
            orders[other.name] = axes
        return orders
