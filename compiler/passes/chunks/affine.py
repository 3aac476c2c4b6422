"""What a step of a loop does to a carried value, where it is `s = kept * s + more` number by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...graph import Body, Node, topological
from ..making import Make


class NotLinear(Exception):
    """A carried value is more than scaled and added to. `node` is the operation."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.op)
        self.node = node


@dataclass(frozen=True)
class Affine:
    """`kept * s + more`, for one carried value s. `kept`: None for 0, the number 1, or a tensor; `more` is None for 0."""

    kept: Node | int | None = None
    more: Node | None = None


@dataclass(frozen=True)
class Step:
    """What one carried value becomes. `kept` is 1, or a tensor; `more` a tensor."""

    kept: Node | int
    more: Node | None


ITSELF = Affine(1)


def steps_of(make: Make, body: Body) -> tuple[Step, ...]:
    """What every carried value of a body becomes, in order. Raises NotLinear."""
    carried = body.params[1 : len(body.carries) + 1]
    return tuple(_step(make, param, made, carried) for param, made in zip(carried, body.carries, strict=True))


def _step(make: Make, param: Node, made: Node, carried: Sequence[Node]) -> Step:
    told: dict[Node, Affine] = {param: ITSELF}
    for node in topological([made]):
        if node in told:
            continue
        if node in carried:
            raise NotLinear(made)
        told[node] = _told(make, node, [told[source] for source in node.inputs])
    found = told[made]
    if found.kept is None or param.dtype != "float":
        raise NotLinear(made)
    return Step(found.kept, found.more)


def _told(make: Make, node: Node, inputs: Sequence[Affine]) -> Affine:
    if all(one.kept is None for one in inputs):
        return Affine(None, node)
    if node.op in ("add", "sub"):
        return _sum(make, inputs[0], inputs[1] if node.op == "add" else _scaled(make, inputs[1], make.scalar(-1)))
    if node.op == "neg":
        return _scaled(make, inputs[0], make.scalar(-1))
    if node.op == "mul" and any(one.kept is None for one in inputs):
        still, moving = inputs if inputs[0].kept is None else reversed(inputs)
        return _scaled(make, moving, _known(still))
    if node.op == "div" and inputs[1].kept is None:
        return _scaled(make, inputs[0], make.arithmetic("div", make.scalar(1.0), _known(inputs[1])))
    if node.op == "expand":
        return inputs[0]
    raise NotLinear(node)


def _known(one: Affine) -> Node:
    assert one.more is not None  # what does not depend on the carried value is a tensor
    return one.more


def _sum(make: Make, left: Affine, right: Affine) -> Affine:
    kept = left.kept if right.kept is None else right.kept if left.kept is None else make.arithmetic("add", *_tensors(make, left, right))
    if left.more is None or right.more is None:
        return Affine(kept, left.more or right.more)
    return Affine(kept, make.arithmetic("add", left.more, right.more))


def _tensors(make: Make, *parts: Affine) -> list[Node]:
    return [make.scalar(one.kept) if isinstance(one.kept, int) else one.kept for one in parts if one.kept is not None]


def _scaled(make: Make, one: Affine, by: Node) -> Affine:
    """Times a tensor that does not depend on the carried value."""
    kept = by if isinstance(one.kept, int) else None if one.kept is None else make.arithmetic("mul", one.kept, by)
    return Affine(kept, None if one.more is None else make.arithmetic("mul", one.more, by))
