"""What is there before a run: values that depend on weights alone, where these do not change between runs."""

from __future__ import annotations

from ..graph import Graph, Node
from .base import Mode

_SMALL = frozenset(("scalar", "literal"))


class Prepared:
    """`prepared(node)`: whether a value is made once and kept, so that a run has it for nothing. Only in `infer`."""

    def __init__(self, graph: Graph, mode: Mode) -> None:
        self.graph = graph
        self.infer = mode == "infer"
        self.written = frozenset(slot for slot, _ in graph.updates)
        self._known: dict[Node, bool] = {}

    def __call__(self, node: Node) -> bool:
        stack = [node]
        while stack:
            top = stack[-1]
            waiting = [source for source in top.inputs if source not in self._known]
            if waiting and top not in self._known:
                stack.extend(waiting)
                continue
            stack.pop()
            if top not in self._known:
                self._known[top] = self._rule(top)
        return self._known[node]

    def _rule(self, node: Node) -> bool:
        if not self.infer or not hasattr(node.type, "axes"):
            return False
        if node.op == "weight":
            return node["slot"] not in self.written
        if any(axis.size.free() for axis in node.axes):
            return False
        if not node.inputs:
            return node.op in _SMALL
        return node.op not in ("dropout", "droppath", "bernoulli") and all(self._known[source] for source in node.inputs)

    def called(self, node: Node) -> str:
        """A short name of a value for a sentence."""
        if node.op == "weight":
            slot: int = node["slot"]
            return self.graph.weights[slot].path
        if node.op == "scalar":
            return f"{node['value']:.4g}"
        if node.op == "input":
            return str(node["name"])
        return node.name or node.op
