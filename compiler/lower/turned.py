"""Matrices of linear maps as the product reads them fastest, [in, out], among what is prepared from weights.

With 4 to 64 rows MKL multiplies up to 1.4 times as fast by a matrix that lies so, with one or two rows up to 1.3 times as slow, with many
as fast; and PyTorch has nothing left to turn in every call. Only a module that prepares something does this: looking at the weights
takes longer than a turn.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, cast

import torch
from torch import fx

from .rows import Shape
from .targets import function
from .writer import rename

LARGEST = 2**18
"""A weight that is used as it is stored is copied up to so many numbers, and looked at turned above."""
_PREPARED = function("runtime.prepared")


def turn_weights(graph: fx.Graph, bodies: Mapping[str, fx.GraphModule], linears: Mapping[fx.Node, Shape]) -> None:
    """Make `addmm` of linear maps of rows with a bias; `linears` are these maps, and the shapes of their weights."""
    call = next((node for node in graph.nodes if node.target is _PREPARED), None)
    if call is None:
        return
    body = bodies[str(cast(fx.Node, call.args[0]).target)]
    readers: dict[fx.Node, list[fx.Node]] = {}
    for node in linears:
        if len(node.args) == 3 and node.args[2] is not None:
            readers.setdefault(cast(fx.Node, node.args[1]), []).append(node)
    for weight, using in readers.items():
        turned = _part(weight, using, call, body) if weight.op == "call_function" else _added(weight, linears[using[0]], call, body)
        for node in using if turned is not None else ():
            node.target, node.args = torch.addmm, (node.args[2], node.args[0], turned)
    body.recompile()


def _part(weight: fx.Node, using: Iterable[fx.Node], call: fx.Node, body: fx.GraphModule) -> fx.Node | None:
    """A prepared matrix, from now on turned; None where something else reads it too."""
    if weight.target is not operator.getitem or weight.args[0] is not call or set(weight.users) != set(using):
        return None
    output, values = _values(body)
    at = cast(int, weight.args[1])
    values[at] = _turned(body, output, values[at], copy=True)
    output.args = (tuple(values),)
    weight.meta["axes"] = weight.meta["axes"][::-1]
    return weight


def _added(weight: fx.Node, shape: Shape, call: fx.Node, body: fx.GraphModule) -> fx.Node:
    """A stored matrix turned, one more prepared value."""
    output, values = _values(body)
    output.args = ((*values, _turned(body, output, _input(weight, call, body), copy=prod(shape) <= LARGEST)),)
    with call.graph.inserting_after(call):
        made = call.graph.call_function(operator.getitem, (call, len(values)))
    rename(made, f"{weight.name}_turned")
    return made


def _input(weight: fx.Node, call: fx.Node, body: fx.GraphModule) -> fx.Node:
    """A weight inside the body, as one more input where it is none yet."""
    inputs = [node for node in body.graph.nodes if node.op == "placeholder"]
    if weight in call.args[1:]:
        return cast(fx.Node, inputs[call.args.index(weight) - 1])
    if call < weight:
        call.prepend(weight)
    call.args = (*call.args, weight)
    with body.graph.inserting_after(inputs[-1]):
        return body.graph.placeholder(weight.name)


def _values(body: fx.GraphModule) -> tuple[fx.Node, list[Any]]:
    output = next(node for node in body.graph.nodes if node.op == "output")
    return output, list(cast("tuple[Any, ...]", output.args[0]))


def _turned(body: fx.GraphModule, output: fx.Node, x: fx.Node, copy: bool) -> fx.Node:
    with body.graph.inserting_before(output):
        turned = body.graph.call_method("t", (x,))
        return body.graph.call_method("contiguous", (turned,)) if copy else turned
