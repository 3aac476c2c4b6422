"""What the recognition of attention tells: which lines were one `attend`, and which were nearly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...dsl.source import NOWHERE, Span
from ..graph import Node
from .base import Change
from .recognise_pieces import Miss, Piece, bare
from .recognise_scores import Scores
from .recognise_weights import Weights

LONGEST = 32
"""Of expressions that are shown as they are written, in characters."""


def change(root: Node, weights: Weights, scores: Scores, v: Piece) -> Change:
    """One sentence on an attention that was found."""
    spans = _spans(root, [root, *weights.path, *scores.path])
    bindings = frozenset(node.name for node in [root, *weights.path, *scores.path])
    parts = [f"{weights.by} over {' '.join(weights.keys)} of {_terms(scores, bindings)}", *_options(weights, scores)]
    return Change(f"{lines(spans)} one `attend`: {', '.join(parts)}, times {_called(v, bindings)}", spans)


def left(root: Node, miss: Miss) -> Change:
    """One sentence on what is no attention, and why."""
    spans = _spans(root, [root, *miss.nodes])
    return Change(f"{lines(spans)} no `attend`: {miss.reason}", spans)


def lines(spans: Sequence[Span]) -> str:
    """`lines 5 to 8 are`, for spans of one text."""
    numbers = [span.source.position(place)[0] for span in spans for place in (span.start, max(span.start, span.end - 1))]
    if not numbers:
        return "this is"
    first, last = min(numbers), max(numbers)
    return f"line {first} is" if first == last else f"lines {first} to {last} are"


def _spans(root: Node, nodes: Iterable[Node]) -> tuple[Span, ...]:
    """The places of nodes in the text of the first, in the order of the text."""
    found = {node.span for node in nodes if node.span.source is root.span.source and node.span is not NOWHERE}
    return tuple(sorted(found, key=lambda span: (span.start, span.end)))


def _terms(scores: Scores, bindings: frozenset[str]) -> str:
    """`q . k along d`."""
    found: list[str] = []
    for term in scores.terms:
        q, k = (" ".join(_called(piece, bindings) for piece in side) for side in (term.q, term.k))
        found.append(f"{q} . {k} along {' '.join(term.dots)}")
    return " + ".join(found)


def _options(weights: Weights, scores: Scores) -> list[str]:
    """What else the attention has."""
    found = {
        "scaled": any(term.factors for term in scores.terms),
        f"capped at {scores.cap}": scores.cap is not None,
        "with a bias": bool(scores.biases),
        "masked": bool(weights.masks or scores.masks),
        "with a sink": weights.sink is not None,
        f"dropout {weights.dropout}": bool(weights.dropout),
    }
    return [words for words, holds in found.items() if holds]


def _called(piece: Piece, bindings: frozenset[str]) -> str:
    """A piece as the text calls it: by its binding, if that is not one of the attention's own, or as it is written."""
    inner = bare(piece).node
    if inner.op == "input":
        return str(inner["name"])
    for node in (piece.node, inner):
        if node.name and node.name not in bindings:
            return node.name
    text = inner.span.text
    return text if 0 < len(text) <= LONGEST and "\n" not in text else f"a {inner.op}"
