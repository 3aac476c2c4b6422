"""The one JSON form of a graph. Loading checks everything: a text that is no graph gives AttnError (E0702), never a traceback.

The form has a version; a number in `inputs`, `outputs`, `updates` or a body is the place of a node in `nodes`.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from ..graph import Graph
from ..types import DType

MAX_CHARACTERS = 128 << 20
MAX_NODES = 200_000
MAX_SOURCES = 300

Index = Annotated[int, Field(ge=0)]
Short = Annotated[str, Field(max_length=4096)]
Place = tuple[Index, Index, Index] | None
"""Source, first character, one past the last; null for nowhere."""


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SourceRecord(Record):
    name: Short
    text: Annotated[str, Field(max_length=1 << 20)]
    library: bool


class TypeRecord(Record):
    dtype: DType
    axes: Annotated[list[tuple[Short, Any]], Field(max_length=64)]
    """Names and sizes."""


class NodeRecord(Record):
    op: Short
    inputs: Annotated[list[Index], Field(max_length=4096)]
    attrs: dict[str, Any]
    type: TypeRecord | Annotated[list[TypeRecord], Field(max_length=4096)]
    span: Place
    scope: Annotated[list[Short], Field(max_length=200)]
    name: Short


class BodyRecord(Record):
    params: list[Index]
    yields: list[Index]
    carries: list[Index]


class InitRecord(Record):
    kind: Short
    values: list[Any]
    node: Index | None


class WeightRecord(Record):
    path: Short
    kind: Literal["param", "const", "state", "buffer"]
    type: TypeRecord
    groups: list[list[Short]]
    init: InitRecord
    span: Place


class GuardRecord(Record):
    kind: Literal["equal", "divides", "at_least"]
    left: Any
    right: Any
    reason: Short
    span: Place


class OutputRecord(Record):
    name: Short
    node: Index
    order: list[Short]


class GraphRecord(Record):
    version: Literal[1] = Field(alias="schema")
    name: Short
    doc: Annotated[str, Field(max_length=1 << 20)]
    span: Place
    sources: Annotated[list[SourceRecord], Field(max_length=MAX_SOURCES)]
    inputs: list[Index]
    outputs: list[OutputRecord]
    updates: list[tuple[Index, Index]]
    guards: list[GuardRecord]
    weights: list[WeightRecord]
    nodes: Annotated[list[NodeRecord], Field(max_length=MAX_NODES)]


def to_json(graph: Graph) -> str:
    """The graph as JSON text: keys in a fixed order, one node or weight on a line."""
    from .encode import encode, text

    return text(encode(graph))


def from_json(text: str) -> Graph:
    """The graph of a text made by `to_json`, with its spans pointing into texts of its own. AttnError with E0702 otherwise."""
    from .decode import decode

    if len(text) > MAX_CHARACTERS:
        raise _refused(f"it has more than {MAX_CHARACTERS:,} characters")
    try:
        return decode(_validated(GraphRecord, text))
    except ValueError as error:
        raise _refused(str(error)) from None


Model = TypeVar("Model", bound=Record)


def record(model: type[Model], value: Any) -> Model:
    """A record inside an option. ValueError where it does not fit."""
    return _validated(model, json.dumps(value))


def _validated(model: type[Model], text: str) -> Model:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise ValueError(": ".join(filter(None, [_path(first["loc"]), first["msg"]]))) from None


def _path(places: tuple[int | str, ...]) -> str:
    """`nodes[3].op`."""
    text = "".join(f"[{place}]" if isinstance(place, int) else f".{place}" for place in places)
    return text.removeprefix(".")[:200]


def _refused(why: str) -> AttnError:
    help = "make it with `to_json`"
    return AttnError([Diagnostic("E0702", "this is not the JSON of a graph", NOWHERE, notes=(why[:400],), help=help)])
