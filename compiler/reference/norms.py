"""Rules for normalisations."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch

from ..graph import Node
from .named import Named, joint, pointwise, reduced
from .reducing import root
from .rules import Run, rule


def _mean(x: Named, names: Sequence[str]) -> Named:
    return reduced(lambda data: data.sum(-1) / data.shape[-1], x, names)


def _square(x: Named) -> Named:
    return pointwise(lambda data: data * data, x)


def _affine(y: Named, node: Node, rest: Sequence[Named]) -> Named:
    """The factor and the summand that a node has among its inputs."""
    weights = list(rest)
    if node["weight"]:
        y = pointwise(torch.mul, y, weights.pop(0).cast("wide"))
    if node["bias"]:
        y = pointwise(torch.add, y, weights.pop(0).cast("wide"))
    return y


def _over_root(x: Named, square: Named, eps: float) -> Named:
    return pointwise(lambda data, whole: data / torch.sqrt(whole + eps), x, square)


@rule("layernorm", "rmsnorm")
def _along(run: Run, node: Node, inputs: list[Named]) -> Named:
    x, names = inputs[0].cast("wide"), node["axes"]
    if node.op == "layernorm":
        x = pointwise(torch.sub, x, _mean(x, names))
    return _affine(_over_root(x, _mean(_square(x), names), float(node["eps"])), node, inputs[1:])


@rule("l2norm")
def _l2norm(run: Run, node: Node, inputs: list[Named]) -> Named:
    x, eps = inputs[0].cast("wide"), float(node["eps"])
    length = reduced(lambda data: root((data * data).sum(-1)), x, node["axes"])
    return pointwise(lambda data, size: data / torch.where(size > eps, size, eps), x, length)


@rule("groupnorm")
def _groupnorm(run: Run, node: Node, inputs: list[Named]) -> Named:
    """Neighbours among the channels are standardised together with the axes `over`."""
    x, channels, over = inputs[0].cast("wide"), node["axes"], node["over"]
    groups = run.size(node["groups"])
    sizes = [x.size(name) for name in channels]
    data, rest = joint(x, channels)
    cut = Named(data.reshape(*data.shape[:-1], groups, prod(sizes) // groups), (*rest, "groups", "in a group"))
    names = [*over, "in a group"]
    cut = pointwise(torch.sub, cut, _mean(cut, names))
    cut = _over_root(cut, _mean(_square(cut), names), float(node["eps"]))
    whole = cut.ordered((*rest, "groups", "in a group")).reshape([*(x.size(name) for name in rest), *sizes])
    return _affine(Named(whole, (*rest, *channels)), node, inputs[1:])


@rule("batchnorm")
def _batchnorm(run: Run, node: Node, inputs: list[Named]) -> Named:
    """By the running statistics, or in training by those of the batch."""
    x, channels = inputs[0].cast("wide"), node["axes"]
    mean, square = inputs[-3].cast("wide"), inputs[-2].cast("wide")
    if run.training:
        others = [axis for axis in x.axes if axis not in channels]
        mean = _mean(x, others)
        square = _mean(_square(pointwise(torch.sub, x, mean)), others)
    y = _over_root(pointwise(torch.sub, x, mean), square, float(node["eps"]))
    return _affine(y, node, inputs[1:-3])
