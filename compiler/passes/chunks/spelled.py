"""The two spellings of a running product without a loop: a running sum of outer products, and a causal mask on products of pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...graph import Node
from ...ops.mask_offsets import Band
from ...sizes import equal
from ...types import Axis
from ..making import Make
from .factors import Product, decay_of, one_sided, product_of
from .running import Running, sorted_out


def running_of(make: Make, node: Node) -> Running | None:
    """What a product that is added up says as a running product, where it is one. The node stands on its new inputs."""
    if node.dtype != "float" or node.op not in ("dot", "sum"):
        return None
    over: tuple[str, ...] = node["over"] if node.op == "dot" else node["axes"]
    return _summed(make, node.inputs, over) or _masked(make, node.inputs, over)


# ---------------------------------------------------------------- a running sum that a query reads


def _summed(make: Make, inputs: Sequence[Node], over: Sequence[str]) -> Running | None:
    """`dot(q, cumsum(k * v, N), over=d)`."""
    if not any(node.op == "cumsum" or _holds_cumsum(node) for node in inputs):
        return None
    product = product_of(make, inputs, _holds_cumsum)
    sums = [node for node in product.factors if node.op == "cumsum"]
    if len(sums) != 1 or product.masks or sums[0]["axis"] in over:
        return None
    total = sums[0]
    whole = len(total.inputs[0].axes)
    memory = product_of(make, total.inputs, lambda node: node.op != "dot" and len(node.axes) == whole)
    if memory.masks:
        return None
    axis = Axis(total["axis"], total.tensor.size(total["axis"]))
    q = [node for node in product.factors if node is not total]
    return sorted_out(axis, q, memory.factors, over, bool(total["exclusive"]), bool(total["reverse"]))


def _holds_cumsum(node: Node) -> bool:
    return node.op == "mul" and any(source.op == "cumsum" for source in node.inputs)


# ---------------------------------------------------------------- a mask on pairs


def _masked(make: Make, inputs: Sequence[Node], over: Sequence[str]) -> Running | None:
    """`dot(where(pos(M) <= pos(N), dot(q, k, over=d), 0), v, over=M)`, and what says the same."""
    for key in over:
        for query in _queries(inputs, key, over):
            found = _of_pairs(make, inputs, over, (query, key))
            if found is not None:
                return found
    return None


def _queries(inputs: Sequence[Node], key: str, over: Sequence[str]) -> Iterator[Axis]:
    """Axes that a mask among the first nodes compares with the key's."""
    seen: dict[str, Axis] = {}
    for node in inputs:
        if not node.tensor.has(key):
            continue
        for axis in node.axes:
            if axis.name != key and axis.name not in over and equal(axis.size, node.tensor.size(key)) is True:
                seen.setdefault(axis.name, axis)
    yield from seen.values()


def _of_pairs(make: Make, inputs: Sequence[Node], over: Sequence[str], pair: tuple[Axis, str]) -> Running | None:
    axis, key = pair

    def is_pair(node: Node) -> bool:
        return node.tensor.has(axis.name) and node.tensor.has(key) and node.dtype != "bool"

    product = product_of(make, inputs, is_pair)
    band = one_sided(product.masks, key)
    if band is None or band.query != axis.name:
        return None
    decays = {node: decay_of(node, axis.name, key, product.masks) for node in product.factors if is_pair(node)}
    strict, reverse = _direction(band)
    if None in decays.values() or len(decays) > 1 or (decays and (strict or reverse)):
        return None
    return _sided(make, product, decays, (axis, key), (*(name for name in over if name != key), *product.over), (strict, reverse))


def _sided(
    make: Make,
    product: Product,
    decays: dict[Node, Node | None],
    pair: tuple[Axis, str],
    over: Sequence[str],
    direction: tuple[bool, bool],
) -> Running | None:
    """Factors with the keys' axis are the memory, the others the query."""
    axis, key = pair
    rest = [node for node in product.factors if node not in decays]
    memory = [make.rename(node, {key: axis.name}) for node in rest if node.tensor.has(key)]
    q = [node for node in rest if not node.tensor.has(key)]
    found = sorted_out(axis, q, memory, over, *direction)
    if found is None:
        return None
    decay = next(iter(decays.values()), None)
    return found if decay is None else Running(axis, found.q, found.k, found.v, found.over, decay)


def _direction(band: Band) -> tuple[bool, bool]:
    """Whether the query's own position is left out, and whether later positions are read."""
    if band.high is not None:
        return band.high != 0, False
    return band.low != 0, True
