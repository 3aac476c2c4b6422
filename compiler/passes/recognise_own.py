"""An `attend` that the program has itself, in the form that is computed best: a mask that is called one.

A learned scale stays where it is: `attend` multiplies it into its queries or keys itself when it is lowered, and planning counts on that.
"""

from __future__ import annotations

from math import inf

from ..graph import Node
from .making import Make
from .recognise_pieces import Piece, bare

ORDER = ("scale", "bias", "where", "sink_logit")
"""The options that are tensors, as they stand among a node's inputs."""


def tidied(make: Make, node: Node) -> tuple[Node, tuple[str, ...]] | None:
    """The `attend` and what was done to it; None where nothing was."""
    terms: int = node["terms"]
    names: tuple[str, ...] = node["extras"]
    main = [make.new(source) for source in node.inputs[: 2 * terms + 1]]
    extras = dict(zip(names, (make.new(source) for source in node.inputs[2 * terms + 1 :]), strict=True))
    said: list[str] = []
    if "bias" in extras and _masked(make, node.inputs[2 * terms + 1 + names.index("bias")], extras):
        said.append("its bias is -inf where a condition fails: that is a mask")
    if not said:
        return None
    kept = tuple(name for name in ORDER if name in extras)
    return make.again(node, [*main, *(extras[name] for name in kept)], extras=kept), tuple(said)


def _masked(make: Make, bias: Node, extras: dict[str, Node]) -> bool:
    """Take the mask out of `where(m, b, -inf)`; of b nothing is left where it is 0."""
    piece = bare(Piece.whole(bias))
    low = next((i for i in (1, 2) if piece.node.op == "where" and _is_low(piece.node.inputs[i])), None)
    if low is None:
        return False
    mask, rest = piece.input(0).made(make), piece.input(3 - low)
    mask = make.logic("not", mask) if low == 1 else mask
    extras["where"] = make.logic("and", extras["where"], mask) if "where" in extras else mask
    if rest.node.op == "scalar" and rest.node["value"] == 0:
        del extras["bias"]
    else:
        extras["bias"] = rest.made(make)
    return True


def _is_low(node: Node) -> bool:
    return node.op == "scalar" and node["value"] == -inf
