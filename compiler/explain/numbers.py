"""What is computed in which dtype, where a half precision is worked in."""

from __future__ import annotations

from ..backends.rule import WHOLE
from ..backends.target import Half
from ..graph import Graph, Node
from ..ops.base import OPERATORS
from ..passes.rewriting import everything
from .report import Numbers

_WIDE = (
    "cumsum",
    "cumprod",
    "scan",
    "group_softmax",
    "sparsemax",
    "entmax15",
    "adaptive",
    "sliding",
    "scatter",
    "softmax1",
    "sink_softmax",
)
WIDE = frozenset(_WIDE) | WHOLE - {"max", "min", "any", "all"}
"""Operators whose sums, statistics or carries are float32 inside; what they give is half again."""
PRODUCTS = frozenset(("linear", "dot", "conv", "conv_transpose", "attend"))


def numbers_of(graph: Graph, half: Half, mode: str) -> Numbers:
    """Sorted by what is done with half numbers: products, sums and statistics, and all else, each with the operators there are."""
    nodes = [node for node in everything(graph) if node.op in OPERATORS]
    floats = [node for node in nodes if not _is_wide(node)]
    return Numbers(
        half=half,
        weights="float32, rounded once" if mode == "infer" else "float32, rounded in each run; so are their gradients",
        products=_ops(floats, PRODUCTS),
        sums=_ops(floats, WIDE),
        others=_ops([node for node in floats if OPERATORS[node.op].pointwise], frozenset(node.op for node in floats)),
        wide=_ops([node for node in nodes if _is_wide(node) and OPERATORS[node.op].pointwise], frozenset(node.op for node in nodes)),
    )


def _is_wide(node: Node) -> bool:
    """Whether a node has no half numbers: positions, indices, and arithmetic on these."""
    return node.op != "scan" and node.tensor.dtype != "float"


def _ops(nodes: list[Node], among: frozenset[str]) -> list[str]:
    return sorted({node.op for node in nodes if node.op in among})
