"""Queries and keys in blocks: what a band, a residue or a segment of a mask makes of attention, step by step, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...graph import Node
from ...ops.attend_held import is_said_anew
from ...ops.mask_offsets import CARRIED, Band, Fact, Residue, Segment, conditions, facts
from ...sizes import Size, at_least, equal
from ...sizes.functions import ceil
from ...types import Axis, TensorType
from ..making import Make, union
from .carrying import Along, Carrying, Unsaid

Undo = Callable[[Node], Node]


@dataclass(frozen=True)
class State:
    """An attention under way: its tensors, the conditions of its mask that are left, the axes of its keys, and the way back."""

    q: tuple[Node, ...]
    k: tuple[Node, ...]
    v: Node
    extras: Mapping[str, Node]
    mask: tuple[Node, ...]
    keys: tuple[str, ...]
    undo: tuple[Undo, ...] = ()
    banded: frozenset[str] = field(default_factory=frozenset[str])
    bounds: Mapping[str, Size] = field(default_factory=dict[str, Size])
    """What an axis holds at most, where its size was rounded up."""
    ground: frozenset[Node] = field(default_factory=frozenset[Node])
    """What was there before: nothing behind it is worked out again."""

    @property
    def tensors(self) -> tuple[Node, ...]:
        return (*self.q, *self.k, self.v, *self.extras.values(), *self.mask)

    def size(self, axis: str) -> Size:
        return next(node.tensor.size(axis) for node in self.tensors if node.tensor.has(axis))

    def most(self, axis: str) -> Size:
        return self.bounds.get(axis) or self.size(axis)

    def scored(self, dots: frozenset[str]) -> dict[str, Size]:
        """The axes of the scores, with what they hold at most."""
        axes = union((*self.q, *self.k, *self.extras.values(), *self.mask))
        return {axis.name: self.most(axis.name) for axis in axes if axis.name not in dots}


def told_by(condition: Node, keys: Sequence[str]) -> tuple[Fact, ...]:
    """What a condition says, by the names of its own axes."""
    return facts(condition, {axis.name: axis.name for axis in condition.axes}, frozenset(keys))


def ends(band: Band) -> tuple[Size, Size]:
    """Both ends of a band that has them."""
    if band.low is None or band.high is None:
        raise ValueError(f"{band} has no end")
    return band.low, band.high


def settled(make: Make, state: State) -> State:
    """Conditions on distances, said of the distance alone: other positions cancel. Each once."""
    found: dict[Node, None] = {}
    for one in state.mask:
        told = told_by(one, state.keys)
        bands = [fact for fact in told if isinstance(fact, Band)]
        found.update(dict.fromkeys([node for band in bands for node in _said(make, state, band)] if bands else [one]))
    return replace(state, mask=tuple(found))


def _said(make: Make, state: State, band: Band) -> Iterator[Node]:
    """`query - key >= -high` and `query - key <= -low`, of positions."""
    query, key = (make.positions(Axis(name, state.size(name))) for name in (band.query, band.key))
    for op, limit in (("le", band.low), ("ge", band.high)):
        if limit is not None:
            far = limit != 0
            yield make.compare(op, make.arithmetic("sub", query, key) if far else query, make.size(-limit) if far else key)


def begun(make: Make, attend: Node) -> State:
    """An attention as it stands, its mask apart."""
    terms: int = attend["terms"]
    inputs = tuple(make.new(source) for source in attend.inputs)
    extras = dict(zip(attend["extras"], inputs[2 * terms + 1 :], strict=True))
    mask = tuple(make.rename(node, names) for node, names in conditions(extras.pop("where")))
    start = State(
        inputs[:terms], inputs[terms : 2 * terms], inputs[2 * terms], extras, mask, attend["keys"], ground=ground_of(inputs, 2 * terms + 1)
    )
    return settled(make, start)


def ground_of(inputs: Sequence[Node], main: int, through: Collection[str] = ()) -> frozenset[Node]:
    """What both ways start from: queries, keys, values, and the data under masks and biases, which are worked out in the way taken; so is
    what the operators `through` make of them."""
    found, waiting = {*inputs[:main]}, [*inputs[main:]]
    seen: set[Node] = set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.op in CARRIED or node.op == "pos" or node.op in through or is_said_anew(node):
            waiting.extend(node.inputs)
        else:
            found.add(node)
    return frozenset(found)


def ended(make: Make, attend: Node, state: State) -> Node:
    """The attention on blocks, and its result as it was."""
    extras = dict(state.extras)
    if state.mask:
        mask = state.mask[0]
        for one in state.mask[1:]:
            mask = make.logic("and", mask, one)
        extras["where"] = mask
    inputs = (*state.q, *state.k, state.v, *extras.values())
    dots: tuple[tuple[str, ...], ...] = attend["dots"]
    gone = {*state.keys, *(name for names in dots for name in names)}
    axes = {axis.name: axis for axis in union(inputs) if axis.name not in gone}
    axes |= {axis.name: axis for axis in state.v.axes if axis.name not in state.keys}
    options = {**attend.options, "keys": state.keys, "extras": tuple(extras)}
    y = make.node("attend", inputs, TensorType(tuple(axes.values()), attend.dtype), **options)
    for step in reversed(state.undo):
        y = step(y)
    return y


def applied(make: Make, state: State, fact: Fact, condition: Node, rows: int) -> State:
    """The state on the blocks of one fact. Raises Unsaid where a tensor does not lie in them."""
    if isinstance(fact, Band):
        return settled(make, _banded(make, state, fact, rows))
    left = replace(state, mask=tuple(one for one in state.mask if one is not condition))
    return settled(make, _segments(make, left, fact) if isinstance(fact, Segment) else _residues(make, left, fact))


# ---------------------------------------------------------------- the three kinds


def _banded(make: Make, state: State, band: Band, rows: int) -> State:
    """Blocks of so many queries, and windows of keys that reach as far as the band: `low <= 0 <= high`."""
    low, high = ends(band)
    many, size = state.size(band.query), state.size(band.key)
    blocks = Axis(make.fresh(f"{band.query}_blocks"), ceil(many / rows))
    row = Axis(make.fresh(f"{band.query}_rows"), Size.of(rows))
    window = Axis(make.fresh(f"{row.name}'"), high - low + rows)
    before, after = -low, blocks.size * rows - size + high

    def windows(x: Node, axis: str) -> Node:
        x = _padded(make, state.ground, x, axis, before, after)
        axes = (*x.tensor.without((axis,)).axes, blocks, window)
        options = {"axis": axis, "to": (blocks.name, window.name), "stride": Size.of(rows), "dilation": Size.of(1)}
        return make.node("unfold", (x,), TensorType(axes, x.dtype), **options)

    queries = Along(lambda: _places(make, blocks, rows, row), _split(make, state, many, blocks, row))
    keys = Along(lambda: make.arithmetic("add", _places(make, blocks, rows, window), make.size(low)), windows)
    start = _carried(make, state, band, queries, keys, (window.name,))
    at = keys.positions()
    limits = [make.compare("ge", at, make.scalar(0))] if before != 0 else []
    limits += [make.compare("lt", at, make.size(size))] if after != 0 and at_least(0, high) is not True else []
    undo = _joined(make, (blocks, row), band.query, many)
    most = {**state.bounds, blocks.name: (state.most(band.query) + (rows - 1)) / rows}
    return replace(start, mask=(*start.mask, *limits), undo=(*start.undo, undo), banded=start.banded | {window.name}, bounds=most)


def _segments(make: Make, state: State, fact: Segment) -> State:
    """Blocks of queries with the keys of the same block."""
    many, size = state.size(fact.query), state.size(fact.key)
    blocks = Axis(make.fresh(f"{fact.query}_blocks"), ceil(many / fact.size))
    row = Axis(make.fresh(f"{fact.query}_rows"), fact.size)
    key = Axis(make.fresh(f"{row.name}'"), fact.size)
    step = _count(fact.size)
    queries = Along(lambda: _places(make, blocks, step, row), _split(make, state, many, blocks, row))
    keys = Along(lambda: _places(make, blocks, step, key), _split(make, state, size, blocks, key))
    return _apart_again(make, state, fact, (queries, keys), (blocks, row), key.name, (many, size, fact.size))


def _residues(make: Make, state: State, fact: Residue) -> State:
    """Every so many queries, with the keys that leave the same remainder."""
    many, size, step = state.size(fact.query), state.size(fact.key), _count(fact.step)
    kind = Axis(make.fresh(f"{fact.query}_residue"), fact.step)
    row = Axis(make.fresh(f"{fact.query}_rows"), ceil(many / fact.step))
    key = Axis(make.fresh(f"{row.name}'"), ceil(size / fact.step))
    queries = Along(lambda: _places(make, row, step, kind), _split(make, state, many, row, kind))
    keys = Along(lambda: _places(make, key, step, kind), _split(make, state, size, key, kind))
    return _apart_again(make, state, fact, (queries, keys), (row, kind), key.name, (many, size, fact.step))


def _apart_again(
    make: Make, state: State, fact: Fact, along: tuple[Along, Along], parts: tuple[Axis, Axis], key: str, sizes: tuple[Size, Size, Size]
) -> State:
    many, size, unit = sizes
    start = _carried(make, state, fact, *along, (key,))
    needless = (size / unit).is_integer() or _looks_back(state, fact)
    limit = () if needless else (make.compare("lt", along[1].positions(), make.size(size)),)
    parted = {parts[0].name: state.most(fact.query), key: state.most(fact.key)}
    most = {name: (whole + (unit - 1)) / unit for name, whole in parted.items() if start.size(name) != unit}
    undo = _joined(make, parts, fact.query, many)
    return replace(start, mask=(*start.mask, *limit), undo=(*start.undo, undo), bounds={**state.bounds, **most})


def _looks_back(state: State, fact: Fact) -> bool:
    """Whether no key lies behind its query: then a query that is there meets only keys that are there."""
    told = (told_by(one, state.keys) for one in state.mask)
    bands = [band for found in told for band in found if isinstance(band, Band) and (band.query, band.key) == (fact.query, fact.key)]
    return any(band.high is not None and at_least(0, band.high) is True for band in bands)


# ---------------------------------------------------------------- what they share


def _carried(make: Make, state: State, fact: Fact, queries: Along, keys: Along, new: tuple[str, ...]) -> State:
    """Every tensor of the attention on the new axes."""
    carry = Carrying(make, {fact.query: queries, fact.key: keys})

    def viewed(x: Node) -> Node:
        if x.tensor.has(fact.query) and x.tensor.has(fact.key):
            raise Unsaid
        x = queries.view(x, fact.query) if x.tensor.has(fact.query) else x
        return keys.view(x, fact.key) if x.tensor.has(fact.key) else x

    return replace(
        state,
        q=tuple(map(viewed, state.q)),
        k=tuple(map(viewed, state.k)),
        v=viewed(state.v),
        extras={name: carry(node) for name, node in state.extras.items()},
        mask=tuple(map(carry, state.mask)),
        keys=tuple(name for old in state.keys for name in (new if old == fact.key else (old,))),
    )


def _places(make: Make, outer: Axis, stride: int, inner: Axis) -> Node:
    """Positions on two axes that were one: `outer * stride + inner`."""
    return make.arithmetic("add", make.arithmetic("mul", make.positions(outer), make.scalar(stride)), make.positions(inner))


def _padded(make: Make, ground: frozenset[Node], x: Node, axis: str, before: Size, after: Size) -> Node:
    """Zeros before and after; put in before other axes were taken apart here, together with what was put in there."""
    if before == 0 and after == 0:
        return x
    size = x.tensor.size(axis) + before + after
    type = TensorType(tuple(Axis(name, size if name == axis else old) for name, old in x.axes), x.dtype)
    if x.op in ("unfold", "split") and x not in ground and x.inputs[0].tensor.has(axis):
        return make.node(x.op, (_padded(make, ground, x.inputs[0], axis, before, after),), type, **x.options)
    pads = (axis, before, after)
    if x.op == "pad" and x not in ground and x["fill"] == 0 and x["mode"] == "constant" and axis not in [name for name, _, _ in x["pads"]]:
        return make.node("pad", x.inputs, type, **{**x.options, "pads": (*x["pads"], pads)})
    return make.node("pad", (x,), type, pads=(pads,), fill=0, mode="constant")


def _split(make: Make, state: State, size: Size, outer: Axis, inner: Axis) -> Callable[[Node, str], Node]:
    """An axis of this size as two, with zeros behind it where they hold more."""

    def view(x: Node, axis: str) -> Node:
        return make.split(_padded(make, state.ground, x, axis, Size.of(0), outer.size * inner.size - size), axis, (outer, inner))

    return view


def _joined(make: Make, parts: tuple[Axis, Axis], into: str, size: Size) -> Undo:
    """Two axes as the one they were, at its own size."""

    def undo(y: Node) -> Node:
        y = make.merge(y, [part.name for part in parts], into)
        return y if equal(y.tensor.size(into), size) is True else make.cut(y, into, 0, size)

    return undo


def _count(size: Size) -> int:
    number = size.integer()
    assert number is not None  # the pass only takes sizes that are numbers
    return number
