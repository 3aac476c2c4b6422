"""What the viewer shows, as plain records: the texts, and the graph at every stage, where parts that two stages share stand once."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from ...dsl.source import NOWHERE, Source, Span
from ..cost import graph_cost, readable
from ..describe import call_shape, written
from ..graph import Graph, Node
from ..ops.base import OPERATORS, Operator
from ..passes.base import Change
from ..types import STAR
from .axes import axis_pairs, worked_along
from .calls import group_calls
from .matching import Identity, identities
from .metrics import shorten
from .parting import parted
from .reading import Reading, read_with_nodes
from .scene import scene_record
from .spending import Amount, Counter, assumed_sizes, evaluated
from .style import hue_of
from .words import options_text, type_text, weight_text

if TYPE_CHECKING:
    from ..passes.base import Mode
    from ..passes.pipeline import Optimised
    from .profile import Times

Record = dict[str, Any]
_FORMULA = 240


@dataclass(frozen=True)
class Stage:
    """A graph with a name: as written, after a pass, or one of two programs that are compared."""

    name: str
    promise: str
    graph: Graph
    changes: tuple[Change, ...] = ()
    left: tuple[Change, ...] = ()


def stages_of(done: Optimised) -> list[Stage]:
    """The graph as written, and after every pass."""
    first = Stage("as written", "The graph of the text, before any pass.", done.source)
    return [first, *(Stage(step.done.name, step.done.promise, step.after, step.changes, step.left) for step in done.steps)]


def record_of(title: str, stages: Sequence[Stage], mode: Mode = "train", times: Times | None = None) -> Record:
    """All that a page needs, ready for JSON. The same stages give the same record."""
    return _Recorder(stages, mode, times).record(title)


class _Pool:
    """Records that are equal stand once, and are told by their place."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._places: dict[str, int] = {}

    def number(self, record: Record) -> int:
        place = self._places.setdefault(repr(record), len(self.records))
        if place == len(self.records):
            self.records.append(record)
        return place


class _Recorder:
    def __init__(self, stages: Sequence[Stage], mode: Mode, times: Times | None) -> None:
        self.stages = stages
        self.mode: Mode = mode
        self.times = times
        self.numbers: dict[int, int] = {}
        self.readings: list[Reading] = []
        for stage in stages:
            if id(stage.graph) not in self.numbers:
                self.numbers[id(stage.graph)] = len(self.readings)
                reading = read_with_nodes(stage.graph)
                self.readings.append(replace(reading, drawing=parted(reading.drawing)))
        self.sources: dict[tuple[str, str], tuple[int, Record]] = {}
        self.known: dict[Span, list[int]] = {}
        self.costs = [self._cost(reading.graph) for reading in self.readings]
        self.facts, self.values = _Pool(), _Pool()

    def record(self, title: str) -> Record:
        for stage in self.stages:
            self._place(stage.graph.span)  # the text of the block comes first
        drawings = [self._drawing(*both) for both in zip(self.readings, identities(self.readings), strict=True)]
        stages = [self._stage(stage) for stage in self.stages]
        counted = [assumed_sizes(reading.graph) for reading in self.readings]
        return {
            "title": title,
            "mode": self.mode,
            "stages": stages,
            "drawings": drawings,
            "facts": self.facts.records,
            "values": self.values.records,
            "operators": _operators(self.readings),
            "axes": self._axes(drawings),
            "sources": [record for _, record in self.sources.values()],
            "assumed": {"batch" if name == STAR else name: size for one in counted for name, size in one.items()},
            "begin": self._begin(),
            "timed": self.times is not None,
        }

    def _begin(self) -> list[int] | None:
        """The source and the line where the block begins; its comment stands above it."""
        place = self._place(self.stages[0].graph.span)
        if place is None:
            return None
        return [place[0], max(1, place[1] - len(self.stages[0].graph.doc.splitlines()))]

    def _axes(self, drawings: Sequence[Record]) -> list[str]:
        """The names of all axes on wires, those on most wires first."""
        wires: Count[int] = Count(wire["value"] for drawing in drawings for wire in drawing["wires"])
        counts = Count[str]()
        for value, times in wires.items():
            axes = cast("Sequence[tuple[str, str]]", self.values.records[value]["axes"])
            counts.update({name: times for name, _ in axes})
        return sorted(counts, key=lambda name: (name != STAR, -counts[name], name))

    # ------------------------------------------------ stages

    def _stage(self, stage: Stage) -> Record:
        drawing = self.numbers[id(stage.graph)]
        return {
            "name": stage.name,
            "promise": stage.promise,
            "doc": stage.graph.doc,
            "drawing": drawing,
            "changes": [self._change(change) for change in stage.changes],
            "left": [self._change(change) for change in stage.left],
            "cost": self.costs[drawing],
        }

    def _cost(self, graph: Graph) -> Record:
        cost, assumed = graph_cost(graph, self.mode), assumed_sizes(graph)
        amounts = {"flops": cost.flops, "bytes": cost.bytes, "parameters": cost.parameters}
        return {name: _amount(Amount(str(readable(size)), evaluated(size, assumed))) for name, size in amounts.items()}

    def _change(self, change: Change) -> Record:
        places = {(place[0], place[1]): place for span in change.spans for place in self._places(self._own(span))[:1]}
        return {"text": change.text, "places": list(places.values())}

    def _own(self, span: Span) -> Span:
        """The nearest place outside the library on the way out, or else in the text of the block itself."""
        here = self.stages[0].graph.span.source
        own = next((one for one in span.outward() if not one.source.library), None)
        return own or next((one for one in span.outward() if one.source is here), span)

    # ------------------------------------------------ one drawing

    def _drawing(self, reading: Reading, identity: Identity) -> Record:
        scene = scene_record(reading.drawing)
        counter = Counter(reading.graph)
        seconds = self.times.of(reading) if self.times is not None else None
        ends = {target: node for wire, node in zip(reading.drawing.wires, reading.values, strict=True) for target in wire.targets}
        for number, record in enumerate(scene["boxes"]):
            record["id"] = identity.boxes[number]
            record["fact"] = self._fact(reading, number, counter, ends.get(number))
            if seconds is not None and number in seconds.boxes:
                record["seconds"] = seconds.boxes[number]
        calls = group_calls(reading)
        for number, record in enumerate(scene["groups"]):
            record.update(path=identity.groups[number], places=self._places(calls.get(number, NOWHERE)))
            if seconds is not None and number in seconds.groups:
                record["seconds"] = seconds.groups[number]
        for record, wire, node in zip(scene["wires"], reading.drawing.wires, reading.values, strict=True):
            record["value"] = self.values.number(
                {"label": record.pop("label"), "width": record.pop("width"), "axes": axis_pairs(node.type), "type": wire.tip}
            )
        return scene

    def _fact(self, reading: Reading, number: int, counter: Counter, entering: Node | None) -> int:
        """The place in the pool of what is told of a box, apart from where it stands in this drawing. A result is what enters it."""
        box, node = reading.drawing.boxes[number], reading.nodes[number]
        fact: Record = {"hue": hue_of(box.family), "lines": box.lines, "note": box.note, "tip": box.tip}
        fact["weights"] = [weight_text(weight) for weight in reading.weights[number]]
        if node is not None:
            fact.update(op=node.op, name=node.name, type=type_text(node.type), axes=axis_pairs(node.type), along=worked_along(node))
            fact.update(options=options_text(node), places=self._places(node.span))
            if box.kind in ("op", "sign"):
                spent = counter.of(node)
                fact.update(flops=_amount(spent.flops), bytes=_amount(spent.bytes))
        elif entering is not None:
            fact.update(type=type_text(entering.type), axes=axis_pairs(entering.type))
        return self.facts.number(fact)

    def _places(self, span: Span) -> list[list[int]]:
        """Where something is written, and the calls that lead there, the nearest first."""
        return [place for place in map(self._place, span.outward()) if place is not None]

    def _place(self, span: Span) -> list[int] | None:
        """Source, and line and column of both ends; None for what stands in no text."""
        if not span.source.text:
            return None
        if span not in self.known:
            self.known[span] = [self._source(span.source), *span.source.position(span.start), *span.source.position(span.end)]
        return self.known[span]

    def _source(self, source: Source) -> int:
        key = (source.name, source.text)
        if key not in self.sources:
            self.sources[key] = (len(self.sources), {"name": _file(source), "text": source.text, "library": source.library})
        return self.sources[key][0]


def _amount(amount: Amount) -> list[str | float | None]:
    return [shorten(amount.formula, _FORMULA), amount.value]


def _file(source: Source) -> str:
    """What a text is called, without the folders it stands in."""
    return source.name.replace("\\", "/").rpartition("/")[2]


def _operators(readings: Sequence[Reading]) -> Record:
    """What each operator in the drawings is."""
    names = sorted({node.op for reading in readings for node in reading.nodes if node is not None and node.op in OPERATORS})
    return {name: _operator(OPERATORS[name]) for name in names}


def _operator(operator: Operator) -> Record:
    call = call_shape(operator.name, operator.signature) if written(operator) else ""
    return {"call": call, "family": operator.family, "doc": " ".join(operator.doc.split())}
