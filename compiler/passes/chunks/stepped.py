"""A linear loop whose state is read number by number: all chunks step at once, first for what each leaves, then from what it begins with.

`2 * rows + N / rows` steps take the place of N, and twice the work. Decays are only multiplied, so nothing grows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...graph import Body, Node, topological
from ...sizes import Size
from ...types import Axis, TensorType, TupleType
from ..cost_model import CALL, graph_work
from ..making import Make
from .affine import Step, steps_of
from .blocks import Cut, carried, cut_into, flipped, parameter, running_decay
from .lifting import Lifting
from .loop import Loop, is_zero

Numbers = Callable[[], int]


@dataclass(frozen=True)
class Stage:
    """A loop over the rows of all chunks: its parameters, and the body's nodes on them."""

    number: int
    step: Node
    params: tuple[Node, ...]
    lift: Lifting


def in_steps(make: Make, loop: Loop, index: int, rows: int, numbers: Numbers) -> Node:
    """A yield of a linear loop. Raises NotLinear or Unlifted."""
    cut = cut_into(make, loop.axis, rows)
    steps = steps_of(make, loop.body)
    outer = [_split(make, loop, cut, node) for _, node in loop.others]
    left = _left(make, loop, cut, steps, outer, numbers())
    begins = [
        carried(make, state, kept, cut.outer, numbers(), None if is_zero(start) else start)
        for (state, kept), start in zip(left, loop.starts, strict=True)
    ]
    y = cut.join(_read(make, loop, cut, index, begins, outer, numbers()))
    return flipped(make, y, loop.axis) if loop.reverse else y


def _split(make: Make, loop: Loop, cut: Cut, node: Node) -> Node:
    return cut.split(flipped(make, node, loop.axis) if loop.reverse else node)


def _stage(make: Make, loop: Loop, cut: Cut, outer: Sequence[Node], carries: Sequence[TensorType], number: int) -> Stage:
    """Parameters for the carried values, and for what is outside, along the chunks."""
    types = (*carries, *(node.tensor.without((cut.inner.name,)) for node in outer))
    step = parameter(make, TensorType((), "int"), number, 0, "step")
    params = tuple(parameter(make, type, number, place + 1, "") for place, type in enumerate(types))
    at = make.arithmetic("add", make.arithmetic("mul", make.positions(cut.outer), make.scalar(cut.inner.size.integer() or 0)), step)
    at = make.arithmetic("sub", make.size(loop.axis.size - 1), at) if loop.reverse else at
    known = {loop.body.params[0]: at, **{old: new for (old, _), new in zip(loop.others, params[len(carries) :], strict=True)}}
    return Stage(number, step, params, Lifting(make, known, [cut.outer]))


def _scan(
    make: Make, cut: Cut, stage: Stage, body: tuple[Sequence[Node], Sequence[Node]], starts: Sequence[Node], outer: Sequence[Node]
) -> Node:
    """The loop of a stage; what loses the rows comes first among its other inputs."""
    yields, carries = body
    count = len(starts)
    pairs = list(zip(stage.params[count:], outer, strict=True))
    ordered = [
        *(pair for pair in pairs if pair[1].tensor.has(cut.inner.name)),
        *(pair for pair in pairs if not pair[1].tensor.has(cut.inner.name)),
    ]
    cutting = sum(node.tensor.has(cut.inner.name) for _, node in ordered)
    params = (stage.step, *stage.params[:count], *(param for param, _ in ordered))
    types = TupleType((*(node.tensor.plus((cut.inner,)) for node in yields), *(param.tensor for param in stage.params[:count])))
    options = {
        "axis": cut.inner.name,
        "reverse": False,
        "carries": count,
        "sliced": cutting,
        "length": cut.inner.size,
        "number": stage.number,
    }
    inside = Body(params, tuple(yields), tuple(make.expand(new, old.axes) for new, old in zip(carries, stage.params, strict=False)))
    return make.node("scan", (*starts, *(node for _, node in ordered)), types, body=inside, **options)


def _left(make: Make, loop: Loop, cut: Cut, steps: Sequence[Step], outer: Sequence[Node], number: int) -> list[tuple[Node, Node]]:
    """What every chunk leaves where it begins with 0, and how much of what it begins with is left: for each carried value."""
    states = [param.tensor.plus((cut.outer,)) for param in loop.carried]
    moving = [i for i, step in enumerate(steps) if _moves(loop, step)]
    stage = _stage(make, loop, cut, outer, [*states, *(states[i] for i in moving)], number)
    olds, wholes = stage.params[: len(states)], stage.params[len(states) : len(states) + len(moving)]
    news = [_stepped(make, stage, old, step) for old, step in zip(olds, steps, strict=True)]
    scaled = [_scaled(make, stage, old, steps[i]) for i, old in zip(moving, wholes, strict=True)]
    starts = [*(make.full(0.0, type.axes) for type in states), *(make.full(1.0, states[i].axes) for i in moving)]
    loops = _scan(make, cut, stage, ((), (*news, *scaled)), starts, outer)
    items = [make.node("item", (loops,), param.tensor, index=i) for i, param in enumerate((*olds, *wholes))]
    still = Lifting(make, dict(loop.others), [])
    return [
        (items[i], items[len(states) + moving.index(i)] if i in moving else _power(make, still, step, cut.inner))
        for i, step in enumerate(steps)
    ]


def _moves(loop: Loop, step: Step) -> bool:
    """Whether a decay differs from step to step."""
    changing = {loop.body.params[0], *(param for param, node in loop.others if node.tensor.has(loop.axis.name))}
    return not isinstance(step.kept, int) and not changing.isdisjoint(topological([step.kept]))


def _scaled(make: Make, stage: Stage, old: Node, step: Step) -> Node:
    return old if isinstance(step.kept, int) else make.arithmetic("mul", stage.lift(step.kept), old)


def _stepped(make: Make, stage: Stage, old: Node, step: Step) -> Node:
    scaled = _scaled(make, stage, old, step)
    return scaled if step.more is None else make.arithmetic("add", scaled, stage.lift(step.more))


def _power(make: Make, lift: Lifting, step: Step, rows: Axis) -> Node:
    """A decay that is the same at each step, once for every row of a chunk."""
    if isinstance(step.kept, int):
        return make.scalar(1.0)
    last = (rows.size.integer() or 0) - 1
    return make.pick(running_decay(make, lift(step.kept), rows), rows.name, last)


def _read(make: Make, loop: Loop, cut: Cut, index: int, begins: Sequence[Node], outer: Sequence[Node], number: int) -> Node:
    """The yield, every chunk beginning with what the ones before it left."""
    stage = _stage(make, loop, cut, outer, [param.tensor.plus((cut.outer,)) for param in loop.carried], number)
    stage.lift.known.update(zip(loop.carried, stage.params, strict=False))
    y = make.expand(stage.lift(loop.body.yields[index]), [cut.outer])
    carries = [stage.lift(node) for node in loop.body.carries]
    made = _scan(make, cut, stage, ((y,), carries), begins, outer)
    return make.node("item", (made,), y.tensor.plus((cut.inner,)), index=0)


SLOWER = 5
"""What a number costs that is looked at twice, and in tensors that do not stay in the nearest memory, in those of the loop as written."""


def stepped_work(loop: Loop, rows: int) -> tuple[Size, Size]:
    """What the loop costs as it is, and in chunks: fewer steps, but all that is looked at is looked at twice."""
    body = loop.body
    one = graph_work([*body.yields, *body.carries], frozenset(body.params).__contains__, {})
    calls = CALL * (one.calls + 1)
    size = loop.axis.size
    return size * (one.size + calls), size * (one.size * SLOWER) + calls * (2 * rows + 4) + 3 * CALL * (size / rows + 4)
