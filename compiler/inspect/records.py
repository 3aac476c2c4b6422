"""The report of `attn inspect`: plain records with every number that the page shows.

The names of fields are a promise; new ones may be added. `schema_version` changes where one goes or changes its meaning.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Numbers = list[float]
Matrix = list[list[float]]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sink(Record):
    """A token that is read more than its share. `share`: the part of all weights that it gets; `times`: that over an even share."""

    token: int
    label: str
    share: float
    times: float


class HeadRecord(Record):
    """One head of one attention, over the rows of one sample.

    `entropy`: mean of the rows' entropies in bits, `most_entropy` that of even weights; `distance`: mean distance in tokens between who
    reads and what is read (None where rows and keys are different tokens); `received`: the share of all weights that each key gets, and
    `greatest` that of the most read one, over an even share.
    """

    entropy: float
    most_entropy: float
    distance: float | None
    received: Numbers
    greatest: float
    sinks: list[Sink]


class MapRecord(Record):
    """The weights of one attention on one sample: `maps[head][row][key]`. A cell is the mean over `tokens_per_cell` rows and keys; numbers
    of heads are of the whole map. `rows` and `keys` are the labels of the cells. `shares`: what each key receives over an even share, the
    mean of the heads."""

    site: str
    rows: list[str]
    keys: list[str]
    row_count: int
    key_count: int
    tokens_per_cell: tuple[int, int]
    maps: list[Matrix]
    heads: list[HeadRecord]
    shares: Numbers


class TokenFlow(Record):
    """What reaches the end of a stack of self-attentions. `rollout[row][token]`; `flow` for the rows in `flow_rows`."""

    sites: list[str]
    labels: list[str]
    rollout: Matrix
    flow_rows: list[int]
    flow: Matrix


class GateRecord(Record):
    """The values of a gate on one sample: `axes` with their sizes; `along[axis]` is the mean over all other axes.

    `plane` are the values over `plane_axes`, the mean over the others, where there are two axes or more; `is_places`: these axes are the
    height and width of the sample's image."""

    name: str
    line: str
    axes: dict[str, int]
    least: float
    mean: float
    most: float
    along: dict[str, Numbers]
    plane_axes: tuple[str, str] | None
    plane: Matrix | None
    is_places: bool


class SampleRecord(Record):
    """One sample. `tokens`: its labels, where it has some; `grid`: rows and columns of the tokens of an image, after `extra` others;
    `image`: a PNG as a data URI."""

    name: str
    tokens: list[str]
    grid: tuple[int, int] | None
    extra: int
    image: str | None
    maps: list[MapRecord]
    token_flow: TokenFlow | None
    gates: list[GateRecord]


class SiteRecord(Record):
    """An attention, or one step of one in a loop: `address` is what a probe calls its weights, `steps` says which step of which axes, and
    `name` both; `layer` is the block it is in. Axes are as the program calls them."""

    name: str
    address: str
    steps: dict[str, int]
    layer: str
    rows: list[str]
    keys: list[str]
    heads: list[str]
    head_count: int
    importance: Numbers | None


class Report(Record):
    """Everything that was found. `similarity` is the cosine of every two heads' maps, the heads of all sites in their order, the mean over
    the samples. `notes` say what was left out and why."""

    schema_version: int = 1
    program: str
    block: str
    signature: str
    parameters: int
    sites: list[SiteRecord]
    samples: list[SampleRecord]
    similarity: Matrix | None
    importance: str | None
    notes: list[str]
