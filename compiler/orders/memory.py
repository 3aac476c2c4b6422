"""The order in which the numbers of a tensor lie in memory: what PyTorch calls strides, without their sizes.

Whether dimensions can be taken as one without a copy depends on nothing else, and holds for every size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from operator import mul

from ...dsl.frozen import frozen
from ..sizes import Size, product

ONE = Size.of(1)
UNTOLD = Size.symbol("?")
"""A size that a call does not tell, and that the type of its result will."""


@frozen
class Memory:
    """A tensor. `sizes` are those of its dimensions. `places` says which is how far out in memory (0 is outermost; None for one of size
    1, and for one that repeats the same numbers). `joined[p]`: whether the dimension at place p runs on into the one outside it, so that
    the two are one. `unit`: whether the innermost numbers are neighbours."""

    sizes: tuple[Size, ...]
    places: tuple[int | None, ...]
    joined: tuple[bool, ...]
    unit: bool = True

    def __hash__(self) -> int:
        known: int | None = self.__dict__.get("_hash")
        if known is None:
            known = self.__dict__["_hash"] = hash((self.sizes, self.places, self.joined, self.unit))
        return known

    # ------------------------------------------------ questions

    @property
    def order(self) -> tuple[int, ...]:
        """The dimensions from outermost to innermost, without those that take no memory."""
        return tuple(sorted((i for i, place in enumerate(self.places) if place is not None), key=self._place))

    def _place(self, i: int) -> int:
        place = self.places[i]
        return -1 if place is None else place

    def repeats(self, i: int) -> bool:
        """Whether a dimension gives the same numbers again and again."""
        return self.places[i] is None and self.sizes[i].integer() != 1

    @property
    def dense(self) -> bool:
        """Without gaps and repetition."""
        return self.unit and all(self.joined[1:]) and not any(self.repeats(i) for i in range(len(self.sizes)))

    def elements(self) -> Size:
        return product(self.sizes)

    # ------------------------------------------------ views

    def permuted(self, dims: Sequence[int]) -> Memory:
        return Memory(tuple(self.sizes[i] for i in dims), tuple(self.places[i] for i in dims), self.joined, self.unit)

    def unsqueezed(self, at: int) -> Memory:
        return Memory((*self.sizes[:at], ONE, *self.sizes[at:]), (*self.places[:at], None, *self.places[at:]), self.joined, self.unit)

    def squeezed(self, at: int) -> Memory:
        return _dropped(self, at) if self.sizes[at].integer() == 1 else self

    def without(self, at: int) -> Memory:
        """One position of a dimension, which is gone after."""
        place = self.places[at]
        if place is None:
            return _dropped(self, at)
        joined = list(self.joined)
        if place + 1 < len(joined):
            joined[place + 1] = False
        del joined[place]
        places = tuple(p - 1 if p is not None and p > place else p for i, p in enumerate(self.places) if i != at)
        unit = not joined or (self.unit and place + 1 < len(self.joined))
        return Memory((*self.sizes[:at], *self.sizes[at + 1 :]), places, _first(joined), unit)

    def cut(self, at: int, size: Size) -> Memory:
        """Some neighbouring positions of a dimension."""
        sizes = (*self.sizes[:at], size, *self.sizes[at + 1 :])
        place = self.places[at]
        if place is None or size == self.sizes[at] != UNTOLD:
            return Memory(sizes, self.places, self.joined, self.unit)
        joined = tuple(is_joined and p != place for p, is_joined in enumerate(self.joined))
        return Memory(sizes, self.places, joined, self.unit)

    def expanded(self, sizes: Sequence[Size | None]) -> Memory:
        """Repeated to these sizes (None: as it is); leading ones may be new."""
        more = len(sizes) - len(self.sizes)
        own = (*[ONE] * more, *self.sizes)
        full = tuple(old if new is None else new for old, new in zip(own, sizes, strict=True))
        return Memory(full, (*[None] * more, *self.places), self.joined, self.unit)

    def settled(self, sizes: Sequence[Size]) -> Memory:
        """With the sizes it has, where some were not told."""
        made = fresh(sizes, self.order)
        if self.dense or made.places != self.places:
            return made
        return Memory(made.sizes, made.places, self.joined, self.unit)

    def apart(self) -> Memory:
        """The same where no two dimensions run on into each other, for what overlaps or leaves out."""
        return Memory(self.sizes, self.places, tuple(False for _ in self.joined), False)

    def reshaped(self, sizes: Sequence[Size]) -> Memory | None:
        """With other dimensions over the same numbers; None where that needs a copy."""
        old = [i for i, size in enumerate(self.sizes) if size.integer() != 1]
        new = [size for size in sizes if size.integer() != 1]
        blocks = _blocks([self.sizes[i] for i in old], new)
        if blocks is None:
            return None
        now: Memory | None = self.permuted(old)
        at = 0
        for left, right in blocks:
            now = now._block(at, left, right) if now is not None else None
            at += len(right)
        for i, size in enumerate(sizes if now is not None else ()):
            now = now.unsqueezed(i) if now is not None and size.integer() == 1 else now
        return now

    def split(self, at: int, parts: Sequence[Size]) -> Memory:
        """With a dimension taken apart."""
        real = [part for part in parts if part.integer() != 1]
        now = self._put(at, 1, real, self.places[at]) if real else self.without(at)
        for i, part in enumerate(parts):
            now = now.unsqueezed(at + i) if part.integer() == 1 else now
        return now

    def _block(self, at: int, count: int, sizes: Sequence[Size]) -> Memory | None:
        """`count` dimensions from `at` on as one, and that one apart into `sizes`."""
        dims = range(at, at + count)
        places = [self.places[i] for i in dims]
        if all(place is None for place in places):
            return self._put(at, count, sizes, None)
        first = places[0]
        if first is None or places != list(range(first, first + count)) or not all(self.joined[first + 1 : first + count]):
            return None
        return self._put(at, count, sizes, first)

    def _put(self, at: int, count: int, sizes: Sequence[Size], first: int | None) -> Memory:
        made = len(sizes)
        full = (*self.sizes[:at], *sizes, *self.sizes[at + count :])
        if first is None:
            return Memory(full, (*self.places[:at], *[None] * made, *self.places[at + count :]), self.joined, self.unit)
        places = [p if p is None or p < first else p + made - count for p in self.places]
        inside = tuple(range(first, first + made))
        joined = (*self.joined[: first + 1], *[True] * (made - 1), *self.joined[first + count :])
        return Memory(full, (*places[:at], *inside, *places[at + count :]), joined, self.unit)


def fresh(sizes: Sequence[Size], order: Sequence[int] | None = None) -> Memory:
    """A tensor of its own, without gaps, that lies in this order of its dimensions, outermost first."""
    return _fresh(tuple(sizes), tuple(range(len(sizes)) if order is None else order))


@lru_cache(maxsize=1 << 13)
def _fresh(sizes: tuple[Size, ...], order: tuple[int, ...]) -> Memory:
    places: list[int | None] = [None] * len(sizes)
    count = 0
    for i in order:
        if sizes[i].integer() != 1:
            places[i] = count
            count += 1
    return Memory(sizes, tuple(places), (False, *[True] * (count - 1))[:count])


def elementwise(operands: Sequence[Memory]) -> Memory:
    """What a function number by number writes: in the order of its operands, the first that tells deciding.

    Two dimensions are compared by an operand that has both; the sort is an insertion sort (PyTorch, TensorIterator.cpp).
    """
    count = max(len(one.sizes) for one in operands)
    wide = [one.expanded([None] * count) if len(one.sizes) < count else one for one in operands]
    sizes = [next((one.sizes[i] for one in wide if one.sizes[i].integer() != 1), ONE) for i in range(count)]
    inner = list(range(count))[::-1]
    for start in range(1, count):
        at = start
        for before in range(start - 1, -1, -1):
            sign = _compared(wide, inner[before], inner[at])
            if sign > 0:
                inner[before], inner[at] = inner[at], inner[before]
                at = before
            elif sign < 0:
                break
    return fresh(sizes, inner[::-1])


def _compared(operands: Sequence[Memory], a: int, b: int) -> int:
    """Whether dimension `a` lies further out than `b` (1), further in (-1), or nothing tells (0)."""
    for one in operands:
        left, right = one.places[a], one.places[b]
        if left is not None and right is not None:
            return 1 if left < right else -1
    return 0


def _dropped(memory: Memory, at: int) -> Memory:
    """Without a dimension that takes no memory."""
    return Memory(
        (*memory.sizes[:at], *memory.sizes[at + 1 :]), (*memory.places[:at], *memory.places[at + 1 :]), memory.joined, memory.unit
    )


def _first(joined: Sequence[bool]) -> tuple[bool, ...]:
    """The outermost dimension runs on into none."""
    return (False, *joined[1:]) if joined else ()


def _blocks(old: Sequence[Size], new: Sequence[Size]) -> list[tuple[int, tuple[Size, ...]]] | None:
    """Which neighbours of `old` make which of `new`: counts with sizes, as fine as can be told; None where the totals differ."""
    ends = {total: i for i, total in enumerate(_totals(old), 1)}
    blocks: list[tuple[int, tuple[Size, ...]]] = []
    done, start = 0, 0
    for j, total in enumerate(_totals(new), 1):
        if total in ends and ends[total] > done:
            blocks.append((ends[total] - done, tuple(new[start:j])))
            done, start = ends[total], j
    return blocks if done == len(old) and start == len(new) else None


def _totals(sizes: Sequence[Size]) -> list[Size]:
    return [*accumulate(sizes, mul)]
