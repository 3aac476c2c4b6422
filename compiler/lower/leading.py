"""The dimensions that `*` stands for, where rows are all that a module makes of its input: they are not merged and split one by one."""

from __future__ import annotations

from typing import cast

from torch import fx

from .targets import function

_MERGE, _SPLIT, _SHAPE = (function(f"runtime.{name}") for name in ("merge_leading", "split_leading", "leading_shape"))


def spare_leading(graph: fx.Graph) -> None:
    """Take rows and sizes from the input itself, and give the result the shape of the input where that is what it has."""
    for shape in [node for node in graph.nodes if node.target is _SHAPE and len(node.args) == 1]:
        x, before, after = cast("tuple[fx.Node, int, int]", shape.args[0])
        merged = next((node for node in shape.users if node.target is _MERGE), None)
        if merged is not None and before == 0 and after > 0 and all(map(_is_read, merged.users)):
            _Input(graph, x, shape, merged, after).rewrite()


def _is_read(user: fx.Node) -> bool:
    """Whether a call makes rows of the merged input, or asks for a size."""
    return user.op == "call_method" and (user.target == "size" or (user.target == "reshape" and user.args[1:2] == (-1,)))


class _Input:
    def __init__(self, graph: fx.Graph, x: fx.Node, shape: fx.Node, merged: fx.Node, after: int) -> None:
        self.graph = graph
        self.x = x
        self.shape = shape
        self.merged = merged
        self.after = after

    def rewrite(self) -> None:
        for split in [node for node in self.shape.users if node.target is _SPLIT and node.args[2] == 0]:
            self._as_input(split)
        for user in list(self.merged.users):
            if user.target == "size" and user.args[1] == 0:
                user.op, user.target, user.args = "call_function", function("runtime.leading_count"), (self.x, self.after)
            elif user.target == "size":
                user.args = (self.x, cast(int, user.args[1]) - self.after - 1)
            else:
                user.update_arg(0, self.x)

    def _as_input(self, split: fx.Node) -> None:
        """Rows as the result, where they have as many features as the input."""
        whole = cast(fx.Node, split.args[0])
        features = [user.args[2] for user in self.merged.users if user.target == "reshape"]
        sizes = [user for user in self.merged.users if user.target == "size"]
        if not features or whole.target != "reshape" or len(whole.args) != self.after + 2 or any(one != whole.args[-1] for one in features):
            return
        if all(size in sizes and size.args[1] == i for i, size in enumerate(cast("tuple[fx.Node, ...]", whole.args[1:-1]))):
            split.op, split.target, split.args = "call_method", "reshape_as", (whole.args[0], self.x)
