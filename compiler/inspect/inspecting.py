"""A module, looked at with samples: the maps of its attention, what they say, and its gates, as one report."""

from __future__ import annotations

import base64
import io
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from ..graph import Graph
from ..probe.addresses import normal
from ..probe.weights import batch_axis
from .flow import asked_rows, check_asked, flow_rows
from .flow import flow as flow_of
from .measures import rollout, similarity
from .reading import CELLS, Looked, Looker, Measured, cells_for, measure, measure_gate, rounded
from .records import Report, SampleRecord, SiteRecord, TokenFlow
from .samples import Sample
from .sites import Site

if TYPE_CHECKING:
    from ..lower.module import AttnModule

SINKS = 3.0
"""A token that is read three times as much as an even share is a sink, unless said otherwise."""
MOST_HEADS = 512
"""Heads whose maps are compared with each other."""

Importances = Mapping[str, Sequence[float]]


def inspect_module(
    module: AttnModule,
    samples: Sequence[Sample],
    importances: Importances | None = None,
    importance: str | None = None,
    sinks: float = SINKS,
    notes: Sequence[str] = (),
    flow: str | None = None,
) -> Report:
    """Everything that there is to say of the samples. The module is run as after `.eval()`, without gradients.

    `importances` are numbers of heads by place, as `attn.importances` gives them, and `importance` what they are. `flow` says to which
    tokens (see `asked_rows`); None is to all, where that takes seconds. Raises AttnError: E0609 where the module has neither attention nor
    gates, E0608 for a token of `flow` that there is not.
    """
    with undisturbed(module):
        looker = Looker(module)
        looked = [looker.look(sample) for sample in samples]
    if not any(one.sites or one.gates for one in looked):
        raise nothing_here(module.attn_graph)
    measured = [_measured(one, sample, sinks) for one, sample in zip(looked, samples, strict=True)]
    said = [*notes, *(note for one in looked for note in one.notes)]
    stacks = [_stack(one.sites, maps) for one, maps in zip(looked, measured, strict=True)]
    if flow is not None and any(stacks):
        check_asked(flow, [stack[0][1].record.keys for stack in stacks if stack])
    flows = [_token_flow(stack, flow, said) for stack in stacks]
    if any(site.square and maps.record.tokens_per_cell != (1, 1) for site, maps in zip(looked[0].sites, measured[0], strict=True)):
        said.append(
            f"rollout and flow are left out where maps are shown in blocks: they need every token, and more than {CELLS} are too many"
        )
    records = [_sample(*parts) for parts in zip(looked, samples, measured, flows, strict=True)]
    sites = _sites(looked[0], measured[0], importances or {})
    return Report(
        program=module.program, block=module.attn_graph.name, signature=repr(module),
        parameters=sum(weight.numel() for weight in module.parameters()),
        sites=sites, samples=records, similarity=_similarity(measured, said), importance=importance if importances else None,
        notes=list(dict.fromkeys(said)),
    )  # fmt: skip


@contextmanager
def undisturbed(module: AttnModule) -> Generator[None]:
    """The module as after `.eval()`; in the end as it was, with the states it had."""
    training = module.training
    kept = {name: buffer.clone() for name, buffer in module.named_buffers()}
    module.eval()
    try:
        yield
    finally:
        module.train(training)
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                buffer.copy_(kept[name])


def nothing_here(graph: Graph) -> AttnError:
    title = f"block `{graph.name}` has no attention with a map of weights, and no gate"
    help = "attend, or a softmax that is read with, makes a map; a gate is a sigmoid or a softmax that multiplies another value"
    return AttnError([Diagnostic("E0609", title, NOWHERE, help=help)])


def _measured(looked: Looked, sample: Sample, sinks: float) -> list[Measured]:
    found, cells = list[Measured](), cells_for(looked.sites, looked.values)
    for site in looked.sites:
        seen = looked.values[site.address.text]
        tokens = seen.sizes[site.keys[0]] if len(site.keys) == 1 else 0
        grid, extra = grid_of(looked.graph, sample, tokens)
        found.append(measure(site, seen, sample, grid, extra, sinks, cells))
    return found


def _sites(looked: Looked, measured: Sequence[Measured], importances: Importances) -> list[SiteRecord]:
    places = {normal(name): list(numbers) for name, numbers in importances.items()}
    return [
        SiteRecord(
            name=site.title, address=site.address.text, steps=dict(zip(site.steps, site.at, strict=True)), layer=site.layer,
            rows=list(site.rows), keys=list(site.keys), heads=list(site.heads),
            head_count=len(one.map), importance=_importance(places, site, len(one.map)),
        )
        for site, one in zip(looked.sites, measured, strict=True)
    ]  # fmt: skip


def _importance(places: Mapping[str, list[float]], site: Site, heads: int) -> list[float] | None:
    """The numbers of the place that is this attention's block. Steps of a loop have none of their own."""
    if site.steps:
        return None
    found = places.get(site.layer, places.get("") if len(places) == 1 else None)
    return [float(f"{value:.5g}") for value in found] if found is not None and len(found) == heads else None


def _similarity(measured: Sequence[Sequence[Measured]], notes: list[str]) -> list[list[float]] | None:
    """Cosines of all heads' maps, the mean over the samples."""
    found: list[Tensor] = []
    for maps in ([one.map for one in sample] for sample in measured):
        if len({map.shape[1:] for map in maps}) != 1 or sum(map.shape[0] for map in maps) > MOST_HEADS:
            if maps:
                notes.append("heads are not compared: their maps have different sizes, or there are too many")
            return None
        found.append(similarity(maps))
    return rounded(torch.stack(found).mean(0)) if found else None


# ---------------------------------------------------------------- a sample


def _sample(looked: Looked, sample: Sample, maps: Sequence[Measured], flow: TokenFlow | None) -> SampleRecord:
    tokens = maps[0].record.key_count if maps else 0
    grid, extra = grid_of(looked.graph, sample, tokens)
    return SampleRecord(
        name=sample.name, tokens=list(sample.tokens), grid=grid, extra=extra, image=picture(sample.image),
        maps=[one.record for one in maps], token_flow=flow,
        gates=[measure_gate(gate, looked.values[gate.address.text], _places(looked.graph, sample)) for gate in looked.gates],
    )  # fmt: skip


Stack = list[tuple[Site, Measured]]


def _stack(sites: Sequence[Site], maps: Sequence[Measured]) -> Stack:
    """The longest run of self-attentions over the same tokens."""
    pairs = zip(sites, maps, strict=True)
    runs = groupby(pairs, lambda pair: (pair[0].rows, pair[1].map.shape[1]) if _stackable(*pair) else None)
    empty: Stack = []
    return max((list(run) for key, run in runs if key is not None), key=len, default=empty)


def _token_flow(stack: Stack, asked: str | None, notes: list[str]) -> TokenFlow | None:
    """Rollout and flow through a stack."""
    if not stack:
        return None
    chosen, labels = [one.map for _, one in stack], stack[0][1].record.keys
    rows = flow_rows(len(labels), len(chosen)) if asked is None else asked_rows(asked, labels)
    if asked is None and len(rows) < len(labels):
        shown = "is shown to the first token alone" if rows else "is left out"
        notes.append(
            f"flow {shown}: that of all pairs of {len(labels)} tokens in {len(chosen)} layers takes long; --flow TOKENS asks for others"
        )
    return TokenFlow(
        sites=[site.title for site, _ in stack], labels=labels, rollout=rounded(rollout(chosen)), flow_rows=rows,
        flow=rounded(flow_of(chosen, rows)) if rows else [],
    )  # fmt: skip


def _stackable(site: Site, measured: Measured) -> bool:
    chained = site.carried or not site.steps
    return chained and site.square and not site.places and measured.record.tokens_per_cell == (1, 1) and measured.map.shape[1] > 1


# ---------------------------------------------------------------- images


def grid_of(graph: Graph, sample: Sample, tokens: int) -> tuple[tuple[int, int] | None, int]:
    """Rows and columns of the tokens of an image, where they are patches of one, and how many other tokens come first."""
    size = _image_size(graph, sample)
    if size is None or tokens == 0:
        return None, 0
    height, width = size
    for patch in range(1, min(size) + 1):
        if height % patch == 0 and width % patch == 0:
            extra = tokens - (height // patch) * (width // patch)
            if 0 <= extra <= 8 and min(height, width) // patch > 1:
                return (height // patch, width // patch), extra
    return None, 0


def _places(graph: Graph, sample: Sample) -> tuple[str, str] | None:
    """The axes of height and width of an image: the last two of the input that has four."""
    batch = batch_axis(graph)
    orders = [node["order"] for node in graph.inputs if node["name"] in sample.inputs and node.dtype == "float"]
    found = next((order for order in orders if len(order) == 4 and order[0] == batch), None)
    return None if found is None else (found[-2], found[-1])


def _image_size(graph: Graph, sample: Sample) -> tuple[int, int] | None:
    """Height and width of the image: of its picture, or of the one input with a batch and three axes more."""
    if sample.image is not None:
        return int(sample.image.shape[1]), int(sample.image.shape[2])
    batch = batch_axis(graph)
    for node in graph.inputs:
        order, x = node["order"], sample.inputs.get(node["name"])
        if x is not None and node.dtype == "float" and len(order) == 4 and order[0] == batch:
            return int(x.shape[-2]), int(x.shape[-1])
    return None


def picture(image: Tensor | None) -> str | None:
    """A PNG as a data URI."""
    if image is None:
        return None
    from PIL import Image

    pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous()
    file = io.BytesIO()
    made = Image.frombytes("RGB", (pixels.shape[1], pixels.shape[0]), bytes(pixels.untyped_storage()))
    made.thumbnail((512, 512))
    made.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
