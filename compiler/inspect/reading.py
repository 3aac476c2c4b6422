"""Running a module on a sample and measuring its maps, some rows at a time where a map is large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from ..graph import Graph
from ..lower.maps import Pool, row_runs
from ..lower.probing import Served
from ..lower.seen import SeenValue
from .measures import Tally
from .records import GateRecord, HeadRecord, MapRecord, Sink
from .samples import Sample
from .sites import Gate, Site, gates_of, sites_of, stepped

if TYPE_CHECKING:
    from ..lower.module import AttnModule

CELLS = 256
"""A map is shown with at most so many rows and keys; a larger one in blocks."""
MOST_CELLS = 1 << 23
"""All heads of a sample together have no more cells than this."""
AT_ONCE = 1 << 23
"""How many weights are worked out together."""
MOST_STEPS = 32
"""So many steps of a loop are shown."""
MOST_SINKS = 8
LARGEST_PLANE = 128


@dataclass(frozen=True)
class Looked:
    """The module as a sample was run through it, its sites and gates, and their values; `notes` say which steps of loops are left out."""

    graph: Graph
    sites: tuple[Site, ...]
    gates: tuple[Gate, ...]
    values: Mapping[str, SeenValue]
    notes: tuple[str, ...] = ()


class Looker:
    """Runs samples. The module that gives maps is written once for every set of optional inputs."""

    def __init__(self, module: AttnModule) -> None:
        self.module = module
        self._known: dict[AttnModule, tuple[Looked, Served]] = {}

    def look(self, sample: Sample) -> Looked:
        inputs = alike(self.module, sample.inputs)
        runs = self.module.chosen((), inputs)
        if runs not in self._known:
            graph = runs.attn_graph
            sites, gates = sites_of(graph), gates_of(graph)
            served = Served(runs, [[*(site.address for site in sites), *(gate.address for gate in gates)]])
            self._known[runs] = Looked(graph, sites, gates, {}), served
        looked, served = self._known[runs]
        with torch.no_grad():
            _, (values,) = served.run((), inputs)
        sizes = {site: values[site.address.text].sizes for site in looked.sites}
        sites = tuple(stepped(looked.sites, sizes.__getitem__, MOST_STEPS))
        return Looked(looked.graph, sites, looked.gates, values, tuple(_left_out(sizes)))


def _left_out(sizes: Mapping[Site, Mapping[str, int]]) -> Iterator[str]:
    for site, counts in sizes.items():
        steps = prod(counts[name] for name in site.steps)
        if steps > MOST_STEPS:
            yield f"of the {steps} steps of `{site.address.text}` along {', '.join(site.steps)} the first {MOST_STEPS} are shown"


def alike(module: AttnModule, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Inputs on the device of the module's weights, and in their kind of floating point."""
    like = next((weight for weight in module.parameters() if weight.is_floating_point()), None)
    if like is None:
        return dict(inputs)
    return {name: x.to(like.device, like.dtype if x.is_floating_point() else x.dtype) for name, x in inputs.items()}


# ---------------------------------------------------------------- maps


@dataclass(frozen=True)
class Measured:
    """A map as it is shown, [heads, rows, keys] in cells, and what is known of its heads."""

    record: MapRecord
    map: Tensor


def cells_for(sites: Sequence[Site], values: Mapping[str, SeenValue]) -> int:
    """How many rows and keys a map of these is shown with."""
    heads = sum(prod(values[site.address.text].sizes[name] for name in site.heads) for site in sites)
    return max(min(CELLS, int((MOST_CELLS / max(heads, 1)) ** 0.5)), 16)


def measure(
    site: Site, seen: SeenValue, sample: Sample, grid: tuple[int, int] | None, extra: int, sinks: float, cells: int = CELLS
) -> Measured:
    """The numbers of one attention on one sample; `sinks` is how many times its share makes a token one, `cells` how many rows and keys
    the map is shown with."""
    sizes = seen.sizes
    rows, keys = (prod(sizes[name] for name in names) for names in (site.rows, site.keys))
    positions, placed = _positions(site, sizes, keys, grid, extra)
    tally, pool, first = Tally(positions, placed), Pool(rows, keys, cells), 0
    for part in _parts(site, seen):
        tally.add(part, first, site.square)
        pool.add(part, first)
        first += part.shape[1]
    map = pool.means()
    labels = sample.tokens if len(sample.tokens) == keys else _labels(keys, grid, extra)
    row_labels = labels if site.square else tuple(map_labels(rows))
    heads = _heads(tally, keys, labels, sinks)
    record = MapRecord(
        site=site.title, rows=_cells(row_labels, pool.cell[0]), keys=_cells(labels, pool.cell[1]), row_count=rows, key_count=keys,
        tokens_per_cell=pool.cell, maps=rounded(map), heads=heads,
        shares=rounded(tally.shares().mean(0)),
    )  # fmt: skip
    return Measured(record, map)


def _parts(site: Site, seen: SeenValue) -> Iterator[Tensor]:
    """The map [heads, rows, keys] in parts of rows; places such as windows are averaged."""
    sizes = seen.sizes
    line = prod(size for name, size in sizes.items() if name not in (*site.rows, *site.steps, site.sample))
    for run in row_runs({name: range(sizes[name]) for name in site.rows}, AT_ONCE // max(line, 1)):
        yield _flat(site, seen, run)


def _flat(site: Site, seen: SeenValue, taken: Mapping[str, slice]) -> Tensor:
    asked: dict[str, int | slice] = {**taken, **dict(zip(site.steps, site.at, strict=True))}
    if site.sample is not None:
        asked[site.sample] = 0
    part = seen.at(asked)
    left = [name for name in seen.axes if name != site.sample and name not in site.steps]
    order = (*site.places, *site.heads, *site.rows, *site.keys)
    part = part.permute(*(left.index(name) for name in order)).float().cpu()
    part = part.mean(tuple(range(len(site.places)))) if site.places else part
    split = len(site.heads), len(site.rows)
    shape = part.shape
    return part.reshape(prod(shape[: split[0]]), prod(shape[split[0] : sum(split)]), prod(shape[sum(split) :]))


def _positions(site: Site, sizes: Mapping[str, int], keys: int, grid: tuple[int, int] | None, extra: int) -> tuple[Tensor, Tensor]:
    """Where the keys are, and which of them are anywhere."""
    placed = torch.ones(keys, dtype=torch.bool)
    if len(site.keys) > 1:
        axes = [torch.arange(sizes[name]) for name in site.keys]
        return torch.cartesian_prod(*axes).reshape(keys, -1).double(), placed
    if grid is None or grid[0] * grid[1] + extra != keys:
        return torch.arange(keys).double().reshape(-1, 1), placed
    places = torch.cartesian_prod(torch.arange(grid[0]), torch.arange(grid[1])).double()
    placed[:extra] = False
    return torch.cat([torch.zeros(extra, 2).double(), places]), placed


def _heads(tally: Tally, keys: int, labels: Sequence[str], sinks: float) -> list[HeadRecord]:
    assert tally.entropies is not None
    entropies = tally.entropies / max(tally.rows, 1)
    shares = tally.shares()
    received = shares / max(keys, 1)
    distances = None if tally.distances is None or not tally.placed_rows else tally.distances / tally.placed_rows
    most = float(torch.log2(torch.tensor(float(max(keys, 1)))))
    return [
        HeadRecord(
            entropy=_short(float(entropies[head])), most_entropy=_short(most),
            distance=None if distances is None else _short(float(distances[head])),
            received=rounded(received[head]), greatest=_short(float(shares[head].max()) if keys else 0.0),
            sinks=_sinks(received[head], labels, sinks),
        )
        for head in range(len(entropies))
    ]  # fmt: skip


def _sinks(received: Tensor, labels: Sequence[str], times: float) -> list[Sink]:
    """The tokens that get so many times their share or more, the greediest first."""
    even = 1 / len(received)
    order = sorted(range(len(received)), key=lambda token: (-float(received[token]), token))[:MOST_SINKS]
    return [
        Sink(token=token, label=labels[token], share=_short(float(received[token])), times=_short(float(received[token]) / even))
        for token in order
        if float(received[token]) / even >= times
    ]


def map_labels(count: int) -> list[str]:
    return [str(place) for place in range(count)]


def _labels(count: int, grid: tuple[int, int] | None, extra: int) -> tuple[str, ...]:
    """Names of tokens: places of an image as row and column, all others as numbers."""
    if grid is None or grid[0] * grid[1] + extra != count:
        return tuple(map_labels(count))
    names = ["class"] if extra == 1 else [f"extra {place}" for place in range(extra)]
    return (*names, *(f"{row},{column}" for row in range(grid[0]) for column in range(grid[1])))


def _cells(labels: Sequence[str], size: int) -> list[str]:
    if size == 1:
        return list(labels)
    return [f"{first}-{min(first + size, len(labels)) - 1}" for first in range(0, len(labels), size)]


# ---------------------------------------------------------------- gates


def measure_gate(gate: Gate, seen: SeenValue, places: tuple[str, str] | None) -> GateRecord:
    """The values of a gate: along every axis, and over the two axes that a picture shows best. `places` are the axes of an image."""
    value = seen.at({gate.sample: 0} if gate.sample is not None else {}).float().cpu()
    left = [name for name in seen.axes if name != gate.sample]
    sizes = dict(zip(left, value.shape, strict=True))
    plane = _plane(left, sizes, places)
    picture = None if plane is None else _mean_but(value, left, plane)
    if picture is not None and plane is not None and plane != tuple(name for name in left if name in plane):
        picture = picture.T
    return GateRecord(
        name=gate.address.text, line=gate.line, axes=sizes, least=_short(float(value.min())), mean=_short(float(value.mean())),
        most=_short(float(value.max())), along={name: rounded(_mean_but(value, left, (name,))) for name in left}, plane_axes=plane,
        plane=None if picture is None else rounded(_shrunk(picture)), is_places=plane is not None and plane == places,
    )  # fmt: skip


def _plane(names: Sequence[str], sizes: Mapping[str, int], places: tuple[str, str] | None) -> tuple[str, str] | None:
    """The two axes of a picture: height and width where a gate has both, else the last two, the longer one across."""
    if len(names) < 2:
        return None
    if places is not None and all(name in names for name in places):
        return places
    down, across = sorted(names[-2:], key=lambda name: sizes[name])
    return down, across


def _mean_but(value: Tensor, names: Sequence[str], kept: Sequence[str]) -> Tensor:
    gone = tuple(place for place, name in enumerate(names) if name not in kept)
    return value.mean(gone) if gone else value


def _shrunk(plane: Tensor) -> Tensor:
    pool = Pool(plane.shape[0], plane.shape[1], LARGEST_PLANE)
    pool.add(plane, 0)
    return pool.means()


# ---------------------------------------------------------------- numbers


def _short(value: float) -> float:
    """Five significant digits: the same text on every machine, for most rounding."""
    return float(f"{value:.5g}")


def rounded(x: Tensor) -> list[Any]:
    """Nested lists of numbers with five significant digits."""
    digits = x.detach().double()
    scale = 10.0 ** (4 - torch.floor(torch.log10(digits.abs().clamp_min(1e-300))))
    short: Any = (torch.round(digits * scale) / scale).nan_to_num(0.0, 0.0, 0.0)
    return cast("list[Any]", short.tolist())
