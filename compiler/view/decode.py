"""Records of the JSON form back to a graph. Raises ValueError with a sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

from ...dsl.source import NOWHERE, Source, Span
from ..graph import Body, Graph, Guard, Init, Node, Output, Weight
from ..sizes.serial import from_plain
from ..types import Axis, TensorType, TupleType
from .wellformed import check_graph, check_node

if TYPE_CHECKING:
    from .schema import GraphRecord, GuardRecord, InitRecord, NodeRecord, Place, TypeRecord, WeightRecord

Json = Any
_FLOATS = ("inf", "-inf", "nan")


def decode(record: GraphRecord) -> Graph:
    return _Decoder(record).graph()


def _items(value: Json) -> list[Json]:
    return list(value)


class _Decoder:
    def __init__(self, record: GraphRecord) -> None:
        self.record = record
        self.sources = [Source(source.name, source.text, source.library) for source in record.sources]
        self.nodes: list[Node] = []

    def graph(self) -> Graph:
        record = self.record
        for place, node in enumerate(record.nodes):
            try:
                self.nodes.append(self.node(node))
                check_node(self.nodes[-1])
            except ValueError as error:
                raise ValueError(f"nodes[{place}]: {error}") from None
        weights = tuple(self.weight(weight) for weight in record.weights)
        graph = Graph(
            record.name,
            self.pick(record.inputs),
            tuple(Output(output.name, self.at(output.node), tuple(output.order)) for output in record.outputs),
            weights,
            tuple((slot, self.at(node)) for slot, node in record.updates),
            tuple(self.guard(guard) for guard in record.guards),
            record.doc,
            self.span(record.span),
        )
        check_graph(graph, self.nodes)
        return graph

    def at(self, place: int) -> Node:
        """A node that has been read already."""
        if place >= len(self.nodes):
            raise ValueError(f"node {place} is not before what refers to it")
        return self.nodes[place]

    def pick(self, places: Iterable[int]) -> tuple[Node, ...]:
        return tuple(self.at(place) for place in places)

    def node(self, record: NodeRecord) -> Node:
        attrs = tuple((name, self.value(record.attrs[name])) for name in sorted(record.attrs))
        types = record.type
        type = TupleType(tuple(self.type(item) for item in types)) if isinstance(types, list) else self.type(types)
        return Node(record.op, self.pick(record.inputs), attrs, type, self.span(record.span), tuple(record.scope), record.name)

    def guard(self, record: GuardRecord) -> Guard:
        return Guard(record.kind, from_plain(record.left), from_plain(record.right), record.reason, self.span(record.span))

    def weight(self, record: WeightRecord) -> Weight:
        type = self.type(record.type)
        groups = tuple(tuple(group) for group in record.groups)
        return Weight(record.path, record.kind, type.axes, groups, type.dtype, self.init(record.init), self.span(record.span))

    def init(self, record: InitRecord) -> Init:
        node = None if record.node is None else self.at(record.node)
        return Init(record.kind, tuple(self.value(value) for value in record.values), node)

    def type(self, record: TypeRecord) -> TensorType:
        axes = tuple(Axis(name, from_plain(size)) for name, size in record.axes)
        if len({axis.name for axis in axes}) != len(axes):
            raise ValueError("a type has an axis twice")
        return TensorType(axes, record.dtype)

    def span(self, place: Place) -> Span:
        if place is None:
            return NOWHERE
        number, start, end = place
        if number >= len(self.sources) or not start <= end <= len(self.sources[number].text):
            raise ValueError("a span does not lie in its source")
        return Span(self.sources[number], start, end)

    # ------------------------------------------------ options

    def value(self, value: Json) -> Any:
        if isinstance(value, list):
            return tuple(self.value(item) for item in _items(value))
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, Json]", value)
        if len(fields) != 1:
            raise ValueError("an option must be a plain value or a record of one field")
        ((kind, inner),) = fields.items()
        return self.tagged(kind, inner)

    def tagged(self, kind: str, inner: Json) -> Any:
        from .schema import BodyRecord, InitRecord, TypeRecord, record

        match kind, inner:
            case "float", str() if inner in _FLOATS:
                return float(inner)
            case "size", _:
                return from_plain(inner)
            case "axis", [str() as name, size]:
                return Axis(name, from_plain(size))
            case "fraction", [int() as top, int() as bottom] if bottom > 0:
                return Fraction(top, bottom)
            case "node", int() if inner >= 0:
                return self.at(inner)
            case "init", dict():
                return self.init(record(InitRecord, inner))
            case "type", list():
                return TupleType(tuple(self.type(record(TypeRecord, item)) for item in _items(inner)))
            case "type", dict():
                return self.type(record(TypeRecord, inner))
            case "body", dict():
                body = record(BodyRecord, inner)
                return Body(self.pick(body.params), self.pick(body.yields), self.pick(body.carries))
            case _:
                raise ValueError(f"there is no option of the kind {kind[:40]!r} with this inside")
