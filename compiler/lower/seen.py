"""What a probe gives: the values of a run that were asked for, and maps of attention that are worked out when they are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor, fx, nn

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from ..graph import Graph, Node
from ..probe.addresses import near_names
from ..probe.region import Region
from ..types import STAR
from .emitter import Value

BLOCK = 1 << 22
"""How many numbers of a map are worked out at once: 16 MiB in float32."""


@dataclass(frozen=True, eq=False)
class SeenValue:
    """A value of a run. `axes` are those of its dimensions; `*` stands for any number of leading ones, and comes first.

    `recomputed`: the running program does not hold it, because the optimiser merged, fused or removed it, so it was worked out on the
    side from what the program holds, as it is written. Otherwise it is the very tensor of the run.
    """

    name: str
    axes: tuple[str, ...]
    recomputed: bool
    value: Tensor = field(repr=False)

    @property
    def tensor(self) -> Tensor:
        """The value, without gradients."""
        return self.value

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    def __repr__(self) -> str:
        return _shown(self)


@dataclass(frozen=True, eq=False)
class SeenWeights:
    """The weights that an attention reads with, last its keys: rows add up to one where it is a softmax. They are worked out from what lies
    below the map when they are asked for, and not kept."""

    name: str
    axes: tuple[str, ...]
    keys: tuple[str, ...]
    region: Region = field(repr=False)
    leaves: tuple[Tensor, ...] = field(repr=False)
    leading: tuple[int, ...] | None = field(repr=False)

    @property
    def recomputed(self) -> bool:
        """True: a map is always worked out from what is below it, by the operations of the program as written."""
        return True

    @cached_property
    def _function(self) -> fx.GraphModule:
        return function_of(self.region)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The size of every axis, that of `*` as one."""
        found: dict[str, int] = {}
        for node, leaf in zip(self.region.leaves, self.leaves, strict=True):
            found.update(zip(node.tensor.names, leaf.shape, strict=True))
        return {name: found[name] for name in self.axes}

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole map."""
        inner = tuple(size for name, size in self.sizes.items() if name != STAR)
        return (*(self.leading or ()), *inner) if STAR in self.axes else inner

    @property
    def tensor(self) -> Tensor:
        """The whole map."""
        return self.at()

    def at(self, where: Mapping[str, int | slice] | None = None, **more: int | slice) -> Tensor:
        """A part of the map: `at(h=3, N=slice(0, 64))`, or `at({"h": 3, "N'": slice(0, 64)})`. A number takes the axis away."""
        asked = {**(where or {}), **more}
        self._check(asked)
        return self._without(self._part({name: _as_slice(index) for name, index in asked.items()}), asked)

    def pooled(self, most: int = 256, where: Mapping[str, int | slice] | None = None, **more: int | slice) -> Tensor:
        """The map in blocks: means over so many rows and keys that at most `most` of each remain. All rows are worked out, some at a time,
        so that memory does not grow with the square of the length. A block's sum is its mean times the keys in it."""
        if most < 1:
            raise _call_error(f"a map cannot be pooled to {most} blocks", "most=256 gives at most 256 rows and keys")
        row = self.row
        asked = {**(where or {}), **more}
        self._check(asked)
        taken = {name: _as_slice(index) for name, index in asked.items()}
        counts = {name: len(range(*taken.get(name, slice(None)).indices(size))) for name, size in self.sizes.items()}
        rows, keys = ceil(counts[row] / most) or 1, ceil(prod(counts[name] for name in self.keys) / most) or 1
        start, stop, step = taken.get(row, slice(None)).indices(self.sizes[row])
        places = range(start, stop, step)
        span = self._rows_at_once(counts, rows)
        blocks = [
            self._pool({**taken, row: slice(places[at], places[at] + step * len(places[at : at + span]), step)}, rows, keys)
            for at in range(0, len(places), span)
        ]
        return self._without(torch.cat(blocks, -2), asked)

    def _without(self, part: Tensor, asked: Mapping[str, int | slice]) -> Tensor:
        """A part that has all axes, without those that were asked for at one position, and with the dimensions of `*`."""
        part = part[tuple(0 if isinstance(asked.get(name), int) else slice(None) for name in self.axes[: part.dim()])]
        whole = STAR in self.axes and STAR not in asked and self.leading is not None
        return part.reshape(*(self.leading or ()), *part.shape[1:]) if whole else part

    @property
    def row(self) -> str:
        """The axis of rows, which is beside the keys."""
        return self.axes[-1 - len(self.keys)]

    @property
    def _outer(self) -> list[str]:
        return [name for name in self.axes if name not in self.keys and name != self.row]

    def _rows_at_once(self, counts: Mapping[str, int], rows: int) -> int:
        """How many rows are worked out together: a multiple of what is pooled, in a block of about BLOCK numbers."""
        line = prod(count for name, count in counts.items() if name != self.row)
        return max(BLOCK // max(line, 1) // rows, 1) * rows

    def _pool(self, taken: Mapping[str, slice], rows: int, keys: int) -> Tensor:
        part = self._part(taken)
        moved = [self.axes.index(name) for name in (*self._outer, self.row, *self.keys)]
        flat = part.permute(moved).flatten(len(self._outer) + 1)
        outer, shape = flat.shape[:-2], flat.shape[-2:]
        pooled = torch.nn.functional.avg_pool2d(flat.reshape(1, -1, *shape), (rows, keys), ceil_mode=True, count_include_pad=False)
        return pooled.reshape(*outer, *pooled.shape[-2:])

    def _part(self, taken: Mapping[str, slice]) -> Tensor:
        """These positions of some axes; keys are taken from whole rows, because every weight hangs on its whole row."""
        own = {name: index for name, index in taken.items() if name in self.region.parted}
        with torch.no_grad():
            made = self._function(*(_cut(leaf, node, own) for node, leaf in zip(self.region.leaves, self.leaves, strict=True)))
        rest = [taken[name] if name in taken and name not in own else slice(None) for name in self.axes]
        part: Tensor = made.permute([self.region.map.tensor.names.index(name) for name in self.axes])[tuple(rest)]
        return part

    def _check(self, asked: Mapping[str, Any]) -> None:
        for name, index in asked.items():
            if name not in self.axes:
                near = near_names(name, self.axes)
                hint = f"did you mean `{near[0]}`?" if near else f"its axes: {', '.join(self.axes)}"
                raise _call_error(f"`{self.name}` has no axis `{name}`", hint)
            size = self.sizes[name]
            if isinstance(index, int) and not -size <= index < size:
                raise _call_error(f"`{self.name}` has {size} positions along `{name}`, and {index} is none of them", "")

    def __repr__(self) -> str:
        return _shown(self)


def _shown(seen: SeenValue | SeenWeights) -> str:
    shape = ", ".join(map(str, seen.shape))
    return f"<{seen.name}: [{', '.join(seen.axes)}], shape [{shape}]{', recomputed' if seen.recomputed else ''}>"


def _as_slice(index: int | slice) -> slice:
    if isinstance(index, slice):
        return index
    return slice(index, index + 1 if index != -1 else None)


def _cut(leaf: Tensor, node: Node, taken: Mapping[str, slice]) -> Tensor:
    return leaf[tuple(taken.get(name, slice(None)) for name in node.tensor.names)]


def _call_error(title: str, help: str) -> AttnError:
    return AttnError([Diagnostic("E0607", title, NOWHERE, help=help)])


def function_of(region: Region) -> fx.GraphModule:
    """The map as a module of the region's leaves."""
    from .lowering import ModuleWriter

    writer = ModuleWriter(Graph("map", (), ()))
    for node in region.inputs:
        x = writer.graph.placeholder(node["name"])
        writer.seed(node, Value(x, node.tensor.names))
        writer.host = writer.host or x
        writer.typist = x if writer.typist is None and node.dtype == "float" else writer.typist
        for place, name in enumerate(node.tensor.names):
            writer.symbols.setdefault(name, lambda x=x, place=place: writer.method("size", x, place))
    result = writer.above(region.map)
    writer.graph.output(result)
    writer.finish()
    return fx.GraphModule(nn.Module(), writer.graph, "Map")


# ---------------------------------------------------------------- what was asked for


class Seen(Mapping[str, "SeenValue | SeenWeights"]):
    """The values of the last run inside a probe, by name. It belongs to you: the module keeps nothing of it."""

    def __init__(self, names: Sequence[str]) -> None:
        self.patterns = tuple(names)
        self._values: dict[str, SeenValue | SeenWeights] = {}

    def fill(self, values: Mapping[str, SeenValue | SeenWeights]) -> None:
        """Take the values of a run, in place of those of the run before."""
        self._values = dict(values)

    def __getitem__(self, name: str) -> SeenValue | SeenWeights:
        from ..probe.addresses import matching

        self._need_a_run()
        texts = matching(name, self._values)
        if len(texts) == 1:
            return self._values[texts[0]]
        near = near_names(name, self._values)
        title = f"`{name}` means {len(texts)} values here" if texts else f"`{name}` was not asked for"
        raise AttnError([Diagnostic("E0606", title, NOWHERE, help=f"seen here: {', '.join(texts or near or self._values)}")])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def _need_a_run(self) -> None:
        if not self._values:
            help = "call the module inside the `with` block; one that went through torch.compile runs code of its own, so call the module itself"
            raise AttnError([Diagnostic("E0607", "nothing was seen: the module has not run inside this probe", NOWHERE, help=help)])

    def __repr__(self) -> str:
        return "\n".join(map(repr, self._values.values())) or f"<nothing seen yet of {', '.join(self.patterns)}>"
