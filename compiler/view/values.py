"""Which values of a graph get a box of their own, and which are folded into wires and words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property

from ..graph import Body, Graph, Node
from .spoken import Spoken

Key = tuple[Node, int]
"""What a box stands for: a node (with -1), or what a scan carries on as its carry of that number."""

WHOLE = -1


def everything(graph: Graph) -> list[Node]:
    """Every node once, each after what it reads; what is inside a scan or a choice stands before it. No recursion."""
    roots = [*graph.inputs, *(output.node for output in graph.outputs), *(node for _, node in graph.updates)]
    order: list[Node] = []
    seen: set[Node] = set()
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if ready:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((child, False) for child in reversed(list(_below(node))) if child not in seen)
    return order


def _below(node: Node) -> Iterator[Node]:
    yield from node.inputs
    for body in node.bodies:
        yield from (*body.params, *body.yields, *body.carries)


class Values:
    """Looks through renames, the parts of a result and the frames of scans and choices, to where a value is made."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.order = everything(graph)
        self.places = {node: place for place, node in enumerate(self.order)}
        self._params = {param: (scan, place) for scan in self.scans() for place, param in enumerate(scan["body"].params)}
        self._passed = dict(pair for node in self.choices() for body in node.bodies for pair in zip(body.params, node.inputs, strict=True))
        readers = Counter(source for node in self.order for source in dict.fromkeys(node.inputs))
        self.spoken = Spoken(self._step, readers.__getitem__)
        for node in self.order:
            self.spoken.learn(node)
        self._origins: dict[Node, tuple[Key, Node]] = {}

    def scans(self) -> Iterator[Node]:
        return (node for node in self.order if node.op == "scan")

    def choices(self) -> Iterator[Node]:
        return (node for node in self.order if node.op == "choose")

    def _step(self, node: Node) -> str | None:
        """The number of the step, inside a scan, is the position along its axis."""
        scan, place = self._params.get(node, (None, WHOLE))
        return f"pos({scan.options.get('axis', '')})" if scan is not None and not place else None

    def carry(self, node: Node) -> tuple[Node, int] | None:
        """The scan and the number of the carry that a node is, at the beginning of a step."""
        scan, place = self._params.get(node, (None, 0)) if node.op == "param" else (None, 0)
        if scan is None or not 0 < place <= len(scan["body"].carries):
            return None
        return scan, place - 1

    def origin(self, node: Node) -> tuple[Key, Node]:
        """The box a value comes from, and the node that has the type to show on the wire."""
        if node not in self._origins:
            self._origins[node] = self._origin(node)
        return self._origins[node]

    def _origin(self, node: Node) -> tuple[Key, Node]:
        shown = node
        while True:
            if node.op == "rename":
                node = node.inputs[0]
            elif node.op == "item" and node.inputs[0].op == "scan":
                body: Body = node.inputs[0]["body"]
                index: int = node["index"]
                if index >= len(body.yields):
                    return (node.inputs[0], index - len(body.yields)), shown
                node = body.yields[index]
            elif node.op == "item":
                return (node.inputs[0], WHOLE), shown
            elif node.op == "scan":
                node = node["body"].yields[0]
            elif node in self._passed:
                node = shown = self._passed[node]
            elif node.op == "param" and node in self._params and self.carry(node) is None and self._step(node) is None:
                scan, place = self._params[node]
                node = shown = scan.inputs[place - 1]
            else:
                return (node, WHOLE), shown

    def inputs(self, key: Key) -> tuple[Node, ...]:
        """What a box reads."""
        node, index = key
        if index != WHOLE:
            return (node["body"].carries[index],)
        if node.op == "choose":
            return tuple(body.yields[0] for body in (node["first"], node["second"]))
        carry = self.carry(node)
        return (carry[0].inputs[carry[1]],) if carry else node.inputs

    def said(self, node: Node) -> str | None:
        """The text of an input that is folded into the words of its reader."""
        return self.spoken.text(self.origin(node)[0][0])

    @cached_property
    def drawn(self) -> list[Key]:
        """All boxes for values, in the order of `everything`. Weights are among them; numbers and positions mostly not."""
        states = [node for slot, node in self.graph.updates if self.graph.weights[slot].kind == "state"]
        ends = [*(output.node for output in self.graph.outputs), *states]
        stack = [self.origin(node)[0] for node in ends]
        stack.extend((node, WHOLE) for node in self.graph.inputs if not node.options.get("absent"))
        found: set[Key] = set()
        while stack:
            key = stack.pop()
            if key in found:
                continue
            found.add(key)
            stack.extend(self.origin(node)[0] for node in self.inputs(key) if self.said(node) is None)
            carry = self.carry(key[0]) if key[1] == WHOLE else None
            if carry is not None:
                stack.append(carry)
        return sorted(found, key=lambda key: (self.places[key[0]], key[1]))
