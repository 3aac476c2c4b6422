"""The report of `attn explain`: plain records that print as text or as JSON, with the same content.

The names of fields are a promise; new ones may be added. `schema_version` changes where one goes or changes its meaning.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(Model):
    """Where something stands: lines and columns count from 1, the end is excluded. `text` is the first line, without its indent."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str
    library: bool


class Amount(Model):
    """A formula in the sizes that are not bound (`batch` stands for the leading axes), and its number where none is open."""

    formula: str
    value: int | None


class Compared(Model):
    """The same thing before and after the passes. `ratio` is after / before where that is one number for all sizes."""

    before: Amount
    after: Amount
    ratio: float | None


class Costs(Model):
    """One run. `peak_at` is the operation at which the peak is reached (afterwards); `peak_sizes` are the sizes at which that was found
    where no formula holds for all. `prepared` are operations that `mode="infer"` does once, not in each run; `kept` bytes stay of them."""

    flops: Compared
    bytes: Compared
    peak_memory: Compared
    peak_at: Place | None
    peak_sizes: dict[str, int]
    parameters: Amount
    buffers: Amount
    prepared: Amount
    kept: Amount


class Rewrite(Model):
    """One thing a pass did, and the lines of the program it touched."""

    pass_name: str
    exact: bool
    text: str
    places: list[Place]


class Left(Model):
    """What looked like work for a pass and was left alone, with the reason."""

    pass_name: str
    text: str
    places: list[Place]


class Obstacle(Model):
    """What keeps a faster way from being taken, where it stands, and the smallest edit that takes it away."""

    reason: str
    text: str
    place: Place | None
    edit: str


class Dimensions(Model):
    """The axes that make up the four dimensions of PyTorch's fused attention."""

    batch: list[str]
    heads: list[str]
    rows: list[str]
    features: list[str]


class Attention(Model):
    """One attention in the text and the way it is computed.

    `fused`: one call of PyTorch's kernel. `products`: two of them and a softmax. `chunked`: some keys at a time. `explicit`: all scores
    are held. `written out`: products and a softmax that are not one `attend`. `taken apart`: another pass made something else of it.
    `scopes` are the blocks it stands in, one for each time it is there. `function` is what the generated code calls. `scratch` is the
    memory it holds besides inputs and result.
    """

    place: Place | None
    name: str
    scopes: list[str]
    way: Literal["fused", "products", "chunked", "explicit", "written out", "taken apart"]
    function: str
    scores: str
    layout: Dimensions | None
    scratch: Amount
    text: str
    obstacles: list[Obstacle]
    remarks: list[str]


class Choice(Model):
    """Made when the module runs: the first way where `condition` holds, else the second. `times`: how often it is there."""

    condition: str
    text: str
    place: Place | None
    times: int
    first: Amount
    second: Amount


class Note(Model):
    """Another faster way that was not taken."""

    text: str
    place: Place | None


class CopyLeft(Model):
    """A copy that only puts numbers in another order, as planned for all sizes: the order that is `wanted`, outermost first, and the one in
    which they `lie`; what reads it (`kernel`, empty where that is another operation), the bodies it stands in, and why it is made.
    `times`: how often it is there."""

    wanted: list[str]
    lies: list[str]
    bytes: Amount
    kernel: str
    within: list[str]
    text: str
    place: Place | None
    times: int


class Copied(Model):
    """A copy that only puts numbers in another order: its axes as they lay, its bytes in a run at the bound sizes (16 for open ones, 2 for
    leading axes), how many numbers for any sizes (empty where there is no one formula), and what asks for the order."""

    axes: list[str]
    bytes: int
    elements: str
    text: str
    place: Place | None


class Listing(Model):
    """The graph after a pass, for people who work on the compiler."""

    after: str
    text: str


class Timing(Model):
    pass_name: str
    milliseconds: float
    changes: int


class BackendChoice(Model):
    """Who runs the text, and why. `eager` and `inductor` are estimates of the work, in operations of a large matrix product, at `sizes`
    (what is not bound counts as so much); 0 where none were made."""

    wanted: Literal["eager", "inductor", "auto"]
    chosen: Literal["eager", "inductor"]
    text: str
    eager: int
    inductor: int
    sizes: dict[str, int]


class Numbers(Model):
    """The operators that work on half numbers: `products` of them are added up in float32 by PyTorch's kernels, `sums` have their sums,
    statistics or carries in float32, `others` go number by number. `wide` are those on positions and sizes, which are float32."""

    half: Literal["bfloat16", "float16"]
    weights: str
    products: list[str]
    sums: list[str]
    others: list[str]
    wide: list[str]


class Explanation(Model):
    """What the passes of a level did to a block. `str()` is the text that `attn explain` prints. `copies_left` is planned, `copies`
    measured; it is null where nobody asked, and so are `backend` and, without a half precision, `numbers`."""

    schema_version: Literal[1] = 1
    block: str
    file: str
    signature: str
    bound: dict[str, str]
    inputs: list[str]
    level: int
    mode: Literal["train", "infer"]
    stop_after: str | None
    memory: int | None
    cost: Costs
    rewrites: list[Rewrite]
    left: list[Left]
    attention: list[Attention]
    choices: list[Choice]
    notes: list[Note]
    copies_left: list[CopyLeft]
    copies: list[Copied] | None = None
    backend: BackendChoice | None = None
    numbers: Numbers | None = None
    listings: list[Listing] = []
    timings: list[Timing] = []

    def __str__(self) -> str:
        from .text import explanation_text

        return explanation_text(self)
