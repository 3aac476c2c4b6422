"""What an operator's `lower` writes with: calls into PyTorch, over values whose order of axes is known.

A `Value` pairs an fx node with the axes of its dimensions. An operator asks for its inputs in the order it likes
(`order`, `align`, `flat`), emits calls by name, and returns the result with its order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ...dsl.frozen import frozen
from ..graph import Node
from ..sizes import Size
from ..types import Axis

if TYPE_CHECKING:
    from ..ops.pairs import Pairs


@frozen
class Value:
    """An fx node (or a Python number, for scalars known without tensors) and the axis of each of its dimensions."""

    fx: Any
    axes: tuple[str, ...]


class Emitter(Protocol):
    """The writing end of one fx graph."""

    def value(self, node: Node) -> Value:
        """The value of an input of the node being lowered (already lowered; order of axes as it happened to come out)."""
        ...

    def call(self, target: str, *args: Any, **kwargs: Any) -> Any:
        """Emit `target(*args)`: `torch.exp`, `torch.nn.functional.linear`, `operator.add`, or a function of the runtime files as
        `runtime.NAME`. Arguments: fx nodes, numbers, words, None, and lists or tuples of them. Returns the fx node."""
        ...

    def method(self, name: str, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Emit `x.name(*args)`."""
        ...

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` emits, emitted once for a key."""
        ...

    def piece(self, node: Node) -> tuple[tuple[int, ...], int] | None:
        """Where the whole axis of a `pick` or `cut` is taken apart: the sizes of all pieces (none for picks), and which one it is."""
        ...

    def size(self, size: Size) -> Any:
        """A size at run time: an int when known, else an fx node that computes it from the inputs' shapes (each emitted once)."""
        ...

    def sizes(self, axes: Sequence[Axis]) -> list[Any]: ...

    def tensor(self, node: Node) -> Value:
        """Like `value`, but a Python number becomes a tensor without dimensions."""
        ...

    def order(self, value: Value, axes: Sequence[str]) -> Any:
        """The fx node of `value` permuted so that its dimensions are exactly `axes` (same set). No call where nothing moves."""
        ...

    def align(self, values: Sequence[Value], axes: Sequence[str]) -> list[Any]:
        """Each value with its dimensions in the order of `axes`, size-1 dimensions where it lacks one (leading ones left out). Numbers
        stay numbers."""
        ...

    def full(self, value: Value, axes: Sequence[Axis]) -> Any:
        """`value` expanded to all of `axes`, in that order."""
        ...

    def flat(self, value: Value, groups: Sequence[Sequence[Axis]]) -> Any:
        """`value` permuted to the concatenation of `groups` (all its axes) and reshaped to one dimension per group; an empty group is a
        dimension of 1."""
        ...

    def unflat(self, fx: Any, groups: Sequence[Sequence[Axis]]) -> Value:
        """The inverse: an fx node with one dimension per group, split into its axes."""
        ...

    def wide(self, node: Node) -> Value:
        """A value in the wide float type (float64 where the module works in float64, else float32)."""
        ...

    def float_dtype(self) -> Any:
        """The working float dtype at run time: what `float` stands for."""
        ...

    def wide_dtype(self) -> Any:
        """The wide float dtype at run time (an fx node or a dtype), for making tensors."""
        ...

    def device(self) -> Any:
        """The device at run time, for making tensors (`device=e.device()`)."""
        ...

    def device_kind(self) -> str:
        """The kind of device that this is written for: `cpu` or `cuda`."""
        ...

    def per_pair(self, pairs: Pairs, dimensions: Sequence[Sequence[Axis]], added: bool = False) -> tuple[Any, tuple[Any, ...]]:
        """Emit a function of one pair as a body of its own: its attribute, and what it is given beside the places along `dimensions`.
        With `added` it adds to a score."""
        ...

    def training(self) -> Any:
        """`self.training` at run time."""
        ...

    def weight(self, slot: int, cast: bool = True) -> Value:
        """A weight of the module, split into its axes; a state that the run writes is read as of entry. Unless `cast` is off, one of
        floats is in the working type."""
        ...

    def as_kept(self, node: Node) -> Value:
        """Like `value`; a weight in the memory that the module keeps, to be written to, and in the dtype that it has there."""
        ...

    def parts(self, node: Node) -> tuple[Value, ...]:
        """The results of an input of the node being lowered that has several."""
        ...

    def loop(self, node: Node) -> tuple[Value, ...]:
        """Emit a `scan` node: its body as a module of its own and the loop around it. Yields first, then the final carries."""
        ...

    def pairs(
        self, ground: Sequence[Node], nodes: Sequence[Node], results: Sequence[Node], axes: tuple[str, ...]
    ) -> tuple[Any, tuple[Any, ...]]:
        """Emit arithmetic as a module of its own, which is called on parts of `ground`, tensors over all of `axes`; and the numbers that
        it takes after these."""
        ...

    def choice(self, node: Node) -> Value:
        """Emit a `choose` node: its bodies as modules of their own, and the comparison that picks one."""
        ...
