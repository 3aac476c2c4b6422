"""A running product a chunk at a time: inside a chunk a masked product of pairs, between chunks a state that is carried."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...graph import Body, Node
from ...sizes import Size, equal
from ...sizes.functions import ceil
from ...types import Axis, TensorType, TupleType
from ..making import Make
from .running import Running, multiplied


@dataclass(frozen=True)
class Cut:
    """An axis as `outer` chunks of `inner` positions, with `fill` behind the last where they hold more."""

    make: Make
    axis: Axis
    outer: Axis
    inner: Axis

    @property
    def more(self) -> Size:
        return self.outer.size * self.inner.size - self.axis.size

    def split(self, x: Node, fill: float = 0) -> Node:
        """A tensor on both axes; one without the axis as it is."""
        if not x.tensor.has(self.axis.name):
            return x
        return self.make.split(self._padded(x, fill), self.axis.name, (self.outer, self.inner))

    def _padded(self, x: Node, fill: float) -> Node:
        if self.more == 0:
            return x
        size = self.outer.size * self.inner.size
        axes = tuple(Axis(name, size if name == self.axis.name else old) for name, old in x.axes)
        pads = ((self.axis.name, Size.of(0), self.more),)
        return self.make.node("pad", (x,), TensorType(axes, x.dtype), pads=pads, fill=fill, mode="constant", lent=True)

    def join(self, y: Node) -> Node:
        """The inverse, at the axis' own size."""
        y = self.make.merge(y, (self.outer.name, self.inner.name), self.axis.name)
        return y if equal(y.tensor.size(self.axis.name), self.axis.size) is True else self.make.cut(y, self.axis.name, 0, self.axis.size)


def cut_into(make: Make, axis: Axis, chunk: int) -> Cut:
    outer = Axis(make.fresh(f"{axis.name}_chunks"), ceil(axis.size / chunk))
    return Cut(make, axis, outer, Axis(make.fresh(f"{axis.name}_rows"), Size.of(chunk)))


@dataclass(frozen=True)
class Parts:
    """Query, keys and values as one tensor each; keys and values have the axis."""

    q: Node
    k: Node
    v: Node | None
    decay: Node | None


@dataclass(frozen=True)
class Tiles:
    """The axes on which pairs of positions lie: chunks of rows (None for one chunk alone), and keys. Products on the same ones have their
    scores in common."""

    outer: Axis | None
    row: Axis
    key: Axis


def tiles_of(make: Make, axis: Axis, chunk: int) -> Tiles:
    """Chunks of so many positions, or one where there are no more than that."""
    known = axis.size.integer()
    if known is not None and known <= chunk:
        return Tiles(None, axis, Axis(make.fresh(f"{axis.name}'"), axis.size))
    cut = cut_into(make, axis, chunk)
    return Tiles(cut.outer, cut.inner, Axis(make.fresh(f"{cut.inner.name}'"), cut.inner.size))


def in_chunks(make: Make, one: Running, tiles: Tiles, number: int, scored: bool = False) -> Node:
    """The running product in chunks. A loop gets the `number`. `scored`: another product has the same scores."""
    if one.reverse:
        return flipped(make, in_chunks(make, _turned(make, one), tiles, number, scored), one.axis)
    parts = _parts(make, one)
    if parts.v is None and parts.decay is None and not scored:
        return _summed(make, one, parts)
    if tiles.outer is None:
        return _within(make, one, parts, _pairs(make, one, parts, tiles))
    cut = Cut(make, one.axis, tiles.outer, tiles.row)
    small = Parts(cut.split(parts.q), cut.split(parts.k), _maybe(cut, parts.v), _maybe(cut, parts.decay, 1.0))
    pairs = _pairs(make, one, small, tiles)
    return cut.join(make.arithmetic("add", _within(make, one, small, pairs), _before(make, one, small, pairs, cut, number)))


def _summed(make: Make, one: Running, parts: Parts) -> Node:
    """Without values a running sum of the keys is no larger than they are."""
    total = make.node("cumsum", (parts.k,), parts.k.tensor, axis=one.axis.name, exclusive=one.strict, reverse=False)
    return make.dot((parts.q, total), one.over)


def _maybe(cut: Cut, x: Node | None, fill: float = 0) -> Node | None:
    return None if x is None else cut.split(x, fill)


def _parts(make: Make, one: Running) -> Parts:
    q, k, v = multiplied(make, one.q), multiplied(make, one.k), multiplied(make, one.v)
    if q is None or k is None:
        raise ValueError("the axes that are added up are in queries and keys")
    if v is not None and not v.tensor.has(one.axis.name):
        q, v = make.arithmetic("mul", q, v), None
    if v is not None and frozenset(v.tensor.names) <= frozenset(k.tensor.names):
        k, v = make.arithmetic("mul", k, v), None
    return Parts(q, make.expand(k, [one.axis]), v if v is None else make.expand(v, [one.axis]), one.decay)


def _turned(make: Make, one: Running) -> Running:
    """Everything from the end."""
    q, k, v = (tuple(flipped(make, node, one.axis) for node in side) for side in (one.q, one.k, one.v))
    return replace(one, q=q, k=k, v=v, decay=None if one.decay is None else flipped(make, one.decay, one.axis), reverse=False)


def flipped(make: Make, x: Node, axis: Axis) -> Node:
    return make.node("flip", (x,), x.type, axes=(axis.name,)) if x.tensor.has(axis.name) else x


# ---------------------------------------------------------------- inside a chunk


@dataclass(frozen=True)
class Pairs:
    """Pairs of positions of one chunk: `left` is what the decays between a key and a row leave of it (None without decays)."""

    row: Axis
    key: Axis
    seen: Node
    left: Node | None


def _pairs(make: Make, one: Running, parts: Parts, tiles: Tiles) -> Pairs:
    row, key = tiles.row, tiles.key
    at, other = make.positions(row), make.positions(key)
    seen = make.compare("lt" if one.strict else "le", other, at)
    if parts.decay is None:
        return Pairs(row, key, seen, None)
    # Products, not quotients or exponentials of sums: nothing grows, and a decay of 0 is no special case.
    steps = make.where(make.compare("gt", at, other), make.expand(parts.decay, [row]), make.scalar(1.0))
    return Pairs(row, key, seen, make.node("cumprod", (steps,), steps.tensor, axis=row.name, reverse=False))


def _within(make: Make, one: Running, parts: Parts, pairs: Pairs) -> Node:
    """What the positions of a chunk say to each other."""
    names = {pairs.row.name: pairs.key.name}
    keys, left = make.rename(parts.k, names), pairs.left
    if left is not None and one.decays_apart:
        scores = make.dot((parts.q, make.arithmetic("mul", left, keys)), one.over)
    else:
        scores = make.dot((parts.q, keys), one.over)
        scores = scores if left is None else make.arithmetic("mul", scores, left)
    scores = make.where(pairs.seen, scores, make.scalar(0))
    if parts.v is None:
        return make.total(scores, (pairs.key.name,))
    return make.dot((scores, make.rename(parts.v, names)), (pairs.key.name,))


# ---------------------------------------------------------------- between chunks


def _before(make: Make, one: Running, parts: Parts, pairs: Pairs, cut: Cut, number: int) -> Node:
    """What earlier chunks say to a position, through the state that they leave."""
    row, keys, query = cut.inner, make.widened(parts.k), make.widened(parts.q)
    if parts.decay is None or pairs.left is None:
        state = _left(make, keys, parts.v, row)
        entered = make.node("cumsum", (state,), state.tensor, axis=cut.outer.name, exclusive=True, reverse=False, wide_steps=True)
        return make.dot((query, entered), one.over)
    last = (row.size.integer() or 0) - 1
    until = make.rename(make.pick(pairs.left, row.name, last), {pairs.key.name: row.name})
    state = _left(make, make.arithmetic("mul", keys, until), parts.v, row)
    since = running_decay(make, parts.decay, row)
    entered = carried(make, state, make.pick(since, row.name, last), cut.outer, number)
    return make.dot((make.arithmetic("mul", query, since), entered), one.over)


def running_decay(make: Make, decay: Node, axis: Axis, reverse: bool = False) -> Node:
    """What is left of a start at every position of an axis, its own decay included."""
    steps = make.expand(decay, [axis])
    return make.node("cumprod", (steps,), steps.tensor, axis=axis.name, reverse=reverse)


def _left(make: Make, keys: Node, values: Node | None, row: Axis) -> Node:
    """The sum that a chunk leaves."""
    return make.total(keys, (row.name,)) if values is None else make.dot((keys, make.widened(values)), (row.name,))


def carried(make: Make, state: Node, kept: Node, axis: Axis, number: int, start: Node | None = None) -> Node:
    """`s[c] = kept[c - 1] * s[c - 1] + state[c - 1]` along the chunks, from `start` or 0: what each of them begins with. Held in float32
    at least."""
    state, kept = make.widened(state), make.widened(kept)
    inside = state.tensor.without((axis.name,))
    moves = kept.tensor.has(axis.name)
    types = (TensorType((), "int"), inside, kept.tensor.without((axis.name,)), inside)
    names = ("chunk", "state", "kept", "more")
    step, old, decay, more = (parameter(make, type, number, place, names[place]) for place, type in enumerate(types))
    new = make.expand(make.arithmetic("add", make.arithmetic("mul", decay, old), more), inside.axes)
    body = Body((step, old, decay, more) if moves else (step, old, more, decay), (old,), (new,))
    first = make.full(0.0, inside.axes) if start is None else make.expand(make.widened(start), inside.axes)
    inputs = (first, *((kept, state) if moves else (state, kept)))
    types_out = TupleType((inside.plus((axis,)), inside))
    options = {"axis": axis.name, "reverse": False, "carries": 1, "sliced": 2 if moves else 1, "length": axis.size, "number": number}
    return make.node("item", (make.node("scan", inputs, types_out, body=body, **options),), types_out.items[0], index=0)


def parameter(make: Make, type: TensorType, number: int, place: int, name: str) -> Node:
    """What a body of the loop `number` gets at a place."""
    return make.builder.make("param", (), type, {"scan": number, "index": place}, make.at.span, (), name)
