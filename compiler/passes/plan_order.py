"""The order in which the factors of a term are multiplied: the cheapest one up to seven factors, step by step the cheapest next above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from .cost_model import CALL, MOVED, count, pair_work

MAX_EXACT = 7
GROWTH = 2
"""How much more memory a product of weights may take than its factors."""
UNHEARD = 10**18
"""A cost that nothing outweighs."""


@dataclass(frozen=True)
class Leaf:
    """One factor by its place, with its axes; `first` are those that only it has and that are added up before anything else."""

    place: int
    whole: frozenset[str]
    first: frozenset[str]
    prepared: bool

    @property
    def axes(self) -> frozenset[str]:
        return self.whole - self.first


@dataclass(frozen=True)
class Pair:
    """The product of two, added up along `over`. `prepared`: it depends on weights alone, and is made once."""

    left: Tree
    right: Tree
    over: frozenset[str]

    @cached_property
    def axes(self) -> frozenset[str]:
        return (self.left.axes | self.right.axes) - self.over

    @cached_property
    def prepared(self) -> bool:
        return self.left.prepared and self.right.prepared


Tree = Leaf | Pair
_Found = tuple[int, Tree]


def best_order(factors: Sequence[frozenset[str]], over: Sequence[str], prepared: Sequence[bool], sizes: Mapping[str, int]) -> Tree:
    """The cheapest order for these sizes. An axis in `over` is added up as soon as no factor that is left has it."""
    leaves = [_leaf(place, factors, over, prepared[place]) for place in range(len(factors))]
    planner = _Planner(leaves, frozenset(over), sizes)
    return planner.exact() if len(leaves) <= MAX_EXACT else planner.greedy()


def _leaf(place: int, factors: Sequence[frozenset[str]], over: Sequence[str], prepared: bool) -> Leaf:
    others = [factor for other, factor in enumerate(factors) if other != place]
    first = frozenset(name for name in over if name in factors[place] and not any(name in other for other in others))
    return Leaf(place, factors[place], first, prepared)


class _Planner:
    def __init__(self, leaves: Sequence[Leaf], over: frozenset[str], sizes: Mapping[str, int]) -> None:
        self.leaves = leaves
        self.over = over
        self.sizes = sizes

    def leaf(self, place: int) -> _Found:
        leaf = self.leaves[place]
        if not leaf.first or leaf.prepared:
            return 0, leaf
        return CALL + MOVED * (count(leaf.whole, self.sizes, 1) + count(leaf.axes, self.sizes, 1)), leaf

    def pair(self, left: _Found, right: _Found, outside: Sequence[Tree]) -> _Found:
        """Two made one, when the trees outside are still to come."""
        a, b = left[1].axes, right[1].axes
        gone = frozenset(name for name in (a | b) & self.over if not any(name in other.axes for other in outside))
        made = Pair(left[1], right[1], gone)
        return left[0] + right[0] + (self._kept(made) if made.prepared else CALL + pair_work(a, b, gone, self.sizes, 1)), made

    def _kept(self, made: Pair) -> int:
        """Nothing, for a product of weights that is made once; but it is not to take up much more memory than they do."""
        before = count(made.left.axes, self.sizes, 1) + count(made.right.axes, self.sizes, 1)
        return 0 if count(made.axes, self.sizes, 1) <= GROWTH * before else UNHEARD

    def exact(self) -> Tree:
        """Every way to multiply in pairs, over sets of factors written as bits. Of equal ways the first one wins."""
        whole = (1 << len(self.leaves)) - 1
        best: dict[int, _Found] = {1 << place: self.leaf(place) for place in range(len(self.leaves))}
        for group in range(1, whole + 1):
            if group not in best:
                outside = [leaf for leaf in self.leaves if not group >> leaf.place & 1]
                best[group] = self._cheapest(group, best, outside)
        return best[whole][1]

    def _cheapest(self, group: int, best: Mapping[int, _Found], outside: Sequence[Tree]) -> _Found:
        found: _Found | None = None
        part = (group - 1) & group
        while part:
            if part & group & -group:  # each split once, with the first factor on the left
                made = self.pair(best[part], best[group - part], outside)
                if found is None or made[0] < found[0]:
                    found = made
            part = (part - 1) & group
        assert found is not None  # a group of two or more can be split
        return found

    def greedy(self) -> Tree:
        """The pair that costs least next, until one is left."""
        trees: list[_Found] = [self.leaf(place) for place in range(len(self.leaves))]
        while len(trees) > 1:
            choices = [(i, j) for i in range(len(trees)) for j in range(i + 1, len(trees))]
            made = [self.pair((0, trees[i][1]), (0, trees[j][1]), self._rest(trees, i, j)) for i, j in choices]
            best = min(range(len(choices)), key=lambda place: (made[place][0] + self._written(made[place][1]), choices[place]))
            i, j = choices[best]
            kept: list[_Found] = [tree for place, tree in enumerate(trees) if place not in (i, j)]
            trees = [*kept, made[best]]
        return trees[0][1]

    @staticmethod
    def _rest(trees: Sequence[_Found], i: int, j: int) -> list[Tree]:
        return [tree for place, (_, tree) in enumerate(trees) if place not in (i, j)]

    def _written(self, tree: Tree) -> int:
        return MOVED * count(tree.axes, self.sizes, 1)
