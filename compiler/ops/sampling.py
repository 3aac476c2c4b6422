"""Values between positions: `sample` reads a tensor at floating point coordinates."""

from __future__ import annotations

from typing import Any

from ..graph import Node
from ..lower.emitter import Emitter, Value
from ..sizes import Size, product
from ..types import Axis
from .base import Call, Operator, Option, Signature, register
from .borders import no_twice
from .broadcast import union, wrong_kind

MOST = 3


def _build_sample(call: Call) -> Node:
    refs = [ref for ref, _ in call.settings]
    no_twice(call, refs)
    if not 1 <= len(refs) <= MOST:
        raise call.fault("E0209", f"`sample` reads along 1 to {MOST} axes", None, f"these are {len(refs)}", "write sample(x, H=h, W=w)")
    for index, node in enumerate((call.x, *(at for _, at in call.settings))):
        if node.dtype == "complex" or (index == 0 and node.dtype not in ("float", "wide")):
            raise wrong_kind(call, node, index, "floating point numbers" if index == 0 else "real coordinates")
    names = tuple(call.axis(ref).name for ref in refs)
    rest = call.x.tensor.without(names)
    places = [at for _, at in call.settings]
    for ref, at in call.settings:
        for axis in at.axes:
            first = rest.size(axis.name) if rest.has(axis.name) else _first_size(places, axis.name)
            call.make.require_equal(first, axis.size, f"axis `{call.make.local(axis.name)}` has two sizes", ref.span)
    new = [axis for axis in union(places) if not rest.has(axis.name)]
    return call.node("sample", (call.x, *places), rest.plus(new), axes=names, mode=call["mode"], padding=call["padding"])


def _first_size(nodes: list[Node], name: str) -> Size:
    return next(node.tensor.size(name) for node in nodes if node.tensor.has(name))


def _lower_sample(e: Emitter, node: Node) -> Value:
    x, *places = node.inputs
    rest = x.tensor.without(node["axes"])
    wanted = union(places)
    shared = [axis for axis in wanted if rest.has(axis.name)]
    new = [axis for axis in wanted if not rest.has(axis.name)]
    value = e.value(x)
    carried = [Axis(name, x.tensor.size(name)) for name in value.axes if rest.has(name) and name not in {axis.name for axis in shared}]
    images = e.flat(value, [shared, carried, *([Axis(name, x.tensor.size(name))] for name in node["axes"])])
    grids: list[Any] = []
    for at in places:
        spread = Value(e.full(e.tensor(at), [*shared, *new]), tuple(axis.name for axis in (*shared, *new)))
        grids.append(e.flat(spread, [shared, new]))
    fx = e.call("runtime.sample", images, grids, node["mode"], node["padding"])
    return e.unflat(fx, [shared, carried, new])


def _sample_cost(node: Node) -> Size:
    """Two operations for each result and neighbour, and some for each coordinate."""
    count: int = len(node["axes"])
    coordinates = product([axis.size for axis in union(node.inputs[1:])])
    return node.tensor.elements() * (2 << count) + coordinates * (8 * count)


register(
    Operator(
        "sample",
        "windows",
        """Read a tensor at floating point coordinates: `sample(x, H=h, W=w)`. They count positions: `H=2.5` is halfway between 2 and 3.

Axes that coordinates and tensor share line up; other axes of the coordinates are new. `mode` is bilinear (along all the axes; gradients
reach tensor and coordinates) or nearest; outside are zeros, or with `padding=border` the outermost values. Spatial transformers
(Jaderberg et al., 2015) and deformable convolutions (Dai et al., 2017) are made of it.""",
        _build_sample,
        Signature(
            settings="tensor",
            layer=False,
            options=(
                Option("mode", "word", "bilinear", "how values between positions are made", ("bilinear", "nearest")),
                Option("padding", "word", "zeros", "what stands outside", ("zeros", "border")),
            ),
        ),
        _lower_sample,
        _sample_cost,
        examples=(
            """\
block t(x: [*, H, W, C], h: [*, P], w: [*, P]) -> [*, P, C] {
    return sample(x, H=h, W=w)
}
""",
            """\
block t(x: [*, N], at: [*, P]) -> [*, P] {
    return sample(x, N=at * 3, padding=border)
}
""",
        ),
    ),
)
