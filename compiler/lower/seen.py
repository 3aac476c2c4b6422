"""What a probe gives: the values of a run that were asked for, and maps of attention that are worked out when they are looked at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import ceil, prod
from typing import Any, cast

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


class SeenValue(ABC):
    """A value of a run. `axes` are those of its dimensions; `*` stands for any number of leading ones, and comes first.

    `recomputed`: the running program does not hold it, because the optimiser merged, fused or removed it, so it was worked out on the
    side from what the program holds, as it is written. Otherwise it is the very tensor of the run.
    """

    name: str
    axes: tuple[str, ...]
    recomputed: bool

    @property
    @abstractmethod
    def tensor(self) -> Tensor:
        """The whole value, without gradients."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole value."""

    def at(self, where: Mapping[str, int | slice] | None = None, **more: int | slice) -> Tensor:
        """A part: `at(h=3, N=slice(0, 64))`, or `at({"h": 3, "N'": slice(0, 64)})`. A number takes the axis away."""
        asked = {**(where or {}), **more}
        _check(self, asked)
        return self._taken(asked)

    def pooled(self, most: int = 256, where: Mapping[str, int | slice] | None = None, **more: int | slice) -> Tensor:
        """A map of attention in blocks; any other value has none (E0607)."""
        raise _call_error(f"`{self.name}` is no map of attention: only weights come in blocks", "at(...) gives a part")

    @abstractmethod
    def _taken(self, asked: Mapping[str, int | slice]) -> Tensor: ...

    @property
    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """The size of every axis, that of `*` as one."""

    def __repr__(self) -> str:
        shape = ", ".join(map(str, self.shape))
        return f"<{self.name}: [{', '.join(self.axes)}], shape [{shape}]{', recomputed' if self.recomputed else ''}>"


@dataclass(frozen=True, eq=False, repr=False)
class SeenTensor(SeenValue):
    """A value that was there when the run was done. `leading` are the dimensions that `*` stands for."""

    name: str
    axes: tuple[str, ...]
    recomputed: bool
    value: Tensor
    leading: tuple[int, ...] | None

    @property
    def tensor(self) -> Tensor:
        return self._taken({})

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    @property
    def sizes(self) -> dict[str, int]:
        return dict(zip(self.axes, self.value.shape, strict=True))

    def _taken(self, asked: Mapping[str, int | slice]) -> Tensor:
        part = self.value[tuple(asked.get(name, slice(None)) for name in self.axes)]
        whole = STAR in self.axes and STAR not in asked and self.leading is not None
        return part.reshape(*(self.leading or ()), *part.shape[1:]) if whole else part


@dataclass(frozen=True, eq=False, repr=False)
class SeenWeights(SeenValue):
    """The weights that an attention reads with, last its keys: rows add up to one where it is a softmax. They are worked out from what lies
    below the map when they are asked for, and not kept."""

    name: str
    axes: tuple[str, ...]
    keys: tuple[str, ...]
    region: Region
    leaves: tuple[Tensor, ...]
    leading: tuple[int, ...] | None
    recomputed: bool = True

    @cached_property
    def _function(self) -> fx.GraphModule:
        return function_of(self.region, self._dtype)

    @cached_property
    def _dtype(self) -> torch.dtype:
        return torch.float64 if any(leaf.dtype == torch.float64 for leaf in self.leaves) else torch.float32

    @property
    def sizes(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for node, leaf in zip(self.region.leaves, self.leaves, strict=True):
            found.update(zip(node.tensor.names, leaf.shape, strict=True))
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
        return self._without(self._part({name: _as_slice(index) for name, index in asked.items()}), asked)

    def pooled(self, most: int = 256, where: Mapping[str, int | slice] | None = None, **more: int | slice) -> Tensor:
        """The map in blocks: means over so many rows and keys that at most `most` of each remain. All rows are worked out, some at a time,
        so that memory does not grow with the square of the length. A block's sum is its mean times the keys in it."""
        if most < 1:
            raise _call_error(f"a map cannot be pooled to {most} blocks", "most=256 gives at most 256 rows and keys")
        row = self.row
        asked = {**(where or {}), **more}
        _check(self, asked)
        taken = {name: _as_slice(index) for name, index in asked.items()}
        counts = {name: len(range(*taken.get(name, slice(None)).indices(size))) for name, size in self.sizes.items()}
        rows, keys = ceil(counts[row] / most) or 1, ceil(prod(counts[name] for name in self.keys) / most) or 1
        shape = (*(counts[name] for name in self._outer), ceil(counts[row] / rows), ceil(prod(counts[name] for name in self.keys) / keys))
        map = self.leaves[0].new_empty(shape, dtype=self._dtype)  # all of it first: small pieces between large ones fragment memory
        for places in _runs(taken.get(row, slice(None)), self.sizes[row], self._rows_at_once(counts, rows)):
            done = self._pool({**taken, row: places.taken}, rows, keys)
            map[..., places.start // rows : places.start // rows + done.shape[-2], :] = done
        return self._without(map, asked)

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


def _check(seen: SeenValue, asked: Mapping[str, int | slice]) -> None:
    for name, index in asked.items():
        if name not in seen.axes:
            near = near_names(name, seen.axes)
            hint = f"did you mean `{near[0]}`?" if near else f"its axes: {', '.join(seen.axes)}"
            raise _call_error(f"`{seen.name}` has no axis `{name}`", hint)
        size = seen.sizes[name]
        if isinstance(index, slice):
            step: int = cast(Any, index).step or 1
            if step < 1:
                raise _call_error(f"positions of `{name}` are taken in their order, not with a step of {step}", "flip the tensor after")
        elif not -size <= index < size:
            raise _call_error(f"`{seen.name}` has {size} positions along `{name}`, and {index} is none of them", "")


def _as_slice(index: int | slice) -> slice:
    if isinstance(index, slice):
        return index
    return slice(index, index + 1 if index != -1 else None)


@dataclass(frozen=True)
class _Run:
    """Some positions of an axis, and how many of those that are wanted come before them."""

    taken: slice
    start: int


def _runs(wanted: slice, size: int, most: int) -> Iterator[_Run]:
    """The wanted positions of an axis, at most so many at a time."""
    places = range(size)[wanted]
    for start in range(0, len(places), most):
        part = places[start : start + most]
        end = part[-1] + part.step
        yield _Run(slice(part[0], end if end >= 0 else None, part.step), start)


def _cut(leaf: Tensor, node: Node, taken: Mapping[str, slice]) -> Tensor:
    return leaf[tuple(taken.get(name, slice(None)) for name in node.tensor.names)]


def _call_error(title: str, help: str) -> AttnError:
    return AttnError([Diagnostic("E0607", title, NOWHERE, help=help)])


def function_of(region: Region, dtype: torch.dtype) -> fx.GraphModule:
    """The map as a module of the region's leaves, that works in `dtype`."""
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


# ---------------------------------------------------------------- what was asked for


class Seen(Mapping[str, SeenValue]):
    """The values of the last run inside a probe, by name. It belongs to you: the module keeps nothing of it."""

    def __init__(self, names: Sequence[str]) -> None:
        self.patterns = tuple(names)
        self._values: dict[str, SeenValue] = {}

    def fill(self, values: Mapping[str, SeenValue]) -> None:
        """Take the values of a run, in place of those of the run before."""
        self._values = dict(values)

    def __getitem__(self, name: str) -> SeenValue:
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
            help = "call the module inside the `with` block"
            raise AttnError([Diagnostic("E0607", "nothing was seen: the module has not run inside this probe", NOWHERE, help=help)])

    def __repr__(self) -> str:
        return "\n".join(map(repr, self._values.values())) or f"<nothing seen yet of {', '.join(self.patterns)}>"
