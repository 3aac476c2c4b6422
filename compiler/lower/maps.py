"""Maps of attention, worked out when they are looked at: whole, in part, or in blocks, in memory that does not grow with the map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import ceil, inf, prod

import torch
from torch import Tensor, fx, nn

from ..graph import Graph, Node
from ..probe.region import Region
from ..types import STAR
from .emitter import Value
from .seen import SeenValue, call_error, check

BLOCK = 1 << 22
"""How many numbers of a map are worked out at once: 16 MiB in float32."""

Taken = Mapping[str, slice]


@dataclass(frozen=True, eq=False, repr=False)
class SeenWeights(SeenValue):
    """The weights that an attention reads with, last its `rows` and its `keys`: rows add up to one where it is a softmax.

    They are worked out from what lies below the map when they are asked for, and not kept. Of a softmax the sums of its rows are kept, once
    they are known: after that, some keys of a row cost no more than these keys."""

    name: str
    axes: tuple[str, ...]
    rows: tuple[str, ...]
    keys: tuple[str, ...]
    region: Region
    leaves: tuple[Tensor, ...]
    leading: tuple[int, ...] | None
    recomputed: bool = True

    @cached_property
    def _function(self) -> Function:
        return Function(self.region, self._dtype)

    @cached_property
    def _dtype(self) -> torch.dtype:
        return torch.float64 if any(leaf.dtype == torch.float64 for leaf in self.leaves) else torch.float32

    @property
    def sizes(self) -> dict[str, int]:
        found = sizes_of(self.region, self.leaves)
        return {name: found[name] for name in self.axes}

    @property
    def shape(self) -> tuple[int, ...]:
        inner = tuple(size for name, size in self.sizes.items() if name != STAR)
        return (*(self.leading or ()), *inner) if STAR in self.axes else inner

    @property
    def tensor(self) -> Tensor:
        """The whole map."""
        return self._taken({})

    def _taken(self, asked: Mapping[str, int | slice]) -> Tensor:
        return self._without(self._part({name: _as_slice(index) for name, index in asked.items()}), asked, len(self.axes))

    def pooled(self, most: int = 256, where: Mapping[str, int | slice] | None = None, **more: int | slice) -> Tensor:
        """The map in blocks: means over so many rows and keys that at most `most` of each remain. All rows are worked out, some at a time,
        so that memory does not grow with the square of the length. A block's sum is its mean times the keys in it."""
        if most < 1:
            raise call_error(f"a map cannot be pooled to {most} blocks", "most=256 gives at most 256 rows and keys")
        asked = {**(where or {}), **more}
        check(self, asked)
        taken = {name: _as_slice(index) for name, index in asked.items()}
        places = {name: range(size)[taken.get(name, slice(None))] for name, size in self.sizes.items()}
        counts = {name: len(found) for name, found in places.items()}
        outer, rows, keys = (prod(counts[name] for name in names) for names in (self._outer, self.rows, self.keys))
        pool, first = Pool(rows, keys, most), 0
        for run in row_runs({name: places[name] for name in self.rows}, BLOCK // max(outer * keys, 1)):
            part = self._part({**taken, **run}).flatten(len(self._outer) + len(self.rows))
            part = part.flatten(len(self._outer), -2) if self.rows else part[..., None, :]
            pool.add(part, first)
            first += part.shape[-2]
        gone = [all(isinstance(asked.get(name), int) for name in names) for names in (self.rows, self.keys)]
        return self._without(pool.means()[..., 0 if gone[0] else slice(None), 0 if gone[1] else slice(None)], asked, len(self._outer))

    def _without(self, part: Tensor, asked: Mapping[str, int | slice], count: int) -> Tensor:
        """A part whose first `count` axes are the map's: those asked for at one position go, and `*` gets its dimensions."""
        part = part[tuple(0 if isinstance(asked.get(name), int) else slice(None) for name in self.axes[:count])]
        whole = STAR in self.axes and STAR not in asked and self.leading is not None
        return part.reshape(*(self.leading or ()), *part.shape[1:]) if whole else part

    @property
    def _outer(self) -> tuple[str, ...]:
        return self.axes[: len(self.axes) - len(self.rows) - len(self.keys)]

    def _part(self, taken: Taken) -> Tensor:
        """These positions of some axes, a tensor with all of them."""
        some = any(len(range(size)[taken.get(name, slice(None))]) < size for name, size in self.sizes.items() if name in self.keys)
        if some and self.region.split is not None:
            return self._in_order(self.region.split.block, self._rows.block(taken), taken)
        return self._in_order(self.region, self._function(self.leaves, taken), taken)

    def _in_order(self, region: Region, made: Tensor, taken: Taken) -> Tensor:
        """Axes along which the leaves could not be cut are cut here: a weight hangs on all its row."""
        rest = [slice(None) if name in region.parted else taken.get(name, slice(None)) for name in self.axes]
        return made.permute([region.map.tensor.names.index(name) for name in self.axes])[tuple(rest)]

    @cached_property
    def _rows(self) -> RowSums:
        return RowSums(self.region, self.leaves, self._dtype)


# ---------------------------------------------------------------- parts


class Function:
    """A region as a function of parts of its leaves, that works in `dtype`."""

    def __init__(self, region: Region, dtype: torch.dtype) -> None:
        self.region = region
        self.module = _module_of(region, dtype)

    def __call__(self, leaves: Sequence[Tensor], taken: Taken, *more: Tensor) -> Tensor:
        """The values at these positions of the axes along which leaves may be cut. `more` is cut already."""
        own = {name: index for name, index in taken.items() if name in self.region.parted}
        with torch.no_grad():
            made: Tensor = self.module(*(_cut(leaf, node, own) for node, leaf in zip(self.region.leaves, leaves, strict=True)), *more)
        return made


class RowSums:
    """The softmax of a region by blocks: the logarithm of the sum of each row, found once and kept, and blocks that are made with it."""

    def __init__(self, region: Region, leaves: Sequence[Tensor], dtype: torch.dtype) -> None:
        split = region.split
        assert split is not None
        self.leaves, self.parted, self.keys = leaves, split.statistic.parted, region.map["axes"]
        self.names = split.statistic.map.tensor.names
        self.sum, self.exponential = Function(split.statistic, dtype), Function(split.block, dtype)
        self.sizes = sizes_of(region, leaves)
        self.known = leaves[0].new_full([self.sizes[name] for name in self.names], torch.nan, dtype=dtype)

    def block(self, taken: Taken) -> Tensor:
        """The weights at these positions of rows and keys."""
        own = {name: index for name, index in taken.items() if name in self.parted}
        cut = tuple(own.get(name, slice(None)) for name in self.names)
        if bool(self.known[cut].isnan().any()):
            self._find(own)
        return self.exponential(self.leaves, taken, self.known[cut])

    def _find(self, taken: Taken) -> None:
        """The sums at these positions, some rows at a time."""
        places = {name: range(self.sizes[name])[taken.get(name, slice(None))] for name in self.names}
        line = prod(len(places[name]) for name in self.names if name not in self.parted) * prod(self.sizes[name] for name in self.keys)
        for run in row_runs({name: places[name] for name in self.names if name in self.parted}, BLOCK // max(line, 1)):
            found = self.sum(self.leaves, run)
            found = torch.where(found == -inf, inf, found)  # a row without any key: all its weights are 0
            self.known[tuple(run.get(name, slice(None)) for name in self.names)] = found


def sizes_of(region: Region, leaves: Sequence[Tensor]) -> dict[str, int]:
    """The size of every axis that the leaves have."""
    found: dict[str, int] = {}
    for node, leaf in zip(region.leaves, leaves, strict=True):
        found.update(zip(node.tensor.names, leaf.shape, strict=True))
    return found


def row_runs(places: Mapping[str, range], most: int) -> Iterator[dict[str, slice]]:
    """Positions of some axes in parts of at most so many (or one), in the order of the axes, the last one innermost."""
    if not places:
        yield {}
        return
    (name, own), *rest = places.items()
    inner = prod(len(others) for _, others in rest)
    step = max(most // max(inner, 1), 1)
    for start in range(0, max(len(own), 1), step):
        for run in row_runs(dict(rest), most) if inner > most else [{other: _sliced(others) for other, others in rest}]:
            yield {name: _sliced(own[start : start + step]), **run}


def _sliced(places: range) -> slice:
    return slice(places[0], places[-1] + 1, places.step) if places else slice(0, 0)


def _as_slice(index: int | slice) -> slice:
    if isinstance(index, slice):
        return index
    return slice(index, index + 1 if index != -1 else None)


def _cut(leaf: Tensor, node: Node, taken: Taken) -> Tensor:
    return leaf[tuple(taken.get(name, slice(None)) for name in node.tensor.names)]


class Pool:
    """Means over cells of a map [.., rows, keys] whose rows come in parts; at most `most` cells down and across."""

    def __init__(self, rows: int, keys: int, most: int) -> None:
        self.rows, self.keys = rows, keys
        self.cell = ceil(rows / most) or 1, ceil(keys / most) or 1
        self.sums: Tensor | None = None

    def add(self, part: Tensor, first: int) -> None:
        """Some rows, from row `first` on."""
        down, across = self.cell
        narrow = part if across == 1 else _means(part, across)
        if self.sums is None:
            shape = *narrow.shape[:-2], ceil(self.rows / down), narrow.shape[-1]
            self.sums = narrow.new_zeros(shape)
        self.sums.index_add_(-2, (torch.arange(part.shape[-2], device=part.device) + first) // down, narrow)

    def means(self) -> Tensor:
        """The map in cells. The last ones may be smaller than the others."""
        assert self.sums is not None
        down = self.cell[0]
        counts = [min(down, self.rows - row) for row in range(0, self.rows, down)]
        return self.sums / self.sums.new_tensor(counts)[:, None]


def _means(part: Tensor, count: int) -> Tensor:
    """Means of so many neighbours along the last axis."""
    flat = part.reshape(1, -1, part.shape[-1])
    return torch.nn.functional.avg_pool1d(flat, count, ceil_mode=True, count_include_pad=False).reshape(*part.shape[:-1], -1)


def _module_of(region: Region, dtype: torch.dtype) -> fx.GraphModule:
    from .lowering import ModuleWriter

    writer = ModuleWriter(Graph("map", (), ()), dtype=dtype)
    for node in region.inputs:
        x = writer.graph.placeholder(node["name"])
        writer.seed(node, Value(x, node.tensor.names))
        writer.host = writer.host or x
        for place, name in enumerate(node.tensor.names):
            writer.symbols.setdefault(name, partial(writer.method, "size", x, place))
    result = writer.above(region.map)
    writer.graph.output(result)
    writer.finish()
    return fx.GraphModule(nn.Module(), writer.graph, "Map")
