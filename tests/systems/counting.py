"""What papers count: the multiply-adds of a network, and what else a counting tool adds to them. No tensor is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attn
from attn.compiler.cost import node_flops
from attn.compiler.graph import Node
from attn.compiler.ops.products import operations, sizes_of
from attn.compiler.sizes import Size
from attn.compiler.types import TensorType


def nodes(file: str, block: str, **bind: Any) -> tuple[Node, ...]:
    """The operations of a block with all sizes bound."""
    return attn.load(file, block).graph(bind, (), checking=True).nodes


def number(size: Size) -> int:
    """A size for one image: without leading dimensions."""
    found = size.substitute({"*": Size.of(1)}).integer()
    assert found is not None, f"{size} has a size that is not bound"
    return found


def elements(node: Node) -> int:
    return number(node.tensor.elements()) if isinstance(node.type, TensorType) else 0


def products(node: Node) -> int:
    """The multiply-adds of a convolution, a linear map or a product, and of both products of an attention; not its bias or softmax."""
    if node.op == "attend":
        q, k, v = (frozenset(source.tensor.names) for source in node.inputs[:3])
        rows, sizes = (q | k).difference(*node["dots"]), sizes_of(node.inputs[:3])
        flops = operations([q, k], node["dots"][0], sizes) + operations([rows, v], node["keys"], sizes)
        return number(flops) // 2
    if node.op not in ("conv", "linear", "dot"):
        return 0
    bias = elements(node) if node.op == "linear" and len(node.inputs) > 2 else 0
    return (number(node_flops(node)) - bias) // 2


def counted(found: tuple[Node, ...], each: Mapping[str, int]) -> int:
    """All products, and for some operators so many operations for each number they give."""
    return sum(products(node) + each.get(node.op, 0) * elements(node) for node in found)
