"""What a probe gives: the values of a run that were asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE
from ..probe.addresses import near_names
from ..types import STAR


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
        check(self, asked)
        return self._taken(asked)

    def pooled(self, most: int = 256, where: Mapping[str, int | slice] | None = None, **more: int | slice) -> Tensor:
        """A map of attention in blocks; any other value has none (E0607)."""
        raise call_error(f"`{self.name}` is no map of attention: only weights come in blocks", "at(...) gives a part")

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


def check(seen: SeenValue, asked: Mapping[str, int | slice]) -> None:
    """Raises AttnError (E0607) where a part is asked for that there is not."""
    for name, index in asked.items():
        if name not in seen.axes:
            near = near_names(name, seen.axes)
            hint = f"did you mean `{near[0]}`?" if near else f"its axes: {', '.join(seen.axes)}"
            raise call_error(f"`{seen.name}` has no axis `{name}`", hint)
        size = seen.sizes[name]
        if not isinstance(cast(Any, index), int | slice):
            raise call_error(f"a position of `{name}` is a whole number or a slice, not {index!r}", "at(h=3, N=slice(0, 64))")
        if isinstance(index, slice):
            step: int = cast(Any, index).step or 1
            if step < 1:
                raise call_error(f"positions of `{name}` are taken in their order, not with a step of {step}", "flip the tensor after")
        elif not -size <= index < size:
            raise call_error(f"`{seen.name}` has {size} positions along `{name}`, and {index} is none of them", "")


def call_error(title: str, help: str) -> AttnError:
    return AttnError([Diagnostic("E0607", title, NOWHERE, help=help)])


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
