"""Rules for weights that add up to one, for normalisations, and for attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..graph import Node
from .named import Named, choose, contract, filled, joint, lined_up, pointwise, rewritten
from .numbers import kept, sigmoid
from .rules import Run, rule

BISECTIONS = 80

# ---------------------------------------------------------------- along a last dimension


def _softmax(x: Tensor, extra: Tensor | None = None) -> Tensor:
    """exp(x) / (sum(exp(x)) + exp(extra)); a row of nothing but -inf is zeros."""
    if x.shape[-1] == 0:
        return x
    top = x.detach().amax(-1, keepdim=True)
    top = top if extra is None else torch.maximum(top, extra.detach())
    top = torch.where(top == float("-inf"), 0, top)
    powers = torch.exp(x - top)
    whole = powers.sum(-1, keepdim=True)
    whole = whole if extra is None else whole + torch.exp(extra - top)
    return powers / torch.where(whole == 0, torch.ones_like(whole), whole)


def _log_softmax(x: Tensor) -> Tensor:
    if x.shape[-1] == 0:
        return x
    shifted = x - x.detach().amax(-1, keepdim=True)
    return shifted - torch.log(torch.exp(shifted).sum(-1, keepdim=True))


def _simplex(x: Tensor, power: int) -> Tensor:
    """relu(x - t)**power with the t for which it adds up to one; t is found by halving, then once exactly, so that it has a gradient."""
    if x.shape[-1] == 0:
        return x
    top = x.detach().amax(-1, keepdim=True)
    some = top > float("-inf")
    z = torch.where(some, x, 0) - torch.where(some, top, 0)
    low, high = torch.full_like(top, -1.0), torch.zeros_like(top)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        much = (z.detach() - middle).clamp(min=0).pow(power).sum(-1, keepdim=True) > 1
        low, high = torch.where(much, middle, low), torch.where(much, high, middle)
    held = z.detach() > high
    count = held.sum(-1, keepdim=True)
    mean = torch.where(held, z, 0).sum(-1, keepdim=True) / count
    if power == 1:
        limit = mean - 1 / count.double()
    else:
        around = torch.where(held, (torch.where(held, z, 0) - mean) ** 2, 0).sum(-1, keepdim=True)
        limit = mean - torch.sqrt((1 - around) / count)
    result = torch.where(held, torch.where(held, z, 0) - limit, 0).clamp(min=0) ** power
    return torch.where(some, result, 0)


def _sparsemax(x: Tensor) -> Tensor:
    return _simplex(x, 1)


def _entmax15(x: Tensor) -> Tensor:
    return _simplex(x / 2, 2)


def _softmax1(x: Tensor) -> Tensor:
    return _softmax(x, torch.zeros(*x.shape[:-1], 1, dtype=x.dtype))


WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": _softmax, "log_softmax": _log_softmax, "softmax1": _softmax1, "sparsemax": _sparsemax, "entmax15": _entmax15,
}  # fmt: skip


@rule(*WEIGHTS)
def _weights(run: Run, node: Node, inputs: list[Named]) -> Named:
    x = inputs[0].cast("wide")
    if node["masked"]:
        x = choose(inputs[1], x, float("-inf"))
    return rewritten(WEIGHTS[node.op], x, node["axes"])


def with_sink(x: Named, sink: Named, names: Sequence[str]) -> Named:
    """A softmax with one more logit for each row."""
    rest = [axis for axis in dict.fromkeys((*x.axes, *sink.axes)) if axis not in names]
    sizes = {**x.sizes, **sink.sizes}
    data, _ = joint(filled(x, {axis: sizes[axis] for axis in (*rest, *names)}), names)
    logit = filled(sink, {axis: sizes[axis] for axis in rest}).data.unsqueeze(-1)
    return Named(_softmax(data, logit).reshape([sizes[axis] for axis in (*rest, *names)]), (*rest, *names))


@rule("sink_softmax")
def _sink(run: Run, node: Node, inputs: list[Named]) -> Named:
    return with_sink(inputs[0].cast("wide"), inputs[1].cast("wide"), node["axes"])


@rule("group_softmax")
def _group(run: Run, node: Node, inputs: list[Named]) -> Named:
    """Every entry over the sum of those with its number, looked for among all."""
    x, at, *masks = inputs
    names: tuple[str, ...] = node["axes"]
    x = x.cast("wide")
    if masks:
        x = choose(masks[0], x, float("-inf"))
    tensors, axes = lined_up([x, at])
    sizes = {**x.sizes, **at.sizes}
    x, at = (filled(Named(data, axes), {axis: sizes[axis] for axis in axes}) if data.shape == tuple(sizes[a] for a in axes) else
             Named(data.expand([sizes[axis] for axis in axes]), axes) for data in tensors)  # fmt: skip
    data, rest = joint(x, names)
    groups, _ = joint(at, names)
    if data.shape[-1] == 0:
        return x
    same = groups.unsqueeze(-1) == groups.unsqueeze(-2)
    rows = torch.where(same, data.unsqueeze(-2), float("-inf"))
    diagonal = torch.diagonal(_softmax(rows), dim1=-2, dim2=-1)
    return Named(diagonal.reshape([sizes[axis] for axis in (*rest, *names)]), (*rest, *names))


# ---------------------------------------------------------------- attention


def _relu2(x: Tensor) -> Tensor:
    return torch.where(x <= 0, 0, x) ** 2


@rule("attend")
def _attend(run: Run, node: Node, inputs: list[Named]) -> Named:
    """Scores, cap, bias, mask, weights, values: in that order."""
    count: int = node["terms"]
    tensors = [value if source.dtype == "bool" else value.cast("wide") for source, value in zip(node.inputs, inputs, strict=True)]
    q, k, v = (
        tuple(value.cast("wide") for value in part) for part in (tensors[:count], tensors[count : 2 * count], tensors[2 * count :][:1])
    )
    extras = dict(zip(node["extras"], tensors[2 * count + 1 :], strict=True))
    scores = [contract(pair, dots) for *pair, dots in zip(q, k, node["dots"], strict=True)]
    s = scores[0]
    for more in scores[1:]:
        s = pointwise(torch.add, s, more)
    features = run.size(node["features"])
    scale = extras.get("scale", Named(torch.tensor(float(features) ** -0.5 if features else 1.0, dtype=torch.float64)))
    s = pointwise(torch.mul, s, scale.cast("wide"))
    if node["softcap"] is not None:
        cap = float(node["softcap"])
        s = pointwise(lambda x: cap * torch.tanh(x / cap), s)
    if "bias" in extras:
        s = pointwise(torch.add, s, extras["bias"].cast("wide"))
    a = _attention_weights(node, run.inside(node, s), extras)
    if run.training and node["dropout"]:
        a = kept(a, run.drawn_along(node, a.sizes), node["dropout"])
    return contract((a, v[0]), node["keys"])


def _attention_weights(node: Node, s: Named, extras: dict[str, Named]) -> Named:
    """What every key gets of a query."""
    names: tuple[str, ...] = node["keys"]
    if "where" in extras:
        s = choose(extras["where"], s, float("-inf"))
    if "sink_logit" in extras:
        return with_sink(s, extras["sink_logit"].cast("wide"), names)
    if node["by"] in ("sigmoid", "relu2"):
        return pointwise(sigmoid if node["by"] == "sigmoid" else _relu2, s)
    return rewritten(WEIGHTS[node["by"]], s, names)
