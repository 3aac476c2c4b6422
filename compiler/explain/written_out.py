"""Attention that is written out in the graph that runs: a softmax (or a relative) of products, whose result weights a product."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...dsl.source import Span
from ..cost import type_bytes
from ..graph import Graph, Node
from ..ops import OPERATORS
from ..ops.facts import varies
from ..passes.pipeline import Optimised
from ..passes.rewriting import everything
from ..types import TensorType
from .costs import amount
from .places import argument_place, option_span, place_of, touches
from .report import Attention, Obstacle

WEIGHTING = ("softmax", "entmax15", "sparsemax", "sink_softmax")
HANDED_ON = frozenset(("rename", "expand", "dropout", "split", "merge", "concat", "cut", "where"))
Readers = Mapping[Node, Sequence[Node]]


def written_out(optimised: Optimised) -> list[tuple[Node, Attention]]:
    """The attentions that are not one `attend` node, told at the product that reads."""
    readers = _readers(optimised.graph)
    found: list[tuple[Node, Attention]] = []
    for node in everything(optimised.graph):
        if node.op in WEIGHTING and _product_below(node.inputs[0]):
            way = _to_reading(node, readers)
            if way:
                found.append((way[-1], _told(node, way[-1], optimised)))
    return found


def _told(weights: Node, reading: Node, optimised: Optimised) -> Attention:
    keys = weights["axes"]
    axes = [axis for axis in weights.axes if axis.name not in keys] + [axis for axis in weights.axes if axis.name in keys]
    scores = str(TensorType(tuple(axes)))
    return Attention(
        place=place_of(reading.span),
        name=reading.name,
        scopes=[],
        way="written out",
        function=weights.op,
        scores=scores,
        layout=None,
        scratch=amount(type_bytes(weights.type) * 2),
        text=f"products and a {weights.op} that are not one `attend`; all scores {scores} are held, and all weights",
        obstacles=_obstacles(weights, reading.span, optimised),
        remarks=[],
    )


def _obstacles(weights: Node, call: Span, optimised: Optimised) -> list[Obstacle]:
    """The weights or a layer are asked for; or what the pass that puts the parts together says; or it did not run."""
    if option_span(call, "weights") is not None:
        text = "`weights=true` asks for the weights as well, and PyTorch's fused attention never has them"
        return [Obstacle(reason="weights", text=text, place=argument_place(call, "weights"), edit="leave `weights=true` out")]
    by = option_span(call, "by")
    if by is not None:
        text, edit = f"`{by.text}` is a layer, which may do anything with the scores", "a word instead of a layer, such as `by=softmax`"
        return [Obstacle(reason="by", text=text, place=argument_place(call, "by"), edit=edit)]
    for change in (change for step in optimised.steps for change in step.left):
        if any(touches(span, call) for span in change.spans) and any(touches(span, weights.span) for span in change.spans):
            reason = change.text.partition(": ")[2] or change.text
            return [Obstacle(reason="parts", text=reason, place=place_of(change.spans[0]), edit=_edit(reason))]
    if optimised.level < 2:
        text, edit = "the pass that puts such parts together runs at -O2", "compile with -O2"
        return [Obstacle(reason="level", text=text, place=None, edit=edit)]
    text = "the parts are no `attend` as they stand"
    return [Obstacle(reason="parts", text=text, place=place_of(weights.span), edit="write `attend`, if it can say this")]


def _edit(reason: str) -> str:
    """What takes a reason of the pass away."""
    if "read elsewhere" in reason:
        return "use it here alone; where it is wanted for itself, compute it once more from the scores"
    return "write -inf" if "write -inf" in reason else "write `attend`, if it means the same"


# ---------------------------------------------------------------- around a softmax


def _readers(graph: Graph) -> dict[Node, list[Node]]:
    found: dict[Node, list[Node]] = {}
    for node in everything(graph):
        for source in dict.fromkeys(node.inputs):
            found.setdefault(source, []).append(node)
    return found


def _product_below(scores: Node) -> bool:
    """Whether scores come from a product of two values that vary (not of one with weights), through number by number operators alone."""
    waiting, seen = [scores], {scores}
    while waiting:
        node = waiting.pop()
        if node.op == "choose" or (node.op == "dot" and sum(varies(source) for source in node.inputs) > 1):
            return True
        if _handed_on(node):
            fresh = [source for source in node.inputs if source not in seen]
            seen.update(fresh)
            waiting.extend(fresh)
    return False


def _to_reading(weights: Node, readers: Readers) -> list[Node]:
    """From the weights to the product that adds up along their axes; empty where there is none."""
    came: dict[Node, Node | None] = {weights: None}
    waiting = [weights]
    while waiting:
        node = waiting.pop(0)
        for reader in readers.get(node, ()):
            if reader in came:
                continue
            came[reader] = node
            if reader.op == "dot" and not set(reader["over"]).isdisjoint(_names(node, weights)):
                return list(_back(reader, came))[::-1]
            if _handed_on(reader):
                waiting.append(reader)
    return []


def _names(node: Node, weights: Node) -> tuple[str, ...]:
    """The axes along which weights were normalised; after a rename any of the axes may be one."""
    names: tuple[str, ...] = weights["axes"]
    return names if all(node.tensor.has(name) for name in names) else node.tensor.names


def _back(node: Node, came: Mapping[Node, Node | None]) -> Iterable[Node]:
    now: Node | None = node
    while now is not None:
        yield now
        now = came[now]


def _handed_on(node: Node) -> bool:
    operator = OPERATORS.get(node.op)
    return node.op in HANDED_ON or (operator is not None and operator.pointwise)
