"""From tensors in to tensors out: sizes, guards, every node by its rule, and the dimensions that `*` stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from ..graph import Body, Graph, Guard, Node, Weight, topological
from ..sizes import Size
from ..types import STAR, TensorType, TupleType
from . import moving, norms, numbers, reducing, resizing, sliding, sums, weighting
from .named import KINDS, Named, filled
from .rules import RULES, Draw, Run, Touch, Value, Watch, rule

FAMILIES = (moving, norms, numbers, reducing, resizing, sliding, sums, weighting)
"""Their import fills the table of rules."""
LONGEST = 4096
"""Sizes that no input says directly are looked for up to here."""


@dataclass(frozen=True)
class Result:
    """The results by name (empty for a single one), and what states hold after the run, by path."""

    outputs: dict[str, Tensor]
    updates: dict[str, Tensor]


def evaluate(graph: Graph, inputs: Mapping[str, Tensor], weights: Mapping[str, Tensor], training: bool = False) -> dict[str, Tensor]:
    """The results of a graph by name, in float64.

    `weights` are stored tensors by path; a constant that is not among them has the value of its formula. Raises ValueError where sizes do
    not fit or a guard fails, IndexError for an index outside, and Refused where random numbers would be drawn.
    """
    return run(graph, inputs, weights, training).outputs


def run(
    graph: Graph,
    inputs: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    training: bool = False,
    watch: Watch | None = None,
    touch: Touch | None = None,
    draw: Draw | None = None,
) -> Result:
    """As `evaluate`, with the states after the run. `watch` is told every value, those of a loop's steps too; what `touch` makes of a value
    stands for it (the experiment of how much rounding matters); `draw` gives the random numbers of a node."""
    present = [node for node in graph.inputs if not node.options.get("absent", False)]
    lead = _leading(present, inputs)
    named = {node: _entered(node, inputs[node["name"]], lead) for node in present}
    state = Run(_solved(named), graph.weights, {**_constants(graph.weights), **weights}, training, watch, touch, draw)
    for node, value in named.items():
        _check(state, node.tensor, value)
    for guard in graph.guards:
        _guard(state, guard)
    values = _values(state, [*(output.node for output in graph.outputs), *(node for _, node in graph.updates)], dict(named))
    outputs: dict[str, Tensor] = {}
    for output in graph.outputs:
        outputs[output.name] = _left(values[output.node], output.order, lead)
    updates = {graph.weights[slot].path: _stored(graph.weights[slot], values[node]) for slot, node in graph.updates}
    return Result(outputs, updates)


# ---------------------------------------------------------------- in and out


def _own_leading(node: Node, x: Tensor) -> tuple[int, ...]:
    """The dimensions of an input that its `*` stands for."""
    before = node["order"].index(STAR)
    return tuple(x.shape[before : x.dim() - (len(node["order"]) - before - 1)])


def _leading(present: Sequence[Node], inputs: Mapping[str, Tensor]) -> tuple[int, ...]:
    """The dimensions that `*` stands for, of all inputs together."""
    found = [_own_leading(node, inputs[node["name"]]) for node in present if STAR in node["order"]]
    longest = max(map(len, found), default=0)
    columns = zip(*[(1,) * (longest - len(own)) + own for own in found], strict=True)
    return tuple(next((size for size in column if size != 1), 1) for column in columns)


def _entered(node: Node, x: Tensor, lead: tuple[int, ...]) -> Named:
    """An input with names; `*` is one axis."""
    x = x.to(KINDS[node.dtype])
    order: tuple[str, ...] = node["order"]
    if STAR not in order:
        return Named(x, order)
    before = order.index(STAR)
    own = _own_leading(node, x)
    if own == lead and len(lead) == 1:
        return Named(x, order)
    head, tail = tuple(x.shape[:before]), tuple(x.shape[before + len(own) :])
    spread = x.reshape([*head, *[1] * (len(lead) - len(own)), *own, *tail]).expand([*head, *lead, *tail])
    return Named(spread.reshape([*head, prod(lead), *tail]), order)


def _left(value: Value, order: tuple[str, ...], lead: tuple[int, ...]) -> Tensor:
    assert isinstance(value, Named)
    x = value.ordered(order)
    if STAR not in order:
        return x
    at = order.index(STAR)
    return x.reshape([*x.shape[:at], *lead, *x.shape[at + 1 :]])


def _stored(weight: Weight, value: Value) -> Tensor:
    """A value as its weight is stored."""
    assert isinstance(value, Named)
    data = value.ordered([name for group in weight.groups for name in group]).to(KINDS[weight.dtype])
    return data.reshape([prod(value.size(name) for name in group) for group in weight.groups])


# ---------------------------------------------------------------- sizes


def _solved(named: Mapping[Node, Named]) -> dict[str, int]:
    """The number of every symbol in the inputs' sizes; one that stands only in an expression is looked for."""
    known: dict[str, int] = {}
    facts = [(axis.size, value.size(axis.name)) for node, value in named.items() for axis in node.axes]
    waiting = True
    while waiting:
        waiting = False
        for size, number in facts:
            missing = size.free() - known.keys()
            if len(missing) == 1:
                (symbol,) = missing
                known[symbol] = _searched(size, number, symbol, known)
                waiting = True
    return known


def _searched(size: Size, number: int, symbol: str, known: Mapping[str, int]) -> int:
    if size == Size.symbol(symbol):
        return number
    for candidate in range(LONGEST):
        if size.evaluate({**known, symbol: candidate}) == number:
            return candidate
    raise ValueError(f"no {symbol} makes {size} equal to {number}")


def _guard(state: Run, guard: Guard) -> None:
    left, right = guard.left.evaluate(state.sizes), guard.right.evaluate(state.sizes)
    if guard.kind == "equal":
        holds = left == right
    elif guard.kind == "at_least":
        holds = left >= right
    else:
        holds = left != 0 and (right / left).denominator == 1
    if not holds:
        raise ValueError(f"{guard.reason}: {left} and {right}")


# ---------------------------------------------------------------- nodes


def _values(state: Run, roots: Iterable[Node], known: dict[Node, Value]) -> dict[Node, Value]:
    """The value of every node below the roots, each with the axes, sizes and kind of number that its type says."""
    for node in topological(roots):
        if node in known:
            continue
        if node.op == "item":
            several = known[node.inputs[0]]
            assert isinstance(several, tuple)
            known[node] = several[node["index"]]
            continue
        if node.op not in RULES:
            raise ValueError(f"there is no rule for {node.op}")
        sources = [known[source] for source in node.inputs]
        found = RULES[node.op](state, node, [source for source in sources if isinstance(source, Named)])
        if state.touch is not None:
            found = _touched(state.touch, node, found)
        types = node.type.items if isinstance(node.type, TupleType) else (node.type,)
        for type, value in zip(types, found if isinstance(found, tuple) else (found,), strict=True):
            _check(state, type, value)
            if state.watch is not None:
                state.watch(node, value)
        known[node] = found
    return known


def _touched(touch: Touch, node: Node, found: Value) -> Value:
    return tuple(touch(node, value) for value in found) if isinstance(found, tuple) else touch(node, found)


def _check(state: Run, type: TensorType, value: Named) -> None:
    if value.sizes != state.lengths(type.axes) or value.data.dtype != KINDS[type.dtype]:
        raise ValueError(f"the type is {type}, the value {value.data.dtype} {value.sizes}")


@rule("scan")
def _scan(run: Run, node: Node, inputs: list[Named]) -> Value:
    """The body once for each position, in order or from the end."""
    body: Body = node["body"]
    carried: int = node["carries"]
    cut: int = node["sliced"]
    step, *params = body.params
    carries = [_as(run, param, value) for param, value in zip(params, inputs[:carried], strict=False)]
    rows: dict[int, list[Named]] = {}
    count = run.size(node["length"])
    for t in reversed(range(count)) if node["reverse"] else range(count):
        slices = [value.at(node["axis"], t) for value in inputs[carried : carried + cut]]
        known: dict[Node, Value] = {step: Named(torch.tensor(t))}
        known.update(zip(params, [*carries, *slices, *inputs[carried + cut :]], strict=True))
        values = _values(run, [*body.yields, *body.carries], known)
        rows[t] = [_as(run, made, values[made]) for made in body.yields]
        carries = [_as(run, param, values[made]) for param, made in zip(params, body.carries, strict=False)]
    stacked = [_stacked(run, node["axis"], made, [rows[t][i] for t in range(count)]) for i, made in enumerate(body.yields)]
    return (*stacked, *carries)


@rule("choose")
def _choose(run: Run, node: Node, inputs: list[Named]) -> Value:
    """The way that the sizes pick."""
    left, right = (side.evaluate(run.sizes) for side in (node["left"], node["right"]))
    body: Body = node["first"] if left <= right else node["second"]
    (made,) = body.yields
    known: dict[Node, Value] = dict(zip(body.params, inputs, strict=True))
    return _as(run, node, _values(run, [made], known)[made])


def _as(run: Run, node: Node, value: Value) -> Named:
    """A value with all axes of a node and its kind of number."""
    assert isinstance(value, Named)
    return filled(value.cast(node.dtype), run.lengths(node.axes))


def _stacked(run: Run, axis: str, made: Node, rows: Sequence[Named]) -> Named:
    lengths = run.lengths(made.axes)
    if not rows:
        return Named(torch.zeros([*lengths.values(), 0], dtype=KINDS[made.dtype]), (*lengths, axis))
    return Named(torch.stack([row.ordered(tuple(lengths)) for row in rows], -1), (*lengths, axis))


# ---------------------------------------------------------------- constants


def _constants(weights: Sequence[Weight]) -> dict[str, Tensor]:
    """The constants that do not depend on chance."""
    found: dict[str, Tensor] = {}
    for weight in weights:
        if weight.kind == "const":
            value = _constant(weight)
            if value is not None:
                found[weight.path] = value
    return found


def _constant(weight: Weight) -> Tensor | None:
    shape = [size.integer() or 0 for size in weight.shape]
    init = weight.init
    if init.node is not None:
        value = _values(Run({}, (), {}, False, None), [init.node], {})[init.node]
        assert isinstance(value, Named)
        return _stored(weight, filled(value, {axis.name: axis.size.integer() or 0 for axis in weight.axes}))
    if init.kind == "list":
        return torch.tensor(init.values[0], dtype=KINDS[weight.dtype]).reshape(shape)
    plain: dict[str, float] = {"zeros": 0.0, "ones": 1.0}
    if init.kind == "constant":
        plain["constant"] = float(init.values[0])
    return torch.full(shape, plain[init.kind], dtype=KINDS[weight.dtype]) if init.kind in plain else None
