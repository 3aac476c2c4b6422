"""Rules for reductions, running results, and orders."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..graph import Node
from ..types import TupleType
from .named import Named, reduced, rewritten
from .rules import Run, Value, rule


def root(x: Tensor) -> Tensor:
    """The square root, with slope 0 at 0."""
    return torch.where(x == 0, 0, torch.sqrt(torch.where(x == 0, 1, x)))


def _logsumexp(x: Tensor) -> Tensor:
    if x.shape[-1] == 0:
        return torch.full(x.shape[:-1], float("-inf"), dtype=x.dtype)
    top = x.detach().amax(-1, keepdim=True)
    top = torch.where(top.isinf(), 0, top)
    return torch.log(torch.exp(x - top).sum(-1)) + top.squeeze(-1)


def _all_of(x: Tensor) -> Tensor:
    return (x != 0).sum(-1) == x.shape[-1]


def _product(x: Tensor) -> Tensor:
    result = torch.ones(x.shape[:-1], dtype=x.dtype)
    for i in range(x.shape[-1]):
        result = result * x[..., i]
    return result


def largest(x: Tensor) -> Tensor:
    return (x.long().amax(-1) > 0) if x.dtype == torch.bool else x.amax(-1)


def smallest(x: Tensor) -> Tensor:
    return (x.long().amin(-1) > 0) if x.dtype == torch.bool else x.amin(-1)


def _first(best: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The first place of the best entry."""

    def place(x: Tensor) -> Tensor:
        count = x.shape[-1]
        hit = x == best(x).unsqueeze(-1)
        return torch.where(hit, torch.arange(count), count).amin(-1)

    return place


REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda x: x.sum(-1), "mean": lambda x: x.sum(-1) / x.shape[-1], "max": largest, "min": smallest,
    "any": lambda x: (x != 0).sum(-1) > 0, "all": _all_of, "logsumexp": _logsumexp, "prod": _product,
    "argmax": _first(largest), "argmin": _first(smallest),
}  # fmt: skip
UNCHANGED = frozenset({"any", "all", "argmax", "argmin", "max", "min"})


@rule(*REDUCTIONS)
def _reduction(run: Run, node: Node, inputs: list[Named]) -> Named:
    value = inputs[0] if node.op in UNCHANGED else inputs[0].cast(node.dtype)
    return reduced(REDUCTIONS[node.op], value, node["axes"])


@rule("var", "std")
def _spread(run: Run, node: Node, inputs: list[Named]) -> Named:
    return _spread_of(node.op, node, inputs[0])


def _spread_of(kind: str, node: Node, value: Named) -> Named:
    def variance(x: Tensor) -> Tensor:
        mean = (x.sum(-1) / x.shape[-1]).unsqueeze(-1)
        return ((x - mean) ** 2).sum(-1) / (x.shape[-1] - int(node["unbiased"]))

    def deviation(x: Tensor) -> Tensor:
        return root(variance(x))

    return reduced(variance if kind == "var" else deviation, value.cast("wide"), node["axes"])


@rule("moments")
def _moments(run: Run, node: Node, inputs: list[Named]) -> Value:
    return _spread_of(node["spread"], node, inputs[0]), reduced(REDUCTIONS["mean"], inputs[0].cast("wide"), node["axes"])


@rule("norm")
def _norm(run: Run, node: Node, inputs: list[Named]) -> Named:
    p = float(node["p"])

    def length(x: Tensor) -> Tensor:
        size = torch.abs(x)
        if p == 0:
            return (size != 0).sum(-1).double()
        if abs(p) == float("inf"):
            return size.amax(-1) if p > 0 else size.amin(-1)
        return root((size * size).sum(-1)) if p == 2 else (size**p).sum(-1) ** (1 / p)

    value = inputs[0] if node.inputs[0].dtype == "complex" else inputs[0].cast("wide")
    return reduced(length, value, node["axes"])


# ---------------------------------------------------------------- running results

STEPS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cumsum": torch.add, "cumprod": torch.mul, "cummax": torch.maximum}


@rule(*STEPS)
def _running(run: Run, node: Node, inputs: list[Named]) -> Named:
    def along(x: Tensor) -> Tensor:
        last: Tensor | None = None
        rows: dict[int, Tensor] = {}
        order = range(x.shape[-1])
        for i in reversed(order) if node["reverse"] else order:
            before = torch.zeros_like(x[..., i]) if last is None else last
            last = x[..., i] if last is None else STEPS[node.op](last, x[..., i])
            rows[i] = before if node.options.get("exclusive") else last
        return torch.stack([rows[i] for i in order], -1) if rows else x

    return rewritten(along, inputs[0].cast(node.dtype), (node["axis"],))


# ---------------------------------------------------------------- orders


def ranks(x: Tensor, descending: bool) -> Tensor:
    """How many entries of the last dimension come before each one; of equal ones the earlier comes first."""
    mine, other = x.unsqueeze(-1), x.unsqueeze(-2)
    places = torch.arange(x.shape[-1])
    earlier = (other == mine) & (places < places.unsqueeze(-1))
    ahead = (other > mine) if descending else (other < mine)
    return (ahead | earlier).sum(-1)


def _by_rank(x: Tensor, values: Tensor, descending: bool) -> Tensor:
    """`values` in the order of the ranks of `x`."""
    hit = ranks(x, descending).unsqueeze(-2) == torch.arange(x.shape[-1]).unsqueeze(-1)
    found = torch.where(hit, values.unsqueeze(-2), torch.zeros((), dtype=values.dtype))
    return found.sum(-1).to(values.dtype)


@rule("sort", "argsort")
def _sort(run: Run, node: Node, inputs: list[Named]) -> Value:
    (x,), axis = inputs, node["axis"]
    down = bool(node["descending"])
    order = rewritten(lambda data: _by_rank(data.detach(), torch.arange(data.shape[-1]).expand(data.shape), down), x, (axis,))
    if node.op == "argsort":
        return order
    return rewritten(lambda data: _by_rank(data.detach(), data, down), x, (axis,)), order


@rule("topk")
def _topk(run: Run, node: Node, inputs: list[Named]) -> Value:
    (x,), axis, to = inputs, node["axis"], node["to"]
    down = bool(node["largest"])
    assert isinstance(node.type, TupleType)
    count = run.size(node.type.items[0].size(to))
    order = rewritten(lambda data: _by_rank(data.detach(), torch.arange(data.shape[-1]).expand(data.shape), down), x, (axis,))
    values = rewritten(lambda data: _by_rank(data.detach(), data, down), x, (axis,))
    return tuple(value.taken(axis, range(count)).renamed({axis: to}) for value in (values, order))


# ---------------------------------------------------------------- windows of given number


@rule("adaptive")
def _adaptive(run: Run, node: Node, inputs: list[Named]) -> Named:
    """Entry i of m sees floor(i*n/m) up to ceil((i+1)*n/m) of n. Windows of windows: every kind of sum and extreme allows it, and so
    does a mean, whose windows along one axis are the same for all positions of another."""
    value = inputs[0] if node["how"] in ("max", "min") else inputs[0].cast(node.dtype)
    waiting = {old: f"{old} made" for old, _ in node["pairs"]}
    for old, new in node["pairs"]:
        n, m = value.size(old), run.size(node.tensor.size(new))
        rows = [reduced(REDUCTIONS[node["how"]], value.taken(old, range(i * n // m, -(-(i + 1) * n // m))), (old,)) for i in range(m)]
        rest = tuple(axis for axis in value.axes if axis != old)
        empty = torch.empty([*(value.size(axis) for axis in rest), 0], dtype=value.data.dtype)
        value = Named(torch.stack([row.ordered(rest) for row in rows], -1) if rows else empty, (*rest, waiting[old]))
    return value.renamed({waiting[old]: new for old, new in node["pairs"]})
