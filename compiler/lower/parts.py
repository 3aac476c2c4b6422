"""Parts of a tensor that are all moved about in the same way are cut from the moved tensor: one move instead of one for each part."""

from __future__ import annotations

import operator
from typing import Any, cast

import torch
from torch import fx

_MOVES = ("transpose", "permute")


def move_together(graph: fx.Graph) -> None:
    """Move before `unbind` what is done to all its parts: what q, k and v of one product need for attention."""
    for node in graph.nodes:
        moves = _moves(node) if node.target is torch.unbind else []
        if moves and all((move.target, move.args[1:]) == (moves[0].target, moves[0].args[1:]) for move in moves):
            _move(graph, node, moves)


def _moves(node: fx.Node) -> list[fx.Node]:
    """The one move that each part has, where that is all its use."""
    users = [(part, list(part.users)) for part in node.users]
    alone = all(part.target is operator.getitem and len(using) == 1 for part, using in users)
    moves = [using[0] for _, using in users] if alone else []
    return moves if all(move.op == "call_method" and move.target in _MOVES for move in moves) else []


def _move(graph: fx.Graph, node: fx.Node, moves: list[fx.Node]) -> None:
    x, dim = cast("tuple[fx.Node, int]", node.args)
    dims = [at + (at >= dim) for at in cast("tuple[int, ...]", moves[0].args[1:])]
    if moves[0].target == "permute":
        dims.insert(dim, dim)
    with graph.inserting_before(node):
        moved = graph.call_method(cast(str, moves[0].target), (x, *dims))
    moved.meta = {key: value for key, value in node.meta.items() if key != "axes"}
    node.args = (moved, dim)
    for move in moves:
        part = cast(Any, move.args[0])
        part.meta["axes"] = move.meta.get("axes")
        move.replace_all_uses_with(part)
        graph.erase_node(move)
