"""From what reads values back to the softmax: dropout, masks and factors on the way, and a softmax that is written by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log

from ..graph import Node
from ..sizes import equal
from .making import Make
from .recognise_pieces import Factor, Miss, Piece, bare
from .recognise_scores import REACH, Mask, leads

_NORMED = frozenset({"softmax", "softmax1", "sink_softmax", "entmax15", "sparsemax"})
_THROUGH = frozenset({"mul", "div", "neg", "where", "dropout", "rename"})
_CHAIN = frozenset({"max", "detach", "rename"})


@dataclass(frozen=True)
class Stop:
    """A node on the way, with how many masks and factors had been found outside of it, and which dropout."""

    piece: Piece
    zeroed: int
    factors: int
    dropout: float


@dataclass
class Weights:
    """How scores become weights along `keys`, and what happens to these before values are read.

    `factors` lack the keys, so they may come after the reading as well. `masks` belong to the scores, `zeroed` makes 0 of weights.
    `sink`: one more logit. `by_hand`: a row without any key is NaN as written. `path` are the nodes that a whole attention replaces.
    """

    make: Make
    by: str = "softmax"
    keys: tuple[str, ...] = ()
    scores: Piece | None = None
    masks: list[Mask] = field(default_factory=list[Mask])
    zeroed: list[Piece] = field(default_factory=list[Piece])
    sink: Piece | float | None = None
    shift: Piece | None = None
    dropout: float = 0.0
    number: int = 0
    factors: list[Factor] = field(default_factory=list[Factor])
    by_hand: bool = False
    path: list[Node] = field(default_factory=list[Node])
    stops: list[Stop] = field(default_factory=list[Stop])

    def read(self, piece: Piece) -> bool:
        """Go back to the softmax; False where there is none."""
        for _ in range(REACH):
            piece = bare(piece, self.path)
            self.stops.append(Stop(piece, len(self.zeroed), len(self.factors), self.dropout))
            self.path.append(piece.node)
            if piece.node.op in _NORMED:
                return self._normed(piece)
            if piece.node.op == "cut":
                return self._without_sink(piece)
            if piece.node.op == "exp":
                return self._by_hand(piece)
            if _alone(piece.node):
                return self._apart(piece)
            trunk = self._step(piece)
            if trunk is None:
                return False
            piece = piece.input(trunk)
        return False

    # ------------------------------------------------ one step each

    def _step(self, piece: Piece) -> int | None:
        """Note one operation; which operand goes on."""
        node = piece.node
        if node.op == "dropout" and not self.dropout:
            self.dropout, self.number = node["p"], node["number"]
            return 0
        if node.op == "neg":
            self.factors.append(Factor(Piece(self.make.scalar(-1), {})))
            return 0
        if node.op == "where" and node.inputs[2].op == "scalar" and node.inputs[2]["value"] == 0:
            self.zeroed.append(piece.input(0))
            return 1
        return self._factor(piece) if node.op in ("mul", "div") else None

    def _factor(self, piece: Piece) -> int | None:
        left, right = (_rank(source) for source in piece.node.inputs)
        trunk = 0 if piece.node.op == "div" or left >= right else 1
        other = piece.input(1 - trunk)
        if not (left, right)[trunk]:
            return None
        if other.node.dtype == "bool":
            self.zeroed.append(other)
        else:
            self.factors.append(Factor(other, piece.node.op == "div"))
        return trunk

    def _normed(self, piece: Piece) -> bool:
        """A softmax, or one of its relatives."""
        node = piece.node
        self.keys = tuple(piece.names[axis] for axis in node["axes"])
        self.scores = piece.input(0)
        if node.op == "sink_softmax":
            self.sink = piece.input(1)
        elif node["masked"]:
            self.masks.append(Mask(piece.input(1)))
        if node.op == "softmax1":
            self.sink = 0.0
        self.by = node.op if node.op in ("entmax15", "sparsemax") else "softmax"
        return True

    def _without_sink(self, piece: Piece) -> bool:
        """A softmax over the scores and one more number beside them, which is cut off again."""
        axis, (weights,) = piece.node["axis"], piece.node.inputs
        if weights.op != "softmax" or weights["axes"] != (axis,) or weights["masked"] or weights.inputs[0].op != "concat":
            return False
        both = weights.inputs[0]
        if both["axis"] != axis or len(both.inputs) != 2:
            return False
        place = next((i for i, part in enumerate(both.inputs) if not part.tensor.has(axis)), None)
        if place is None or piece.node["start"] != 1 - place:
            return False
        if not equal(both.inputs[1 - place].tensor.size(axis), piece.node.tensor.size(axis)):
            return False
        self.path += [weights, both]
        self.keys = (piece.names[axis],)
        self.scores, self.sink = piece.under(both.inputs[1 - place], piece.names), piece.under(both.inputs[place], piece.names)
        return True

    def _apart(self, piece: Piece) -> bool:
        """Weights that are not compared with each other: `sigmoid`, or the square of `relu`. Those of masked scores are 0."""
        self.masks.extend(Mask(mask) for mask in self.zeroed)
        self.zeroed = []
        if piece.node.op == "sigmoid":
            self.by, self.scores = "sigmoid", piece.input(0)
            return True
        inner = bare(piece.input(0), self.path)
        self.path.append(inner.node)
        self.by, self.scores = "relu2", inner.input(0)
        return True

    # ------------------------------------------------ by hand

    def _by_hand(self, powers: Piece) -> bool:
        """`exp(s) / sum(exp(s))`, where anything may be taken off `s` that is the same for every key."""
        if self._is_logarithm(powers):
            return True
        for place, factor in enumerate(self.factors):
            if factor.inverted and self._is_total(bare(factor.piece)):
                bare(factor.piece, self.path)
                del self.factors[place]
                self.by_hand = True
                self._shifted(bare(powers.input(0), self.path))
                return True
        return False

    def _is_logarithm(self, powers: Piece) -> bool:
        """`exp(log_softmax(s))`, or `exp(s - logsumexp(s))`."""
        inner = bare(powers.input(0))
        node = inner.node
        if node.op == "log_softmax":
            self.scores, logs = inner.input(0), [node]
        elif node.op == "sub" and bare(inner.input(1)).node.op == "logsumexp" and _is_of(bare(inner.input(1)), inner.input(0)):
            self.scores, logs = inner.input(0), [node, bare(inner.input(1), self.path).node]
        else:
            return False
        bare(powers.input(0), self.path)
        self.path += logs
        self.keys = tuple(inner.names[axis] for axis in logs[-1]["axes"])
        self.by_hand = True
        return True

    def _is_total(self, total: Piece) -> bool:
        """The sum of what was met on the way, perhaps with one more exponential that has no key."""
        node = total.node
        if node.op == "sum":
            return self._is_sum(total)
        if node.op != "add":
            return False
        for place in (0, 1):
            inner = bare(total.input(place))
            if inner.node.op == "sum" and self._is_sum(inner):
                bare(total.input(place), self.path)
                self.path.append(node)
                self.sink = _logit(total.input(1 - place), self.path)
                return True
        return False

    def _is_sum(self, total: Piece) -> bool:
        names = {axis: axis for axis in total.node["axes"]} | dict(total.names)
        inner = bare(total.under(total.node.inputs[0], names))
        for stop in self.stops:
            kept = {axis: name for axis, name in stop.piece.names.items() if name in total.axes}
            summed = tuple(name for name in stop.piece.names.values() if name not in total.axes)
            if stop.piece.node is inner.node and kept == {a: n for a, n in inner.names.items() if n in total.axes}:
                return bool(summed) and self._take(stop, summed, total)
        return False

    def _take(self, stop: Stop, keys: tuple[str, ...], total: Piece) -> bool:
        """Masks inside of the sum belong to the scores; factors and dropout inside are not looked at."""
        bare(Piece(total.node.inputs[0], {axis.name: axis.name for axis in total.node.inputs[0].axes}), self.path)
        self.path.append(total.node)
        self.keys = keys
        self.masks.extend(Mask(mask) for mask in self.zeroed[stop.zeroed :])
        self.zeroed = self.zeroed[: stop.zeroed]
        return len(self.factors) == stop.factors and self.dropout == stop.dropout

    def _shifted(self, scores: Piece) -> None:
        """Take off what is taken off every score of a row, the sink included."""
        self.scores = scores
        if scores.node.op != "sub" or not scores.input(1).axes.isdisjoint(self.keys) or not leads(scores.node.inputs[0]):
            return
        shift = scores.input(1)
        if self.sink is not None and not isinstance(self.sink, Piece):
            raise Miss("one more number is added to the sum after a maximum was taken off the scores", scores.node)
        if self.sink is not None:
            sink = bare(self.sink, self.path)
            if sink.node.op != "sub" or not sink.input(1).same(shift):
                raise Miss("what is taken off the scores is not taken off the sink", sink.node)
            self.path.append(sink.node)
            self.sink = sink.input(0)
        self.path += [scores.node, *chain(shift.node)]
        self.shift, self.scores = shift, scores.input(0)


def _is_of(total: Piece, scores: Piece) -> bool:
    """Whether a reduction is one of these scores, under the same names."""
    source = total.node.inputs[0]
    names = {axis.name: total.names.get(axis.name) for axis in source.axes}
    kept = {axis: name for axis, name in scores.names.items() if name in total.axes}
    return source is scores.node and kept == {axis: name for axis, name in names.items() if name is not None}


def chain(node: Node) -> list[Node]:
    """A maximum and what leads to it."""
    found: list[Node] = []
    while node.op in _CHAIN:
        found.append(node)
        (node,) = node.inputs[:1]
    return found


def _logit(piece: Piece, path: list[Node]) -> Piece | float:
    """What a summand beside the exponentials is the exponential of."""
    piece = bare(piece, path)
    if piece.node.op == "exp":
        path.append(piece.node)
        return piece.input(0)
    if piece.node.op == "scalar" and piece.node["value"] > 0:
        return log(piece.node["value"])
    raise Miss("what is added to the sum of the exponentials is no exponential", piece.node)


def _alone(node: Node) -> bool:
    """Whether these are weights that are not compared with each other."""
    if node.op == "sigmoid":
        return leads(node.inputs[0])
    if node.op == "pow" and not (node.inputs[1].op == "scalar" and node.inputs[1]["value"] == 2):
        return False
    if node.op == "mul" and node.inputs[0] is not node.inputs[1]:
        return False
    if node.op not in ("pow", "mul", "square"):
        return False
    (inner,) = node.inputs[:1]
    while inner.op == "rename":
        (inner,) = inner.inputs
    return inner.op == "relu" and leads(inner.inputs[0])


def _rank(node: Node) -> int:
    """How much an operand looks like weights: 0 not at all, 3 like a softmax."""
    waiting, seen, best = [node], {node}, 0
    while waiting and len(seen) <= REACH:
        top = waiting.pop()
        best = max(best, 3 if top.op in _NORMED else 2 if top.op == "exp" else 1 if _alone(top) else 0)
        if top.op in _THROUGH:
            fresh = [source for source in top.inputs if source not in seen]
            seen.update(fresh)
            waiting.extend(fresh)
    return best
