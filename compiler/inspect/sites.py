"""Where a program attends: attention with a map of weights, and gates that multiply another value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice, product

from ..graph import Graph, Node
from ..ops.facts import varies
from ..probe.addresses import Address, addresses, written
from ..probe.graft import is_carried, outside
from ..probe.weights import batch_axis, key_axes, loop_axes, row_axes, weight_axes, weights_of

GATES = frozenset(("sigmoid", "hardsigmoid", "softmax", "tanh"))
"""What makes the values of a gate; a tanh only where one is added to it."""
VIEWS = frozenset(("rename", "expand", "split", "merge", "cut", "pick", "item", "resize"))
"""Operations that show the same values elsewhere."""


@dataclass(frozen=True)
class Site:
    """An attention. `rows` and `keys` are the axes of its map, `heads` those along which there are several, `sample` the axis of the batch
    (None where it has none), `places` all others, such as the windows of an image. `layer` is the path of the block around it.

    Inside loops `steps` are their axes, and `at` says which step this is; `carried`: what it reads with comes from the step before."""

    address: Address
    layer: str
    rows: tuple[str, ...]
    keys: tuple[str, ...]
    heads: tuple[str, ...]
    sample: str | None
    places: tuple[str, ...]
    steps: tuple[str, ...] = ()
    carried: bool = False
    at: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        """The name of its weights, and the step: `y.weights at L=3`."""
        step = ", ".join(f"{name}={place}" for name, place in zip(self.steps, self.at, strict=False))
        return self.address.text + (f" at {step}" if step else "")

    @property
    def square(self) -> bool:
        """Whether it is self-attention: every key axis is the copy of a row axis."""
        return _is_square(self.rows, self.keys)


@dataclass(frozen=True)
class Gate:
    """A value between 0 and 1, or about 1, that another one is multiplied with, or the softmax over places of which a mean is taken. `axes`
    are those it has beside the batch's."""

    address: Address
    line: str
    axes: tuple[str, ...]
    sample: str | None


def sites_of(graph: Graph) -> tuple[Site, ...]:
    """The attentions that have a map, in the order of the program; of one inside a loop, all its steps together."""
    found: dict[Node, Address] = {}
    for address in addresses(graph).values():
        known = found.get(address.node)
        if address.kind == "weights" and "#" not in address.text and (known is None or len(address.text) < len(known.text)):
            found[address.node] = address
    for address in addresses(graph).values():
        if address.kind == "weights":
            found.setdefault(address.node, address)
    order = {node: place for place, node in enumerate(graph.everything)}
    inside = [address for node, address in sorted(found.items(), key=lambda pair: order.get(pair[0], 0)) if node in order]
    return tuple(site for address in inside if (site := _site(graph, address)) is not None)


def _site(graph: Graph, address: Address) -> Site | None:
    node = address.node
    weights = weights_of(node) if node.op == "attend" else node
    names = outside(graph, weights).tensor.names
    keys, sample = key_axes(node), batch_axis(graph)
    rows = row_axes(graph, node, names)
    made = weight_axes(graph)
    features = node.op != "attend" and not _is_square(rows, keys) and any(_original(key) in made for key in keys)
    if not keys or (not rows and node.op != "attend") or features:
        return None
    steps = tuple(name for name in loop_axes(node, names) if name not in rows)
    rest = [name for name in names if name not in (*rows, *keys, *steps, sample)]
    heads = tuple(name for name in rest if _original(name) in made)
    places = tuple(name for name in rest if name not in heads)
    layer = written(graph.names[address.place].path)
    return Site(
        address, layer or address.text, rows, keys, heads, sample if sample in names else None, places, steps, is_carried(graph, weights)
    )


def stepped(sites: Sequence[Site], sizes: Callable[[Site], Mapping[str, int]], most: int) -> Iterator[Site]:
    """The attentions with each step of a loop by itself, in the order in which they are computed, and at most so many steps."""
    for steps, group in groupby(sites, lambda site: site.steps):
        inside = list(group)
        if not steps:
            yield from inside
            continue
        counts = sizes(inside[0])
        for at in islice(product(*(range(counts[name]) for name in steps)), most):
            yield from (replace(site, at=at) for site in inside)


def _is_square(rows: Sequence[str], keys: Sequence[str]) -> bool:
    return [name.rstrip("'") for name in rows] == [name.rstrip("'") for name in keys]


def _original(name: str) -> str:
    return name.rstrip("'_")


# ---------------------------------------------------------------- gates


def gates_of(graph: Graph) -> tuple[Gate, ...]:
    """The gates, in the order of the program, without those of one number. One inside a loop has the values of all steps."""
    found: dict[Node, Gate] = {}
    read = {address.node for address in addresses(graph).values() if address.kind == "weights" and _is_reading(graph, address.node)}
    for node in graph.everything:
        for gate, other in _pairs(node):
            if gate not in found and _gates(gate, other):
                found[gate] = _gate(graph, gate, node)
        for child in node.inputs if node.op == "dot" else ():
            if _seen_through(child) in read:
                found.setdefault(_seen_through(child), _gate(graph, _seen_through(child), node))
    return tuple(gate for gate in found.values() if gate.axes)


def _is_reading(graph: Graph, node: Node) -> bool:
    """Whether weights are those of one reader: a softmax over places without an axis of rows, with which a mean of all places is taken."""
    return node.op in GATES and not row_axes(graph, node, node.tensor.names) and not {*map(_original, key_axes(node))} & weight_axes(graph)


def _pairs(node: Node) -> tuple[tuple[Node, Node], ...]:
    if node.op != "mul" or any(child.op == "scalar" for child in node.inputs):
        return ()
    a, b = node.inputs
    return ((a, b), (b, a))


def _gates(gate: Node, other: Node) -> bool:
    """Whether one value, which hangs on an input, is a gate on another that has all its axes. `x * sigmoid(x)` is a function of x."""
    source = _unscaled(_seen_through(gate))
    if source.op == "add":
        terms = [child for child in source.inputs if child.op != "scalar"]
        source = terms[0] if len(terms) == 1 and terms[0].op in GATES else source
    elif source.op == "tanh":
        return False
    if source.op not in GATES or _seen_through(other).op in GATES - {"tanh"} or _made_of(source.inputs[0]) is other:
        return False
    return varies(source) and {*gate.tensor.names} <= {*other.tensor.names}


def _unscaled(node: Node) -> Node:
    """Without the number that a value is multiplied with, as in `N * softmax(s, N)`."""
    others = [child for child in node.inputs if child.op not in ("scalar", "size")]
    return _seen_through(others[0]) if node.op == "mul" and len(others) == 1 else node


def _made_of(node: Node) -> Node:
    """The value under products and sums with numbers."""
    while node.op in ("mul", "div", "add", "sub", "neg"):
        others = [child for child in node.inputs if child.op != "scalar"]
        if len(others) != 1:
            break
        node = others[0]
    return node


def _seen_through(node: Node) -> Node:
    while node.op in VIEWS:
        node = node.inputs[0]
    return node


def _gate(graph: Graph, gate: Node, read: Node) -> Gate:
    known = [address for address in addresses(graph).values() if address.node is gate and "#" not in address.text]
    line = " ".join((read.span.text or gate.span.text).split())
    name = known[0].text if known else f"gate at {_place(read)}"
    sample = batch_axis(graph)
    names = outside(graph, gate).tensor.names
    axes = tuple(name for name in names if name != sample)
    return Gate(Address(name, "value", gate, 0), line, axes, sample if sample in names else None)


def _place(node: Node) -> str:
    """`se.attn:6`, and the block around it."""
    around = written(node.scope)
    return f"{node.span}".rpartition(":")[0] + (f" in {around}" if around else "")
