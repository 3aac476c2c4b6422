"""A convolution that makes one channel makes neighbouring places as channels instead.

PyTorch's kernels for a CPU work on 8 channels at a time, and one channel takes as long as 8. With the kernel written 8 times, each time one
place further, a kernel of 7 is one of 14 that makes 8 places and moves by 8: twice the products for all of them, where it was 8 times.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Graph, Node
from ..sizes import Size
from ..sizes.functions import ceil
from ..types import Axis, TensorType
from .base import Change
from .inference_affine import Fixed
from .making import Make
from .plan_choice import Chooser, choices
from .plan_decide import Decision
from .rewriting import everything, rewrite

PHASES = 8
DEEPEST = 16
"""With more channels to add up, reading them is most of the work."""
SHORTEST = 5
"""Of a shorter kernel most products would be with zeros."""
LEAST = 4096
"""Fewer results are made sooner than their places are put in order."""


def in_phases(graph: Graph, fixed: Fixed, least: int) -> tuple[Graph, tuple[Change, ...]]:
    """The graph with such convolutions, where they have at least so many results, and what was done. Their weights stay as they are."""
    found = [node for node in graph.nodes if node.op == "conv" and _fits(node, fixed, least)]
    if not found:
        return graph, ()
    chosen, chooser = frozenset(found), Chooser(choices(everything(graph)))
    made = rewrite(graph, lambda make, node: _either(make, node, least, chooser) if node in chosen else None)
    return made, tuple(_change(node, least) for node in found)


def _fits(node: Node, fixed: Fixed, least: int) -> bool:
    weight, last = node.inputs[1], node["over"][-1]
    taps, inner = node["taps"], node["inner"]
    if len(taps) < 2 or {*weight.tensor.names} != {*taps, *inner} or node.dtype != "float" or not fixed(weight):
        return False
    depth, width = (weight.tensor.without(names).elements().integer() for names in (taps, (*inner, *taps[:-1])))
    plain = node["stride"][-1] == 1 and node["dilation"][-1] == 1
    places, results = node.tensor.size(last).integer(), node.tensor.elements().integer()
    many = (places is None or places >= 2 * PHASES) and (results is None or results >= least)
    return plain and many and (depth or 0) <= DEEPEST and (width or 0) >= SHORTEST


def _either(make: Make, node: Node, least: int, chooser: Chooser) -> Node:
    """Several places at once, where a run has results enough."""
    plain = make.now()
    x, weight, *bias = plain.inputs
    phase = Axis(make.fresh("phase"), Size.of(PHASES))
    kernels = [_kernels(make, weight, node["taps"][-1], phase.name), *(make.expand(one, [phase]) for one in bias)]
    made, results = _spread(make, node, [x, *kernels], phase), node.tensor.elements()
    if results.integer() is not None:
        return made
    outside = frozenset([*plain.inputs, *kernels])
    return chooser.choice(make, (made, plain), Decision(True, Size.of(least), results), lambda one: one in outside)


def _spread(make: Make, node: Node, inputs: Sequence[Node], phase: Axis) -> Node:
    *others, last = node["over"]
    size, (before, after) = node.tensor.size(last), node["pads"][-1]
    steps = Axis(make.fresh(f"{last}_steps"), ceil(size / PHASES))
    options = {
        **node.options,
        "over": (*others, steps.name),
        "stride": (*node["stride"][:-1], Size.of(PHASES)),
        "pads": (*node["pads"][:-1], (before, after + steps.size * PHASES - size)),
    }
    axes = [steps if axis.name == last else axis for axis in node.axes]
    moved = [make.rename(inputs[0], {last: steps.name}), *inputs[1:]]
    made = make.node("conv", moved, TensorType((*axes, phase), node.dtype), **options)
    order = (*(axis.name for axis in axes if axis.name not in options["over"]), *options["over"], phase.name)
    laid = make.node("lay", (made,), made.type, order=order)
    return make.cut(make.merge(laid, (steps.name, phase.name), last), last, 0, size)


def _kernels(make: Make, weight: Node, tap: str, phase: str) -> Node:
    """The kernel for each of the neighbours, one place further for each."""
    axes = tuple(Axis(name, count + PHASES - 1 if name == tap else count) for name, count in weight.axes)
    type = TensorType(axes, weight.dtype)
    pads = [((tap, Size.of(at), Size.of(PHASES - 1 - at)),) for at in range(PHASES)]
    return make.stack([make.node("pad", (weight,), type, pads=pad, fill=0, mode="constant") for pad in pads], phase)


def _change(node: Node, least: int) -> Change:
    named = f"`{node.name}`" if node.name else "this convolution"
    where = "" if node.tensor.elements().integer() is not None else f", where it has {least} results at least"
    return Change(f"{named} makes {PHASES} places along {node['over'][-1]} at once, as channels{where}", (node.span,))
